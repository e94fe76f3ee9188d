"""Anthropic Messages: requests to turns and back, and requests from views.

Takes ``{"system": …, "messages": […]}`` or the messages alone, gives turns;
writing them gives an equal request back. A user message of nothing but tool
results is a tool turn. Blocks sfumato has no name for (thinking with its
signature, documents, server tools …) stay verbatim as Unknown parts.

Source of the format and its rules: docs.claude.com Messages API reference and
tool use guide, and the parameter types of the anthropic package 2.12.0
(November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sfumato.adapters.arrange import Wire, arrange
from sfumato.adapters.front import view_turns
from sfumato.adapters.wire import (
    Given,
    argument_fields,
    described,
    image_base64,
    image_from_base64,
    json_text,
    made,
    plain_text,
    stamp,
    stamped,
    verbatim,
)
from sfumato.turn import Image, JsonObject, Part, Role, Text, ToolCall, ToolResult, Turn, Unknown
from sfumato.view import View

FORMAT = "anthropic"

BREAKPOINTS = 4
"""Cache breakpoints a request may hold (prompt caching guide, November 2026)."""

_ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def turns_from_anthropic(
    request: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> list[Turn]:
    """A request's system prompt and messages as turns, one turn each.

    Other fields of a request (model, tools …) are no part of the conversation
    and are not read. Raises TurnError naming the message's index for a missing
    or unknown role and for values of the wrong type.
    """
    if not isinstance(request, Mapping):
        return [_read_message(message) for message in Given(request, "messages")]
    turns: list[Turn] = []
    given = Given(request, "request")
    if "system" in given:
        system = Given(given["system"].value, "system")
        parts, shape = _read_content(system)
        kept = stamp(FORMAT, {"content": shape} if shape else {})
        turns.append(made(system, "system", parts, kept))
    messages = Given(given["messages"].value, "messages")
    return turns + [_read_message(message) for message in messages]


def anthropic_from_turns(turns: Iterable[Turn]) -> JsonObject:
    """Turns as ``{"system": …, "messages": […]}``; those read from one come back equal.

    System turns become the system prompt, which is left out if there are none.
    What Anthropic would refuse is written as it is: `anthropic_request`
    arranges turns for sending.
    """
    system: list[Turn] = []
    messages: list[JsonObject] = []
    for turn in turns:
        if turn.role == "system" and "role" not in stamped(turn, FORMAT):
            system.append(turn)
        else:
            messages.append(_write_message(turn))
    request: JsonObject = {"messages": messages}
    if len(system) == 1:
        shape = stamped(system[0], FORMAT).get("content", "")
        request["system"] = _write_content(system[0].parts, shape)
    elif system:
        request["system"] = _write_content([p for turn in system for p in turn.parts], "list")
    return request


def anthropic_request(view: View) -> JsonObject:
    """A view as the ``system`` and ``messages`` of a Messages request.

    The last page carries a cache breakpoint: everything up to it stays the
    same from call to call until an aging step.
    """

    def page(detail: str | None, is_last: bool) -> JsonObject:
        return stamp(FORMAT, {"cache_control": {"type": "ephemeral"}} if is_last else {})

    wire = Wire(
        FORMAT,
        images=view.host.sees,
        result_images=True,
        merged=True,
        results_in_user=True,
        calls_last=True,
        blank_text=False,
    )
    turns = arrange(view_turns(view, page), wire)
    leading = [Turn("system", t.parts) if t.role == "system" else t for t in turns]
    return _with_breakpoints(anthropic_from_turns(leading))


# -- reading ------------------------------------------------------------------


def _read_message(message: Given) -> Turn:
    raw = message["role"].string
    role = _ROLES.get(raw)
    if role is None:
        message["role"].wrong(f"unknown role {raw!r}: known are {', '.join(_ROLES)}")
    fields = message.rest("role", "content")
    parts, shape = _read_content(message["content"])
    if shape:
        fields["content"] = shape
    if role == "system":
        fields["role"] = raw
    if role == "user" and parts and all(isinstance(part, ToolResult) for part in parts):
        role = "tool"
    return made(message, role, parts, stamp(FORMAT, fields))


def _read_content(content: Given) -> tuple[list[Part], str]:
    """The parts, and "list" where one string could have said the same."""
    if isinstance(content.value, str):
        return [Text(content.value)] if content.value else [], ""
    parts = [_read_block(block) for block in content]
    return parts, "" if plain_text(parts, FORMAT) is None else "list"


def _read_block(block: Given) -> Part:
    match block["type"].string:
        case "tool_use":
            fields = block.rest("type", "id", "name", "input")
            arguments = json_text(dict(block["input"].object), block["input"])
            kept = stamp(FORMAT, fields)
            return ToolCall(block["id"].string, block["name"].string, arguments, kept)
        case "tool_result":
            return _read_result(block)
        case _:
            return _read_shown(block)


def _read_shown(block: Given) -> Text | Image | Unknown:
    """A block that may stand in a tool result too."""
    kind = block["type"].string
    if kind == "text":
        return Text(block["text"].string, stamp(FORMAT, block.rest("type", "text")))
    if kind == "image":
        source = block["source"]
        extra = stamp(FORMAT, block.rest("type", "source"))
        match source.object:
            case {"type": "base64", "media_type": str(media), "data": str(data), **rest}:
                if not rest:
                    return image_from_base64(data, media, extra)
            case {"type": "url", "url": str(url), **rest}:
                if not rest and not url.startswith("data:"):
                    return Image(url=url, extra=extra)
            case _:
                pass
    return block.unknown(FORMAT)


def _read_result(block: Given) -> ToolResult:
    fields = block.rest("type", "tool_use_id", "content", "is_error")
    content: tuple[Text | Image | Unknown, ...] = ()
    if "content" not in block:
        fields["content"] = "absent"
    elif isinstance(text := block["content"].value, str):
        content = (Text(text),) if text else ()
    else:
        content = tuple(_read_shown(part) for part in block["content"])
        if plain_text(content, FORMAT) is not None:
            fields["content"] = "list"
    is_error = False
    if "is_error" in block:
        flag = block["is_error"].value
        if not isinstance(flag, bool):
            block["is_error"].wrong("expected true or false")
        is_error = flag
        fields |= {} if is_error else {"is_error": False}
    kept = stamp(FORMAT, fields)
    return ToolResult(block["tool_use_id"].string, content, None, is_error, kept)


# -- writing ------------------------------------------------------------------


def _write_message(turn: Turn) -> JsonObject:
    fields = stamped(turn, FORMAT)
    role = fields.pop("role", "assistant" if turn.role == "assistant" else "user")
    content = _write_content(turn.parts, fields.pop("content", ""))
    return {"role": role, "content": content} | fields


def _write_content(parts: Sequence[Part], shape: str) -> str | list[JsonObject]:
    text = plain_text(parts, FORMAT)
    if text is not None and shape != "list":
        return text
    return [_write_block(part) for part in parts]


def _write_block(part: Part) -> JsonObject:
    match part:
        case Text():
            return {"type": "text", "text": part.text} | stamped(part, FORMAT)
        case Image():
            return {"type": "image", "source": _source(part)} | stamped(part, FORMAT)
        case ToolCall():
            asked = {"id": part.id, "name": part.name, "input": argument_fields(part)}
            return {"type": "tool_use"} | asked | stamped(part, FORMAT)
        case ToolResult():
            return _write_result(part)
        case Unknown(format=format) if format == FORMAT:
            return verbatim(part)
        case _:
            return _write_block(described(part))


def _source(image: Image) -> JsonObject:
    if inline := image_base64(image):
        data, media = inline
        return {"type": "base64", "media_type": media, "data": data}
    return {"type": "url", "url": image.url}


def _write_result(result: ToolResult) -> JsonObject:
    fields = stamped(result, FORMAT)
    shape = fields.pop("content", "")
    block: JsonObject = {"type": "tool_result", "tool_use_id": result.call_id}
    if result.content or shape != "absent":
        block["content"] = _write_content(result.content, shape)
    if result.is_error:
        block["is_error"] = True
    return block | fields


def _with_breakpoints(request: JsonObject) -> JsonObject:
    """The request with at most four cache breakpoints, no longer-lived one after a shorter.

    Breakpoints in the recent turns come from the conversation itself and may
    be many; the latest are worth keeping.
    """
    blocks = [block for block in _blocks(request) if block.get("cache_control")]
    page = next((b for b in blocks if b["type"] == "image"), None)
    others = [block for block in blocks if block is not page]
    kept = others[-(BREAKPOINTS - 1) :] + ([page] if page else [])
    brief = False
    for block in blocks:
        lasting = block["cache_control"].get("ttl") == "1h"
        if not any(block is one for one in kept) or (lasting and brief):
            del block["cache_control"]
        else:
            brief = brief or not lasting
    return request


def _blocks(request: JsonObject) -> list[JsonObject]:
    """All blocks of a request in the order of its prompt, those in tool results included."""
    found: list[JsonObject] = []
    for content in (request.get("system"), *(m["content"] for m in request["messages"])):
        for block in cast("list[JsonObject]", content if isinstance(content, list) else []):
            inner = block.get("content")
            found += cast("list[JsonObject]", inner if isinstance(inner, list) else [])
            found.append(block)
    return found
