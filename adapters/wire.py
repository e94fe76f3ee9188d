"""What all wire formats share: checked reading, stamps, images, call ids.

A *stamp* is what one format has to remember of a part or turn beyond the
fields of its own: ``extra[format]``, unknown wire fields and the few choices of
shape (content as a string or a list …) that would otherwise be lost. Writing a
format looks at its own stamp only, so fields of one provider never reach
another.

Knows nothing about any particular format.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

from sfumato.errors import TurnError
from sfumato.plain import part_text
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
    check,
)

Stamped = Text | Image | ToolCall | ToolResult | Turn

_DATA_URL = re.compile(r"data:(?P<media>[^;,]*)[^,]*;base64,(?P<data>.*)", re.DOTALL)

# First bytes of the image kinds that providers take, https://en.wikipedia.org/wiki/List_of_file_signatures
_SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
    (b"BM", "image/bmp"),
)


# -- reading ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Given:
    """A value from outside and its place, so that every complaint names the place."""

    value: Any
    path: str

    def wrong(self, reason: str) -> NoReturn:
        """Refuse the input because of this value."""
        raise TurnError(f"{self.path}: {reason}")

    def __getitem__(self, key: str) -> Given:
        """The field ``key``; a Given of None where there is none."""
        return Given(self.object.get(key), f"{self.path}.{key}")

    def __contains__(self, key: str) -> bool:
        return key in self.object

    def __iter__(self) -> Iterator[Given]:
        items: object = self.value
        if not isinstance(items, list | tuple):
            self.wrong(f"expected a list, found {type(items).__name__}")
        for index, item in enumerate(cast("Sequence[Any]", items)):
            yield Given(item, f"{self.path}[{index}]")

    @property
    def object(self) -> Mapping[str, Any]:
        """The value, which must be a mapping."""
        fields: object = self.value
        if not isinstance(fields, Mapping):
            self.wrong(f"expected an object, found {type(fields).__name__}")
        return cast("Mapping[str, Any]", fields)

    @property
    def string(self) -> str:
        """The value, which must be a string."""
        if not isinstance(self.value, str):
            found = "nothing" if self.value is None else type(self.value).__name__
            self.wrong(f"expected a string, found {found}")
        return self.value

    def rest(self, *known: str) -> JsonObject:
        """The object's fields besides the known ones, as a copy of their own."""
        return {key: deepcopy(value) for key, value in self.object.items() if key not in known}

    def unknown(self, format: str) -> Unknown:
        """The object as a part that ``format`` alone understands."""
        return Unknown(format, self.rest())


def made(
    place: Given,
    role: Role,
    parts: Sequence[Part],
    stamp_: JsonObject,
    *,
    name: str | None = None,
    id: str | None = None,
) -> Turn:
    """A checked turn; TurnError names the place if it cannot be stored."""
    turn = Turn(role, tuple(parts), name=name, id=id, extra=stamp_)
    try:
        check(turn)
    except TurnError as problem:
        place.wrong(str(problem))
    return turn


# -- stamps -------------------------------------------------------------------


def stamp(format: str, fields: JsonObject) -> JsonObject:
    """The ``extra`` that keeps ``fields`` for ``format``; empty if there are none."""
    return {format: fields} if fields else {}


def stamped(value: Stamped, format: str) -> JsonObject:
    """What ``format`` kept in the value's ``extra``, as a copy."""
    fields = value.extra.get(format)
    return deepcopy(cast(JsonObject, fields)) if isinstance(fields, dict) else {}


def verbatim(part: Unknown) -> JsonObject:
    """The raw object of a format's own part, as a copy."""
    return deepcopy(cast(JsonObject, part.raw))


def plain_text(parts: Sequence[Part], format: str) -> str | None:
    """The text of parts that a bare string says as well: none, or one unstamped Text."""
    match list(parts):
        case []:
            return ""
        case [Text() as only] if not stamped(only, format):
            return only.text
        case _:
            return None


# -- images -------------------------------------------------------------------


def image_from_url(url: str, extra: JsonObject) -> Image:
    """An image from a URL; the bytes themselves where a data URL can be rebuilt from them."""
    if match := _DATA_URL.fullmatch(url):
        media, data = match["media"], decoded(match["data"])
        if media and data is not None and url == data_url(data, media):
            return Image(data, media_type=media, extra=extra)
    return Image(url=url, extra=extra)


def image_from_base64(text: str, media: str, extra: JsonObject) -> Image:
    """An image from base64; kept as a data URL where re-encoding would not give ``text``."""
    data = decoded(text)
    if data is None:
        return Image(url=f"data:{media};base64,{text}", extra=extra)
    return Image(data, media_type=media, extra=extra)


