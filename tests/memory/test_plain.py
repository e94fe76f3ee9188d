"""Turns as plain text, and what they cannot pretend to be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sfumato.plain import body, labelled, skeleton, speaker
from sfumato.turn import Image, Text, ToolCall, ToolResult, Unknown, turn

any_text = st.text(st.characters(codec=None), max_size=80)


@given(any_text, any_text)
def test_remembered_text_never_starts_a_line_of_ours(text, name):
    lines = labelled(7, turn("user", text, name=name)).splitlines()
    assert lines[0].startswith("#7 ")
    assert all(line.startswith("  ") for line in lines[1:])


@given(any_text)
def test_a_speaker_fits_a_label(name):
    said = speaker(turn("user", "x", name=name))
    assert said
    assert len(said) <= 40
    assert not set(said) & set("#:\n\r")
    assert said.isprintable()


def test_every_kind_of_part_says_something():
    parts = [
        Text("words"),
        ToolCall("c", "add", '{"a":1}'),
        ToolResult("c", (Text("3"),), is_error=True),
        Image(b"x", caption="a cat"),
        Unknown("anthropic", {"type": "thinking"}),
    ]
    said = body(turn("user", parts))
    for words in ("words", 'add({"a":1})', "← error: 3", "[image: a cat]", "thinking"):
        assert words in said


def test_a_skeleton_keeps_calls_and_results_valid_and_drops_their_content():
    long = "x" * 5_000
    result = skeleton(4, turn("tool", [ToolResult("c", (Text(long),), "read")]))
    assert result.result_ids == ("c",)
    assert long not in body(result)
    assert "#4" in body(result)
    call = skeleton(5, turn("assistant", [ToolCall("c", "write", long)]))
    assert call.call_ids == ("c",)
    assert "5,0" in body(call)
