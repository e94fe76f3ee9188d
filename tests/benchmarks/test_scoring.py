"""The demo's error rates: what counts as an error, and how sure the rate is."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "demo"))

from scoring import Line, edit_distance, error_rate, plain


def by_the_table(one: str, other: str) -> int:
    """Edit distance by Wagner and Fischer's table."""
    table = {(0, j): j for j in range(len(other) + 1)} | {(i, 0): i for i in range(len(one) + 1)}
    for i, j in product(range(1, len(one) + 1), range(1, len(other) + 1)):
        changed = table[i - 1, j - 1] + (one[i - 1] != other[j - 1])
        table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, changed)
    return table[len(one), len(other)]


@given(st.text("abñ", max_size=14), st.text("abñ", max_size=14))
def test_the_edit_distance_is_that_of_the_table(one, other):
    assert edit_distance(one, other) == by_the_table(one, other)


def test_white_space_and_compatibility_forms_are_no_errors():
    assert plain("ﬁle １２\t３ ") == "file123"
    assert Line(0, 0, 1, "a file, 12", "a ﬁle，１２", True).errors == 0


def line(mark: int, drawn: str, read: str) -> Line:
    return Line(0, 0, mark, drawn, read, True)


def test_the_rate_is_errors_by_characters_and_lies_within_its_interval():
    lines = [line(n, "0123456789", "0123456789" if n % 4 else "012345678x") for n in range(40)]
    rate = error_rate(lines)
    assert (rate.errors, rate.characters, rate.turns) == (10, 400, 40)
    assert rate.rate == pytest.approx(0.025)
    assert rate.low < rate.rate < rate.high


def test_turns_that_are_read_alike_leave_no_doubt_and_nothing_read_is_no_error():
    same = error_rate(line(n, "ab", "ax") for n in range(9))
    assert (same.low, same.rate, same.high) == (0.5, 0.5, 0.5)
    assert error_rate([]).rate == 0
