"""Exact strings and the sheet they ride on."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.facts import HEADING, LONGEST, exact_strings, factsheet, risk
from sfumato.layout_state import read_state, write_state
from sfumato.memory import Memory
from sfumato.store import Store
from sfumato.turn import ToolCall, now, turn


def count(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My flight is LH1174, seat 23F.", ["LH1174", "23F"]),
        ("see https://example.org/a?b=1&c=2.", ["https://example.org/a?b=1&c=2"]),
        ("it cost €1,240.50, or 99.5% of it", ["€1,240.50", "99.5%"]),
        ("on 12 May 2023 and July 5, 2024", ["12 May 2023", "July 5, 2024"]),
        ("at 2026-03-05T10:00:00Z", ["2026-03-05T10:00:00Z"]),
        ("call +49 30 1234 5678", ["+49 30 1234 5678"]),
        ("IBAN DE89 3702 0044 0532 0130 00", ["DE89 3702 0044 0532 0130 00"]),
        ("commit 3f2a9c1d broke src/app/main.py", ["3f2a9c1d", "src/app/main.py"]),
        ("id 550e8400-e29b-41d4-a716-446655440000", ["550e8400-e29b-41d4-a716-446655440000"]),
        ('{"id": "ord_9fK2","n":"SKU-11"}', ["ord_9fK2", "SKU-11"]),
        ("set MAX_SIZE in parseConfig", ["MAX_SIZE", "parseConfig"]),
        ("mail ana@example.org", ["ana@example.org"]),
        ("Рейс SU2134 в 09:45", ["SU2134", "09:45"]),
        ("we met on the 3rd of May, at 9:15 pm", ["3rd of May", "9:15 pm"]),
        (
            "he paid 34 thousand euros (or USD 1.5 million)",
            ["34 thousand euros", "USD 1.5 million"],
        ),
        ("我们在2024年5月12日见面，别忘了带伞。", ["2024年5月12日"]),
        ("请用gpt4o_mini打开https://example.org/a?b=1，付￥500。", ["gpt4o_mini", "￥500"]),
        ("رقم الغرفة ٤٥١٢ هنا", ["٤٥١٢"]),
        ("the plate is M AB 123, not XY-12", ["M AB 123", "XY-12"]),
        ("call +1 (555) 010-2345 (after five)", ["+1 (555) 010-2345"]),
        ("it listens on :8080, see ~/notes/todo", [":8080", "~/notes/todo"]),
        ("at 52.5200, -13.4050; gate 5", ["52.5200, -13.4050", "5"]),
        ("password k7{P]x[q9!a", ["k7{P]x[q9!a"]),
        ("the code is xqzrvt, in RSVP style", ["xqzrvt", "RSVP"]),
        ("**NaCl** and Ca(OH)2", ["NaCl", "Ca(OH)2"]),
        ('{"path":"/srv/a b","sum":"' + "9f" * 20 + '"}', ["9f" * 20]),
    ],
)
def test_exact_strings_are_found_by_shape(text, expected):
    found = exact_strings(turn("user", text))
    assert [f for f in expected if f not in found] == []


def test_plain_prose_has_no_exact_strings():
    assert exact_strings(turn("user", "I went home; the dog was happy to see me. Really?")) == ()


def test_the_numbers_of_a_list_are_no_exact_strings():
    assert exact_strings(turn("user", "1. Wash the rice.\n2) Wait.\n- Eat.")) == ()


def test_a_number_alone_is_an_answer_and_no_list():
    assert exact_strings(turn("user", "22.")) == ("22",)


hard_lines = st.sampled_from(
    ["1 ", "A ", "a1,", '"a1",', "(", "[(", "a://", "年1", "may ", "1 of ", "* ", "x.", "1, ", "“"]
)


@given(hard_lines, hard_lines)
@settings(max_examples=3, deadline=None)
def test_no_line_of_a_megabyte_takes_longer_than_seconds(one, other):
    line = (one * 40 + other * 40) * (1_000_000 // (40 * len(one + other)))
    began = time.process_time()
    found = exact_strings(turn("user", line))
    assert time.process_time() - began < 20
    assert max(map(len, found), default=0) <= LONGEST


def test_tool_arguments_are_searched_too():
    call = ToolCall("c1", "book", '{"flight":"LH1174"}')
    assert "LH1174" in exact_strings(turn("assistant", [call]))


@given(st.text())
def test_an_exact_string_stands_in_the_text_and_holds_no_line_break(text):
    for found in exact_strings(turn("user", text)):
        assert found in " ".join(text.split())
        assert found.split("\n") == [found]
        assert found.isprintable() or not found.isascii()


marks_and_strings = st.dictionaries(
    st.integers(1, 500), st.lists(st.text("abc123-", min_size=2, max_size=8), max_size=5)
)


@given(marks_and_strings, st.integers(0, 80))
def test_a_sheet_never_passes_its_limit_and_names_what_it_leaves_out(strings, limit):
    sheet = factsheet(strings.items(), limit, count)
    assert sheet.tokens <= limit
    assert count(sheet.text) <= sheet.tokens
    listed = {
        int(line[1:].split()[0].split("-")[0].rstrip(":")) for line in sheet.text.splitlines()[1:]
    }
    every = {mark for mark, found in strings.items() if found}
    shown_or_left = listed | set(sheet.left_out)
    newest_first = sorted(every, reverse=True)
    seen: set[str] = set()
    for mark in newest_first:
        if set(strings[mark]) - seen:
            assert mark in shown_or_left
        seen.update(strings[mark])


def test_the_newest_turns_keep_their_strings_when_room_is_short():
    pairs = [(n, [f"id-{n}"]) for n in range(1, 40)]
    sheet = factsheet(pairs, 60, count)
    assert "#39 id-39" in sheet.text
    assert "#1 id-1\n" not in sheet.text
    assert 1 in sheet.left_out
    assert sheet.text.startswith(HEADING)


def test_what_readers_garble_worst_keeps_its_place_when_room_is_short():
    hard = "9f8c2b7e41d06a53"
    pairs = [(1, [hard]), *((n, [f"{n} km"]) for n in range(2, 60))]
    sheet = factsheet(pairs, 60, count)
    assert f"#1 {hard}" in sheet.text
    assert "#59 59 km" in sheet.text
    assert 2 in sheet.left_out
    assert 1 not in sheet.left_out


@pytest.mark.parametrize(
    ("easy", "hard"),
    [("20", "LH1174"), ("TV", "aBxQ"), ("12 May", "2024-05-12"), ("LH1174", "9f8c2b7e41d06a53")],
)
def test_risk_grows_with_what_nothing_predicts(easy, hard):
    assert risk(easy) < risk(hard)


codes = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ23456789-", min_size=2, max_size=30).filter(
    lambda code: code[0] + code[-1] == (code[0] + code[-1]).strip("-")
)
prose = st.lists(st.sampled_from(["we", "met", "and", "then", "wrote", "it", "down"]), max_size=6)


@given(prose, codes, st.sampled_from(["", ".", ",", "?", "!", ";"]), prose)
def test_a_code_of_capitals_and_digits_is_found_wherever_it_stands(before, code, sign, after):
    text = " ".join(["So", *before, code + sign, *after])
    assert code in exact_strings(turn("user", text))


def test_a_string_is_listed_once_at_its_newest_turn():
    sheet = factsheet([(1, ["LH1174"]), (9, ["LH1174"])], 100, count)
    assert sheet.text.count("LH1174") == 1
    assert "#9 LH1174" in sheet.text


def test_a_layout_of_another_extractor_is_planned_anew(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/memory.db", tmp_path / "cache")
    memory = Memory("t", "qwen3-vl", store, 3_000)
    for n in range(60):
        memory.add("user", f"Parcel XK-{n:04} is late again, " + "and nobody knows why. " * 12)
    view = memory.view()
    row = memory.journal.load_layout("t", view.layout)
    layout, epoch, fingerprint = read_state(row.state)
    assert layout.facts_tokens > 10
    stale = replace(layout, facts_tokens=layout.facts_tokens - 7)
    former = write_state(stale, epoch, fingerprint.replace("facts", "facts of"))
    assert memory.journal.commit_layout(
        "t",
        view.layout,
        expected_version=row.version,
        epoch=epoch,
        last_seq=layout.seen,
        state=former,
        now=now(),
    )
    facts = [part for part in memory.view().parts if part.kind == "facts"]
    assert [part.tokens for part in facts] == [memory.desk.count(facts[0].text)]
    assert memory.verify() == []
    store.close()
