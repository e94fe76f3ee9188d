"""LlamaIndex chat messages to turns and back.

Takes ChatMessage objects, gives turns; writing them gives equal messages back.
An image given by path is read, so that the turn holds the picture itself.
``additional_kwargs`` that JSON cannot hold are not kept; the stamp's
``left_out`` names them. Knows nothing of memory classes, agents or views.

Written against llama-index-core 0.14.25 (November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ContentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from pydantic import TypeAdapter

from sfumato.adapters.wire import (
    CallIds,
    Given,
    argument_object,
    decoded,
    described,
    encoded,
    image_from_url,
    image_url,
    json_text,
    made,
    result_parts,
    stamp,
    stamped,
    storable,
    verbatim,
)
from sfumato.turn import Image, JsonObject, Part, Role, Text, ToolCall, ToolResult, Turn, Unknown

FORMAT = "llama-index"

_ROLES: Mapping[MessageRole, Role] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}
_BLOCKS: TypeAdapter[ContentBlock] = TypeAdapter(ContentBlock)


def turns_from_llama_index(messages: Sequence[ChatMessage]) -> list[Turn]:
    """Messages as turns, one turn each.

    Raises TurnError naming the message's index for anything that is not a
    ChatMessage or that JSON cannot hold.
    """
    ids = CallIds()
    return [_read(Given(m, f"messages[{index}]"), ids) for index, m in enumerate(messages)]


def llama_index_from_turns(turns: Iterable[Turn]) -> list[ChatMessage]:
    """Turns as messages; those read from messages come back equal.

    A turn with several tool results becomes several messages.
    """
    return [message for turn in turns for message in _write(turn)]


# -- reading ------------------------------------------------------------------


def _read(place: Given, ids: CallIds) -> Turn:
    message: object = place.value
    if not isinstance(message, ChatMessage):
        place.wrong(f"expected a LlamaIndex ChatMessage, found {type(message).__name__}")
    role = _ROLES[message.role]
    kwargs = storable(message.additional_kwargs)
    named = kwargs.pop("name") if isinstance(kwargs.get("name"), str) else None
    fields: JsonObject = {} if message.role.value == role else {"role": message.role.value}
    parts = [_read_block(block, role, ids) for block in message.blocks]
    if role == "tool":
        return made(place, role, [_read_result(parts, kwargs, named, fields, ids)], {})
    if role == "assistant":
        parts += _listed_calls(kwargs, parts)
    if kwargs:
        fields["additional_kwargs"] = kwargs
    return made(place, role, parts, stamp(FORMAT, fields), name=named)


def _read_block(block: ContentBlock, role: Role, ids: CallIds) -> Part:
    if isinstance(block, TextBlock):
        return Text(block.text)
    if isinstance(block, ToolCallBlock) and role == "assistant":
        return _read_call(block, ids)
    image = _read_image(block) if isinstance(block, ImageBlock) else None
    return image or Unknown(FORMAT, _json_form(block.model_dump()))


def _json_form(value: Any) -> Any:
    """A dumped block as JSON values; bytes in blocks are base64 already.

    Pydantic's own JSON mode is of no use here: it fails on lone surrogates.
    """
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {key: _json_form(item) for key, item in fields.items()}
        case list():
            return [_json_form(item) for item in cast("list[Any]", value)]
        case bytes():
            return value.decode("ascii", "replace")
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _read_image(block: ImageBlock) -> Image | None:
    """The image by value, or by URL; None where it can only be kept as it stands."""
    fields: JsonObject = {} if block.detail is None else {"detail": block.detail}
    media = block.image_mimetype
    if isinstance(block.image, bytes) and not block.path and not block.url:
        data = decoded(block.image.decode("ascii", "replace"))
        return None if data is None else Image(data, media_type=media, extra=stamp(FORMAT, fields))
    if block.image is not None:
        return None
    if block.path is not None and block.url is None:
        fields["path"] = str(block.path)
        try:
            data = Path(block.path).read_bytes()
        except OSError:
            return None
        return Image(data, media_type=media, extra=stamp(FORMAT, fields))
    if block.url is not None and block.path is None:
        fields |= {"url": True, "media_type": media}
        return image_from_url(str(block.url), stamp(FORMAT, fields))
    return None


def _read_call(block: ToolCallBlock, ids: CallIds) -> ToolCall:
    fields: JsonObject = {}
    id = block.tool_call_id
    if id is None:
        id = ids.call(block.tool_name)
        fields["id"] = None
    if isinstance(block.tool_kwargs, str):
        fields["text"] = True
        return ToolCall(id, block.tool_name, block.tool_kwargs, stamp(FORMAT, fields))
    arguments = json_text(block.tool_kwargs, Given(None, f"tool call {id}"))
    return ToolCall(id, block.tool_name, arguments, stamp(FORMAT, fields))


def _listed_calls(kwargs: JsonObject, parts: Sequence[Part]) -> list[Part]:
    """Calls that older integrations list in ``tool_calls`` in OpenAI's form, taken out of it."""
    present = {part.id for part in parts if isinstance(part, ToolCall)}
    calls: list[Part] = []
    listed = kwargs.get("tool_calls")
    for entry in cast("list[Any]", listed) if isinstance(listed, list) else []:
        match entry:
            case {"id": str(id), "function": {"name": str(name), "arguments": str(text), **inner}}:
                if id in present:
                    return []
                rest = {k: v for k, v in entry.items() if k not in ("id", "function")}
                fields = {"listed": rest} | ({"function": inner} if inner else {})
                calls.append(ToolCall(id, name, text, stamp(FORMAT, fields)))
            case _:
                return []
    if calls:
        del kwargs["tool_calls"]
    return calls


