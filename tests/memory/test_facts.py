"""Exact strings and the sheet they ride on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.facts import HEADING, exact_strings, factsheet
from sfumato.turn import ToolCall, turn


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
    ],
)
def test_exact_strings_are_found_by_shape(text, expected):
    found = exact_strings(turn("user", text))
    assert [f for f in expected if f not in found] == []


def test_plain_prose_has_no_exact_strings():
    assert exact_strings(turn("user", "I went home; the dog was happy to see me. Really?")) == ()


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


def test_a_string_is_listed_once_at_its_newest_turn():
    sheet = factsheet([(1, ["LH1174"]), (9, ["LH1174"])], 100, count)
    assert sheet.text.count("LH1174") == 1
    assert "#9 LH1174" in sheet.text
