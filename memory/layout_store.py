"""Committed layouts: one row per thread and layout key, changed by compare-and-set.

Takes an open transaction and a thread's row, locked where something is
written. The state is the caller's text; nothing here reads it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from sfumato.records import LayoutRow, from_microseconds, to_microseconds
from sfumato.schema import layouts


def load(connection: Connection, thread: Row[Any], key: str) -> LayoutRow | None:
    """The layout of that key, or None."""
    row = connection.execute(sa.select(layouts).where(_mine(thread, key))).one_or_none()
    return None if row is None else _layout(row)


def load_all(connection: Connection, thread: Row[Any]) -> list[LayoutRow]:
    """All layouts of a thread, by key."""
    mine = layouts.c.thread_key == thread.thread_key
    found = connection.execute(sa.select(layouts).where(mine).order_by(layouts.c.key))
    return [_layout(row) for row in found]


def commit(connection: Connection, thread: Row[Any], made: LayoutRow) -> bool:
    """Store ``made`` if it follows the stored version and the thread is where it was seen."""
    if thread.epoch != made.seen_epoch or thread.last_seq < made.last_seq:
        return False
    old = load(connection, thread, made.key)
    if (old.version if old else 0) != made.version - 1:
        return False
    values: dict[str, Any] = {
        "version": made.version,
        "seen_epoch": made.seen_epoch,
        "last_seq": made.last_seq,
        "state": made.state,
        "used_us": to_microseconds(made.used),
    }
    if old:
        connection.execute(sa.update(layouts).where(_mine(thread, made.key)).values(values))
    else:
        values |= {"thread_key": thread.thread_key, "key": made.key}
        connection.execute(sa.insert(layouts).values(values))
    return True


def drop(connection: Connection, thread: Row[Any], unused_since: datetime) -> int:
    """Drop the layouts last committed before that time; how many."""
    old = layouts.c.used_us < to_microseconds(unused_since)
    mine = layouts.c.thread_key == thread.thread_key
    return connection.execute(sa.delete(layouts).where(mine & old)).rowcount


def _mine(thread: Row[Any], key: str) -> sa.ColumnElement[bool]:
    return (layouts.c.thread_key == thread.thread_key) & (layouts.c.key == key)


def _layout(row: Row[Any]) -> LayoutRow:
    return LayoutRow(
        row.key,
        row.version,
        row.seen_epoch,
        row.last_seq,
        row.state,
        from_microseconds(row.used_us),
    )
