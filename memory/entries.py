"""Threads' and turns' rows: the journal's SQL, one small function each.

Takes an open transaction and gives entries. Every content that is read is
checked against its digest. Knows nothing of search, layouts or what a change
means for a conversation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from sfumato.database import Database, batches
from sfumato.errors import InputError, NotFoundError, StoreError, TurnError
from sfumato.index import TERMS_VERSION, filed_under
from sfumato.reconcile import Stored
from sfumato.records import Entry, State, ThreadState, from_microseconds, to_microseconds
from sfumato.schema import calls, contents, revisions, threads, turns
from sfumato.turn import Turn, check, decode, digest, encode

# PostgreSQL's longest indexed value is about 2,700 bytes.
_LONGEST_NAME_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked turn, ready to be stored."""

    turn: Turn
    body: bytes
    digest: str
    echo: bool

    @property
    def terms(self) -> tuple[str, ...]:
        """What the turn is filed under, made when asked.

        Most turns of a framework's history are stored and filed already.
        """
        return () if self.echo else tuple(filed_under(self.turn))


@dataclass(frozen=True, slots=True)
class Outline:
    """A stored turn without its content."""

    seq: int
    id: str
    time: datetime
    digest: str
    state: State
    echo: bool
    former: str | None

    def stored(self) -> Stored:
        """As reconciling sees it: an emptied turn also answers to the digest it had."""
        aliases = (self.digest,) if self.former is None else (self.digest, self.former)
        return Stored(self.seq, self.id, self.state, aliases)

    def entry(self, same: Draft) -> Entry | None:
        """The live entry, given a draft with its content; None if the content is not that."""
        if self.former is not None or self.digest != same.digest:
            return None
        turn = replace(same.turn, id=self.id, time=self.time)
        return Entry(self.seq, self.id, self.time, turn, self.digest, "live", self.echo)


def draft(turn: Turn, echo: bool) -> Draft:
    """Check and encode a turn. Raises TurnError if it cannot be stored."""
    check(turn)
    if turn.id is not None:
        check_name(turn.id, "turn id", TurnError)
    body = encode(turn)
    return Draft(turn, body, digest(body), echo)


