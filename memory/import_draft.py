"""Conversations on their way in: turns that still remember where they were read.

Takes the drafts that the format readers make, gives finished conversations:
every turn checked, timed and given an id that is the same on every import.
Knows nothing about files or formats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sfumato.errors import TurnError
from sfumato.import_source import Node
from sfumato.turn import Turn, check, digest, encode


@dataclass(frozen=True, slots=True)
class Placed:
    """A turn and the place in the file it came from."""

    turn: Turn
    node: Node


@dataclass(slots=True)
class Draft:
    """A conversation as its format reader found it.

    ``name`` is its title in the file and ``id`` the file's own identifier;
    ``started`` stands in for the times of turns that have none.
    """

    turns: list[Placed] = field(default_factory=list[Placed])
    name: str | None = None
    id: str | None = None
    started: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation read from a file.

    ``name`` is unique in the file, None where the file names none; ``id`` is
    unique in the file always: the file's own identifier or the conversation's
    1-based place. ``format`` is the name of the format it was read as.
    """

    name: str | None
    turns: list[Turn]
    format: str
    id: str


def finish(drafts: Iterable[Draft], format: str) -> list[Conversation]:
    """Conversations with unique names and ids, their turns checked, timed and identified.

    Drafts without turns are left out. Raises Misfit naming the place.
    """
    full = [draft for draft in drafts if draft.turns]
    ids = _unique([draft.id or str(place) for place, draft in enumerate(full, 1)])
    names = iter(_unique([draft.name for draft in full if draft.name is not None]))
    conversations: list[Conversation] = []
    for draft, id in zip(full, ids, strict=True):
        name = None if draft.name is None else next(names)
        turns = _identified(_timed(draft), name or id)
        conversations.append(Conversation(name, turns, format, id))
    return conversations


def _unique(names: Sequence[str]) -> list[str]:
    """Names with ``(2)``, ``(3)`` … after those that came before."""
    taken = set(names)
    used: set[str] = set()
    unique: list[str] = []
    for name in names:
        made, number = name, 1
        while made in used or (number > 1 and made in taken):
            number += 1
            made = f"{name} ({number})"
        used.add(made)
        unique.append(made)
    return unique


def _timed(draft: Draft) -> list[Placed]:
    """Turns without a time take the last one before them, else the first there is.

    Without this they would be dated to the day of the import, in the middle
    of a conversation years old.
    """
    known = (placed.turn.time for placed in draft.turns)
    time = next((t for t in known if t is not None), draft.started)
    timed: list[Placed] = []
    for placed in draft.turns:
        time = placed.turn.time or time
        timed.append(Placed(replace(placed.turn, time=time), placed.node))
    return timed


def _identified(turns: Iterable[Placed], conversation: str) -> list[Turn]:
    """Checked turns with ids; a record repeated with its id is taken once."""
    by_id: dict[str, tuple[str, Node]] = {}
    identified: list[Turn] = []
    for index, placed in enumerate(turns):
        content = _content_digest(placed)
        id = placed.turn.id or derived_id(conversation, str(index), content)
        if id in by_id:
            other, node = by_id[id]
            if other != content:
                placed.node.misfit(f"the id {id!r} is already that of another turn{_at(node)}")
            continue
        by_id[id] = content, placed.node
        identified.append(replace(placed.turn, id=id))
    return identified


def derived_id(*names: str) -> str:
    """A turn id made of what names the turn; the same names give the same id."""
    return hashlib.sha256(json.dumps(names).encode("ascii")).hexdigest()[:32]


def _content_digest(placed: Placed) -> str:
    try:
        check(placed.turn)
        return digest(encode(placed.turn))
    except TurnError as problem:
        placed.node.misfit(str(problem))


def _at(node: Node) -> str:
    if node.line is not None:
        return f" on line {node.line}"
    return f" at {node.path}" if node.path else ""
