"""Changes to one thread inside one write transaction.

Keeps together what must change together: a turn's row and content, the
thread's counters, tool call ids, revisions and the search index. Takes entries
and drafts, gives entries. The epoch grows once however many existing turns
change. Knows nothing of why a change is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from sfumato import entries as rows
from sfumato import postings
from sfumato.database import Database
from sfumato.entries import Draft
from sfumato.forgetting import tombstone
from sfumato.index import TERMS_VERSION, filed_under
from sfumato.records import Entry, State, to_microseconds
from sfumato.schema import revisions
from sfumato.turn import now


class ThreadWriter:
    """Writes to the thread of a locked row; ``finish`` writes its counters."""

    def __init__(self, database: Database, connection: Connection, row: Row[Any], salt: str):
        self._database, self._connection, self._salt = database, connection, salt
        self.row = row
        self._key: int = row.thread_key
        self._last_seq: int = row.last_seq
        self._live: int = row.live
        self._changed = False
        self._indexed_turns: int = row.indexed_turns
        self._indexed_terms: int = row.indexed_terms
        if row.indexed_by != TERMS_VERSION:
            self.rebuild_index()

    def add(self, new: Sequence[tuple[str, Draft]]) -> list[Entry]:
        """Store turns, given with their ids, at the end."""
        if not new:
            return []
        time = now()
        made = [
            _entry(seq, id_, draft.turn.time or time, draft)
            for seq, (id_, draft) in enumerate(new, self._last_seq + 1)
        ]
        drafts = [draft for _, draft in new]
        rows.add_entries(self._connection, self._key, made, drafts)
        self._last_seq += len(made)
        self._live += len(made)
        self._file([(each.seq, draft.terms) for each, draft in zip(made, drafts, strict=True)])
        return made

    def replace(self, old: Entry, draft: Draft) -> Entry:
        """Put other content in a turn's place; the former becomes a revision.

        A forgotten turn has no former content to keep, and is live again.
        """
        made = _entry(old.seq, old.id, draft.turn.time or old.time, replace(draft, echo=old.echo))
        emptied: Sequence[int] = ()
        if old.state == "live":
            self._unfile([old])
            self._keep_revision(old)
        else:
            emptied = rows.content_keys(self._connection, self._key, [old.seq])
            self._live += 1
        rows.remove_calls(self._connection, self._key, old)
        [content_key] = rows.add_contents(self._connection, [draft.body])
        self._change(
            [old.seq],
            content_key=content_key,
            digest=made.digest,
            time_us=to_microseconds(made.time),
            state="live",
            former=None,
        )
        self._database.erase(self._connection, emptied)
        rows.add_calls(self._connection, self._key, [made])
        self._file([(made.seq, draft.terms if not made.echo else ())])
        return made

    def shelve(self, some: Sequence[Entry]) -> None:
        """Take turns that are not shelved out of the conversation."""
        live = [each for each in some if each.state == "live"]
        self._unfile(live)
        self._live -= len(live)
        self._change([each.seq for each in some], state="shelved")

    def restore(self, some: Sequence[Entry]) -> list[Entry]:
        """Bring shelved turns back: live, or forgotten if they were emptied."""
        emptied = rows.former_digests(self._connection, self._key, [each.seq for each in some])
        states: dict[int, State] = {
            each.seq: "forgotten" if each.seq in emptied else "live" for each in some
        }
        for state in ("live", "forgotten"):
            self._change([seq for seq, its in states.items() if its == state], state=state)
        made = [replace(each, state=states[each.seq]) for each in some]
        live = [each for each in made if each.state == "live"]
        self._live += len(live)
        self._file_entries(live)
        return made

    def empty(self, gone: Entry, former: str) -> None:
        """Leave a tombstone where a turn was; erase its content and revisions.

        ``former`` is the keyed digest by which the content is known if it comes again.
        """
        if gone.state == "live":
            self._unfile([gone])
            self._live -= 1
        keys = rows.content_keys(self._connection, self._key, [gone.seq])
        self._connection.execute(
            sa.delete(revisions).where(
                (revisions.c.thread_key == self._key) & (revisions.c.seq == gone.seq)
            )
        )
        left = rows.draft(tombstone(gone.turn), echo=gone.echo)
        [content_key] = rows.add_contents(self._connection, [left.body])
        state = "shelved" if gone.state == "shelved" else "forgotten"
        self._change(
            [gone.seq], content_key=content_key, digest=left.digest, state=state, former=former
        )
        self._database.erase(self._connection, keys)

    def rebuild_index(self) -> None:
        """File every live turn anew."""
        postings.clear(self._connection, self._key)
        self._indexed_turns = self._indexed_terms = 0
        for start in range(1, self.row.last_seq + 1, 500):
            self._file_entries(rows.live_between(self._connection, self.row, start, start + 499))

    def finish(self) -> None:
        """Write the thread's counters; the last thing to do."""
        counters = {
            "last_seq": self._last_seq,
            "live": self._live,
            "epoch": self._epoch,
            "indexed_by": TERMS_VERSION,
            "indexed_turns": self._indexed_turns,
            "indexed_terms": self._indexed_terms,
        }
        # A replay that changes nothing must not cost a write to the disk.
        if any(getattr(self.row, name) != value for name, value in counters.items()):
            rows.change_thread(self._connection, self._key, **counters)

    @property
    def _epoch(self) -> int:
        return self.row.epoch + self._changed

    def _change(self, seqs: Sequence[int], **values: Any) -> None:
        if seqs:
            self._changed = True
            epoch = self._epoch
            rows.change_turns(self._connection, self._key, seqs, changed_epoch=epoch, **values)

    def _keep_revision(self, old: Entry) -> None:
        self._changed = True
        rows.add_revision(self._connection, self._key, old, self._epoch)

    def _file_entries(self, some: Sequence[Entry]) -> None:
        self._file([(e.seq, filed_under(e.turn)) for e in some if not e.echo])

    def _unfile(self, some: Sequence[Entry]) -> None:
        filed = [(e.seq, filed_under(e.turn)) for e in some if not e.echo]
        postings.remove(self._connection, self._key, filed, self._salt)
        self._count(filed, -1)

    def _file(self, filed: Sequence[tuple[int, Sequence[str]]]) -> None:
        postings.add(self._database, self._connection, self._key, filed, self._salt)
        self._count(filed, +1)

    def _count(self, filed: Sequence[tuple[int, Sequence[str]]], sign: int) -> None:
        self._indexed_turns += sign * sum(1 for _, found in filed if found)
        self._indexed_terms += sign * sum(len(found) for _, found in filed)


def _entry(seq: int, id_: str, time: datetime, draft: Draft) -> Entry:
    time = time.astimezone(UTC)
    turn = replace(draft.turn, id=id_, time=time)
    return Entry(seq, id_, time, turn, draft.digest, "live", draft.echo)
