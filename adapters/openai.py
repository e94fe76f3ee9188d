"""OpenAI chat completions: messages to turns and back, and requests from views.

Takes the ``messages`` list of a chat completions request (also of servers that
speak it), gives turns; writing them gives equal messages back. A ``developer``
message is a system turn, a ``function`` message a tool turn; the raw role is
kept. The Responses format is in ``openai_responses``.

Source of the format: platform.openai.com API reference, and the parameter
types of the openai package 3.54.0 (November 2026).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sfumato.adapters.arrange import Wire, arrange
from sfumato.adapters.front import view_turns
from sfumato.adapters.openai_responses import (
    page_detail,
    responses_from_turns,
    responses_request,
    turns_from_responses,
)
from sfumato.adapters.wire import (
    CallIds,
    Given,
    custom_input,
    described,
    image_from_url,
    image_url,
    json_text,
    made,
    plain_text,
    result_parts,
    stamp,
    stamped,
    verbatim,
)
from sfumato.turn import Image, JsonObject, Part, Role, Text, ToolCall, ToolResult, Turn, Unknown
from sfumato.view import View

__all__ = [
    "chat_request",
    "openai_from_turns",
    "responses_from_turns",
    "responses_request",
    "turns_from_openai",
    "turns_from_responses",
]

FORMAT = "openai"

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def turns_from_openai(messages: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """Chat completions messages as turns, one turn each.

    Raises TurnError naming the message's index for a missing or unknown role
    and for values of the wrong type.
    """
    ids = CallIds()
    return [_read_message(message, ids) for message in Given(messages, "messages")]


def openai_from_turns(turns: Iterable[Turn]) -> list[JsonObject]:
    """Turns as chat completions messages; those read from such messages come back equal.

    A turn with several tool results becomes several messages. What OpenAI would
    refuse (an image in a tool message, a call without a result) is written as
    it is: `chat_request` arranges turns for sending.
    """
    return [message for turn in turns for message in _write_turn(turn)]


def chat_request(view: View) -> list[JsonObject]:
    """A view as the ``messages`` of a chat completions request."""

    def page(detail: str | None, is_last: bool) -> JsonObject:
        return stamp(FORMAT, {"image_url": {"detail": page_detail(detail)}})

    wire = Wire(
        FORMAT,
        images=view.host.sees,
        late_system=not view.host.alternation,
        merged=view.host.alternation,
        names=True,
    )
    return openai_from_turns(arrange(view_turns(view, page), wire))


# -- reading ------------------------------------------------------------------


def _read_message(message: Given, ids: CallIds) -> Turn:
    raw = message["role"].string
    role = _ROLES.get(raw)
    if role is None:
        message["role"].wrong(f"unknown role {raw!r}: known are {', '.join(_ROLES)}")
    if role == "tool":
        return made(message, role, [_read_result(message, raw, ids)], {})
    fields = message.rest("role", "content", "name")
    content, shape = _read_content(message)
    parts: list[Part] = [*content]
    if shape != _natural_shape(parts, role):
        fields["content"] = shape
    if raw != role:
        fields["role"] = raw
    if role == "assistant":
        parts += _read_calls(message, fields, ids)
    name = _read_name(message, fields)
    return made(message, role, parts, stamp(FORMAT, fields), name=name)


def _read_name(message: Given, fields: JsonObject) -> str | None:
    if "name" in message and message["name"].value is None:
        fields["name"] = None
        return None
    return message["name"].string if "name" in message else None


def _read_content(message: Given) -> tuple[list[Text | Image | Unknown], str]:
    """The content's parts, and its shape: string, list, null or absent."""
    content = message["content"]
    if content.value is None:
        return [], "null" if "content" in message else "absent"
    if isinstance(content.value, str):
        return [Text(content.value)] if content.value else [], "string"
    return [_read_part(part) for part in content], "list"


def _natural_shape(parts: Sequence[Part], role: Role) -> str:
    """The shape that content has unless noted otherwise; an assistant may say nothing."""
    if not parts and role == "assistant":
        return "null"
    return "list" if plain_text(parts, FORMAT) is None else "string"


def _read_part(part: Given) -> Text | Image | Unknown:
    kind = part["type"].string
    if kind == "text":
        return Text(part["text"].string, stamp(FORMAT, part.rest("type", "text")))
    if kind == "image_url":
        image = part["image_url"]
        outer = part.rest("type", "image_url")
        if isinstance(image.value, str):
            return image_from_url(image.value, stamp(FORMAT, {**outer, "image_url": "string"}))
        inner = image.rest("url")
        fields = {**outer, "image_url": inner} if inner else outer
        return image_from_url(image["url"].string, stamp(FORMAT, fields))
    return part.unknown(FORMAT)


def _read_calls(message: Given, fields: JsonObject, ids: CallIds) -> list[Part]:
    """The calls of an assistant message; what they leave is put back into ``fields``."""
    calls: list[Part] = []
    if fields.get("tool_calls"):
        calls += [_read_call(call) for call in message["tool_calls"]]
        del fields["tool_calls"]
    if fields.get("function_call"):
        function = message["function_call"]
        name = function["name"].string
        arguments = function["arguments"].string
        rest = function.rest("name", "arguments")
        calls.append(
            ToolCall(ids.call(name), name, arguments, stamp(FORMAT, {"function_call": rest}))
        )
        del fields["function_call"]
    return calls


