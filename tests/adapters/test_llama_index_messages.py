"""LlamaIndex messages: there and back, and bad input refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from wire_values import PNG, fields, ids, json_objects, json_values, names, pictures, stored, texts

from sfumato.adapters.llama_index_messages import llama_index_from_turns, turns_from_llama_index
from sfumato.errors import TurnError
from sfumato.turn import Image, Text, ToolCall, ToolResult, Turn

# Pydantic writes models as UTF-8, which lone surrogates have no form in.
plain = texts.filter(lambda text: text.isascii())
links = st.sampled_from(
    ["https://example.com/a.png", "http://x.y/?q=1", "data:image/png;base64,aGk="]
)
details = st.none() | st.sampled_from(["low", "high"])
blocks = st.one_of(
    texts.map(lambda text: TextBlock(text=text)),
    st.builds(ImageBlock, image=pictures, detail=details),
    st.builds(ImageBlock, image=pictures, image_mimetype=st.just("image/x-odd")),
    st.builds(ImageBlock, url=links, detail=details, image_mimetype=st.none() | st.just("a/b")),
    st.builds(AudioBlock, audio=st.binary(min_size=1, max_size=8), format=st.just("wav")),
    st.builds(VideoBlock, url=st.just("https://example.com/v.mp4")),
    st.builds(DocumentBlock, data=st.binary(min_size=1, max_size=8), title=st.just("t")),
    st.builds(ThinkingBlock, content=plain, additional_information=st.just({"signature": "s"})),
    st.just(CachePoint(cache_control=CacheControl(type="ephemeral"))),
    st.just(CitableBlock(title="t", source="s", content=[TextBlock(text="x")])),
    st.just(
        CitationBlock(
            title="t",
            source="s",
            cited_content=TextBlock(text="x"),
            additional_location_info={"page": 1},
        )
    ),
    st.builds(
        ToolCallBlock,
        tool_call_id=st.none() | ids,
        tool_name=names,
        tool_kwargs=json_objects | plain,
    ),
)
listed_calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": ids,
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": names, "arguments": texts}),
        }
    ),
    max_size=2,
)
messages = st.builds(
    lambda role, blocks, kwargs: ChatMessage(role=role, blocks=blocks, additional_kwargs=kwargs),
    st.sampled_from(list(MessageRole)),
    st.lists(blocks, max_size=4),
    fields(
        tool_call_id=st.none() | ids,
        name=st.none() | texts,
        tool_calls=listed_calls | json_values,
        refusal=st.none(),
    ),
)


@given(st.lists(messages, max_size=3))
def test_messages_come_back_equal_from_storage(given_messages: list[ChatMessage]):
    assert llama_index_from_turns(stored(turns_from_llama_index(given_messages))) == given_messages


def test_calls_and_results_are_known():
    turns = turns_from_llama_index(
        [
            ChatMessage("add 3", role="user"),
            ChatMessage(
                role="assistant",
                blocks=[ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs={"a": 1})],
            ),
            ChatMessage("4", role="tool", additional_kwargs={"tool_call_id": "c", "name": "add"}),
        ]
    )
    assert [turn.role for turn in turns] == ["user", "assistant", "tool"]
    assert turns[1].parts == (ToolCall("c", "add", '{"a": 1}'),)
    assert turns[2].parts == (ToolResult("c", (Text("4"),), "add"),)
    assert all(turn.extra == {} for turn in turns)


def test_calls_listed_in_openais_form_are_known():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [call]})
    [turn] = turns_from_llama_index([message])
    assert turn.call_ids == ("c",)
    assert llama_index_from_turns(stored([turn])) == [message]


def test_a_picture_by_path_is_held_by_value_and_outlives_its_file(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    message = ChatMessage(role="user", blocks=[ImageBlock(path=path)])
    turns = stored(turns_from_llama_index([message]))
    assert isinstance(picture := turns[0].parts[0], Image)
    assert picture.data == PNG
    assert llama_index_from_turns(turns) == [message]
    path.write_bytes(b"something else")
    [back] = llama_index_from_turns(turns)
    assert isinstance(block := back.blocks[0], ImageBlock)
    assert block.path is None
    assert block.resolve_image().read() == PNG


def test_what_only_python_can_hold_is_left_out():
    message = ChatMessage("hi", role="user", additional_kwargs={"raw": object(), "kept": 1})
    [back] = llama_index_from_turns(stored(turns_from_llama_index([message])))
    assert back == ChatMessage("hi", role="user", additional_kwargs={"kept": 1})


def test_several_results_become_several_messages():
    turn = Turn("tool", (ToolResult("a", (Text("1"),)), ToolResult("b", (Text("2"),))))
    back = llama_index_from_turns([turn])
    assert [message.additional_kwargs["tool_call_id"] for message in back] == ["a", "b"]


@pytest.mark.parametrize("message", [None, "hi", {"role": "user", "content": "hi"}])
def test_what_is_no_message_is_refused_with_its_index(message: Any):
    with pytest.raises(TurnError, match=r"messages\[1\]: expected a LlamaIndex ChatMessage"):
        turns_from_llama_index([ChatMessage("hi", role="user"), message])
