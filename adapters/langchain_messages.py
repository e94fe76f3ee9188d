"""LangChain messages to turns and back.

Takes message objects of langchain-core (chunks included), gives turns; writing
them gives equal messages back. A message's id is the turn's. What only Python
can hold (an artifact that is no JSON, say) is not kept; the stamp's
``left_out`` names it. Knows nothing of agents, memory classes or views.

Written against langchain-core 1.7.2 (November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)

from sfumato.adapters.langchain_blocks import FORMAT, read_block, write_block
from sfumato.adapters.wire import (
    CallIds,
    Given,
    argument_object,
    json_text,
    made,
    plain_text,
    stamp,
    stamped,
    storable,
)
from sfumato.turn import Image, JsonObject, Part, Role, Text, ToolCall, ToolResult, Turn, Unknown

_Content: TypeAlias = "str | list[str | dict[Any, Any]]"

_CLASSES: Mapping[str, type[BaseMessage]] = {
    "human": HumanMessage,
    "ai": AIMessage,
    "system": SystemMessage,
    "tool": ToolMessage,
    "function": FunctionMessage,
    "chat": ChatMessage,
    "HumanMessageChunk": HumanMessageChunk,
    "AIMessageChunk": AIMessageChunk,
    "SystemMessageChunk": SystemMessageChunk,
    "ToolMessageChunk": ToolMessageChunk,
    "FunctionMessageChunk": FunctionMessageChunk,
    "ChatMessageChunk": ChatMessageChunk,
}
_TYPES: Mapping[Role, str] = {"user": "human", "assistant": "ai", "system": "system"}
_CHAT_ROLES: Mapping[str, Role] = {
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
}
# Fields with a place of their own in a turn.
_PLACED = {"type", "content", "id", "name", "tool_calls", "invalid_tool_calls"}
# Fields that may hold any Python object, and are kept entry by entry.
_OPEN = ("additional_kwargs", "response_metadata")
# Where a content block that repeats a tool call has the call's arguments.
_ARGUMENTS = {"tool_use": "input", "tool_call": "args", "function_call": "arguments"}


def turns_from_langchain(messages: Sequence[BaseMessage]) -> list[Turn]:
    """Messages as turns, one turn each.

    Raises TurnError naming the message's index for anything that is not a
    message, for RemoveMessage, and for content that JSON cannot hold.
    """
    ids = CallIds()
    return [_read(Given(m, f"messages[{index}]"), ids) for index, m in enumerate(messages)]


def langchain_from_turns(turns: Iterable[Turn]) -> list[BaseMessage]:
    """Turns as messages; those read from messages come back equal.

    A turn with several tool results becomes several messages, of which the
    first has the turn's id.
    """
    return [message for turn in turns for message in _write(turn)]


# -- reading ------------------------------------------------------------------


def _read(place: Given, ids: CallIds) -> Turn:
    message: object = place.value
    if not isinstance(message, BaseMessage):
        place.wrong(f"expected a LangChain message, found {type(message).__name__}")
    if message.type not in _CLASSES:
        place.wrong(f"a {message.type!r} message is no part of a conversation")
    fields = _own_fields(message)
    if isinstance(message, ToolMessage | FunctionMessage):
        return made(place, "tool", [_read_result(place, message, fields, ids)], {}, id=message.id)
    role = _role(message)
    if _TYPES[role] != message.type:
        fields["type"] = message.type
    calls = _read_calls(place, message, fields, ids) if isinstance(message, AIMessage) else []
    parts = _read_content(place, message.content, calls)
    if _shape(message.content) != _natural_shape(parts):
        fields["content"] = _shape(message.content)
    parts += [_in_its_place(call) for call in calls]
    kept = stamp(FORMAT, fields)
    return made(place, role, parts, kept, name=message.name, id=message.id)


def _own_fields(message: BaseMessage) -> JsonObject:
    """The fields a turn has no place for, where they differ from their default."""
    fields: JsonObject = {}
    defaults = _defaults(type(message))
    for name, value in (message.__dict__ | (message.model_extra or {})).items():
        if name in _PLACED:
            continue
        if name in defaults and value == defaults[name]:
            continue
        fields[name] = storable(value) if name in _OPEN else value
    return storable(fields)


@lru_cache
def _defaults(kind: type[BaseMessage]) -> dict[str, Any]:
    """What the fields of a message class hold when they are not given."""
    fields = kind.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields}


def _role(message: BaseMessage) -> Role:
    match message:
        case AIMessage():
            return "assistant"
        case SystemMessage():
            return "system"
        case ChatMessage():
            return _CHAT_ROLES.get(message.role.lower(), "user")
        case _:
            return "user"


def _shape(content: _Content) -> str:
    return "string" if isinstance(content, str) else "list"


def _natural_shape(parts: Sequence[Part]) -> str:
    return "list" if plain_text(parts, FORMAT) is None else "string"


def _read_content(place: Given, content: _Content, calls: list[ToolCall]) -> list[Part]:
    """The content's parts. A block that repeats a call takes it out of ``calls``."""
    if isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for block in Given(content, f"{place.path}.content"):
        repeated = _repeated(block, calls)
        parts.append(repeated or read_block(block))
    return parts


