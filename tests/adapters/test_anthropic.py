"""The Anthropic Messages format: there and back, and bad input refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_values import (
    base64_texts,
    fields,
    ids,
    json_objects,
    links,
    media_types,
    names,
    objects,
    stored,
    texts,
)

from sfumato.adapters.anthropic import anthropic_from_turns, turns_from_anthropic
from sfumato.errors import TurnError
from sfumato.turn import Image, Text, ToolResult, Unknown

cache = st.just({"type": "ephemeral"})
text_blocks = objects(fields(cache_control=cache, citations=st.none()), type="text", text=texts)
sources = st.one_of(
    objects(st.just({}), type="base64", media_type=media_types, data=base64_texts),
    objects(st.just({}), type="url", url=links | st.just("data:image/png;base64,aGk=")),
    objects(fields(), type="file", file_id=texts),
)
shown_blocks = st.one_of(
    text_blocks,
    objects(fields(cache_control=cache), type="image", source=sources),
    objects(fields(), type="document", source=json_objects),
)
results = objects(
    fields(content=texts | st.lists(shown_blocks, max_size=2), is_error=st.booleans()),
    type="tool_result",
    tool_use_id=ids,
)
blocks = st.one_of(
    shown_blocks,
    results,
    objects(fields(cache_control=cache), type="tool_use", id=ids, name=names, input=json_objects),
    objects(fields(), type="thinking", thinking=texts, signature=texts),
    objects(fields(), type="redacted_thinking", data=texts),
    objects(fields(), type="server_tool_use", id=ids, name=names, input=json_objects),
)
messages = objects(
    fields(id=texts, stop_reason=st.none() | texts),
    role=st.sampled_from(["user", "assistant", "system"]),
    content=st.one_of(texts, st.lists(blocks, max_size=3), st.lists(results, max_size=3)),
)
requests = st.fixed_dictionaries(
    {"messages": st.lists(messages, max_size=4)},
    optional={"system": texts | st.lists(text_blocks, max_size=3)},
)


@given(requests)
def test_a_request_comes_back_equal_from_storage(request: dict[str, Any]):
    assert anthropic_from_turns(stored(turns_from_anthropic(request))) == request


def test_thinking_comes_back_unchanged_and_in_its_place():
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"q": 1.0}},
    ]
    request = {"messages": [{"role": "assistant", "content": content}]}
    [turn] = turns_from_anthropic(request)
    assert turn.parts[0] == Unknown("anthropic", content[0])
    assert turn.call_ids == ("c",)
    assert anthropic_from_turns([turn]) == request


def test_a_message_of_results_alone_is_a_tool_turn():
    result = {"type": "tool_result", "tool_use_id": "c", "content": "42"}
    beside = {"type": "text", "text": "go on"}
    alone, mixed = turns_from_anthropic(
        [
            {"role": "user", "content": [result, result | {"tool_use_id": "d"}]},
            {"role": "user", "content": [result, beside]},
        ]
    )
    assert alone.role == "tool"
    assert alone.result_ids == ("c", "d")
    assert mixed.role == "user"
    assert mixed.parts == (ToolResult("c", (Text("42"),)), Text("go on"))


def test_pictures_in_results_are_held_as_bytes():
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    block = {"type": "tool_result", "tool_use_id": "c", "is_error": True,
             "content": [{"type": "image", "source": source}]}  # fmt: skip
    [turn] = turns_from_anthropic([{"role": "user", "content": [block]}])
    picture = Image(b"hi", media_type="image/png")
    assert turn.parts == (ToolResult("c", (picture,), is_error=True),)


def test_the_system_prompt_is_the_first_turn():
    turns = turns_from_anthropic(
        {"model": "m", "system": "be brief", "messages": [{"role": "user", "content": "hi"}]}
    )
    assert [(turn.role, turn.text) for turn in turns] == [("system", "be brief"), ("user", "hi")]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "expected an object, found NoneType"),
        ({"content": "hi"}, "role: expected a string, found nothing"),
        ({"role": "tool", "content": "hi"}, "unknown role 'tool'"),
        ({"role": "user"}, "content: expected a list"),
        ({"role": "user", "content": [{"text": "hi"}]}, r"content\[0\].type: expected a string"),
        (
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f"}]},
            r"content\[0\].input: expected an object",
        ),
        (
            {"role": "user", "content": [{"type": "tool_result"}]},
            r"content\[0\].tool_use_id: expected a string",
        ),
        (
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c", "is_error": "no"}],
            },
            "is_error: expected true or false",
        ),
    ],
)
def test_bad_messages_are_refused_with_index_and_reason(message: Any, reason: str):
    good = {"role": "user", "content": "hi"}
    with pytest.raises(TurnError, match=r"messages\[1\].*" + reason):
        turns_from_anthropic({"messages": [good, message]})
