"""One turn per script and per kind of content: what golden pages are drawn of.

All texts are ours. ``ROWS`` maps a row's name to the parts of its turn, ``PRIORITIES``
the parts of turns of every priority that stand on one page.
"""

from __future__ import annotations

from io import BytesIO

from PIL import Image as Pixels

from sfumato.renderers.geometry import Priority
from sfumato.turn import Image, Part, Text, ToolCall, ToolResult, Unknown


def _gradient() -> bytes:
    out = BytesIO()
    Pixels.linear_gradient("L").resize((160, 90)).save(out, "PNG")
    return out.getvalue()


def _text(*lines: str) -> tuple[Part, ...]:
    return (Text("\n".join(lines)),)


SCRIPTS: dict[str, tuple[Part, ...]] = {
    "latin": _text(
        "Žluťoučký kůň and Ærøskøbing's naïve façade: “ſtraße” – ñandú, Łódź, İstanbul, Việt Nam,",
        "ǆ ŵ ẽ ạ ọ́ ffi — all on one short line, with fi ligatures left alone.",
    ),
    "greek": _text("Η γρήγορη αλεπού πηδά πάνω από το τεμπέλικο σκυλί· ὁ ἄνθρωπος, ᾧ, Ὀδύσσεια."),
    "cyrillic": _text("Съешь ещё этих мягких булок. Їжак і ґанок. Ђоко, ѝ, Ўзбекистон, Ө ү ҳ."),
    "chinese": _text(
        "我们明天下午三点在港口见面，“请带上合同”（第二份）。他说：费用是￥3,450.20，不含税！",
        "繁體：龍門廟裏的鐘聲響了，憂鬱的臺灣烏龜。",
    ),
    "japanese": _text(
        "昨日、東京タワーへ行きました。「チケットは2,800円です」と言われて、びっくりしたよ。",
        "ｶﾀｶﾅとカタカナ、が・ぎ・ぐ、々〆ヶ。",
    ),
    "korean": _text("내일 오후 세 시에 항구에서 만나요. 계약서는 두 부를 가져오세요, 값은 3만 원!"),
    "arabic": _text("اجتماعنا غدًا الساعة ٣ في المرفأ، من فضلك أحضر العقد رقم 4471 (نسختان)."),
    "hebrew": _text("ניפגש מחר בשעה 3 בנמל, אנא הבא את חוזה 4471. שָׁלוֹם לְכֻלָּם!"),
    "mixed directions": _text("The sign says «ברוכים הבאים» and مرحبا بكم beside invoice 7741-B."),
    "devanagari": _text("हम कल दोपहर तीन बजे बंदरगाह पर मिलेंगे; कृपया अनुबंध की दो प्रतियाँ लाएँ। क्षत्रिय"),
    "thai": _text("พรุ่งนี้เจอกันบ่ายสามโมงที่ท่าเรือ กรุณานำสัญญามาด้วยสองฉบับ ขอบคุณค่ะ น้ำ ที่ ปู่"),
    "symbols": _text("☀ ☂ ♜ ♫ ⚠ ✓ ✗ → ⇒ ↔ ▲ ■ ★ ① ½ ‰ € ₹ ₿ © ™ ⌘ ⏎ ┌─┬─┐ ⠿ ❤️ 1️⃣"),
    "emoji": _text("Great 🎉 and sad 😢, a family 👨‍👩‍👧, a flag 🇮🇹, a hand 👍🏽: as code points."),
    "no shape": _text(
        "zero\u200bwidth, bidi\u202eoverride, null\x00, lone \ud800 surrogate, bell\x07."
    ),
}

