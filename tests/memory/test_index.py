"""Words to search terms, and what a search of the journal finds by them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.index import terms, wanted
from sfumato.journal import Journal
from sfumato.turn import Image, Text, ToolCall, ToolResult, turn


def is_filed(query: str, text: str) -> bool:
    """Whether the text is filed under all that the question looks for."""
    filed = set(terms(text))
    words = wanted(query)
    return bool(words) and all(
        filed.issuperset(word.exact) or (word.pieces and filed.issuperset(word.pieces))
        for word in words
    )


def asked(query: str) -> list[str]:
    return [term for word in wanted(query) for term in word.exact]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("I booked a flight yesterday", "flights"),
        ("we were running late", "run"),
        ("Caroline's new house", "caroline"),
        ("the gate is LH1174", "LH1174"),
        ("the gate is LH1174", "lh1174?"),
        ("the gate is LH1174", "1174"),
        ("set user_id to 7", "user_id"),
        ("set user_id to 7", "user id"),
        ("call parseJSON(text)", "parseJSON"),
        ("call parseJSON(text)", "json"),
        ("class HTTPServerError", "server"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "446655440000"),
        ("in /usr/lib/python3.11/re.py", "/usr/lib/python3.11/re.py"),
        ("in /usr/lib/python3.11/re.py", "re.py"),
        ("see https://example.org/a/b?c=d", "example.org"),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "9fceb02"),
        (
            "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
            "9fceb02d0ae598e95dc970b74767f19372d61af8",
        ),
        ("it costs $1,234.50", "1234.50"),
        ("it costs 12345678", "12,345,678"),
        ("東京タワーに行きました", "東京"),
        ("東京タワーに行きました", "タワー"),
        ("我们明天去北京吃烤鸭", "北京"),
        ("我家有猫", "猫"),
        ("서울에서 만나요", "서울"),
        ("ฉันชอบกินข้าวผัด", "ข้าวผัด"),
        ("हिन्दी में लिखा", "हिन्दी"),
        ("мы встретились в Москве", "Москва"),
        ("новые книги", "книга"),
        ("a café in Málaga", "cafe malaga"),
        ("a cafe in Malaga", "café"),
        ("Ångström und Straße", "angstrom strasse"),
        ("ﬁle ２０２３", "file 2023"),
        ("made in the US", "US"),
        ("naïve", "nai\u0308ve"),
        ("soft\u00adhyphen", "softhyphen"),
    ],
)
def test_what_is_asked_for_is_filed(text: str, query: str) -> None:
    assert is_filed(query, text)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("the gate is LH1174", "LH1175"),
        ("do it for us", "US"),
        ("北京", "东京"),
        ("user_name", "user_id"),
    ],
)
def test_what_differs_is_told_apart(text: str, query: str) -> None:
    assert not is_filed(query, text)


def test_questions_leave_out_words_that_say_nothing() -> None:
    assert asked("What did you say about the flight?") == ["flight"]
    assert asked("Can you remember when?") != []
    assert asked("???") == []


def test_a_text_is_filed_under_few_terms() -> None:
    text = "The quick brown fox jumps over the lazy dog and it was not amused by that"
    assert len(terms(text)) < len(text.split())


@given(st.text())
def test_any_text_has_terms_that_can_be_stored(text: str) -> None:
    for term in terms(text) + asked(text):
        assert term
        assert not any(character.isspace() for character in term)


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=12))
def test_every_word_finds_itself(word: str) -> None:
    assert wanted(word) == [] or is_filed(word, f"before {word} after")


@pytest.fixture
def journal(tmp_path: Path):
    made = Journal(f"sqlite:///{tmp_path}/store.db")
    yield made
    made.close()


def found(journal: Journal, query: str, k: int = 5, thread: str = "a") -> list[int]:
    return [hit.seq for hit in journal.search(thread, query, k)]


def test_every_part_of_a_turn_is_searched(journal: Journal) -> None:
    journal.append(
        "a",
        [
            turn("user", "apples", name="Wilhelmina"),
            turn("user", [Text("look"), Image(b"x", caption="a heron by the lake")]),
            turn(
                "assistant", [ToolCall("c", "find_trains", '{"to": "Z\\u00fcrich", "n": [4711]}')]
            ),
            turn("tool", [ToolResult("c", (Text("ICE 599 departs"),), "find_trains")]),
            turn("assistant", [ToolCall("d", "f", "not json: quokka")]),
        ],
    )
    for query, seq in {
        "apple": 1,
        "wilhelmina": 1,
        "heron": 2,
        "zürich": 3,
        "4711": 3,
        "ICE 599": 4,
        "quokka": 5,
    }.items():
        assert found(journal, query)[0] == seq, query
    assert sorted(found(journal, "find_trains")) == [3, 4]


def test_the_best_match_comes_first_and_scores_fall(journal: Journal) -> None:
    journal.append(
        "a",
        [
            turn("user", "the cat sat on the mat"),
            turn("user", "cats and dogs"),
            turn("user", "a black cat with a red collar"),
            turn("user", "nothing of the kind"),
        ],
    )
    hits = journal.search("a", "Who has the cat with the red collar?", 10)
    assert hits[0].seq == 3
    assert {hit.seq for hit in hits} == {1, 2, 3}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(hit.score > 0 for hit in hits)
    assert found(journal, "cat", 1) == [2]
    assert found(journal, "cat", 0) == []


def test_an_identifier_finds_its_turn_and_no_neighbour(journal: Journal) -> None:
    journal.append("a", [turn("user", f"ticket AB{n:04} was closed") for n in range(50)])
    assert found(journal, "AB0017") == [18]


def test_an_answer_is_found_by_the_words_of_its_question(journal: Journal) -> None:
    filler = [turn("user", f"nothing much {n}") for n in range(8)]
    journal.append(
        "a",
        [
            turn("user", "the violin is out of tune"),
            *filler,
            turn("user", "Which instrument did you learn as a child?"),
            turn("assistant", "the violin of course"),
        ],
    )
    assert found(journal, "Did she learn the violin as a child?") == [11, 10, 1]


def test_a_search_may_end_before_a_mark(journal: Journal) -> None:
    journal.append("a", [turn("user", f"heron {n}") for n in range(9)])
    assert sorted(hit.seq for hit in journal.search("a", "heron", 20, before=4)) == [1, 2, 3]


def test_threads_do_not_see_or_sway_each_other(journal: Journal) -> None:
    texts = ["apples and pears", "pears and plums", "plums"]
    journal.append("a", [turn("user", text) for text in texts])
    alone = journal.search("a", "pears or plums?", 5)
    journal.append("b", [turn("user", "plums plums plums")] * 20)
    assert journal.search("a", "pears or plums?", 5) == alone


def test_echoes_and_turns_out_of_the_conversation_are_not_found(journal: Journal) -> None:
    journal.append("a", [turn("user", "heron one"), turn("user", "heron two")])
    journal.append("a", [turn("tool", "heron echo")], is_echo=lambda _: True)
    journal.append("a", [turn("user", "heron three")])
    journal.shelve("a", [1])
    journal.forget("a", 2)
    assert found(journal, "heron") == [4]
    journal.edit("a", 3, turn("tool", "heron echo again"))
    assert found(journal, "heron") == [4]


def test_a_rebuilt_index_gives_the_same_results(journal: Journal) -> None:
    journal.append("a", [turn("user", f"heron {n} of {n % 7} lakes?") for n in range(60)])
    journal.edit("a", 5, turn("user", "a kingfisher"))
    journal.shelve("a", [7, 8])
    journal.forget("a", 9)
    queries = ["heron 3", "lakes", "kingfisher", "8 of 1"]
    before = [journal.search("a", query, 20) for query in queries]
    journal.rebuild_index("a")
    assert [journal.search("a", query, 20) for query in queries] == before
    journal.rebuild_index()
    assert [journal.search("a", query, 20) for query in queries] == before


def test_an_index_of_older_terms_is_rebuilt_by_itself(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append("a", [turn("user", "heron")])
    for module in ("journal", "thread_writer", "verify"):
        monkeypatch.setattr(f"sfumato.{module}.TERMS_VERSION", 999)
    assert found(journal, "heron") == [1]
    journal.append("a", [turn("user", "another heron")])
    assert sorted(found(journal, "heron")) == [1, 2]
    assert journal.verify() == []
