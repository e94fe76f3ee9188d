"""The same kind of small talk in ten languages and nine scripts, invented with a seed.

Gives each as a Sample. Sentences are put together from parts: they are plain, and no
reader can know them by heart. Knows nothing of renderers or readers.
"""

from __future__ import annotations

import random

from samples import Sample

LANGUAGES = {
    "russian": "rus",
    "greek": "ell",
    "polish": "pol",
    "vietnamese": "vie",
    "arabic": "ara",
    "hebrew": "heb",
    "hindi": "hin",
    "thai": "tha",
    "japanese": "jpn",
    "korean": "kor",
}
"""Each with its name for Tesseract."""

_PARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "russian": (
        ("Сегодня утром", "Вчера вечером", "В прошлую среду", "Перед праздником"),
        ("моя сестра", "соседка Ольга", "учительница", "наша бабушка", "женщина из банка"),
        ("на вокзале", "в библиотеке", "у реки", "возле школы", "в большом магазине"),
        (
            "потеряла синий зонт.",
            "купила шесть билетов на поезд.",
            "ждала меня целый час.",
            "встретила старого друга и очень обрадовалась.",
            "забыла ключи и документы.",
        ),
    ),
    "greek": (
        ("Σήμερα το πρωί", "Χθες το βράδυ", "Την περασμένη Τετάρτη", "Πριν από τις γιορτές"),
        ("η αδελφή μου", "ο γείτονας", "η δασκάλα", "ο γιατρός μας", "μια φίλη"),
        ("στον σταθμό", "στη βιβλιοθήκη", "δίπλα στο ποτάμι", "έξω από το σχολείο"),
        (
            "έχασε μια μπλε ομπρέλα.",
            "αγόρασε έξι εισιτήρια για το τρένο.",
            "με περίμενε μία ολόκληρη ώρα.",
            "ξέχασε τα κλειδιά και τα έγγραφα.",
        ),
    ),
    "polish": (
        ("Dziś rano", "Wczoraj późnym wieczorem", "W zeszłą środę", "Tuż przed świętami"),
        ("moja siostra", "sąsiadka Żaneta", "nauczycielka", "nasza babcia", "kobieta z banku"),
        ("na dworcu", "w bibliotece", "nad rzeką", "obok szkoły", "w dużym sklepie"),
        (
            "zgubiła niebieską parasolkę.",
            "kupiła sześć biletów na pociąg.",
            "czekała na mnie całą godzinę.",
            "spotkała dawną przyjaciółkę i bardzo się ucieszyła.",
            "zapomniała kluczy i dokumentów.",
        ),
    ),
    "vietnamese": (
        ("Sáng nay", "Tối hôm qua", "Thứ tư tuần trước", "Trước ngày lễ"),
        ("chị gái tôi", "người hàng xóm", "cô giáo", "bà của chúng tôi", "một người bạn"),
        ("ở nhà ga", "trong thư viện", "bên bờ sông", "gần trường học"),
        (
            "đã làm mất một chiếc ô màu xanh.",
            "đã mua sáu vé tàu.",
            "đã đợi tôi suốt một tiếng đồng hồ.",
            "quên chìa khóa và giấy tờ.",
        ),
    ),
    "arabic": (
        ("هذا الصباح", "مساء أمس", "يوم الأربعاء الماضي", "قبل العيد"),
        ("أختي", "جارتنا", "المعلمة", "جدتي", "امرأة من المصرف"),
        ("في المحطة", "في المكتبة", "بجانب النهر", "قرب المدرسة", "في السوق الكبير"),
        (
            "فقدت مظلة زرقاء.",
            "اشترت ست تذاكر للقطار.",
            "انتظرتني ساعة كاملة.",
            "التقت بصديقة قديمة وفرحت كثيرا.",
            "نسيت المفاتيح والأوراق.",
        ),
    ),
    "hebrew": (
        ("הבוקר", "אתמול בערב", "ביום רביעי שעבר", "לפני החג"),
        ("אחותי", "השכנה", "המורה", "סבתא שלנו", "אישה מהבנק"),
        ("בתחנה", "בספרייה", "ליד הנהר", "מול בית הספר", "בשוק הגדול"),
        (
            "איבדה מטרייה כחולה.",
            "קנתה שישה כרטיסים לרכבת.",
            "חיכתה לי שעה שלמה.",
            "פגשה חברה ותיקה ושמחה מאוד.",
            "שכחה את המפתחות ואת המסמכים.",
        ),
    ),
    "hindi": (
        ("आज सुबह", "कल शाम को", "पिछले बुधवार", "त्योहार से पहले"),
        ("मेरी बहन", "पड़ोसन", "अध्यापिका", "हमारी दादी", "बैंक की एक महिला"),
        ("स्टेशन पर", "पुस्तकालय में", "नदी के किनारे", "विद्यालय के पास", "बड़े बाज़ार में"),
        (
            "अपना नीला छाता भूल गई।",
            "रेल के छह टिकट लाई।",
            "एक घंटे तक मेरी राह देखती रही।",
            "पुरानी सहेली से मिली और बहुत खुश हुई।",
        ),
    ),
    "thai": (
        ("เมื่อเช้านี้", "เมื่อวานตอนเย็น", "วันพุธที่แล้ว", "ก่อนวันหยุด"),
        ("พี่สาวของฉัน", "เพื่อนบ้าน", "คุณครู", "คุณยายของเรา"),
        ("ที่สถานีรถไฟ", "ในห้องสมุด", "ริมแม่น้ำ", "หน้าโรงเรียน"),
        (
            "ทำร่มสีน้ำเงินหาย",
            "ซื้อตั๋วรถไฟหกใบ",
            "รอฉันหนึ่งชั่วโมงเต็ม",
            "ลืมกุญแจและเอกสาร",
        ),
    ),
    "japanese": (
        ("今朝、", "昨日の夜、", "先週の水曜日、", "お祭りの前に、"),
        ("姉が", "近所の人が", "先生が", "祖母が", "友だちが"),
        ("駅で", "図書館で", "川のそばで", "学校の前で", "大きな店で"),
        (
            "青いかさをなくしました。",
            "電車の切符を六枚買いました。",
            "一時間も待っていてくれました。",
            "昔の友人に会って、とても喜びました。",
            "かぎと書類を忘れました。",
        ),
    ),
    "korean": (
        ("오늘 아침에", "어제 저녁에", "지난 수요일에", "명절 전에"),
        ("언니가", "이웃 사람이", "선생님이", "우리 할머니가", "친구가"),
        ("역에서", "도서관에서", "강가에서", "학교 앞에서", "큰 시장에서"),
        (
            "파란 우산을 잃어버렸어요.",
            "기차표를 여섯 장 샀어요.",
            "한 시간 동안 저를 기다렸어요.",
            "옛 친구를 만나서 무척 기뻐했어요.",
            "열쇠와 서류를 두고 왔어요.",
        ),
    ),
}


def script_samples(characters: int) -> list[Sample]:
    """A text of each language, of about ``characters`` characters, 1 to 4 sentences a turn."""
    return [Sample(name, "invented", _turns(name, characters)) for name in LANGUAGES]


def _turns(language: str, characters: int) -> tuple[str, ...]:
    draw = random.Random(language)
    between = "" if language == "japanese" else " "
    turns: list[str] = []
    while sum(map(len, turns)) < characters:
        sentences = [
            between.join(draw.choice(part) for part in _PARTS[language])
            for _ in range(draw.randrange(1, 5))
        ]
        turns.append(between.join(sentences))
    return tuple(turns)
