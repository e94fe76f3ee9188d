"""OpenAI chat and Responses formats: there and back, and bad input refused."""

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
    json_values,
    links,
    media_types,
    names,
    objects,
    stored,
    texts,
)

from sfumato.adapters.openai import (
    openai_from_turns,
    responses_from_turns,
    turns_from_openai,
    turns_from_responses,
)
from sfumato.errors import TurnError
from sfumato.turn import Image, Text, ToolCall, ToolResult, Unknown

urls = st.one_of(
    links, st.builds(lambda media, data: f"data:{media};base64,{data}", media_types, base64_texts)
)
text_parts = objects(fields(), type="text", text=texts)
chat_parts = st.one_of(
    text_parts,
    objects(
        fields(),
        type="image_url",
        image_url=objects(fields(detail=st.sampled_from(["low", "high"])), url=urls) | urls,
    ),
    objects(fields(), type="input_audio", input_audio=json_objects),
    objects(fields(), type="refusal", refusal=texts),
)
contents = texts | st.lists(chat_parts, max_size=3)
calls = st.one_of(
    objects(
        fields(type=st.just("function")),
        id=ids,
        function=objects(fields(), name=names, arguments=texts | json_objects),
    ),
    objects(fields(), id=ids, type="custom", custom=objects(fields(), name=names, input=texts)),
)
chat_messages = st.one_of(
    objects(
        fields(name=st.none() | texts),
        role=st.sampled_from(["system", "developer", "user"]),
        content=contents,
    ),
    objects(
        fields(
            content=st.none() | contents,
            name=texts,
            tool_calls=st.none() | st.lists(calls, max_size=3),
            function_call=st.none() | objects(fields(), name=names, arguments=texts),
            refusal=st.none() | texts,
        ),
        role="assistant",
    ),
    objects(fields(name=st.none() | names), role="tool", tool_call_id=ids, content=contents),
    objects(
        fields(tool_call_id=st.none() | ids), role="function", name=names, content=st.none() | texts
    ),
)

response_parts = st.one_of(
    objects(fields(), type="input_text", text=texts),
    objects(
        fields(detail=st.sampled_from(["low", "auto"]), file_id=st.none()),
        type="input_image",
        image_url=urls,
    ),
    objects(fields(), type="input_image", file_id=texts),
    objects(fields(), type="input_file", file_data=texts),
)
output_texts = objects(fields(annotations=st.lists(json_objects, max_size=1)), type="output_text",
                       text=texts)  # fmt: skip
outputs = texts | st.lists(response_parts, max_size=3)
response_items = st.one_of(
    objects(
        fields(type=st.just("message")),
        role=st.sampled_from(["user", "system", "developer"]),
        content=outputs,
    ),
    objects(
        fields(type=st.just("message"), id=texts, status=texts),
        role="assistant",
        content=texts
        | st.lists(output_texts | objects(fields(), type="refusal", refusal=texts), max_size=3),
    ),
    objects(fields(id=texts), type="function_call", call_id=ids, name=names, arguments=texts),
    objects(fields(id=texts), type="custom_tool_call", call_id=ids, name=names, input=texts),
    objects(
        fields(id=st.none() | texts, name=st.none() | names),
        type=st.sampled_from(["function_call_output", "custom_tool_call_output"]),
        call_id=ids,
        output=outputs,
    ),
    objects(
        st.dictionaries(texts, json_values, max_size=2),
        type=st.sampled_from(["reasoning", "web_search_call", "shell_call_output", "new_thing"]),
    ),
)


@given(st.lists(chat_messages, max_size=5))
def test_chat_messages_come_back_equal_from_storage(messages: list[dict[str, Any]]):
    assert openai_from_turns(stored(turns_from_openai(messages))) == messages


@given(st.lists(response_items, max_size=6))
def test_response_items_come_back_equal_from_storage(items: list[dict[str, Any]]):
    assert responses_from_turns(stored(turns_from_responses(items))) == items


