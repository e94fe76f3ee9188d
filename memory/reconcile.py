"""What must change in a stored thread so that it matches a framework's history.

A pure plan: from the stored turns (id, digest, state) and the incoming ones
(id, digest) to which stored turns are kept, edited, shelved or restored, and
which incoming ones are appended. Knows nothing of content or storage.

The order of a thread never changes and new turns only go to its end. So an
incoming history that keeps the order and adds at its end is matched turn by
turn; any other is matched up to where it departs, and the rest is told anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from sfumato.errors import ConflictError
from sfumato.records import State


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored turn. ``aliases`` are the digests it answers to, its own first."""

    seq: int
    id: str
    state: State
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A turn of the history. ``id`` is None when the framework gave none."""

    id: str | None
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, marks ascending.

    ``kept`` gives for each incoming turn its mark, or None where it is to be
    appended; ``edited`` pairs a mark with the index of the incoming turn.
    """

    kept: list[int | None]
    edited: list[tuple[int, int]]
    shelved: list[int]
    restored: list[int]

    @property
    def appended(self) -> list[int]:
        """Indexes of the incoming turns to append."""
        return [index for index, seq in enumerate(self.kept) if seq is None]


def plan(stored: Sequence[Stored], incoming: Sequence[Incoming]) -> Plan:
    """Plan the change. ``stored`` is by ascending mark, shelved turns included.

    An incoming turn matches the stored turn with its id, or, without an id,
    the next one in order with its digest. Of shelved turns only those with the
    same digest match, and only in order. A turn with an unknown id matches, in
    order, one with its digest whose own id is missing: a history kept without
    ids is given new ones each time it is sent. Raises ConflictError when an id
    comes twice with different content.
    """
    _check_ids(incoming)
    current = [turn for turn in stored if turn.state != "shelved"]
    kept = _filled(_matches(current, incoming), stored, incoming)
    if not _consistent(kept):
        kept = _consistent_prefix(kept)
    by_seq = {turn.seq: turn for turn in stored}
    chosen = {seq for seq in kept if seq is not None}
    return Plan(
        kept=kept,
        edited=[
            (seq, index)
            for index, seq in enumerate(kept)
            if seq is not None and not _same(by_seq[seq], incoming[index])
        ],
        shelved=[turn.seq for turn in current if turn.seq not in chosen],
        restored=[seq for seq in sorted(chosen) if by_seq[seq].state == "shelved"],
    )


def _check_ids(incoming: Sequence[Incoming]) -> None:
    seen: set[str] = set()
    for turn in incoming:
        if turn.id is not None and turn.id in seen:
            raise ConflictError(
                f"the history holds two turns with the id {turn.id!r} and different content: "
                "give each turn its own id. Nothing was changed."
            )
        if turn.id is not None:
            seen.add(turn.id)


def _same(stored: Stored, incoming: Incoming) -> bool:
    return not set(stored.aliases).isdisjoint(incoming.aliases)


def _matches(current: Sequence[Stored], incoming: Sequence[Incoming]) -> list[int | None]:
    by_id = {turn.id: turn.seq for turn in current}
    waiting = _Waiting(current)
    used = {turn.id for turn in incoming if turn.id is not None}
    found: list[int | None] = []
    last = 0
    for turn in incoming:
        seq = by_id.get(turn.id) if turn.id is not None else waiting.next(turn, last, used)
        found.append(seq)
        last = last if seq is None else max(last, seq)
    return found


def _filled(
    found: Sequence[int | None], stored: Sequence[Stored], incoming: Sequence[Incoming]
) -> list[int | None]:
    """Fill unmatched places with renamed or shelved turns that fit between their neighbours."""
    matched = {seq for seq in found if seq is not None}
    ids = {turn.seq: turn.id for turn in stored}
    shelved = _Waiting([turn for turn in stored if turn.state == "shelved"])
    renamed = _Waiting(
        [turn for turn in stored if turn.state != "shelved" and turn.seq not in matched]
    )
    # No two current turns may have one id, so a turn whose id is in use stays where it is.
    used = {ids[seq] for seq in matched} | {turn.id for turn in incoming if turn.id is not None}
    filled: list[int | None] = []
    last = 0
    for turn, seq, ceiling in zip(incoming, found, _ceilings(found), strict=True):
        if seq is None:
            # What is current stays: else the same history told twice would change a thread twice.
            candidates = (
                renamed.next(replace(turn, id=None), last, used),
                shelved.next(turn, last, used - {turn.id}),
            )
            seq = next((c for c in candidates if c is not None and c < ceiling), None)
        filled.append(seq)
        if seq is not None:
            last = seq
            used.add(ids[seq])
    return filled


def _ceilings(found: Sequence[int | None]) -> list[float]:
    """For each place, the mark of the next matched turn after it."""
    ceilings: list[float] = []
    ceiling = float("inf")
    for seq in reversed(found):
        ceilings.append(ceiling)
        ceiling = ceiling if seq is None else seq
    return ceilings[::-1]


class _Waiting:
    """Stored turns that wait to be matched by digest, or by id and digest."""

    def __init__(self, turns: Sequence[Stored]) -> None:
        self._turns: defaultdict[tuple[str | None, str], list[Stored]] = defaultdict(list)
        for turn in turns:
            for alias in set(turn.aliases):
                self._turns[None, alias].append(turn)
                self._turns[turn.id, alias].append(turn)

    def next(self, turn: Incoming, last: int, used: Set[str | None]) -> int | None:
        """The first mark after ``last`` that answers to the turn and whose id is not used."""
        answers = (self._first(self._turns.get((turn.id, a), ()), last, used) for a in turn.aliases)
        return min((seq for seq in answers if seq is not None), default=None)

    @staticmethod
    def _first(turns: Sequence[Stored], last: int, used: Set[str | None]) -> int | None:
        after = range(bisect_right(turns, last, key=lambda turn: turn.seq), len(turns))
        return next((turns[i].seq for i in after if turns[i].id not in used), None)


def _consistent(kept: Sequence[int | None]) -> bool:
    """Whether matched marks ascend and everything new comes after them."""
    return _consistent_prefix(kept) == list(kept)


def _consistent_prefix(kept: Sequence[int | None]) -> list[int | None]:
    """``kept`` up to where it departs from the stored order, then nothing matched."""
    last = 0
    for index, seq in enumerate(kept):
        if seq is None or seq <= last:
            return [*kept[:index], *(None for _ in kept[index:])]
        last = seq
    return list(kept)