def _read_result(
    parts: Sequence[Part], kwargs: JsonObject, name: str | None, fields: JsonObject, ids: CallIds
) -> ToolResult:
    id = kwargs.get("tool_call_id")
    if isinstance(id, str):
        del kwargs["tool_call_id"]
    else:
        id = ids.result(name or "tool")
        fields["id"] = None
    if kwargs:
        fields["additional_kwargs"] = kwargs
    content = tuple(part for part in parts if isinstance(part, Text | Image | Unknown))
    return ToolResult(id, content, name, extra=stamp(FORMAT, fields))


# -- writing ------------------------------------------------------------------


def _write(turn: Turn) -> Iterator[ChatMessage]:
    results = [part for part in turn.parts if isinstance(part, ToolResult)]
    others = [part for part in turn.parts if not isinstance(part, ToolResult)]
    own = bool(others) or not results
    if own and turn.role == "assistant":
        yield _write_own(turn, others)
    yield from map(_write_result, results)
    if own and turn.role != "assistant":
        yield _write_own(turn, others)


def _write_own(turn: Turn, parts: Sequence[Part]) -> ChatMessage:
    fields = stamped(turn, FORMAT)
    role = fields.get("role", "user" if turn.role == "tool" else turn.role)
    kwargs = _kwargs(fields)
    if turn.name is not None:
        kwargs["name"] = turn.name
    listed: list[JsonObject] = []
    blocks: list[ContentBlock] = []
    for part in parts:
        if isinstance(part, ToolCall) and "listed" in stamped(part, FORMAT):
            listed.append(_write_listed(part))
        elif isinstance(part, ToolCall) and turn.role == "assistant":
            blocks.append(_write_call(part))
        else:
            blocks.append(_write_block(part))
    if listed:
        kwargs["tool_calls"] = listed
    return ChatMessage(role=MessageRole(role), blocks=blocks, additional_kwargs=kwargs)


def _kwargs(fields: JsonObject) -> JsonObject:
    kwargs = cast(JsonObject, fields.get("additional_kwargs", {}))
    kwargs.pop("left_out", None)
    return kwargs


def _write_result(result: ToolResult) -> ChatMessage:
    fields = stamped(result, FORMAT)
    kwargs = _kwargs(fields)
    if "id" not in fields:
        kwargs["tool_call_id"] = result.call_id
    if result.name is not None:
        kwargs["name"] = result.name
    blocks = [_write_block(part) for part in result_parts(result)]
    role = MessageRole(fields.get("role", "tool"))
    return ChatMessage(role=role, blocks=blocks, additional_kwargs=kwargs)


def _write_listed(call: ToolCall) -> JsonObject:
    fields = stamped(call, FORMAT)
    function = {"name": call.name, "arguments": call.arguments} | fields.get("function", {})
    return {"id": call.id, "function": function} | fields["listed"]


def _write_call(call: ToolCall) -> ToolCallBlock:
    fields = stamped(call, FORMAT)
    id = None if "id" in fields else call.id
    arguments = None if "text" in fields else argument_object(call)
    asked = call.arguments if arguments is None else arguments
    return ToolCallBlock(tool_call_id=id, tool_name=call.name, tool_kwargs=asked)


def _write_block(part: Part) -> ContentBlock:
    match part:
        case Text():
            return TextBlock(text=part.text)
        case Image():
            return _write_image(part)
        case Unknown(format=format) if format == FORMAT:
            return _BLOCKS.validate_python(verbatim(part))
        case _:
            return TextBlock(text=described(part).text)


def _write_image(image: Image) -> ImageBlock:
    fields = stamped(image, FORMAT)
    detail = fields.get("detail")
    path = fields.get("path")
    if path is not None and _still_holds(path, image.data):
        return ImageBlock(path=Path(path), image_mimetype=image.media_type, detail=detail)
    if image.data is None or "url" in fields:
        media = fields.get("media_type", image.media_type)
        return ImageBlock(url=image_url(image), image_mimetype=media, detail=detail)
    data = encoded(image.data).encode("ascii")
    return ImageBlock(image=data, image_mimetype=image.media_type, detail=detail)


def _still_holds(path: str, data: bytes | None) -> bool:
    """Whether the file is the picture that was read: no stored path may name another file."""
    try:
        return Path(path).read_bytes() == data
    except OSError:
        return False
