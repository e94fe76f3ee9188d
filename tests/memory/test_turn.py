"""Turns and their canonical bytes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import TurnError
from sfumato.turn import (
    Image,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    check,
    decode,
    digest,
    encode,
    turn,
)

any_text = st.text(st.characters(codec=None), max_size=40)
names = st.none() | any_text
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
extras = st.dictionaries(any_text, json_values, max_size=3)
texts = st.builds(Text, any_text, extras)
images = st.builds(Image, st.binary(max_size=30), names, names, names, extras)
unknowns = st.builds(Unknown, any_text, json_values)
calls = st.builds(ToolCall, any_text, any_text, any_text, extras)
results = st.builds(
    ToolResult,
    any_text,
    st.lists(texts | images | unknowns, max_size=3).map(tuple),
    names,
    st.booleans(),
    extras,
)
turns = st.builds(
    Turn,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.lists(texts | images | calls | results | unknowns, max_size=4).map(tuple),
    names,
    st.none(),
    st.none(),
    extras,
    extras,
)


@given(turns)
def test_any_turn_comes_back_from_its_bytes_unchanged(value):
    content = encode(value)
    assert decode(content) == value
    assert encode(decode(content)) == content
    assert content.isascii()


@given(turns)
def test_id_and_time_are_not_part_of_the_content(value):
    moved = Turn(
        value.role, value.parts, value.name, datetime.now(UTC), "x", value.metadata, value.extra
    )
    assert digest(encode(moved)) == digest(encode(value))


def test_a_string_becomes_one_text_part_and_reads_back_as_text():
    assert turn("user", "hello").parts == (Text("hello"),)
    answer = ToolResult("c1", (Text("42"),))
    assert turn("tool", [answer]).text == "42"
    assert turn("tool", [answer]).result_ids == ("c1",)
    assert turn("assistant", [ToolCall("c1", "f")]).call_ids == ("c1",)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: turn("bot", "hi"),
        lambda: turn("user", "hi", time=datetime(2026, 1, 1)),
        lambda: turn("user", [Image()]),
        lambda: turn("user", ["hi"]),
        lambda: turn("user", "hi", metadata={"x": float("nan")}),
        lambda: turn("user", "hi", metadata={"x": (1, 2)}),
        lambda: turn("user", "hi", metadata={"x": object()}),
        lambda: turn("user", "hi", metadata={1: "x"}),
    ],
)
def test_what_cannot_be_stored_is_refused(wrong):
    with pytest.raises(TurnError):
        wrong()


@pytest.mark.parametrize(
    "damaged", [b"", b"{}", b"[1]", b'{"role":"user","parts":[{"kind":"x"}]}', b"\xff"]
)
def test_damaged_content_is_an_error_not_a_turn(damaged):
    with pytest.raises(TurnError):
        decode(damaged)


def test_a_checked_turn_is_accepted():
    check(turn("user", [Text("a"), Image(b"x", media_type="image/png")], metadata={"k": [1, None]}))