def _repeated(block: Given, calls: list[ToolCall]) -> ToolCall | None:
    """The call that a content block repeats, with what the block has beyond it.

    Its stamp: ``block`` the block's other fields, ``asked`` the one that holds
    the arguments (as text if ``as_text``).
    """
    if not isinstance(block.value, Mapping):
        return None
    asked = _ARGUMENTS.get(str(block["type"].value))
    id = block["call_id"].value or block["id"].value
    call = next((c for c in calls if c.id == id and "listed" in stamped(c, FORMAT)), None)
    if asked is None or call is None:
        return None
    calls.remove(call)
    fields = stamped(call, FORMAT)
    given, whole = block[asked].value, argument_object(call)
    if given == whole:
        fields |= {"block": block.rest(asked), "asked": asked}
    elif isinstance(given, str) and argument_object(replace(call, arguments=given)) == whole:
        call = replace(call, arguments=given)
        fields |= {"block": block.rest(asked), "asked": asked, "as_text": True}
    else:
        fields["block"] = block.rest()
    return replace(call, extra=stamp(FORMAT, fields))


def _read_calls(
    place: Given, message: AIMessage, fields: JsonObject, ids: CallIds
) -> list[ToolCall]:
    """The calls listed beside the content, invalid ones last; ``listed`` is their place."""
    calls: list[ToolCall] = []
    for index, call in enumerate(Given(message.tool_calls, f"{place.path}.tool_calls")):
        rest = call.rest("name", "args", "id", "type")
        kept: JsonObject = {"call": rest} if rest else {}
        name = call["name"].string
        id = call["id"].value
        if isinstance(id, str):
            kept["listed"] = index
        else:
            id = ids.call(name)
            kept["id"] = None
        arguments = json_text(dict(call["args"].object), call["args"])
        calls.append(ToolCall(id, name, arguments, stamp(FORMAT, kept)))
    invalid = Given(message.invalid_tool_calls, f"{place.path}.invalid_tool_calls")
    if any(not _speaks(call.object) for call in invalid):
        fields["invalid_tool_calls"] = [call.rest() for call in invalid]
        return calls
    for call in invalid:
        kept = {"invalid": call.rest("name", "args", "id")}
        id, name, arguments = (call[key].string for key in ("id", "name", "args"))
        calls.append(ToolCall(id, name, arguments, stamp(FORMAT, kept)))
    return calls


def _in_its_place(call: ToolCall) -> ToolCall:
    """A call that content does not repeat, which needs no note of where it was listed."""
    fields = stamped(call, FORMAT)
    fields.pop("listed", None)
    return replace(call, extra=stamp(FORMAT, fields))


def _speaks(call: Mapping[str, Any]) -> bool:
    """Whether an invalid call has all that a call needs."""
    return all(isinstance(call.get(key), str) for key in ("id", "name", "args"))


def _is_valid(call: ToolCall) -> bool:
    return "invalid" not in stamped(call, FORMAT) and argument_object(call) is not None


def _read_result(
    place: Given, message: ToolMessage | FunctionMessage, fields: JsonObject, ids: CallIds
) -> ToolResult:
    is_error = fields.pop("status", None) == "error"
    if message.type != "tool":
        fields["type"] = message.type
    if isinstance(message, ToolMessage):
        call_id = message.tool_call_id
        del fields["tool_call_id"]
    else:
        call_id = ids.result(message.name)
    parts = _read_content(place, message.content, [])
    content = tuple(part for part in parts if isinstance(part, Text | Image | Unknown))
    if _shape(message.content) != _natural_shape(content):
        fields["content"] = _shape(message.content)
    return ToolResult(call_id, content, message.name, is_error, stamp(FORMAT, fields))


# -- writing ------------------------------------------------------------------


