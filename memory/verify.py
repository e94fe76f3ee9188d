"""Checking a store against itself.

Recomputes what can be recomputed: digests, counters, gapless marks, the search
index; finds contents that nothing refers to. Reads only. Knows nothing of
layouts' states, which the module that writes them checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from sfumato import entries as rows
from sfumato import postings
from sfumato.database import Database
from sfumato.errors import StoreError
from sfumato.index import TERMS_VERSION, filed_under
from sfumato.records import Problem
from sfumato.schema import contents, revisions, threads, turns

_BATCH = 500


def problems(database: Database, salt: str, thread: str | None) -> list[Problem]:
    """What is wrong with a thread, or with the store and all its threads."""
    found: list[Problem] = []
    if thread is None:
        found += _file_problems(database)
    try:
        with database.reading() as connection:
            if thread is not None:
                checked = [rows.find_thread(connection, thread)]
            else:
                checked = connection.execute(sa.select(threads)).all()
                found += _left_behind(connection)
            for row in checked:
                found += _thread_problems(connection, row, salt)
    except StoreError as problem:
        found.append(Problem(thread, None, str(problem)))
    return found


def _file_problems(database: Database) -> list[Problem]:
    if not database.is_sqlite:
        return []
    try:
        with database.reading() as connection:
            report = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    except StoreError as problem:
        return [Problem(None, None, str(problem))]
    found = [Problem(None, None, f"integrity check: {line}") for line in report if line != "ok"]
    if orphans:
        found.append(Problem(None, None, f"{len(orphans)} rows refer to rows that are missing"))
    return found


def _left_behind(connection: Connection) -> Iterator[Problem]:
    """Contents that no turn or revision refers to and that were not erased."""
    used = sa.union_all(sa.select(turns.c.content_key), sa.select(revisions.c.content_key))
    query = sa.select(contents).where(contents.c.content_key.not_in(used))
    for row in connection.execute(query):
        if bytes(row.body).strip(b"\0"):
            what = f"content {row.content_key} belongs to no turn and was not erased"
            yield Problem(None, None, what)


def _thread_problems(connection: Connection, thread: Row[Any], salt: str) -> Iterator[Problem]:
    expected = 1
    live = filed_turns = filed_terms = postings_sum = 0
    for first in range(1, thread.last_seq + 1, _BATCH):
        filed: list[tuple[int, list[str]]] = []
        for row in _some_turns(connection, thread, first):
            if row.seq != expected:
                yield Problem(thread.name, expected, f"#{expected} to #{row.seq - 1} are missing")
            expected = row.seq + 1
            live += row.state == "live"
            try:
                entry = rows.entry(thread.name, row)
            except StoreError:
                yield Problem(thread.name, row.seq, "its content is missing or damaged")
                continue
            if (row.former is None) == (row.state == "forgotten"):
                yield from _state_problems(thread, row)
            if row.state == "live" and not row.echo:
                filed.append((row.seq, filed_under(entry.turn)))
        filed_turns += sum(1 for _, found in filed if found)
        filed_terms += sum(len(found) for _, found in filed)
        postings_sum += _sum(postings.rows(filed, salt))
    if expected != thread.last_seq + 1:
        yield Problem(thread.name, None, f"#{expected} to #{thread.last_seq} are missing")
    if live != thread.live:
        yield Problem(thread.name, None, f"{live} turns are live, but {thread.live} are counted")
    if thread.indexed_by == TERMS_VERSION and (
        (filed_turns, filed_terms) != (thread.indexed_turns, thread.indexed_terms)
        or postings_sum != _sum(postings.stored(connection, thread.thread_key))
    ):
        yield Problem(thread.name, None, "the search index differs from the turns: rebuild it")
    yield from _stray_problems(connection, thread)


def _some_turns(connection: Connection, thread: Row[Any], first: int) -> Iterable[Row[Any]]:
    query = (
        sa.select(turns, contents.c.body)
        .outerjoin(contents, turns.c.content_key == contents.c.content_key)
        .where(turns.c.thread_key == thread.thread_key)
        .where(turns.c.seq.between(first, first + _BATCH - 1))
        .order_by(turns.c.seq)
    )
    return connection.execute(query)


def _state_problems(thread: Row[Any], row: Row[Any]) -> Iterator[Problem]:
    if row.state == "forgotten":
        yield Problem(thread.name, row.seq, "it is forgotten, but was not emptied")
    elif row.state == "live":
        yield Problem(thread.name, row.seq, "it is live, but was emptied")


def _stray_problems(connection: Connection, thread: Row[Any]) -> Iterator[Problem]:
    outside = sa.select(turns.c.seq).where(
        (turns.c.thread_key == thread.thread_key) & ~turns.c.seq.between(1, thread.last_seq)
    )
    for seq in connection.execute(outside).scalars():
        yield Problem(thread.name, seq, f"its mark is above the thread's last, #{thread.last_seq}")


def _sum(index_rows: Iterable[tuple[int, ...]]) -> int:
    """A sum that two collections of rows share only if they hold the same rows."""
    return sum(map(hash, index_rows))
