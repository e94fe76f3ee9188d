"""Gemini: contents to turns and back, and requests from views.

Takes ``{"system_instruction": …, "contents": […]}`` or the contents alone, in
REST's camelCase or the SDK's snake_case; gives turns; writing them gives an
equal request back. Gemini pairs calls and responses by name and order; where
they have no ids, sfumato counts. Parts it has no name for (thoughts, code,
files …) stay verbatim as Unknown parts.

Source of the format and its rules: ai.google.dev API reference (Content, Part)
and its guides on function calling and thought signatures (November 2026).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sfumato.adapters.arrange import Wire, arrange
from sfumato.adapters.front import view_turns
from sfumato.adapters.wire import (
    CallIds,
    Given,
    argument_fields,
    described,
    image_base64,
    image_from_base64,
    json_text,
    made,
    media_type,
    stamp,
    stamped,
    verbatim,
)
from sfumato.hosts import Host
from sfumato.turn import Image, JsonObject, Part, Role, Text, ToolCall, ToolResult, Turn, Unknown
from sfumato.view import View

FORMAT = "gemini"

MEDIA_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
"""Image types Gemini reads (image understanding guide, November 2026)."""

LEVELS = ("low", "medium", "high", "ultra_high")
"""Media resolutions a part can be asked for with (media resolution guide, November 2026)."""

FOREIGN_CALL = "skip_thought_signature_validator"
"""The signature documented for calls that Gemini 3 did not make itself, which it
refuses without one (thought signatures guide, FAQ, November 2026)."""

_ROLES: Mapping[str, Role] = {"user": "user", "model": "assistant", "function": "tool"}
_SYSTEM = ("system_instruction", "systemInstruction")
# The two spellings of what we write ourselves; the rest of a part is kept as it came.
_NAMES = {
    "inlineData": "inline_data",
    "fileData": "file_data",
    "mimeType": "mime_type",
    "fileUri": "file_uri",
    "functionCall": "function_call",
    "functionResponse": "function_response",
}


def turns_from_gemini(request: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Turn]:
    """A request's system instruction and contents as turns, one turn each.

    Other fields of a request are no part of the conversation and are not read.
    Raises TurnError naming the content's index for an unknown role and for
    values of the wrong type.
    """
    ids = CallIds()
    if not isinstance(request, Mapping):
        return [_read_content(content, ids) for content in Given(request, "contents")]
    given = Given(request, "request")
    turns: list[Turn] = []
    for key in _SYSTEM:
        if key in given:
            turns.append(_read_system(given[key].value, key, ids))
    contents = Given(given["contents"].value, "contents")
    return turns + [_read_content(content, ids) for content in contents]


def gemini_from_turns(turns: Iterable[Turn]) -> JsonObject:
    """Turns as ``{"system_instruction": …, "contents": […]}``; those read come back equal.

    System turns become the system instruction, which is left out if there are
    none. `gemini_request` arranges turns for sending.
    """
    system: list[Turn] = []
    contents: list[JsonObject] = []
    for turn in turns:
        if turn.role == "system":
            system.append(turn)
        else:
            contents.append(_write_content(turn))
    request: JsonObject = {"contents": contents}
    if len(system) == 1:
        key, instruction = _write_system(system[0])
        request[key] = instruction
    elif system:
        parts = [_write_part(part) for turn in system for part in turn.parts]
        request[_SYSTEM[0]] = {"parts": parts}
    return request


def gemini_request(view: View) -> JsonObject:
    """A view as the ``system_instruction`` and ``contents`` of a request.

    Pages ask for the media resolution that the host's price and type size rest on.
    """

    def page(detail: str | None, is_last: bool) -> JsonObject:
        if detail not in LEVELS:
            return {}
        level = {"level": f"MEDIA_RESOLUTION_{detail.upper()}"}
        return stamp(FORMAT, {"part": {"mediaResolution": level}})

    wire = Wire(
        FORMAT,
        images=view.host.sees,
        media_types=MEDIA_TYPES,
        merged=True,
        results_in_user=True,
        blank_text=False,
        dotted_names=True,
    )
    turns = arrange(view_turns(view, page), wire)
    plain = [Turn("system", t.parts) if t.role == "system" else t for t in turns]
    request = gemini_from_turns(plain)
    if _wants_signatures(view.host):
        _sign_foreign_calls(request["contents"])
    return request


# -- reading ------------------------------------------------------------------


def _read_system(value: Any, key: str, ids: CallIds) -> Turn:
    given = Given(value, key)
    fields: JsonObject = {} if key == _SYSTEM[0] else {"key": key}
    if isinstance(value, str):
        return made(given, "system", [Text(value)], stamp(FORMAT, fields | {"shape": "string"}))
    parts = [_read_part(part, ids) for part in given["parts"]]
    if rest := given.rest("parts"):
        fields["content"] = rest
    return made(given, "system", parts, stamp(FORMAT, fields))


def _read_content(content: Given, ids: CallIds) -> Turn:
    fields = content.rest("parts")
    raw = content["role"].string if "role" in content else "user"
    role = _ROLES.get(raw)
    if role is None:
        content["role"].wrong(f"unknown role {raw!r}: known are {', '.join(_ROLES)}")
    parts = [_read_part(part, ids) for part in content["parts"]] if "parts" in content else []
    if role == "user" and parts and all(isinstance(part, ToolResult) for part in parts):
        role = "tool"
    if fields.get("role") == _written_role(role):
        del fields["role"]
    elif "role" not in fields:
        fields["role"] = None
    if "parts" not in content:
        fields["parts"] = None
    return made(content, role, parts, stamp(FORMAT, fields))


def _written_role(role: Role) -> str:
    return "model" if role == "assistant" else "user"


def _field(part: Given, name: str) -> str | None:
    """The field's own spelling in this object; None if it has no such field."""
    return next((key for key in (name, _NAMES[name]) if key in part), None)