def decoded(text: str) -> bytes | None:
    """The bytes of canonical base64; None where encoding them would give another text."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encoded(data) == text else None


def encoded(data: bytes) -> str:
    """Base64 text of bytes."""
    return base64.b64encode(data).decode("ascii")


def data_url(data: bytes, media: str) -> str:
    """The data URL of bytes."""
    return f"data:{media};base64,{encoded(data)}"


def media_type(image: Image) -> str | None:
    """The image's MIME type: as given, of its data URL, or by its first bytes."""
    if image.media_type:
        return image.media_type
    if image.url and (match := _DATA_URL.fullmatch(image.url)):
        return match["media"] or None
    data = image.data or b""
    return next((media for start, media in _SIGNATURES if data.startswith(start)), None)


def image_url(image: Image) -> str:
    """The image as a URL, a data URL if it is held by value."""
    if image.data is None:
        return image.url or ""
    return data_url(image.data, media_type(image) or "image/png")


def image_base64(image: Image) -> tuple[str, str] | None:
    """Base64 text and MIME type of an image held by value or in a data URL."""
    if image.data is not None:
        return encoded(image.data), media_type(image) or "image/png"
    if image.url and (match := _DATA_URL.fullmatch(image.url)):
        return match["data"], match["media"]
    return None


# -- texts, arguments, ids ----------------------------------------------------


def described(part: Part) -> Text:
    """A part that has no place on the wire, in words: JSON, call, result or caption."""
    if isinstance(part, Image) and (part.url or "").startswith("data:"):
        part = replace(part, url=None)
    return Text(part_text(part))


def spelled_out(part: Part) -> list[Part]:
    """A part in words, and the images it holds, which have no words."""
    inner = part.content if isinstance(part, ToolResult) else ()
    return [described(part), *(p for p in inner if isinstance(p, Image))]


def result_parts(result: ToolResult) -> tuple[Text | Image | Unknown, ...]:
    """A result's content for wires that cannot flag an error: the flag in words."""
    return (Text("[error]"), *result.content) if result.is_error else result.content


def json_text(value: Any, place: Given) -> str:
    """JSON text that reads back as ``value``."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as problem:
        place.wrong(f"cannot be written as JSON: {problem}")


def storable(fields: Mapping[str, Any]) -> JsonObject:
    """The fields that survive JSON, of those that frameworks let hold any object.

    Pydantic models are kept as their JSON; the names of what cannot be kept
    stand under ``left_out``.
    """
    kept: JsonObject = {}
    left_out: list[str] = []
    for name, value in fields.items():
        form = _json_form(value)
        try:
            survives = json.loads(json.dumps(form, allow_nan=False)) == form
        except (TypeError, ValueError, RecursionError):
            survives = False
        if survives:
            kept[name] = form
        else:
            left_out.append(name)
    return kept | ({"left_out": left_out} if left_out else {})


def _json_form(value: Any) -> Any:
    """The value as it stands, models in it as plain objects."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [_json_form(item) for item in cast("list[Any]", value)]
    return deepcopy(value)


def argument_object(call: ToolCall) -> JsonObject | None:
    """A call's arguments as an object; None where the model wrote something else."""
    try:
        value = json.loads(call.arguments or "{}")
    except ValueError:
        return None
    return cast(JsonObject, value) if isinstance(value, dict) else None


def argument_fields(call: ToolCall) -> JsonObject:
    """A call's arguments as an object, whatever the model wrote."""
    found = argument_object(call)
    return {"arguments": call.arguments} if found is None else found


def custom_input(call: ToolCall) -> str:
    """The free text of a call whose tool takes text: kept as the argument ``input``."""
    text = (argument_object(call) or {}).get("input")
    return text if isinstance(text, str) else call.arguments


class CallIds:
    """Ids for calls and results of formats that pair them by name and order.

    The n-th call of a name gets ``name-n``; a result gets the id of the oldest
    such call that has none yet. One instance serves one list of messages.
    """

    def __init__(self) -> None:
        self._calls: defaultdict[str, int] = defaultdict(int)
        self._results: defaultdict[str, int] = defaultdict(int)

    def call(self, name: str) -> str:
        """The id of the next call of ``name``."""
        self._calls[name] += 1
        return f"{name}-{self._calls[name]}"

    def result(self, name: str) -> str:
        """The id that the next result of ``name`` answers."""
        self._results[name] += 1
        return f"{name}-{self._results[name]}"
