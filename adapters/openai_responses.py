"""OpenAI Responses: input items to turns and back, and input from views.

Takes the items of ``input`` and ``output`` lists, gives turns; writing them
gives equal items back. A run of items the model made (reasoning, messages,
calls) is one assistant turn; every other item is a turn of its own. Public
names are in ``openai``.

Source of the format: platform.openai.com API reference, and the parameter
types of the openai package 3.54.0 (November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sfumato.adapters.arrange import Wire, arrange
from sfumato.adapters.front import view_turns
from sfumato.adapters.wire import (
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

FORMAT = "openai-responses"

DETAILS = ("low", "high", "original", "auto")
"""Levels of detail an image can be asked for with (API reference, November 2026)."""

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_RESULTS = ("function_call_output", "custom_tool_call_output")
# Items a client sends in answer to the model; any other unknown item is the model's.
_ANSWERS = ("_output", "_response")


def turns_from_responses(items: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """Responses items as turns.

    Raises TurnError naming the item's index for a missing type or role and for
    values of the wrong type.
    """
    turns: list[Turn] = []
    run: list[Part] = []
    place = Given(items, "items")
    for item in Given(items, "items"):
        spoken = _read_spoken(item)
        if spoken is not None:
            if not run:
                place = item
            run += spoken
            continue
        if run:
            turns.append(made(place, "assistant", run, {}))
            run = []
        turns.append(_read_item(item))
    if run:
        turns.append(made(place, "assistant", run, {}))
    return turns


def responses_from_turns(turns: Iterable[Turn]) -> list[JsonObject]:
    """Turns as Responses items; those read from items come back equal."""
    return [item for turn in turns for item in _write_turn(turn)]


def responses_request(view: View) -> list[JsonObject]:
    """A view as the ``input`` of a Responses request."""

    def page(detail: str | None, is_last: bool) -> JsonObject:
        return stamp(FORMAT, {"image": {"detail": page_detail(detail)}})

    wire = Wire(
        FORMAT,
        images=view.host.sees,
        result_images=True,
        late_system=not view.host.alternation,
        merged=view.host.alternation,
    )
    return responses_from_turns(arrange(view_turns(view, page), wire))


def page_detail(detail: str | None) -> str:
    """The detail to ask for a page with: the host's own where it is one of OpenAI's."""
    return detail if detail in DETAILS else "high"


# -- reading ------------------------------------------------------------------


def _kind(item: Given) -> str:
    if "type" not in item and "role" not in item:
        item.wrong("an item needs a type or a role")
    return item["type"].string if "type" in item else "message"


def _read_spoken(item: Given) -> list[Part] | None:
    """The parts of an item the model made; None for any other item."""
    kind = _kind(item)
    if kind == "message":
        return _read_own_message(item) if item["role"].value == "assistant" else None
    if kind in _CALLS:
        return [_read_call(item, kind)]
    if kind in _RESULTS or kind.endswith(_ANSWERS):
        return None
    return [item.unknown(FORMAT)]


def _read_own_message(item: Given) -> list[Part]:
    """An assistant message: texts, of which the first holds the message's fields."""
    fields = item.rest("role", "content")
    content = item["content"]
    if isinstance(content.value, str):
        return [Text(content.value, stamp(FORMAT, {"message": fields} if fields else {}))]
    blocks = list(content)
    if not blocks or any(block["type"].value != "output_text" for block in blocks):
        return [item.unknown(FORMAT)]
    texts: list[Part] = []
    for block in blocks:
        kept: JsonObject = {"block": block.rest("type", "text")}
        if not texts:
            kept["message"] = fields
        texts.append(Text(block["text"].string, stamp(FORMAT, kept)))
    return texts


def _read_call(item: Given, kind: str) -> ToolCall:
    asked = item[_CALLS[kind]]
    text = asked.string
    fields = item.rest("type", "call_id", "name", _CALLS[kind])
    if kind == "custom_tool_call":
        text = json_text({"input": text}, asked)
        fields["type"] = kind
    return ToolCall(item["call_id"].string, item["name"].string, text, stamp(FORMAT, fields))


def _read_item(item: Given) -> Turn:
    kind = _kind(item)
    if kind == "message":
        return _read_message(item)
    if kind not in _RESULTS:
        return made(item, "tool", [item.unknown(FORMAT)], {})
    fields = item.rest("type", "call_id", "output")
    if kind != _RESULTS[0]:
        fields["type"] = kind
    content, shape = _read_content(item["output"])
    if shape:
        fields["output"] = shape
    name = item["name"].string if isinstance(item["name"].value, str) else None
    result = ToolResult(item["call_id"].string, content, name, extra=stamp(FORMAT, fields))
    return made(item, "tool", [result], {})


