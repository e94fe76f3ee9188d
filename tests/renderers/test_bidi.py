"""Directions: our levels give the order that an independent implementation gives."""

from __future__ import annotations

import unicodedata

import pytest
from bidi import get_display
from hypothesis import given
from hypothesis import strategies as st

from sfumato.renderers.bidi import levels, order, right_to_left, turns_right

# Letters of both directions, both kinds of digits, separators, signs, brackets and a mark.
mixed = st.text("abאבגשمرحب0123٣٤ .,-+/$%()[]«»:!?\u0301", max_size=24).map(
    lambda text: text.strip(" \u0301")
)


@given(mixed, st.booleans())
def test_letters_are_seen_in_the_order_of_another_implementation(text, rtl):
    seen = "".join(text[index] for index in order(levels(text, rtl=rtl)))
    assert seen == get_display(text, base_dir="R" if rtl else "L")


@given(st.text(max_size=30), st.booleans())
def test_every_character_is_seen_once(text, rtl):
    assert sorted(order(levels(text, rtl=rtl))) == list(range(len(text)))


@pytest.mark.parametrize(
    ("text", "rtl", "turns"),
    [
        ("abc", False, False),
        ("12 שלום abc", True, True),
        ("abc שלום", False, True),
        ("٣", False, True),
    ],
)
def test_a_line_takes_the_direction_of_its_first_letter(text, rtl, turns):
    assert right_to_left(text) is rtl
    assert turns_right(text) is turns


def test_directional_controls_order_nothing():
    assert levels("ab\u202ecd", rtl=False) == [0, 0, 0, 0, 0]


def test_every_character_that_runs_to_the_left_is_found():
    kinds = ("R", "AL", "AN")
    for character in map(chr, range(0x110000)):
        assert turns_right(character) == (unicodedata.bidirectional(character) in kinds)
