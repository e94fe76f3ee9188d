"""Conversations in every foreign format, and what is asked of a file that is read."""

import pytest

from sfumato.errors import ImportFileError
from sfumato.importers import read_conversations

HELLO = {"role": "user", "content": "Καλημέρα, hello\u2028there"}
ANSWER = {"role": "assistant", "content": "Dobrý deň"}


def failure(path, format=None):
    with pytest.raises(ImportFileError) as caught:
        read_conversations(path, format)
    assert caught.value.path == str(path)
    assert "Nothing was imported" in str(caught.value)
    return caught.value


def only(path, format=None):
    (conversation,) = read_conversations(path, format)
    return conversation


LANGCHAIN = [
    {"type": "system", "data": {"content": "Be brief.", "type": "system", "id": None}},
    {"type": "human", "data": {"content": "hi", "type": "human", "id": "h1", "name": "Ana"}},
    {
        "type": "ai",
        "data": {
            "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}],
            "additional_kwargs": {
                "tool_calls": [
                    {
                        "id": "c2",
                        "type": "function",
                        "function": {"name": "g", "arguments": '{"b":  2}'},
                    }
                ],
                "refusal": "no",
            },
            "response_metadata": {},
            "tool_calls": [
                {"name": "f", "args": {"a": 1}, "id": "c1", "type": "tool_call"},
                {"name": "g", "args": {"b": 2}, "id": "c2", "type": "tool_call"},
            ],
            "invalid_tool_calls": [
                {"name": "h", "args": "{broken", "id": "c3", "error": "not JSON"}
            ],
            "id": "run-1",
        },
    },
    {
        "type": "tool",
        "data": {
            "content": "gone",
            "tool_call_id": "c1",
            "status": "error",
            "artifact": {"x": 1},
        },
    },
    {
        "type": "human",
        "data": {
            "content": [
                "look",
                {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
                {"type": "image_url", "image_url": {"url": "data:image/gif;base64,aGk="}},
                {
                    "type": "image_url",
                    "image_url": {"url": "https://a.example", "detail": "low"},
                },
                {"type": "audio", "base64": "aGk="},
            ]
        },
    },
]


def node(id, parent, role, content, *, time=None, recipient="all", name=None, **metadata):
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    message = {
        "id": id,
        "author": {"role": role, "name": name, "metadata": {}},
        "create_time": time,
        "content": content,
        "recipient": recipient,
        "metadata": metadata,
    }
    return {"id": id, "message": message, "parent": parent, "children": []}


def export_of(*nodes, current, **fields):
    root = {"id": "root", "message": None, "parent": None, "children": []}
    mapping = {each["id"]: each for each in (root, *nodes)}
    for each in nodes:
        mapping[each["parent"]]["children"].append(each["id"])
    fields = {"title": "Trip", "conversation_id": "conv-1", "create_time": 1700000000.5} | fields
    return fields | {"mapping": mapping, "current_node": current}


QUOTE = {"content_type": "tether_quote", "title": "T", "url": "https://a.example", "text": "q"}
THOUGHTS = {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}
CHATGPT = export_of(
    node("s", "root", "system", ""),
    node("c", "s", "user", "secret profile", is_visually_hidden_from_conversation=True),
    node("u", "c", "user", "2+2?", time=1700000001.25),
    node("old", "u", "assistant", "5", time=1700000002),
    node(
        "call",
        "u",
        "assistant",
        {"content_type": "code", "language": "python", "text": "print(2+2)"},
        recipient="python",
    ),
    node(
        "out",
        "call",
        "tool",
        {"content_type": "execution_output", "text": "4"},
        name="python",
    ),
    node(
        "pic",
        "out",
        "tool",
        {
            "content_type": "multimodal_text",
            "parts": [
                {"content_type": "image_asset_pointer", "asset_pointer": "file-service://f1"}
            ],
        },
        name="python",
    ),
    node("new", "pic", "assistant", "It is 4.", time=1700000009),
    node("quote", "new", "tool", QUOTE, name="browser"),
    node("think", "quote", "assistant", THOUGHTS),
    current="think",
)


LOCOMO = [
    {
        "sample_id": "conv-9",
        "qa": [],
        "conversation": {
            "speaker_a": "Ana",
            "speaker_b": "Bo",
            "session_10_date_time": "12:05 am on 3 June, 2023",
            "session_10": [{"speaker": "Ana", "dia_id": "D10:1", "text": "late"}],
            "session_2_date_time": "1:56 pm on 8 May, 2023",
            "session_2": [
                {"speaker": "Ana", "dia_id": "D2:1", "text": "look"},
                {
                    "speaker": "Bo",
                    "dia_id": "D2:2",
                    "text": "nice",
                    "img_url": ["https://example.org/dog.jpg"],
                    "blip_caption": "a dog",
                    "query": "dog",
                },
                {"speaker": "Bo", "dia_id": "D2:3", "text": "more", "blip_caption": "a cat"},
            ],
            "session_11_date_time": "1:00 pm on 9 June, 2023",
        },
    }
]