def _read_message(item: Given) -> Turn:
    raw = item["role"].string
    role = _ROLES.get(raw)
    if role is None:
        item["role"].wrong(f"unknown role {raw!r}: known are {', '.join(_ROLES)}")
    fields = item.rest("role", "content")
    parts, shape = _read_content(item["content"])
    if shape:
        fields["content"] = shape
    if raw != role:
        fields["role"] = raw
    return made(item, role, parts, stamp(FORMAT, fields))


def _read_content(content: Given) -> tuple[tuple[Text | Image | Unknown, ...], str]:
    """The parts, and "list" where one string could have said the same."""
    if isinstance(content.value, str):
        return ((Text(content.value),) if content.value else ()), ""
    parts = tuple(_read_part(part) for part in content)
    return parts, "" if plain_text(parts, FORMAT) is None else "list"


def _read_part(part: Given) -> Text | Image | Unknown:
    kind = part["type"].string
    if kind == "input_text":
        return Text(part["text"].string, stamp(FORMAT, part.rest("type", "text")))
    if kind == "input_image" and isinstance(part["image_url"].value, str):
        fields = {"image": part.rest("type", "image_url")}
        return image_from_url(part["image_url"].string, stamp(FORMAT, fields))
    return part.unknown(FORMAT)


# -- writing ------------------------------------------------------------------


def _write_turn(turn: Turn) -> Iterator[JsonObject]:
    if turn.role == "assistant":
        yield from _write_spoken(turn.parts)
        return
    others: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            yield _write_result(part)
        elif isinstance(part, Unknown) and _is_item(part, turn):
            yield verbatim(part)
        else:
            others.append(part)
    if others or not turn.parts:
        fields = stamped(turn, FORMAT)
        role = fields.pop("role", "user" if turn.role == "tool" else turn.role)
        content = _write_content(others, fields.pop("content", ""))
        yield {"role": role, "content": content} | fields


def _is_item(part: Unknown, turn: Turn) -> bool:
    """Whether the part was an item of its own: in user messages Unknown parts are content."""
    return part.format == FORMAT and turn.role == "tool"


def _write_spoken(parts: Sequence[Part]) -> Iterator[JsonObject]:
    message: JsonObject | None = None
    for part in parts:
        fields = stamped(part, FORMAT) if isinstance(part, Text) else {}
        if isinstance(part, Text) and "block" in fields:
            block = {"type": "output_text", "text": part.text} | fields["block"]
            if message is None or "message" in fields:
                if message is not None:
                    yield message
                head = fields.get("message", {"type": "message"})
                message = {"role": "assistant", "content": [block]} | head
            else:
                message["content"].append(block)
            continue
        if message is not None:
            yield message
            message = None
        yield from _write_single(part, fields)
    if message is not None:
        yield message


def _write_single(part: Part, fields: JsonObject) -> Iterator[JsonObject]:
    match part:
        case Text():
            yield {"role": "assistant", "content": part.text} | fields.get("message", {})
        case ToolCall():
            yield _write_call(part)
        case ToolResult():
            yield _write_result(part)
        case Unknown(format=format) if format == FORMAT:
            yield verbatim(part)
        case _:
            yield {"role": "assistant", "content": described(part).text}


def _write_call(call: ToolCall) -> JsonObject:
    fields = stamped(call, FORMAT)
    kind = fields.pop("type", "function_call")
    asked = call.arguments if kind == "function_call" else custom_input(call)
    return {"type": kind, "call_id": call.id, "name": call.name, _CALLS[kind]: asked} | fields


def _write_result(result: ToolResult) -> JsonObject:
    fields = stamped(result, FORMAT)
    kind = fields.pop("type", _RESULTS[0])
    output = _write_content(result_parts(result), fields.pop("output", ""))
    return {"type": kind, "call_id": result.call_id, "output": output} | fields


def _write_content(parts: Sequence[Part], shape: str) -> str | list[JsonObject]:
    text = plain_text(parts, FORMAT)
    if text is not None and shape != "list":
        return text
    return [_write_part(part) for part in parts]


def _write_part(part: Part) -> JsonObject:
    match part:
        case Text():
            return {"type": "input_text", "text": part.text} | stamped(part, FORMAT)
        case Image():
            kept = stamped(part, FORMAT).get("image", {"detail": "auto"})
            return {"type": "input_image", "image_url": image_url(part)} | kept
        case Unknown(format=format) if format == FORMAT:
            return verbatim(part)
        case _:
            return _write_part(described(part))
