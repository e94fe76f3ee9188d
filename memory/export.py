"""sfumato's own file: one turn per line, exactly as it is kept.

Takes journal entries, gives JSON Lines with a turn's id, time and canonical
content, and reads them back unchanged: equal ids, equal times, equal content
bytes. The lines are ASCII, so they survive any editor and any terminal.

Knows nothing about the journal; which entries are exported is the caller's
choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from sfumato.errors import TurnError
from sfumato.import_draft import Draft, Placed
from sfumato.import_source import Node
from sfumato.turn import (
    Image,
    Part,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    decode,
    encode,
)


class Exportable(Protocol):
    """A journal entry, as far as an export needs one."""

    @property
    def id(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def turn(self) -> Turn: ...


def export_jsonl(entries: Iterable[Exportable]) -> Iterator[str]:
    """A line (without its newline) for each entry, in order.

    ``read_conversations(path, "sfumato")`` takes them back.
    """
    for entry in entries:
        content = encode(entry.turn).decode("ascii")
        id, time = json.dumps(entry.id), json.dumps(entry.time.isoformat())
        yield f'{{"id":{id},"time":{time},"content":{content}}}'


def is_export(record: Node) -> bool:
    """Whether a record is a line of an export."""
    return "content" in record and "parts" in record["content"]


def read_export(records: Sequence[Node]) -> list[Draft]:
    """The exported turns, one conversation."""
    return [Draft([_turn(record) for record in records])]


def _turn(record: Node) -> Placed:
    id, time, content = record["id"].string_or_none, record["time"].time, record["content"]
    try:
        turn = decode(json.dumps(content.fields).encode(), id=id, time=time)
    except TurnError as problem:
        content.misfit(str(problem))
    if not _is_sound(turn):
        content.misfit("a field of the turn is of the wrong type")
    return Placed(turn, record)


def _is_sound(value: Turn | Part) -> bool:
    """Whether fields are of their types, which decoding takes on trust."""
    match value:
        case Turn(_, parts, str() | None, metadata=dict(), extra=dict()):
            return all(map(_is_sound, parts))
        case Text(str(), dict()) | ToolCall(str(), str(), str(), dict()) | Unknown(str(), _):
            return True
        case Image(_, str() | None, str() | None, str() | None, dict()):
            return True
        case ToolResult(str(), parts, str() | None, bool(), dict()):
            return all(map(_is_sound, parts))
        case _:
            return False
