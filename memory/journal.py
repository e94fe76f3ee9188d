"""The journal: every turn of every thread, verbatim. The only truth there is.

``Journal(url)`` stores turns in SQLite or PostgreSQL and gives them back byte
for byte. When a call returns, what it stored survives a crash; when it raises,
nothing was stored. Several processes and threads may use one store, and one
journal, at once. Methods are synchronous.

Takes and gives turns and marks; knows nothing of budgets, pages or hosts.
Other modules do its parts: ``database`` transactions, ``entries`` rows,
``reconcile`` the plan that matches a framework's history, ``forgetting`` what
a forgotten turn takes along, ``index`` and ``postings`` search, ``layout_store``
layouts, ``verify`` the checks.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from sfumato import entries as rows
from sfumato import layout_store, postings, reconcile
from sfumato.database import batches
from sfumato.entries import Draft
from sfumato.errors import ConflictError, InputError, NotFoundError
from sfumato.forgetting import forgotten_with
from sfumato.index import TERMS_VERSION
from sfumato.journal_reader import JournalReader
from sfumato.reconcile import Incoming
from sfumato.records import (
    EVENT_KINDS,
    Entry,
    Event,
    EventKind,
    Hit,
    LayoutRow,
    Problem,
    Reconciled,
    ThreadState,
    to_microseconds,
    to_utc,
)
from sfumato.schema import OF_THREAD, contents, events, revisions, turns
from sfumato.thread_writer import ThreadWriter
from sfumato.turn import Turn, new_id, now

__all__ = [
    "Entry",
    "Event",
    "Hit",
    "Journal",
    "LayoutRow",
    "Problem",
    "Reconciled",
    "ThreadState",
]


def _no_echo(_turn: Turn) -> bool:
    return False


class Journal(JournalReader):
    """Threads of turns in a store; created or migrated when it is opened.

    ``url`` is ``sqlite:///file.db`` or ``postgresql+psycopg://…``. Raises
    StoreError when the store cannot be opened or was written by a newer
    version. Marks (``seq``) are 1-based, gapless and never reused. Times are
    aware; what comes back is in UTC.

        >>> journal = Journal("sqlite:///sfumato.db")
        >>> [entry] = journal.append("alice", [turn("user", "My flight is LH1174.")])
        >>> journal.search("alice", "which flight?", 3)[0].seq
        1
    """

    # -- adding and changing ----------------------------------------------------

    def append(
        self, thread: str, new: Sequence[Turn], *, is_echo: Callable[[Turn], bool] = _no_echo
    ) -> list[Entry]:
        """Store turns at the end of a thread, which is made if it is missing.

        All are stored or none. Turns without id or time get one. A turn whose
        id and content are stored already is not stored again; its entry is
        returned (a forgotten one stays forgotten). ``is_echo`` tells the turns that
        repeat what recall returned, which search leaves out. Raises TurnError,
        and ConflictError for an id that is taken by other content.
        """
        rows.check_name(thread, "thread name")
        drafts = [rows.draft(each, is_echo(each)) for each in new]
        if not drafts:
            return []
        with self._writing(thread, create=True) as (connection, writer):
            ids = [each.turn.id for each in drafts if each.turn.id is not None]
            known = rows.holding_ids(connection, writer.row, ids)
            self._check_conflicts(connection, writer, known, drafts)
            named = [(each.turn.id or new_id(), each) for each in drafts]
            fresh = {id_: each for id_, each in named if id_ not in known}
            known |= zip(fresh, writer.add(list(fresh.items())), strict=True)
            return [known[id_] for id_, _ in named]

    def edit(self, thread: str, seq: int, new: Turn) -> Entry:
        """Replace a live turn's content in place; ``revisions`` keeps the former.

        The turn keeps its id, and its time unless ``new`` has one. Raises
        NotFoundError, TurnError, and InputError for a turn that is not live.
        """
        draft = rows.draft(new, echo=False)
        with self._writing(thread) as (connection, writer):
            [old] = rows.numbered(connection, writer.row, [seq])
            if old.state != "live":
                raise InputError(f"#{seq} is {old.state}: only live turns can be edited")
            if new.id not in (None, old.id):
                raise InputError(f"#{seq} has the id {old.id!r}, not {new.id!r}: leave the id out")
            if draft.digest == old.digest and new.time in (None, old.time):
                return old
            return writer.replace(old, draft)

    def shelve(self, thread: str, seqs: Iterable[int]) -> None:
        """Take turns out of the live conversation; their words are kept. Raises NotFoundError."""
        with self._writing(thread) as (connection, writer):
            found = rows.numbered(connection, writer.row, seqs)
            writer.shelve([each for each in found if each.state != "shelved"])

    def restore(self, thread: str, seqs: Iterable[int]) -> None:
        """Bring shelved turns back. Raises NotFoundError, ConflictError for a taken id."""
        with self._writing(thread) as (connection, writer):
            found = rows.numbered(connection, writer.row, seqs)
            shelved = [each for each in found if each.state == "shelved"]
            ids = Counter(each.id for each in shelved)
            ids.update(rows.holding_ids(connection, writer.row, list(ids)).keys())
            for id_, holders in ids.items():
                if holders > 1:
                    raise ConflictError(
                        f"thread {thread!r} would hold the turn id {id_!r} twice: "
                        "shelve the other turn first. Nothing was changed."
                    )
            writer.restore(shelved)

    def reconcile(
        self, thread: str, history: Sequence[Turn], *, is_echo: Callable[[Turn], bool] = _no_echo
    ) -> Reconciled:
        """Make the live turns of a thread those of a framework's whole history.

        See ``reconcile.plan`` for what is kept, edited, shelved, restored and
        appended. Replaying a history changes nothing; forgotten turns that come
        again stay forgotten. ``is_echo`` tells the turns that repeat what
        recall returned. Raises TurnError, and ConflictError for an id that
        comes twice with different content.
        """
        rows.check_name(thread, "thread name")
        drafts = _distinct([rows.draft(each, is_echo(each)) for each in history])
        incoming = [
            Incoming(each.turn.id, (each.digest, self._keyed(each.digest))) for each in drafts
        ]
        with self._writing(thread, create=True) as (connection, writer):
            outlines = rows.outlines(connection, writer.row)
            plan = reconcile.plan([each.stored() for each in outlines.values()], incoming)
            writer.shelve(rows.numbered(connection, writer.row, plan.shelved))
            writer.restore(rows.numbered(connection, writer.row, plan.restored))
            edited = dict(plan.edited)
            old = {e.seq: e for e in rows.numbered(connection, writer.row, edited)}
            found = {seq: writer.replace(old[seq], drafts[i]) for seq, i in plan.edited}
            kept = [seq for seq in plan.kept if seq is not None]
            for seq, draft in zip(kept, drafts, strict=False):
                # What is stored is what was given, so it need not be read.
                if seq not in found and (same := outlines[seq].entry(draft)):
                    found[seq] = same
            tombstones = rows.numbered(connection, writer.row, set(kept) - found.keys())
            found |= {each.seq: each for each in tombstones}
            new = drafts[len(kept) :]
            appended = writer.add([(each.turn.id or new_id(), each) for each in new])
            return Reconciled(
                appended=[each.seq for each in appended],
                edited=sorted(edited),
                shelved=plan.shelved,
                restored=plan.restored,
                entries=[*(found[seq] for seq in kept), *appended],
            )

    # -- forgetting ---------------------------------------------------------------

    def forget(self, thread: str, seq: int) -> list[int]:
        """Erase a turn's content, former revisions and index entries; marks stay.

        Goes with it: the turns that call or answer the same tool calls, shelved
        versions of these turns, and echoes that quote them. A live turn becomes
        forgotten; a shelved one stays shelved, emptied. Returns their marks.

        Afterwards the bytes are in none of the store's files. Layout states
        must hold no turn text: the journal does not look into them. Raises
        NotFoundError; StoreError if a reader of an older snapshot keeps the
        write-ahead log from being emptied: the content is deleted all the same,
        and forgetting again finishes the work.
        """
        with self._writing(thread) as (connection, writer):
            group = forgotten_with(connection, writer.row, seq)
            emptied = rows.former_digests(connection, writer.row.thread_key, group)
            for each in rows.numbered(connection, writer.row, group - emptied.keys()):
                writer.empty(each, self._keyed(each.digest))
        self._database.scrub()
        return sorted(group)

    def forget_thread(self, thread: str) -> None:
        """Erase a thread: turns, revisions, index, events and layouts.

        On SQLite the file is rewritten, which takes time and free disk space
        in proportion to the store. Raises as ``forget`` does.
        """
        try:
            self._delete_thread(thread)
        except NotFoundError:
            # Perhaps it is the scrubbing that was kept from ending.
            if not self._database.is_scrub_due():
                raise
        self._database.scrub()

    def _delete_thread(self, thread: str) -> None:
        with self._database.writing() as connection:
            row = rows.find_thread(connection, thread, lock=True)
            for table in (turns, revisions):
                mine = table.c.thread_key == row.thread_key
                keys = connection.execute(sa.select(table.c.content_key).where(mine)).scalars()
                for some in batches(keys.all()):
                    self._database.erase(connection, some)
                    connection.execute(sa.delete(contents).where(contents.c.content_key.in_(some)))
            for table in OF_THREAD:
                connection.execute(sa.delete(table).where(table.c.thread_key == row.thread_key))
            self._database.scrub_later(connection)

    # -- wishes, search, layouts, checks ---------------------------------------------

    def record(
        self,
        thread: str,
        seq: int,
        kind: EventKind,
        value: float = 1.0,
        time: datetime | None = None,
    ) -> Event:
        """Record a wish about a turn (pin, unpin, refresh, important). Raises NotFoundError."""
        if kind not in EVENT_KINDS:
            raise InputError(f"unknown event {kind!r}: use one of {', '.join(EVENT_KINDS)}")
        with self._database.writing() as connection:
            row = rows.find_thread(connection, thread, lock=True)
            rows.numbered(connection, row, [seq])
            n = row.events + 1
            made = Event(n, seq, kind, value, to_utc(time or now()), row.last_seq)
            connection.execute(
                sa.insert(events).values(
                    thread_key=row.thread_key,
                    n=n,
                    seq=seq,
                    kind=kind,
                    value=value,
                    time_us=to_microseconds(made.time),
                    at_seq=made.at_seq,
                )
            )
            rows.change_thread(connection, row.thread_key, events=n)
            return made

    def search(self, thread: str, query: str, k: int, before: int | None = None) -> list[Hit]:
        """The ``k`` live turns, echoes left out, that best match a question, best first.

        With ``before``, only turns with a lower mark.
        """
        with self._reading(thread) as (connection, row):
            current = row.indexed_by == TERMS_VERSION
        if not current:
            self.rebuild_index(thread)
        with self._reading(thread) as (connection, row):
            found = postings.search(connection, row, query, self._salt, k, before)
            return [Hit(seq, score) for seq, score in found]

    def rebuild_index(self, thread: str | None = None) -> None:
        """Make the search index of a thread, or of all, anew from the turns."""
        for name in [each.thread for each in self.threads()] if thread is None else [thread]:
            with self._writing(name) as (_, writer):
                writer.rebuild_index()

    def commit_layout(
        self,
        thread: str,
        key: str,
        *,
        expected_version: int,
        epoch: int,
        last_seq: int,
        state: str,
        now: datetime,
    ) -> bool:
        """Store a layout if nothing it was planned from has changed.

        That is: its version is still ``expected_version`` (0: there is none),
        the thread's epoch is ``epoch`` and its last mark at least ``last_seq``.
        The version becomes ``expected_version`` + 1. False: read again, plan
        again. ``state`` must hold no turn text. Raises NotFoundError.
        """
        with self._database.writing() as connection:
            row = rows.find_thread(connection, thread, lock=True)
            made = LayoutRow(key, expected_version + 1, epoch, last_seq, state, to_utc(now))
            return layout_store.commit(connection, row, made)

    def drop_layouts(self, thread: str, unused_since: datetime) -> int:
        """Drop layouts last committed before then; how many. Raises NotFoundError."""
        with self._database.writing() as connection:
            row = rows.find_thread(connection, thread, lock=True)
            return layout_store.drop(connection, row, to_utc(unused_since))

    # -- transactions --------------------------------------------------------------

    @contextmanager
    def _writing(
        self, thread: str, *, create: bool = False
    ) -> Generator[tuple[Connection, ThreadWriter]]:
        with self._database.writing() as connection:
            if create:
                rows.make_thread(self._database, connection, thread, now())
            row = rows.find_thread(connection, thread, lock=True)
            writer = ThreadWriter(self._database, connection, row, self._salt)
            yield connection, writer
            writer.finish()

    def _keyed(self, digest: str) -> str:
        """A digest that means nothing outside this store, kept of what was forgotten."""
        return hashlib.blake2b(
            digest.encode(), key=bytes.fromhex(self._salt), digest_size=16
        ).hexdigest()

    def _check_conflicts(
        self,
        connection: Connection,
        writer: ThreadWriter,
        known: Mapping[str, Entry],
        drafts: Sequence[Draft],
    ) -> None:
        seqs = [each.seq for each in known.values()]
        formers = rows.former_digests(connection, writer.row.thread_key, seqs)
        digests = {id_: {each.digest, formers.get(each.seq)} for id_, each in known.items()}
        for each in drafts:
            if each.turn.id is None:
                continue
            held = digests.setdefault(each.turn.id, {each.digest})
            if held.isdisjoint((each.digest, self._keyed(each.digest))):
                raise ConflictError(
                    f"thread {writer.row.name!r} already holds the turn id {each.turn.id!r} with "
                    "other content: edit that turn, or use another id. Nothing was stored."
                )


def _distinct(drafts: Sequence[Draft]) -> list[Draft]:
    """Drafts without those that repeat an earlier one's id and content."""
    seen: set[tuple[str, str]] = set()
    kept: list[Draft] = []
    for each in drafts:
        if each.turn.id is None or (each.turn.id, each.digest) not in seen:
            kept.append(each)
        if each.turn.id is not None:
            seen.add((each.turn.id, each.digest))
    return kept