def check_name(name: str, what: str, error: type[InputError] = InputError) -> None:
    """Raise ``error`` unless every database can hold and index the name."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError as problem:
        raise error(f"{what} {name!r} holds a lone surrogate: use valid text") from problem
    if not 0 < size <= _LONGEST_NAME_BYTES or "\0" in name:
        raise error(
            f"{what} {name[:40]!r} must be 1 to {_LONGEST_NAME_BYTES} bytes long, without NUL"
        )


def find_thread(connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """A thread's row; locked against other writers if asked. Raises NotFoundError."""
    query = sa.select(threads).where(threads.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError(f"no thread {name!r} in this store: add a turn to begin it")
    return row


def make_thread(database: Database, connection: Connection, name: str, now: datetime) -> None:
    """Make a thread unless it is there."""
    database.insert_if_absent(
        connection,
        threads,
        name=name,
        created_us=to_microseconds(now),
        last_seq=0,
        epoch=0,
        live=0,
        events=0,
        indexed_by=TERMS_VERSION,
        indexed_turns=0,
        indexed_terms=0,
    )


def thread_state(row: Row[Any]) -> ThreadState:
    """Where a thread stands, from its row."""
    return ThreadState(
        row.name, row.last_seq, row.epoch, row.live, from_microseconds(row.created_us)
    )


def change_thread(connection: Connection, thread_key: int, **values: Any) -> None:
    """Set columns of a thread's row."""
    connection.execute(sa.update(threads).where(threads.c.thread_key == thread_key).values(values))


def select_entries(
    connection: Connection, thread: Row[Any], narrow: Callable[[sa.Select[Any]], sa.Select[Any]]
) -> list[Entry]:
    """Entries of a thread, by mark unless ``narrow`` orders them otherwise.

    Raises StoreError for a turn whose content is missing or damaged.
    """
    query = (
        sa.select(turns, contents.c.body)
        .outerjoin(contents, turns.c.content_key == contents.c.content_key)
        .where(turns.c.thread_key == thread.thread_key)
    )
    return [entry(thread.name, row) for row in connection.execute(narrow(query))]


def numbered(connection: Connection, thread: Row[Any], seqs: Iterable[int]) -> list[Entry]:
    """The entries with these marks, in any state, ascending. Raises NotFoundError."""
    wanted = sorted(set(seqs))
    found: list[Entry] = []
    for some in batches(wanted):
        found += select_entries(
            connection,
            thread,
            lambda query, some=some: query.where(turns.c.seq.in_(some)).order_by(turns.c.seq),
        )
    missing = set(wanted) - {each.seq for each in found}
    if missing:
        marks = ", ".join(f"#{seq}" for seq in sorted(missing))
        raise NotFoundError(
            f"thread {thread.name!r} has no turn {marks}: its turns are #1 to #{thread.last_seq}"
        )
    return found


def entry(thread: str, row: Row[Any]) -> Entry:
    """The entry of a joined row; its content is checked against its digest."""
    time = from_microseconds(row.time_us)
    turn = content(thread, row.seq, row.body, row.digest)
    return Entry(
        row.seq,
        row.turn_id,
        time,
        replace(turn, id=row.turn_id, time=time),
        row.digest,
        cast(State, row.state),
        bool(row.echo),
    )


def content(thread: str, seq: int, body: object, expected_digest: str | None) -> Turn:
    """Decode a stored content. Raises StoreError if it is not what was stored."""
    if isinstance(body, bytes) and expected_digest in (None, digest(body)):
        with suppress(TurnError):
            return decode(body)
    raise StoreError(
        f"turn #{seq} of thread {thread!r} is damaged in the store: "
        "run verify to see what else is, and restore a backup"
    )


def add_contents(connection: Connection, bodies: Sequence[bytes]) -> Sequence[int]:
    """Store contents; their keys, in order."""
    statement = sa.insert(contents).returning(contents.c.content_key, sort_by_parameter_order=True)
    return connection.execute(statement, [{"body": body} for body in bodies]).scalars().all()


def add_entries(
    connection: Connection, thread_key: int, made: Sequence[Entry], drafts: Sequence[Draft]
) -> None:
    """Store new live entries with their contents and tool call ids."""
    keys = add_contents(connection, [each.body for each in drafts])
    rows = [
        {
            "thread_key": thread_key,
            "seq": each.seq,
            "turn_id": each.id,
            "time_us": to_microseconds(each.time),
            "content_key": key,
            "digest": each.digest,
            "state": each.state,
            "echo": each.echo,
            "changed_epoch": 0,
        }
        for each, key in zip(made, keys, strict=True)
    ]
    connection.execute(sa.insert(turns), rows)
    add_calls(connection, thread_key, made)


def add_calls(connection: Connection, thread_key: int, made: Sequence[Entry]) -> None:
    """File entries under the ids of the tool calls they make or answer."""
    rows = [
        {"thread_key": thread_key, "call_id": call_id, "seq": each.seq}
        for each in made
        for call_id in _call_keys(each.turn)
    ]
    if rows:
        connection.execute(sa.insert(calls), rows)


def remove_calls(connection: Connection, thread_key: int, gone: Entry) -> None:
    """Undo ``add_calls`` for one entry."""
    mine = (calls.c.thread_key == thread_key) & (calls.c.seq == gone.seq)
    connection.execute(sa.delete(calls).where(mine & calls.c.call_id.in_(_call_keys(gone.turn))))


def sharing_calls(connection: Connection, thread: Row[Any], known: Sequence[Entry]) -> list[Entry]:
    """Entries that share a tool call id with the known ones, directly or through others."""
    found = {each.seq: each for each in known}
    fresh, asked = list(known), set[str]()
    while fresh:
        keys = {key for each in fresh for key in _call_keys(each.turn)} - asked
        asked |= keys
        seqs: set[int] = set()
        for some in batches(sorted(keys)):
            query = sa.select(calls.c.seq).where(
                (calls.c.thread_key == thread.thread_key) & calls.c.call_id.in_(some)
            )
            seqs.update(connection.execute(query).scalars())
        fresh = numbered(connection, thread, seqs - found.keys())
        found |= {each.seq: each for each in fresh}
    return [found[seq] for seq in sorted(found)]


def _call_keys(turn: Turn) -> set[str]:
    """Tool call ids as any database can hold them: providers' ids are any text."""
    ids = (*turn.call_ids, *turn.result_ids)
    return {hashlib.sha256(each.encode("utf-8", "surrogatepass")).hexdigest() for each in ids}


def change_turns(
    connection: Connection, thread_key: int, seqs: Sequence[int], **values: Any
) -> None:
    """Set columns of turns' rows."""
    for some in batches(sorted(seqs)):
        connection.execute(
            sa.update(turns)
            .where((turns.c.thread_key == thread_key) & turns.c.seq.in_(some))
            .values(values)
        )


def content_keys(connection: Connection, thread_key: int, seqs: Sequence[int]) -> list[int]:
    """Keys of all contents of these turns, former revisions included."""
    found: list[int] = []
    for some in batches(sorted(seqs)):
        for table in (turns, revisions):
            query = sa.select(table.c.content_key).where(
                (table.c.thread_key == thread_key) & table.c.seq.in_(some)
            )
            found += connection.execute(query).scalars()
    return found


def former_digests(connection: Connection, thread_key: int, seqs: Iterable[int]) -> dict[int, str]:
    """Keyed digests that emptied turns had, by mark; others are left out."""
    found: dict[int, str] = {}
    for some in batches(sorted(seqs)):
        query = sa.select(turns.c.seq, turns.c.former).where(
            (turns.c.thread_key == thread_key) & turns.c.seq.in_(some) & turns.c.former.is_not(None)
        )
        found |= {row.seq: row.former for row in connection.execute(query)}
    return found


def shelved(connection: Connection, thread: Row[Any]) -> list[Entry]:
    """All shelved entries."""
    return select_entries(
        connection, thread, lambda query: query.where(sa.text("state = 'shelved'"))
    )


def echoes(connection: Connection, thread: Row[Any]) -> list[Entry]:
    """All entries that repeat what recall returned, in any state."""
    return select_entries(connection, thread, lambda query: query.where(sa.text("echo")))


def live_between(connection: Connection, thread: Row[Any], first: int, last: int) -> list[Entry]:
    """Live entries from one mark to another inclusive, ascending."""
    return select_entries(
        connection,
        thread,
        lambda query: query.where(
            turns.c.seq.between(first, last), turns.c.state == "live"
        ).order_by(turns.c.seq),
    )


def holding_ids(connection: Connection, thread: Row[Any], ids: Sequence[str]) -> dict[str, Entry]:
    """The live and forgotten entries that have one of these turn ids."""
    found: dict[str, Entry] = {}
    for some in batches(ids):
        held = select_entries(
            connection,
            thread,
            # Spelled like this, the index of ids in use serves.
            lambda query, some=some: query.where(
                turns.c.turn_id.in_(some), sa.text("state <> 'shelved'")
            ),
        )
        found |= {each.id: each for each in held}
    return found


def add_revision(connection: Connection, thread_key: int, old: Entry, epoch: int) -> None:
    """Keep a turn's present content as a revision, replaced at ``epoch``."""
    mine = (turns.c.thread_key == thread_key) & (turns.c.seq == old.seq)
    columns = [
        turns.c.thread_key,
        turns.c.seq,
        sa.literal(epoch),
        turns.c.time_us,
        turns.c.content_key,
    ]
    names = ["thread_key", "seq", "epoch", "time_us", "content_key"]
    connection.execute(sa.insert(revisions).from_select(names, sa.select(*columns).where(mine)))


def outlines(connection: Connection, thread: Row[Any]) -> dict[int, Outline]:
    """Every turn without its content, by ascending mark."""
    columns = (turns.c.seq, turns.c.turn_id, turns.c.time_us, turns.c.digest)
    query = (
        sa.select(*columns, turns.c.state, turns.c.echo, turns.c.former)
        .where(turns.c.thread_key == thread.thread_key)
        .order_by(turns.c.seq)
    )
    return {
        seq: Outline(seq, id_, from_microseconds(time_us), digest, state, bool(echo), former)
        for seq, id_, time_us, digest, state, echo, former in connection.execute(query)
    }
