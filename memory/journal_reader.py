"""Reading from a journal: every question that changes nothing.

``JournalReader(url)`` is the half of ``Journal`` that only reads. Each answer
is of one moment of the store. Knows nothing of how turns get there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from sfumato import entries as rows
from sfumato import layout_store, verify
from sfumato.database import Database
from sfumato.errors import NotFoundError
from sfumato.records import (
    Entry,
    Event,
    LayoutRow,
    Problem,
    ThreadState,
    from_microseconds,
    to_microseconds,
    to_utc,
)
from sfumato.schema import contents, events, read_meta, revisions, threads, turns
from sfumato.turn import Turn


class JournalReader:
    """What a journal can be asked. Methods that name a thread raise NotFoundError for none."""

    def __init__(self, url: str = "sqlite:///sfumato.db") -> None:
        self._database = Database(url)
        with self._database.reading() as connection:
            self._salt = read_meta(connection, "salt") or ""

    def close(self) -> None:
        """Close the connections to the store."""
        self._database.close()

    def threads(self) -> list[ThreadState]:
        """Where each thread stands, oldest thread first."""
        with self._database.reading() as connection:
            found = connection.execute(sa.select(threads).order_by(threads.c.thread_key))
            return [rows.thread_state(row) for row in found]

    def state(self, thread: str) -> ThreadState:
        """Where a thread stands. Raises NotFoundError."""
        with self._database.reading() as connection:
            return rows.thread_state(rows.find_thread(connection, thread))

    def entries(
        self, thread: str, first: int = 1, last: int | None = None, *, live_only: bool = True
    ) -> list[Entry]:
        """Entries from mark ``first`` to ``last`` inclusive, ascending.

        ``live_only`` leaves out shelved and forgotten turns. Raises NotFoundError.
        """

        def narrow(query: sa.Select[Any]) -> sa.Select[Any]:
            query = query.where(turns.c.seq >= first).order_by(turns.c.seq)
            query = query if last is None else query.where(turns.c.seq <= last)
            return query.where(turns.c.state == "live") if live_only else query

        with self._reading(thread) as (connection, row):
            return rows.select_entries(connection, row, narrow)

    def iter_entries(
        self, thread: str, first: int = 1, *, live_only: bool = True, batch: int = 500
    ) -> Iterator[Entry]:
        """Entries from mark ``first`` on, read ``batch`` marks at a time.

        Each batch is one moment of the store; no transaction stays open between.
        """
        last = self.state(thread).last_seq
        for start in range(first, last + 1, batch):
            end = min(start + batch - 1, last)
            yield from self.entries(thread, start, end, live_only=live_only)

    def get(self, thread: str, seqs: Iterable[int]) -> list[Entry]:
        """The entries with these marks, in any state, ascending. Raises NotFoundError."""
        with self._reading(thread) as (connection, row):
            return rows.numbered(connection, row, seqs)

    def by_id(self, thread: str, turn_id: str) -> Entry:
        """The live entry with this turn id. Raises NotFoundError."""
        with self._reading(thread) as (connection, row):
            found = rows.holding_ids(connection, row, [turn_id])
        if turn_id not in found or found[turn_id].state != "live":
            raise NotFoundError(f"thread {thread!r} has no live turn with the id {turn_id!r}")
        return found[turn_id]

    def between(
        self, thread: str, since: datetime | None, until: datetime | None, limit: int
    ) -> list[Entry]:
        """Live entries with since <= time < until, by time; at most ``limit``."""

        def narrow(query: sa.Select[Any]) -> sa.Select[Any]:
            query = query.where(turns.c.state == "live")
            if since is not None:
                query = query.where(turns.c.time_us >= to_microseconds(to_utc(since)))
            if until is not None:
                query = query.where(turns.c.time_us < to_microseconds(to_utc(until)))
            return query.order_by(turns.c.time_us, turns.c.seq).limit(limit)

        with self._reading(thread) as (connection, row):
            return rows.select_entries(connection, row, narrow)

    def changed_since(self, thread: str, epoch: int) -> list[int]:
        """Marks of turns whose content or state changed after ``epoch``, ascending."""
        with self._reading(thread) as (connection, row):
            query = (
                sa.select(turns.c.seq)
                .where(turns.c.thread_key == row.thread_key, turns.c.changed_epoch > epoch)
                # Spelled like this, the index of changed turns serves.
                .where(sa.text("changed_epoch > 0"))
                .order_by(turns.c.seq)
            )
            return list(connection.execute(query).scalars())

    def revisions(self, thread: str, seq: int) -> list[Turn]:
        """The former contents of an edited turn, oldest first. Raises NotFoundError."""
        with self._reading(thread) as (connection, row):
            [current] = rows.numbered(connection, row, [seq])
            found = connection.execute(
                sa.select(revisions, contents.c.body)
                .outerjoin(contents, revisions.c.content_key == contents.c.content_key)
                .where(revisions.c.thread_key == row.thread_key, revisions.c.seq == seq)
                .order_by(revisions.c.epoch)
            )
            return [
                replace(
                    rows.content(thread, seq, each.body, None),
                    id=current.id,
                    time=from_microseconds(each.time_us),
                )
                for each in found
            ]

    def events(self, thread: str, after: int = 0) -> list[Event]:
        """Events numbered above ``after``, in order. Raises NotFoundError."""
        with self._reading(thread) as (connection, row):
            query = (
                sa.select(events)
                .where(events.c.thread_key == row.thread_key, events.c.n > after)
                .order_by(events.c.n)
            )
            return [
                Event(e.n, e.seq, e.kind, e.value, from_microseconds(e.time_us), e.at_seq)
                for e in connection.execute(query)
            ]

    def load_layout(self, thread: str, key: str) -> LayoutRow | None:
        """The committed layout of that key, or None. Raises NotFoundError."""
        with self._reading(thread) as (connection, row):
            return layout_store.load(connection, row, key)

    def layouts(self, thread: str) -> list[LayoutRow]:
        """All committed layouts of a thread, by key. Raises NotFoundError."""
        with self._reading(thread) as (connection, row):
            return layout_store.load_all(connection, row)

    def verify(self, thread: str | None = None) -> list[Problem]:
        """Check the store, or one thread, against itself; what is wrong. Raises NotFoundError."""
        return verify.problems(self._database, self._salt, thread)

    @contextmanager
    def _reading(self, thread: str) -> Generator[tuple[Connection, Row[Any]]]:
        with self._database.reading() as connection:
            yield connection, rows.find_thread(connection, thread)