def _read_part(part: Given, ids: CallIds) -> Part:
    """A part. Its stamp: ``part`` fields beside the data, ``data`` fields in it, ``snake``."""
    if part["thought"].value or (part["text"].value == "" and len(part.object) > 1):
        # A thought, or an empty text that only carries a signature.
        return part.unknown(FORMAT)
    if "text" in part:
        fields = part.rest("text")
        return Text(part["text"].string, stamp(FORMAT, {"part": fields} if fields else {}))
    if key := _field(part, "functionCall"):
        return _read_call(part, key, ids)
    if key := _field(part, "functionResponse"):
        return _read_response(part, key, ids)
    if key := _field(part, "inlineData"):
        data, media = part[key]["data"], part[key][_mime(part[key])].value
        if isinstance(media, str) and media.startswith("image/"):
            extra = _kept(part, key, "data", _mime(part[key]))
            if isinstance(data.value, str):
                return image_from_base64(data.string, media, extra)
    if key := _field(part, "fileData"):
        uri, media = _spelled(part[key], "fileUri"), part[key][_mime(part[key])].value
        if isinstance(media, str) and media.startswith("image/"):
            extra = _kept(part, key, uri, _mime(part[key]))
            url = part[key][uri].string
            if not url.startswith("data:"):
                return Image(url=url, media_type=media, extra=extra)
    return part.unknown(FORMAT)


def _spelled(data: Given, name: str) -> str:
    return _field(data, name) or name


def _mime(data: Given) -> str:
    return _spelled(data, "mimeType")


def _kept(part: Given, key: str, *known: str) -> JsonObject:
    """The stamp of a part whose data is under ``key`` and has the ``known`` fields."""
    fields: JsonObject = {}
    if beside := part.rest(key):
        fields["part"] = beside
    if within := part[key].rest(*known):
        fields["data"] = within
    spelled = [name for name in (key, *known) if name in _NAMES.values()]
    if spelled:
        fields["snake"] = spelled
    return stamp(FORMAT, fields)


def _with(extra: JsonObject, **fields: Any) -> JsonObject:
    return stamp(FORMAT, cast(JsonObject, extra.get(FORMAT, {})) | fields) if fields else extra


def _read_call(part: Given, key: str, ids: CallIds) -> ToolCall:
    call = part[key]
    name = call["name"].string
    extra = _kept(part, key, "id", "name", "args")
    shape: JsonObject = {}
    if isinstance(call["id"].value, str):
        id = call["id"].string
    else:
        id = ids.call(name)
        shape["id"] = "null" if "id" in call else "absent"
    if call["args"].value is None:
        shape["args"] = "null" if "args" in call else "absent"
        return ToolCall(id, name, "{}", _with(extra, **shape))
    arguments = json_text(dict(call["args"].object), call["args"])
    return ToolCall(id, name, arguments, _with(extra, **shape))


def _read_response(part: Given, key: str, ids: CallIds) -> ToolResult:
    """A response. ``output`` or ``error`` alone are its text; any other object is JSON text."""
    response = part[key]
    name = response["name"].string
    extra = _kept(part, key, "id", "name", "response")
    shape: JsonObject = {}
    if isinstance(response["id"].value, str):
        id = response["id"].string
    else:
        id = ids.result(name)
        shape["id"] = "null" if "id" in response else "absent"
    is_error = False
    match response["response"].value:
        case {"output": str(text), **rest} if not rest:
            content = (Text(text),)
        case {"result": str(text), **rest} if not rest:
            content = (Text(text),)
            shape["response"] = "result"
        case {"error": str(text), **rest} if not rest:
            content, is_error = (Text(text),), True
        case value:
            content = (Text(json_text(value, response["response"])),)
            shape["response"] = "json" if "response" in response else "absent"
    images = _response_images(response, ids)
    if images:
        extra = _kept(part, key, "id", "name", "response", "parts")
    return ToolResult(id, content + images, name, is_error, _with(extra, **shape))