CONTENTS: dict[str, tuple[Part, ...]] = {
    "prose": _text(
        "I moved the crane inspection to Thursday because Ana could not sign before noon, and the"
        " harbour office wants the papers a day ahead.",
        "",
        "Could you tell Rasmus? He is the one with the key.",
    ),
    "markdown": _text(
        "# Plan for *Thursday*",
        "",
        "- **Papers** to the office",
        "  - two copies, _signed_",
        "1. Crane inspection",
        "> quoted: bring the `key`",
        "",
        "See [the list](https://port.example/list?id=7#top).",
    ),
    "python": _text(
        "```python",
        "def fade(turns: list[str], *, keep: int = 3) -> str:",
        '    """Older turns, joined."""',
        "    return ' | '.join(t.strip() for t in turns[:-keep] if t != '')  # O(n), il1O0",
        "```",
    ),
    "languages": _text(
        "```",
        "for (int i = 0; i < n; ++i) { a[i] ^= b[i] << 2; }",
        "SELECT name, sum(due) FROM bill WHERE paid IS NULL GROUP BY 1;",
        "let f = |x: &str| -> Option<u8> { x.bytes().next() };",
        "\tgrep -rn 'TODO' src/ | awk -F: '{print $1}' | sort -u",
        "```",
    ),
    "diff": _text(
        "```diff",
        "--- a/harbour.py",
        "+++ b/harbour.py",
        "@@ -12,3 +12,3 @@ class Crane:",
        "     def lift(self):",
        "-        return self.load > 40",
        "+        return self.load >= 40",
        "```",
    ),
    "table": _text(
        "| berth | ship         |  draft |",
        "|-------|--------------|-------:|",
        "| 3     | Aurora       |  7.2 m |",
        "| 12    | Ærø Maru     | 11.9 m |",
        "",
        "name        qty   price",
        "rope         12   45.00",
        "shackle     140    3.20",
    ),
    "tool call": (
        Text("Let me look."),
        ToolCall("call_9", "find_bill", '{"number": "7741-B", "paid": false, "limit": 10}'),
    ),
    "tool result": (
        ToolResult(
            "call_9",
            (Text('[{"id":7741,"due":"2026-12-01","sum":3450.20,"items":["crane","rope"]}]'),),
            "find_bill",
        ),
    ),
    "log": (
        ToolResult(
            "call_2",
            _text(
                "2026-11-03T09:30:12.447Z  WARN  crane.hoist   load=41.2t limit=40t",
                "2026-11-03T09:30:12.981Z  ERROR crane.hoist   stop code=E-1107",
                "  at Hoist.lift (hoist.ts:88:13)",
            ),
            "logs",
            True,
        ),
    ),
    "stack trace": _text(
        "Traceback (most recent call last):",
        '  File "/srv/port/crane.py", line 88, in lift',
        "    self.hoist.raise_to(level)",
        "ValueError: load 41.2 t exceeds 40 t",
    ),
    "mathematics": _text(
        "∀ε>0 ∃δ: |x−a|<δ ⇒ |f(x)−L|<ε; ∑ᵢ₌₁ⁿ xᵢ² ≤ ∫₀¹ √(1−t²) dt ≈ π/4, ℝ ⊂ ℂ, 𝔼[X] ∈ ℕ"
    ),
    "addresses": _text(
        "https://port.example/berths/12/ships?name=Aurora&since=2026-11-01T00:00:00Z&sort=draft"
        "&page=2&token=9f8a7c6b5d4e3f2a1b0c",
        "sha256 4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
        "id 3f2b8c1e-77aa-4d0e-9a41-0c5d7e9b2f64, IT60 X054 2811 1010 0000 0123 456",
    ),
    "image": (Text("The crane today:"), Image(_gradient(), None, "image/png", "crane, north side")),
    "unknown part": (Unknown("openai", {"type": "audio", "id": "au_17"}),),
}

ROWS = SCRIPTS | CONTENTS

PRIORITIES: dict[Priority, tuple[Part, ...]] = {
    0: _text("The crane comes on Thursday, if the weather holds; Rasmus has the key."),
    1: _text("The safety code of berth 12 is 7741-B, and nobody may lift more than 38.5 t."),
    -1: _text(
        "This message and its attachments are meant for the addressee alone; the harbour office"
        " takes no responsibility for delays that wind, ice or strikes may bring."
    ),
}
