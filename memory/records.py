"""What the journal gives back: entries, thread states, events, layout rows.

Frozen values only. Knows nothing of SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, get_args

from sfumato.errors import InputError
from sfumato.turn import Turn

State: TypeAlias = Literal["live", "shelved", "forgotten"]
EventKind: TypeAlias = Literal["pin", "unpin", "refresh", "important"]
EVENT_KINDS: tuple[str, ...] = get_args(EventKind)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored turn.

    ``seq`` is its mark, 1-based and never reused. ``turn`` has its id and time
    set. ``digest`` is the SHA-256 (hex) of the turn's canonical content.

    - live: part of the conversation.
    - shelved: superseded by an edit of a framework's state; the words are kept
      but are not part of the live conversation.
    - forgotten: the content is gone. ``turn`` is a tombstone that keeps the
      role and the ids of tool calls and results, so that pairs stay whole.
    """

    seq: int
    id: str
    time: datetime
    turn: Turn
    digest: str
    state: State
    echo: bool


@dataclass(frozen=True, slots=True)
class ThreadState:
    """Where a thread stands.

    ``last_seq`` is the highest mark given (0: none), ``live`` how many turns
    are live. ``epoch`` grows with every change to existing turns (edit,
    shelve, restore, forget), never with appends.
    """

    thread: str
    last_seq: int
    epoch: int
    live: int
    created: datetime


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What reconciling did: marks by kind of change, and the history as stored.

    ``entries`` has one entry for each distinct turn given, in order.
    """

    appended: list[int]
    edited: list[int]
    shelved: list[int]
    restored: list[int]
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Event:
    """A wish about a turn. ``n`` counts a thread's events from 1.

    ``at_seq`` is the thread's last mark when the event was recorded, so that a
    replay puts it at the same place.
    """

    n: int
    seq: int
    kind: EventKind
    value: float
    time: datetime
    at_seq: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A turn found by a search; a higher score is a better match."""

    seq: int
    score: float


@dataclass(frozen=True, slots=True)
class LayoutRow:
    """A committed layout: its version (1, 2, …) and its state as the caller's text."""

    key: str
    version: int
    seen_epoch: int
    last_seq: int
    state: str
    used: datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """Something ``verify`` found; ``seq`` is None when no one turn is at fault."""

    thread: str | None
    seq: int | None
    what: str


def to_utc(time: datetime) -> datetime:
    """An aware time in UTC. Raises InputError for a naive one."""
    if time.tzinfo is None:
        raise InputError(f"time {time.isoformat()} has no time zone: pass an aware datetime")
    return time.astimezone(UTC)


def to_microseconds(time: datetime) -> int:
    """Whole microseconds from 1970 UTC to an aware time; exact."""
    return (time - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """The aware UTC time ``count`` microseconds after 1970."""
    return _EPOCH + count * _MICROSECOND