def _response_images(response: Given, ids: CallIds) -> tuple[Image, ...]:
    """The images beside a response, if there is nothing else beside it."""
    if "parts" not in response:
        return ()
    parts = [_read_part(part, ids) for part in response["parts"]]
    images = tuple(part for part in parts if isinstance(part, Image))
    return images if len(images) == len(parts) else ()


# -- writing ------------------------------------------------------------------


def _write_system(turn: Turn) -> tuple[str, str | JsonObject]:
    fields = stamped(turn, FORMAT)
    key = fields.get("key", _SYSTEM[0])
    match turn.parts:
        case (Text() as only,) if fields.get("shape") == "string":
            return key, only.text
        case parts:
            written = [_write_part(part) for part in parts]
            return key, {"parts": written} | fields.get("content", {})


def _write_content(turn: Turn) -> JsonObject:
    fields = stamped(turn, FORMAT)
    content: JsonObject = {"role": _written_role(turn.role)}
    content["parts"] = [_write_part(part) for part in turn.parts]
    if fields.get("role", "") is None:
        del content["role"], fields["role"]
    if "parts" in fields:
        del fields["parts"]
        if not turn.parts:
            del content["parts"]
    return content | fields


def _write_part(part: Part) -> JsonObject:
    match part:
        case Text():
            return {"text": part.text} | stamped(part, FORMAT).get("part", {})
        case Image():
            return _write_image(part)
        case ToolCall():
            fields = stamped(part, FORMAT)
            call: JsonObject = {"name": part.name} | _identity(part.id, fields)
            args = fields.get("args")
            if args is None or part.arguments != "{}":
                call["args"] = argument_fields(part)
            elif args == "null":
                call["args"] = None
            return _spell(fields, "functionCall", call)
        case ToolResult():
            fields = stamped(part, FORMAT)
            response: JsonObject = {"name": part.name or ""} | _identity(part.call_id, fields)
            answer = _answer(part, fields.get("response", "error" if part.is_error else "output"))
            return _spell(fields, "functionResponse", response | answer)
        case Unknown(format=format) if format == FORMAT:
            return verbatim(part)
        case _:
            return _write_part(described(part))


def _identity(id: str, fields: JsonObject) -> JsonObject:
    """The id field: left out again where it is sfumato's own count."""
    match fields.get("id"):
        case None:
            return {"id": id}
        case "null":
            return {"id": None}
        case _:
            return {}


def _answer(result: ToolResult, shape: str) -> JsonObject:
    images = [_write_image(part) for part in result.content if isinstance(part, Image)]
    beside: JsonObject = {"parts": images} if images else {}
    words = [p for p in result.content if not isinstance(p, Image)]
    text = "\n".join((p if isinstance(p, Text) else described(p)).text for p in words)
    if shape in ("json", "absent"):
        if shape == "absent" and text == "null":
            return beside
        try:
            return {"response": json.loads(text)} | beside
        except ValueError:
            shape = "output"
    return {"response": {shape: text}} | beside


def _write_image(image: Image) -> JsonObject:
    fields = stamped(image, FORMAT)
    if inline := image_base64(image):
        data, media = inline
        return _spell(fields, "inlineData", {"mimeType": media, "data": data})
    media = media_type(image) or "image/png"
    return _spell(fields, "fileData", {"fileUri": image.url, "mimeType": media})


def _spell(fields: JsonObject, key: str, data: JsonObject) -> JsonObject:
    """The part with its data under ``key``, in the spelling it came in."""
    snake = cast("list[str]", fields.get("snake", []))

    def spelled(name: str) -> str:
        return _NAMES[name] if _NAMES.get(name) in snake else name

    renamed = {spelled(name): value for name, value in data.items()}
    return {spelled(key): renamed | fields.get("data", {})} | fields.get("part", {})


def _wants_signatures(host: Host) -> bool:
    """Whether the host is a Gemini 3, which media resolution by level tells."""
    return host.formula == "levels"


def _sign_foreign_calls(contents: Sequence[JsonObject]) -> None:
    """Give the first call of each model message the signature it lacks."""
    for content in contents:
        for part in cast("list[JsonObject]", content["parts"]):
            if "functionCall" in part or "function_call" in part:
                if "thought_signature" not in part:
                    part.setdefault("thoughtSignature", FOREIGN_CALL)
                break
