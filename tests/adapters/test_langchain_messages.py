"""LangChain messages: there and back, and bad input refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
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

from sfumato.adapters.langchain_messages import langchain_from_turns, turns_from_langchain
from sfumato.errors import TurnError
from sfumato.turn import Image, Text, ToolCall, ToolResult, Turn, Unknown

data_urls = st.builds(lambda m, d: f"data:{m};base64,{d}", media_types, base64_texts)
urls = links | data_urls
inline = {"mime_type": media_types}
blocks = st.one_of(
    texts,
    objects(fields(id=texts, annotations=st.just([])), type="text", text=texts),
    objects(fields(extras=json_objects), type="image", base64=base64_texts, **inline),
    objects(fields(mime_type=media_types), type="image", url=urls),
    objects(fields(), type="image", source_type="base64", data=base64_texts, **inline),
    objects(fields(), type="image", source_type="url", url=urls),
    objects(
        fields(cache_control=json_objects),
        type="image",
        source=st.one_of(
            objects(st.just({}), type="base64", media_type=media_types, data=base64_texts),
            objects(st.just({}), type="url", url=urls),
        ),
    ),
    objects(
        fields(),
        type="image_url",
        image_url=urls | objects(fields(detail=st.just("high")), url=urls),
    ),
    objects(fields(), type="reasoning", reasoning=texts),
    objects(fields(), type="thinking", thinking=texts, signature=texts),
    objects(fields(), type="non_standard", value=json_values),
    objects(fields(), type="tool_use", id=ids, name=names, input=json_objects),
    st.dictionaries(texts, json_values, max_size=2),
)
contents = texts | st.lists(blocks, max_size=3)
common = {"additional_kwargs": json_objects, "response_metadata": json_objects,
          "id": st.none() | texts, "name": st.none() | texts}  # fmt: skip


def built(cls: type[BaseMessage], **known: Any) -> st.SearchStrategy[BaseMessage]:
    more = st.fixed_dictionaries({}, optional=common)
    return objects(more, **known).map(lambda values: cls(**values))


calls = st.lists(
    objects(st.just({}), name=names, args=json_objects, id=st.none() | ids, type="tool_call"),
    max_size=3,
)
invalid_calls = st.lists(
    objects(
        st.just({}),
        name=st.none() | names,
        args=st.none() | texts,
        id=st.none() | ids,
        error=st.none() | texts,
        type="invalid_tool_call",
    ),
    max_size=2,
)
usage = st.none() | st.just({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})


@st.composite
def spoken(draw: st.DrawFn) -> BaseMessage:
    """Assistant messages, whose content may repeat some of their calls in any order."""
    listed: Any = draw(calls)
    content: Any = draw(contents)
    if isinstance(content, list):
        for call in draw(st.permutations(listed)):
            shape = draw(st.sampled_from(["", "tool_use", "tool_call", "other"]))
            if shape == "tool_use":
                content.append(
                    {"type": shape, "id": call["id"], "name": call["name"], "input": call["args"]}
                )
            elif shape == "tool_call":
                content.insert(0, dict(call))
            elif shape == "other":
                content.append(
                    {"type": "tool_use", "id": call["id"], "name": "f", "input": "{", "index": 1}
                )
    cls = draw(st.sampled_from([AIMessage, AIMessage, AIMessageChunk]))
    more = draw(st.fixed_dictionaries({}, optional=common))
    return cls(
        content=content,
        tool_calls=listed,
        invalid_tool_calls=draw(invalid_calls),
        usage_metadata=draw(usage),
        **more,
    )


messages = st.one_of(
    built(HumanMessage, content=contents),
    built(HumanMessageChunk, content=contents),
    built(SystemMessage, content=contents),
    built(
        ChatMessage,
        content=contents,
        role=st.sampled_from(["user", "assistant", "Developer", "critic"]),
    ),
    objects(
        st.fixed_dictionaries({}, optional={k: v for k, v in common.items() if k != "name"}),
        content=contents,
        name=names,
    ).map(lambda values: FunctionMessage(**values)),
    built(
        ToolMessage,
        content=contents,
        tool_call_id=ids,
        artifact=json_values,
        status=st.sampled_from(["success", "error"]),
    ),
    spoken(),
)


@given(st.lists(messages, max_size=4))
def test_messages_come_back_equal_from_storage(given_messages: list[BaseMessage]):
    back = langchain_from_turns(stored(turns_from_langchain(given_messages)))
    assert back == given_messages
    assert [type(message) for message in back] == [type(message) for message in given_messages]


def test_content_blocks_and_ids_are_the_turns_own():
    message = HumanMessage(
        content_blocks=[
            {"type": "text", "text": "look"},
            {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
        ],
        id="m1",
        name="Ann",
    )
    [turn] = turns_from_langchain([message])
    assert turn.parts == (Text("look"), Image(b"hi", media_type="image/png"))
    assert (turn.id, turn.name, turn.extra) == ("m1", "Ann", {})


def test_a_call_that_content_repeats_is_one_part():
    block = {"type": "tool_use", "id": "c", "name": "f", "input": {"q": 1}}
    call = {"name": "f", "args": {"q": 1}, "id": "c", "type": "tool_call"}
    message = AIMessage(content=[{"type": "text", "text": "so"}, block], tool_calls=[call])
    [turn] = turns_from_langchain([message])
    assert turn.call_ids == ("c",)
    assert len(turn.parts) == 2


def test_the_models_own_argument_text_is_kept_where_content_has_it():
    block = {"type": "function_call", "call_id": "c", "id": "fc", "name": "f",
             "arguments": '{"q":  1}'}  # fmt: skip
    call = {"name": "f", "args": {"q": 1}, "id": "c", "type": "tool_call"}
    message = AIMessage(content=[block], tool_calls=[call])
    [turn] = turns_from_langchain([message])
    assert [p.arguments for p in turn.parts if isinstance(p, ToolCall)] == ['{"q":  1}']
    assert langchain_from_turns(stored([turn])) == [message]


def test_what_only_python_can_hold_is_left_out_by_name():
    message = ToolMessage("42", tool_call_id="c", artifact=object(), id="m")
    message.additional_kwargs = {"when": object(), "kept": [1]}
    [back] = langchain_from_turns(stored(turns_from_langchain([message])))
    assert back == ToolMessage("42", tool_call_id="c", id="m", additional_kwargs={"kept": [1]})


def test_several_results_become_several_messages_with_ids_of_their_own():
    turn = Turn("tool", (ToolResult("a", (Text("1"),)), ToolResult("b", (Text("2"),))), id="t")
    first, second = langchain_from_turns([turn])
    assert (first.id, second.id) == ("t", "t.2")


def test_arguments_that_are_no_object_make_an_invalid_call():
    [message] = langchain_from_turns([Turn("assistant", (ToolCall("c", "f", '{"q": '),))])
    assert isinstance(message, AIMessage)
    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["args"] == '{"q": '


def test_parts_of_other_formats_are_said_in_words():
    [message] = langchain_from_turns([Turn("user", (Unknown("gemini", {"code": 1}),))])
    assert message.content == [{"type": "text", "text": '[gemini part: {"code":1}]'}] or (
        message.content == '[gemini part: {"code":1}]'
    )


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"role": "user", "content": "hi"}, "expected a LangChain message, found dict"),
        (RemoveMessage(id="x"), "a 'remove' message is no part of a conversation"),
        (HumanMessage([{"type": "blob", "data": b"\x00"}]), "cannot be written as JSON"),
        (AIMessage("", tool_calls=[{"name": "f", "args": {"at": object()}, "id": "c"}]), "JSON"),
    ],
)
def test_bad_messages_are_refused_with_index_and_reason(message: Any, reason: str):
    with pytest.raises(TurnError, match=r"messages\[1\].*" + reason):
        turns_from_langchain([HumanMessage("hi"), message])
