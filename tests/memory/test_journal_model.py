"""The journal against a model: any order of calls leaves what a plain list would hold."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sfumato.errors import ConflictError
from sfumato.journal import Entry, Journal
from sfumato.turn import Turn, turn

WORDS = ["ash", "birch", "cedar", "date", "elm"]


@dataclass
class Row:
    """A turn as the model holds it; ``text`` is None once it is emptied."""

    id: str
    text: str | None
    state: str = "live"
    echo: bool = False
    former: list[str] = field(default_factory=list)
    changed: int = 0
    lost: str = ""


class JournalMachine(RuleBasedStateMachine):
    """Every rule does the same to the store and to a list of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name)}/store.db"
        self.journal = Journal(self.url)
        self.rows: list[Row] = []
        self.epoch = 0

    def teardown(self) -> None:
        self.journal.close()
        self.folder.cleanup()

    def pick(self, data: st.DataObject, *states: str) -> int:
        """The mark of some turn in one of these states."""
        marks = [seq for seq, row in enumerate(self.rows, 1) if row.state in states]
        return data.draw(st.sampled_from(marks), label="mark")

    def has(self, *states: str) -> bool:
        return any(row.state in states for row in self.rows)

    def change(self, row: Row) -> None:
        row.changed = self.epoch

    @rule(texts=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), echo=st.booleans())
    def append(self, texts: list[str], echo: bool) -> None:
        entries = self.journal.append(
            "t", [turn("user", text) for text in texts], is_echo=lambda _: echo
        )
        assert [entry.seq for entry in entries] == [
            len(self.rows) + n for n in range(1, len(texts) + 1)
        ]
        self.rows += [
            Row(entry.id, text, echo=echo) for entry, text in zip(entries, texts, strict=True)
        ]

    @precondition(lambda self: self.has("live"))
    @rule(data=st.data())
    def append_known(self, data: st.DataObject) -> None:
        seq = self.pick(data, "live")
        row = self.rows[seq - 1]
        assert self.journal.append("t", [turn("user", row.text or "", id=row.id)])[0].seq == seq

    @precondition(lambda self: self.has("live"))
    @rule(data=st.data(), text=st.sampled_from(WORDS))
    def edit(self, data: st.DataObject, text: str) -> None:
        seq = self.pick(data, "live")
        row = self.rows[seq - 1]
        self.journal.edit("t", seq, turn("user", text))
        if row.text != text:
            self.epoch += 1
            row.former.append(row.text or "")
            row.text = text
            self.change(row)

    @precondition(lambda self: self.has("live", "forgotten"))
    @rule(data=st.data())
    def shelve(self, data: st.DataObject) -> None:
        seq = self.pick(data, "live", "forgotten")
        self.journal.shelve("t", [seq])
        self.epoch += 1
        self.rows[seq - 1].state = "shelved"
        self.change(self.rows[seq - 1])

    @precondition(lambda self: self.has("shelved"))
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        seq = self.pick(data, "shelved")
        row = self.rows[seq - 1]
        taken = any(other.id == row.id and other.state != "shelved" for other in self.rows)
        try:
            self.journal.restore("t", [seq])
        except ConflictError:
            assert taken
            return
        assert not taken
        self.epoch += 1
        row.state = "live" if row.text is not None else "forgotten"
        self.change(row)

    @precondition(lambda self: self.has("live", "forgotten", "shelved"))
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        seq = self.pick(data, "live", "forgotten", "shelved")
        group = {seq}
        while True:
            held = [self.rows[mark - 1] for mark in group]
            ids = {row.id for row in held}
            words = {row.text for row in held}
            more = {
                mark
                for mark, row in enumerate(self.rows, 1)
                if row.state == "shelved" and (row.id in ids or row.text in words)
            }
            if more <= group:
                break
            group |= more
        assert self.journal.forget("t", seq) == sorted(group)
        emptied = [self.rows[mark - 1] for mark in group if self.rows[mark - 1].text is not None]
        self.epoch += bool(emptied)
        for row in emptied:
            row.lost, row.text, row.former = row.text or "", None, []
            row.state = "forgotten" if row.state == "live" else row.state
            self.change(row)

    @rule(data=st.data(), with_ids=st.booleans())
    def reconcile(self, data: st.DataObject, with_ids: bool) -> None:
        history = self.some_history(data, with_ids)
        done = self.journal.reconcile("t", history)
        current = [e for e in self.journal.entries("t", live_only=False) if e.state != "shelved"]
        assert done.entries == current
        for given, entry in zip(history, current, strict=True):
            assert entry.state == "forgotten" or entry.turn.parts == given.parts
        again = self.journal.reconcile("t", history)
        changes = (again.appended, again.edited, again.shelved, again.restored)
        assert changes == ([], [], [], [])
        assert again.entries == done.entries
        self.follow(done.edited)

    def some_history(self, data: st.DataObject, with_ids: bool) -> list[Turn]:
        """What a framework might hold: some of the turns, edited, reordered, added to."""
        history: list[Turn] = []
        for row in self.rows:
            kept = row.state != "shelved" or data.draw(st.integers(0, 3)) == 0
            if kept and data.draw(st.integers(0, 5)):
                text = row.text if row.text is not None else row.lost
                if data.draw(st.integers(0, 5)) == 0:
                    text = data.draw(st.sampled_from(WORDS))
                history.append(turn("user", text, id=row.id if with_ids else None))
        if data.draw(st.integers(0, 4)) == 0:
            history = data.draw(st.permutations(history))
        for text in data.draw(st.lists(st.sampled_from(WORDS), max_size=2)):
            history.append(turn("user", text))
        distinct = {each.id: each for each in history if each.id is not None}
        return [each for each in history if each.id is None or distinct[each.id] is each]

    def follow(self, edited: list[int]) -> None:
        """Take over what reconciling did, checking that it only did what it said."""
        state = self.journal.state("t")
        entries: list[Entry] = self.journal.entries("t", live_only=False)
        changed = set(self.journal.changed_since("t", self.epoch))
        assert state.epoch - self.epoch in (0, 1)
        self.epoch = state.epoch
        for entry in entries:
            if entry.seq > len(self.rows):
                self.rows.append(Row(entry.id, entry.turn.text))
            row = self.rows[entry.seq - 1]
            text = None if row.text is None and entry.seq not in edited else entry.turn.text
            if entry.seq in edited and row.text is not None:
                row.former.append(row.text)
            assert entry.seq in edited or text == row.text
            assert (entry.state == row.state and entry.seq not in edited) or entry.seq in changed
            row.text, row.state = text, entry.state
            if entry.seq in changed:
                self.change(row)

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self.journal = Journal(self.url)

    @rule()
    def rebuild_index(self) -> None:
        if self.rows:
            before = self.journal.search("t", " ".join(WORDS), 50)
            self.journal.rebuild_index()
            assert self.journal.search("t", " ".join(WORDS), 50) == before

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        if not self.rows:
            return
        entries = self.journal.entries("t", live_only=False)
        held = [(e.seq, e.id, e.turn.text, e.state, e.echo) for e in entries]
        assert held == [
            (seq, row.id, row.text or "", row.state, row.echo)
            for seq, row in enumerate(self.rows, 1)
        ]
        state = self.journal.state("t")
        assert (state.last_seq, state.epoch) == (len(self.rows), self.epoch)
        assert state.live == sum(row.state == "live" for row in self.rows)
        for epoch in (0, self.epoch - 1):
            assert self.journal.changed_since("t", epoch) == [
                seq for seq, row in enumerate(self.rows, 1) if row.changed > max(epoch, 0)
            ]

    @invariant()
    def searching_finds_live_turns_and_no_others(self) -> None:
        if not self.rows:
            return
        for word in WORDS[:2]:
            found = {hit.seq for hit in self.journal.search("t", word, 100)}
            assert found == {
                seq
                for seq, row in enumerate(self.rows, 1)
                if row.state == "live" and not row.echo and row.text == word
            }

    @invariant()
    def revisions_are_kept_and_the_store_is_sound(self) -> None:
        for seq, row in enumerate(self.rows, 1):
            if row.former:
                assert [t.text for t in self.journal.revisions("t", seq)] == row.former
        assert self.journal.verify() == []


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
