"""LangChain message dumps as drafts.

Takes what ``messages_to_dict`` writes (``{"type": "human", "data": {…}}``) and
what ``langchain_core.load.dumps`` writes (``{"lc": 1, "type": "constructor",
…}``), alone, in lists, or under ``messages``; gives drafts. Fields without a
place in a turn are kept in its ``extra["langchain"]``; content blocks of unknown kinds stay
verbatim as ``Unknown`` parts.

Knows nothing about the langchain package, which it does not import.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from sfumato.import_draft import Draft, Placed
from sfumato.import_source import Node, first_time, is_list, is_object, kept, without
from sfumato.turn import (
    Image,
    JsonObject,
    Part,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)

_ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
}

# Fields with a place of their own in a turn. `type` repeats the class and
# `example` has meant nothing since 2023.
_KNOWN = ("content", "type", "name", "id", "role", "example", "tool_calls", "invalid_tool_calls")
_KNOWN_TOOL = (*_KNOWN, "tool_call_id", "status")
_IMAGE_FIELDS = ("type", "source", "source_type", "image_url", "url", "base64", "data", "mime_type",
                 "media_type")  # fmt: skip
_DATA_URL = re.compile(r"data:(?P<media_type>[^;,]+)[^,]*;base64,(?P<data>.*)", re.DOTALL)


def is_langchain(record: Node) -> bool:
    """Whether a record is a LangChain message."""
    if "lc" in record:
        return True
    return "type" in record and "data" in record and "content" in record["data"]


def read_langchain(records: Sequence[Node]) -> list[Draft]:
    """Dumped messages, or lists of them, one conversation each."""
    if is_langchain(records[0]):
        return [Draft([_turn(record) for record in records])]
    return [_conversation(record) for record in records]


def _conversation(record: Node) -> Draft:
    messages = record if is_list(record.value) else record["messages"]
    return Draft([_turn(message) for message in messages])


def _turn(message: Node) -> Placed:
    kind, data = _unwrapped(message)
    if kind == "chat":
        kind = data["role"].string.lower()
    role = _ROLES.get(kind)
    if role is None:
        message.misfit(f"messages of type {kind!r} cannot be imported")
    rest = without(data.fields, *(_KNOWN_TOOL if role == "tool" else _KNOWN))
    parts = list(_content(data["content"]))
    match role:
        case "assistant":
            parts = _with_calls(parts, data, rest)
        case "tool":
            parts = [_result(parts, data)]
        case _:
            pass
    turn = Turn(
        role,
        tuple(parts),
        name=data["name"].string_or_none,
        time=first_time(message),
        id=data["id"].identifier,
        extra=_extra({key: value for key, value in rest.items() if value not in ({}, [])}),
    )
    return Placed(turn, message)


def _extra(fields: JsonObject, *known: str) -> JsonObject:
    """The fields that a turn or part has no place for."""
    return kept("langchain", without(fields, *known))


def _unwrapped(message: Node) -> tuple[str, Node]:
    """The message's kind ("human", "ai" …) and the object that holds its fields."""
    if "lc" not in message:
        return _kind(message["type"].string), message["data"]
    if message["type"].value != "constructor":
        message.misfit(f"a {message['type'].value!r} object is not a message")
    *_, class_name = [part.string for part in message["id"]] or [""]
    if not class_name.removesuffix("Chunk").endswith("Message"):
        message.misfit(f"{class_name!r} is not a message class")
    return _kind(class_name), message["kwargs"]


def _kind(name: str) -> str:
    """``AIMessageChunk`` → ``ai``; ``human`` stays."""
    return name.removesuffix("Chunk").removesuffix("Message").lower()


def _content(content: Node) -> Iterator[Part]:
    if content.value is None:
        return
    if isinstance(content.value, str):
        if content.value:
            yield Text(content.value)
        return
    for block in content:
        yield Text(block.value) if isinstance(block.value, str) else _block(block)


def _block(block: Node) -> Part:
    match block.fields.get("type"):
        case "text":
            return Text(block["text"].string, _extra(block.fields, "type", "text"))
        case "image" | "image_url":
            return _image(block)
        case "tool_use" | "tool_call":
            return _call(block, block["input" if "input" in block else "args"])
        case _:
            return Unknown("langchain", block.value)


def _image(block: Node) -> Image | Unknown:
    """An image in any of the shapes LangChain has had for one."""
    source: JsonObject = {}
    for field in ("source", "image_url"):
        if field in block:
            inner = block[field].value
            source |= inner if is_object(inner) else {"url": inner}
    source = block.fields | source
    media_type = source.get("mime_type") or source.get("media_type")
    encoded, url = source.get("base64") or source.get("data"), source.get("url")
    if isinstance(url, str) and (inline := _DATA_URL.fullmatch(url)):
        media_type, encoded = inline["media_type"], inline["data"]
    media = media_type if isinstance(media_type, str) else None
    extra = _extra(source, *_IMAGE_FIELDS)
    if isinstance(encoded, str):
        try:
            return Image(base64.b64decode(encoded), media_type=media, extra=extra)
        except binascii.Error as problem:
            block.misfit(f"the image is not valid base64: {problem}")
    if isinstance(url, str):
        return Image(url=url, media_type=media, extra=extra)
    return Unknown("langchain", block.value)


def _with_calls(parts: list[Part], data: Node, rest: JsonObject) -> list[Part]:
    """The parts and the calls listed beside them, each call once.

    Anthropic models' calls stand in the content too. Where OpenAI's raw calls
    are there, their arguments are the model's own JSON text.
    """
    present = {part.id for part in parts if isinstance(part, ToolCall)}
    exact = _raw_arguments(rest)
    for listed in ("tool_calls", "invalid_tool_calls"):
        for call in data[listed] if data[listed].value is not None else ():
            made = _call(call, call["args"], exact)
            if made.id not in present:
                parts.append(made)
    return parts


def _raw_arguments(rest: JsonObject) -> dict[str, str]:
    """Arguments as text by call id; the raw calls they were read from leave ``rest``."""
    additional = rest.get("additional_kwargs")
    if not is_object(additional) or not is_list(additional.get("tool_calls")):
        return {}
    found: dict[str, str] = {}
    for call in additional["tool_calls"]:
        match call:
            case {"id": str(id), "function": {"arguments": str(arguments)}}:
                found[id] = arguments
            case _:
                return {}
    rest["additional_kwargs"] = without(additional, "tool_calls")
    return found


def _call(call: Node, arguments: Node, exact: Mapping[str, str] | None = None) -> ToolCall:
    id = call["id"].identifier or ""
    text = "{}" if arguments.value is None else arguments.value
    if not isinstance(text, str):
        text = json.dumps(text, ensure_ascii=False)
    extra = _extra(call.fields, "id", "name", "args", "input", "type")
    name = call["name"].string_or_none or ""
    return ToolCall(id, name, (exact or {}).get(id, text), extra)


def _result(parts: Sequence[Part], data: Node) -> ToolResult:
    content = tuple(part for part in parts if isinstance(part, Text | Image | Unknown))
    if len(content) != len(parts):
        data["content"].misfit("a tool result cannot hold a tool call")
    return ToolResult(
        data["tool_call_id"].string,
        content,
        name=data["name"].string_or_none,
        is_error=data["status"].value == "error",
    )