def test_a_plain_conversation_needs_no_stamps():
    turns = turns_from_openai(
        [
            {"role": "user", "content": "hi", "name": "Ann"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ]
    )
    assert [turn.extra for turn in turns] == [{}, {}, {}]
    assert turns[0].parts == (Text("hi"),)
    assert turns[0].name == "Ann"
    assert turns[1].parts == (ToolCall("c", "f", "{}"),)
    assert turns[2].parts == (ToolResult("c", (Text("42"),)),)


def test_developer_and_function_messages_are_system_and_tool_turns():
    turns = turns_from_openai(
        [
            {"role": "developer", "content": "be brief"},
            {"role": "assistant", "content": None,
             "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "42"},
        ]
    )  # fmt: skip
    assert [turn.role for turn in turns] == ["system", "assistant", "tool"]
    assert turns[1].call_ids == turns[2].result_ids


def test_pictures_are_held_as_bytes_and_unknown_parts_verbatim():
    audio = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
    [turn] = turns_from_openai(
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                    audio,
                ],
            }
        ]
    )
    assert turn.parts == (Image(b"hi", media_type="image/png"), Unknown("openai", audio))


def test_a_run_of_items_the_model_made_is_one_turn():
    turns = turns_from_responses(
        [
            {"role": "user", "content": "go"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            {"type": "function_call_output", "call_id": "b", "output": "2"},
        ]
    )
    assert [turn.role for turn in turns] == ["user", "assistant", "tool", "tool"]
    assert turns[1].call_ids == ("a", "b")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("hi", "expected an object"),
        ({"content": "hi"}, "role: expected a string, found nothing"),
        ({"role": 1, "content": "hi"}, "role: expected a string, found int"),
        ({"role": "narrator", "content": "hi"}, "unknown role 'narrator'"),
        ({"role": "user", "content": 1}, "content: expected a list, found int"),
        ({"role": "user", "content": ["hi"]}, r"content\[0\]: expected an object"),
        ({"role": "user", "content": [{"text": "hi"}]}, r"content\[0\].type: expected a string"),
        ({"role": "user", "content": [{"type": "text"}]}, r"content\[0\].text: expected a string"),
        ({"role": "tool", "content": "42"}, "tool_call_id: expected a string, found nothing"),
        ({"role": "user", "content": "hi", "name": 3}, "name: expected a string"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, r"tool_calls\[0\].function: expected"),
        ({"role": "assistant", "tool_calls": "c"}, "tool_calls: expected a list"),
        ({"role": "user", "content": "hi", "x": {1: 2}}, "does not survive JSON"),
        ({"role": "user", "content": "hi", "x": float("nan")}, "cannot be written as JSON"),
    ],
)
def test_bad_messages_are_refused_with_index_and_reason(message: Any, reason: str):
    good = {"role": "user", "content": "hi"}
    with pytest.raises(TurnError, match=r"messages\[1\].*" + reason):
        turns_from_openai([good, message])


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"content": "hi"}, "needs a type or a role"),
        ({"role": "tool", "content": "hi"}, "unknown role"),
        ({"role": "user"}, "content: expected a list"),
        ({"type": "function_call", "name": "f", "arguments": "{}"}, "call_id: expected a string"),
        ({"type": "function_call_output", "call_id": "c"}, "output: expected a list"),
    ],
)
def test_bad_items_are_refused_with_index_and_reason(item: Any, reason: str):
    with pytest.raises(TurnError, match=r"items\[1\].*" + reason):
        turns_from_responses([{"role": "user", "content": "hi"}, item])


def test_what_the_caller_changes_later_does_not_reach_the_turn():
    message = {"role": "user", "content": "hi", "tags": ["a"]}
    [turn] = turns_from_openai([message])
    message["tags"].append("b")
    [written] = openai_from_turns([turn])
    written["tags"].append("c")
    assert openai_from_turns([turn]) == [{"role": "user", "content": "hi", "tags": ["a"]}]