def _write(turn: Turn) -> Iterator[BaseMessage]:
    results = [part for part in turn.parts if isinstance(part, ToolResult)]
    others = [part for part in turn.parts if not isinstance(part, ToolResult)]
    own = bool(others) or not results
    # The id goes to the first message written, and numbered to the others.
    count = 0

    def next_id() -> str | None:
        nonlocal count
        count += 1
        return turn.id if turn.id is None or count == 1 else f"{turn.id}.{count}"

    if own and turn.role == "assistant":
        yield _write_assistant(turn, others, next_id())
    for result in results:
        yield _write_result(result, next_id())
    if own and turn.role != "assistant":
        fields = stamped(turn, FORMAT)
        kind = fields.pop("type", _TYPES.get(turn.role, "human"))
        content = _write_content(others, fields.pop("content", "string"))
        yield _message(kind, content, fields, name=turn.name, id=next_id())


def _message(kind: str, content: _Content, fields: JsonObject, **more: Any) -> BaseMessage:
    kept = {name: value for name, value in fields.items() if name != "left_out"}
    for name in _OPEN:
        if "left_out" in kept.get(name, {}):
            del kept[name]["left_out"]
    return _CLASSES[kind](content=content, **kept, **more)


def _write_content(parts: Sequence[Part], shape: str) -> _Content:
    text = plain_text(parts, FORMAT)
    if text is not None and shape != "list":
        return text
    return [_write_repeated(p) if isinstance(p, ToolCall) else write_block(p) for p in parts]


def _write_repeated(call: ToolCall) -> str | JsonObject:
    """The content block of a call that content repeats, or in words what is no call here."""
    fields = stamped(call, FORMAT)
    if "block" not in fields:
        return write_block(call)
    block = cast(JsonObject, fields["block"])
    if "asked" in fields:
        as_text = "as_text" in fields
        block[fields["asked"]] = call.arguments if as_text else argument_object(call)
    return block


def _write_assistant(turn: Turn, parts: Sequence[Part], id: str | None) -> BaseMessage:
    fields = stamped(turn, FORMAT)
    shape = fields.pop("content", "string")
    kind = fields.pop("type", "ai")
    calls = [part for part in parts if isinstance(part, ToolCall)]
    shown = [p for p in parts if not isinstance(p, ToolCall) or "block" in stamped(p, FORMAT)]
    content = _write_content(shown, shape)
    cls = _CLASSES[kind]
    if not issubclass(cls, AIMessage):
        return _message(kind, content, fields, name=turn.name, id=id)
    valid = _as_listed([call for call in calls if _is_valid(call)])
    invalid = [_invalid_call(call) for call in calls if not _is_valid(call)]
    listed = {
        "tool_calls": [_valid_call(call) for call in valid],
        "invalid_tool_calls": invalid + fields.pop("invalid_tool_calls", []),
    }
    message = _message(kind, content, fields | listed, name=turn.name, id=id)
    if issubclass(cls, AIMessageChunk):
        # A chunk's constructor works its calls out anew from their pieces.
        for field, value in listed.items():
            setattr(message, field, value)
    return message


def _as_listed(calls: Sequence[ToolCall]) -> list[ToolCall]:
    """Calls in the order they were listed, which content may have changed."""
    placed = [call for call in calls if "listed" in stamped(call, FORMAT)]
    listed = [call for call in calls if call not in placed]
    for call in sorted(placed, key=lambda call: stamped(call, FORMAT)["listed"]):
        listed.insert(stamped(call, FORMAT)["listed"], call)
    return listed


def _valid_call(call: ToolCall) -> JsonObject:
    fields = stamped(call, FORMAT)
    listed: JsonObject = {"name": call.name, "args": argument_object(call) or {}}
    listed |= {"id": call.id} | ({"id": None} if "id" in fields else {})
    return listed | {"type": "tool_call"} | fields.get("call", {})


def _invalid_call(call: ToolCall) -> JsonObject:
    fields = stamped(call, FORMAT).get("invalid", {"error": None, "type": "invalid_tool_call"})
    return {"name": call.name, "args": call.arguments, "id": call.id} | fields


def _write_result(result: ToolResult, id: str | None) -> BaseMessage:
    fields = stamped(result, FORMAT)
    kind = fields.pop("type", "tool")
    content = _write_content(result.content, fields.pop("content", "string"))
    if issubclass(_CLASSES[kind], ToolMessage):
        fields["tool_call_id"] = result.call_id
        fields["status"] = "error" if result.is_error else "success"
    return _message(kind, content, fields, name=result.name, id=id)
