"""Turns and their parts: the value types everything else speaks.

Takes plain Python values, gives frozen dataclasses and their canonical bytes.
Knows nothing about storage, tiers, hosts or wire formats.

Canonical content is ASCII-escaped JSON with sorted keys, so that NUL, lone
surrogates and every script survive any database, and equal turns have equal
bytes. A turn's id and time are not part of its content: the same words said
again have the same digest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast, get_args

from sfumato.errors import TurnError

JsonObject: TypeAlias = dict[str, Any]

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[str, ...] = get_args(Role)


def _no_extra() -> JsonObject:
    return {}


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text. ``extra`` holds wire fields sfumato has no name for."""

    text: str
    extra: JsonObject = field(default_factory=_no_extra)


@dataclass(frozen=True, slots=True)
class Image:
    """An image, by value (``data``) or by reference (``url``).

    ``media_type`` is a MIME type such as ``image/png``; ``caption`` is what is
    left of the image on the densest pages.
    """

    data: bytes | None = None
    url: str | None = None
    media_type: str | None = None
    caption: str | None = None
    extra: JsonObject = field(default_factory=_no_extra)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model made. ``arguments`` is the JSON text exactly as given."""

    id: str
    name: str
    arguments: str = "{}"
    extra: JsonObject = field(default_factory=_no_extra)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A part of a kind sfumato does not know, kept verbatim.

    ``format`` names the wire format whose ``raw`` part this is.
    """

    format: str
    raw: Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call ``call_id``."""

    call_id: str
    content: tuple[Text | Image | Unknown, ...] = ()
    name: str | None = None
    is_error: bool = False
    extra: JsonObject = field(default_factory=_no_extra)


Part: TypeAlias = Text | Image | ToolCall | ToolResult | Unknown


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a thread.

    ``time`` is timezone-aware; None means "when it is added". ``id`` is stable
    and unique among a thread's live turns; None means "assign one".
    ``metadata`` is the user's; of it, only the sign of a number ``importance`` is read:
    turns above 0 are drawn larger than others, turns below smaller. ``extra`` holds
    message-level wire fields.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    time: datetime | None = None
    id: str | None = None
    metadata: JsonObject = field(default_factory=_no_extra)
    extra: JsonObject = field(default_factory=_no_extra)

    @property
    def text(self) -> str:
        """The text parts joined by newlines; tool results' text included."""
        return "\n".join(_texts(self.parts))

    @property
    def call_ids(self) -> tuple[str, ...]:
        """Ids of the tool calls this turn makes."""
        return tuple(p.id for p in self.parts if isinstance(p, ToolCall))

    @property
    def result_ids(self) -> tuple[str, ...]:
        """Ids of the tool calls this turn answers."""
        return tuple(p.call_id for p in self.parts if isinstance(p, ToolResult))


def _texts(parts: Sequence[Part]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if isinstance(part, Text):
            found.append(part.text)
        elif isinstance(part, ToolResult):
            found.extend(_texts(part.content))
    return found


def turn(role: str, content: str | Sequence[Part], **fields: Any) -> Turn:
    """Build a checked turn from a role and a string or parts.

    Raises TurnError for an unknown role, a naive time, or fields that JSON
    cannot hold.
    """
    parts: tuple[Part, ...] = (Text(content),) if isinstance(content, str) else tuple(content)
    made = Turn(cast(Role, role), parts, **fields)
    check(made)
    return made


def check(value: Turn) -> None:
    """Raise TurnError unless ``value`` can be stored and read back unchanged."""
    if value.role not in ROLES:
        raise TurnError(f"unknown role {value.role!r}: use one of {', '.join(ROLES)}")
    if value.time is not None and value.time.tzinfo is None:
        raise TurnError(
            f"turn time {value.time.isoformat()} has no time zone: "
            "pass an aware datetime, e.g. datetime.now(UTC)"
        )
    for part in value.parts:
        if not isinstance(cast(object, part), Text | Image | ToolCall | ToolResult | Unknown):
            raise TurnError(f"{type(part).__name__} is not a turn part")
        if isinstance(part, Image) and part.data is None and part.url is None:
            raise TurnError("an image part needs data or a url")
    if decode(encode(value)) != Turn(
        value.role, value.parts, value.name, None, None, value.metadata, value.extra
    ):
        raise TurnError(
            "the turn does not survive JSON: use only str keys, finite numbers, "
            "lists and plain dicts in metadata and extra"
        )


def encode(value: Turn) -> bytes:
    """Canonical content bytes of a turn (id and time excluded)."""
    body: JsonObject = {"role": value.role, "parts": [_part_to_json(p) for p in value.parts]}
    if value.name is not None:
        body["name"] = value.name
    if value.metadata:
        body["metadata"] = value.metadata
    if value.extra:
        body["extra"] = value.extra
    try:
        return json.dumps(
            body, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False
        ).encode("ascii")
    except (TypeError, ValueError) as problem:
        raise TurnError(f"the turn cannot be written as JSON: {problem}") from problem


def decode(content: bytes, *, id: str | None = None, time: datetime | None = None) -> Turn:
    """The turn whose canonical bytes ``content`` are. Raises TurnError if damaged."""
    try:
        body = json.loads(content)
        return Turn(
            role=body["role"],
            parts=tuple(_part_from_json(p) for p in body["parts"]),
            name=body.get("name"),
            time=time,
            id=id,
            metadata=body.get("metadata", {}),
            extra=body.get("extra", {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as problem:
        raise TurnError(f"stored turn content is damaged: {problem}") from problem


def digest(content: bytes) -> str:
    """SHA-256 of canonical content, hex."""
    return hashlib.sha256(content).hexdigest()


def new_id() -> str:
    """A fresh turn id."""
    return uuid.uuid4().hex


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def _part_to_json(part: Part) -> JsonObject:
    match part:
        case Text():
            body: JsonObject = {"kind": "text", "text": part.text}
        case Image():
            body = {"kind": "image"}
            if part.data is not None:
                body["data"] = base64.b64encode(part.data).decode("ascii")
            body |= _present(url=part.url, media_type=part.media_type, caption=part.caption)
        case ToolCall():
            body = {
                "kind": "tool_call",
                "id": part.id,
                "name": part.name,
                "arguments": part.arguments,
            }
        case ToolResult():
            body = {
                "kind": "tool_result",
                "call_id": part.call_id,
                "content": [_part_to_json(p) for p in part.content],
            } | _present(name=part.name)
            if part.is_error:
                body["is_error"] = True
        case Unknown():
            return {"kind": "unknown", "format": part.format, "raw": part.raw}
    if part.extra:
        body["extra"] = part.extra
    return body


def _part_from_json(body: Mapping[str, Any]) -> Part:
    extra = body.get("extra", {})
    match body["kind"]:
        case "text":
            return Text(body["text"], extra)
        case "image":
            data = base64.b64decode(body["data"], validate=True) if "data" in body else None
            return Image(data, body.get("url"), body.get("media_type"), body.get("caption"), extra)
        case "tool_call":
            return ToolCall(body["id"], body["name"], body["arguments"], extra)
        case "tool_result":
            content = tuple(_part_from_json(p) for p in body["content"])
            return ToolResult(
                body["call_id"],
                cast("tuple[Text | Image | Unknown, ...]", content),
                body.get("name"),
                body.get("is_error", False),
                extra,
            )
        case "unknown":
            return Unknown(body["format"], body["raw"])
        case kind:
            raise ValueError(f"unknown part kind {kind!r}")


def _present(**fields: str | None) -> JsonObject:
    return {key: value for key, value in fields.items() if value is not None}