def _read_call(call: Given) -> ToolCall:
    id = call["id"].string
    if "type" in call and call["type"].value == "custom":
        custom = call["custom"]
        fields = call.rest("id", "custom") | {"custom": custom.rest("name", "input")}
        text = json_text({"input": custom["input"].string}, custom)
        return ToolCall(id, custom["name"].string, text, stamp(FORMAT, fields))
    function = call["function"]
    fields = call.rest("id", "function")
    if "type" not in call:
        fields["type"] = None
    elif call["type"].string == "function":
        del fields["type"]
    if inner := function.rest("name", "arguments"):
        fields["function"] = inner
    arguments = function["arguments"]
    if isinstance(arguments.value, Mapping):
        fields["arguments"] = "object"
        text = json_text(dict(arguments.object), arguments)
    else:
        text = arguments.string
    return ToolCall(id, function["name"].string, text, stamp(FORMAT, fields))


def _read_result(message: Given, raw: str, ids: CallIds) -> ToolResult:
    """A tool or function message. All its fields stay with the result, which may move."""
    fields = message.rest("role", "content", "name", "tool_call_id")
    name = _read_name(message, fields)
    if raw == "function":
        fields["role"] = raw
        if "tool_call_id" in message:
            fields["tool_call_id"] = message["tool_call_id"].value
        call_id = ids.result(name or "function")
    else:
        call_id = message["tool_call_id"].string
    if name is not None:
        fields["named"] = True
    parts, shape = _read_content(message)
    if shape != _natural_shape(parts, "tool"):
        fields["content"] = shape
    return ToolResult(call_id, tuple(parts), name, extra=stamp(FORMAT, fields))


# -- writing ------------------------------------------------------------------


def _write_turn(turn: Turn) -> Iterator[JsonObject]:
    results = [part for part in turn.parts if isinstance(part, ToolResult)]
    others = [part for part in turn.parts if not isinstance(part, ToolResult)]
    if turn.role == "assistant":
        if others or not results:
            yield _write_assistant(turn, others)
        yield from map(_write_result, results)
        return
    yield from map(_write_result, results)
    if others or not results:
        fields = stamped(turn, FORMAT)
        role = fields.pop("role", "user" if turn.role == "tool" else turn.role)
        shape = fields.pop("content", "string")
        yield {"role": role} | _write_content(others, shape) | _named(turn.name) | fields


def _write_assistant(turn: Turn, parts: Sequence[Part]) -> JsonObject:
    fields = stamped(turn, FORMAT)
    shape = fields.pop("content", "null")
    message: JsonObject = {"role": "assistant"}
    message |= _write_content([p for p in parts if not isinstance(p, ToolCall)], shape)
    message |= _named(turn.name)
    calls: list[JsonObject] = []
    for call in parts:
        if not isinstance(call, ToolCall):
            continue
        kept = stamped(call, FORMAT)
        if "function_call" in kept:
            function = {"name": call.name, "arguments": call.arguments}
            message["function_call"] = function | kept["function_call"]
        else:
            calls.append(_write_call(call, kept))
    if calls:
        message["tool_calls"] = calls
    return message | fields


def _write_call(call: ToolCall, fields: JsonObject) -> JsonObject:
    if "custom" in fields:
        custom = {"name": call.name, "input": custom_input(call)} | fields.pop("custom")
        return {"id": call.id, "type": "custom", "custom": custom} | fields
    kind = fields.pop("type", "function")
    arguments: Any = call.arguments
    if fields.pop("arguments", None) == "object":
        arguments = json.loads(arguments)
    function = {"name": call.name, "arguments": arguments} | fields.pop("function", {})
    typed = {} if kind is None else {"type": kind}
    return {"id": call.id, **typed, "function": function} | fields


def _write_result(result: ToolResult) -> JsonObject:
    fields = stamped(result, FORMAT)
    role = fields.pop("role", "tool")
    answered = {"tool_call_id": result.call_id} if role == "tool" else {}
    named = _named(result.name) if fields.pop("named", False) or role == "function" else {}
    shape = fields.pop("content", "string")
    content = _write_content(result_parts(result), shape)
    return {"role": role} | answered | content | named | fields


def _write_content(parts: Sequence[Part], shape: str) -> JsonObject:
    """The content field: of ``shape`` where the parts still allow it."""
    if not parts and shape in ("null", "absent"):
        return {"content": None} if shape == "null" else {}
    text = plain_text(parts, FORMAT)
    if shape != "list" and text is not None:
        return {"content": text}
    return {"content": [_write_part(part) for part in parts]}


def _write_part(part: Part) -> JsonObject:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text} | stamped(part, FORMAT)
    if isinstance(part, Image):
        fields = stamped(part, FORMAT)
        inner = fields.pop("image_url", {})
        url = image_url(part)
        image = url if inner == "string" else {"url": url} | inner
        return {"type": "image_url", "image_url": image} | fields
    if isinstance(part, Unknown) and part.format == FORMAT:
        return verbatim(part)
    return _write_part(described(part))


def _named(name: str | None) -> JsonObject:
    return {} if name is None else {"name": name}
