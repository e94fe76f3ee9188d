"""What the journal promises its callers, on a real SQLite file."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import ConflictError, InputError, NotFoundError, StoreError, TurnError
from sfumato.journal import Journal
from sfumato.turn import Image, Text, ToolCall, ToolResult, Turn, Unknown, turn

NOON = datetime(2023, 5, 7, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path):
    made = Journal(f"sqlite:///{tmp_path}/store.db")
    yield made
    made.close()


def said(*texts: str) -> list[Turn]:
    return [turn("user", text) for text in texts]


def texts(entries: list) -> list[str]:
    return [entry.turn.text for entry in entries]


class TestAppending:
    def test_turns_get_marks_ids_and_times_in_order(self, journal: Journal) -> None:
        entries = journal.append("a", said("one", "two"))
        assert [entry.seq for entry in entries] == [1, 2]
        assert all(entry.turn.id == entry.id and entry.turn.time == entry.time for entry in entries)
        assert len({entry.id for entry in entries}) == 2
        assert journal.entries("a") == entries
        assert [entry.seq for entry in journal.append("a", said("three"))] == [3]

    def test_threads_count_their_own_marks(self, journal: Journal) -> None:
        journal.append("a", said("one"))
        assert journal.append("b", said("one"))[0].seq == 1
        assert [state.thread for state in journal.threads()] == ["a", "b"]

    def test_nothing_appended_makes_no_thread(self, journal: Journal) -> None:
        assert journal.append("a", []) == []
        assert journal.threads() == []

    def test_a_turn_with_a_known_id_and_content_is_not_stored_again(self, journal: Journal) -> None:
        first = journal.append("a", [turn("user", "hello", id="m1")])
        again = journal.append(
            "a", [turn("user", "hello", id="m1", time=NOON), turn("user", "new", id="m2")]
        )
        assert again[0] == first[0]
        assert [entry.seq for entry in again] == [1, 2]

    def test_the_same_turn_twice_in_one_call_is_stored_once(self, journal: Journal) -> None:
        twice = journal.append("a", [turn("user", "x", id="m1"), turn("user", "x", id="m1")])
        assert [entry.seq for entry in twice] == [1, 1]

    def test_a_known_id_with_other_content_stores_nothing(self, journal: Journal) -> None:
        journal.append("a", [turn("user", "hello", id="m1")])
        with pytest.raises(ConflictError, match="m1"):
            journal.append("a", [turn("user", "new"), turn("user", "bye", id="m1")])
        assert texts(journal.entries("a")) == ["hello"]

    def test_a_turn_that_cannot_be_stored_stores_nothing(self, journal: Journal) -> None:
        with pytest.raises(TurnError):
            journal.append("a", [turn("user", "fine"), Turn("user", (Image(),))])
        assert journal.threads() == []

    @pytest.mark.parametrize("name", ["", "x" * 2000, "nul\0", "\ud800"])
    def test_names_that_no_database_can_hold_are_refused(self, journal: Journal, name: str) -> None:
        with pytest.raises(InputError):
            journal.append(name, said("x"))
        with pytest.raises(TurnError):
            journal.append("a", [turn("user", "x", id=name)])

    def test_times_come_back_exactly_in_utc(self, journal: Journal) -> None:
        time = datetime(1, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-7)))
        [entry] = journal.append("a", [turn("user", "x", time=time)])
        assert entry.time == time
        assert journal.get("a", [1])[0].time.isoformat() == "0001-01-02T10:04:05.678901+00:00"


@given(
    st.lists(
        st.builds(
            lambda role, parts, name, metadata: turn(role, parts, name=name, metadata=metadata),
            st.sampled_from(["system", "user", "assistant", "tool"]),
            st.lists(
                st.builds(Text, st.text())
                | st.builds(Image, st.binary(), caption=st.none() | st.text())
                | st.builds(ToolCall, st.text(), st.text(), st.text())
                | st.builds(ToolResult, st.text(), st.tuples(st.builds(Text, st.text())))
                | st.builds(Unknown, st.text(), st.dictionaries(st.text(), st.integers())),
                max_size=3,
            ),
            st.none() | st.text(),
            st.dictionaries(st.text(), st.none() | st.booleans() | st.text(), max_size=2),
        ),
        max_size=4,
    )
)
def test_any_turn_comes_back_equal(journal: Journal, turns: list[Turn]) -> None:
    stored = journal.append("any", turns)
    read = journal.get("any", [entry.seq for entry in stored]) if stored else []
    assert read == stored
    for given_turn, entry in zip(turns, read, strict=True):
        assert (entry.turn.role, entry.turn.parts) == (given_turn.role, given_turn.parts)
        assert (entry.turn.name, entry.turn.metadata) == (given_turn.name, given_turn.metadata)
    assert journal.verify() == []


class TestReading:
    def test_ranges_are_inclusive_and_ascending(self, journal: Journal) -> None:
        journal.append("a", said(*"abcdef"))
        assert texts(journal.entries("a", 2, 4)) == ["b", "c", "d"]
        assert texts(journal.entries("a", 5)) == ["e", "f"]
        assert texts(list(journal.iter_entries("a", 2, batch=2))) == ["b", "c", "d", "e", "f"]

    def test_marks_may_be_asked_for_in_any_order(self, journal: Journal) -> None:
        journal.append("a", said(*"abc"))
        assert texts(journal.get("a", [3, 1, 3])) == ["a", "c"]

    def test_a_missing_mark_is_named(self, journal: Journal) -> None:
        journal.append("a", said("x"))
        with pytest.raises(NotFoundError, match="#7"):
            journal.get("a", [1, 7])

    def test_a_missing_thread_is_named(self, journal: Journal) -> None:
        for ask in (journal.state, journal.entries, journal.events, journal.layouts):
            with pytest.raises(NotFoundError, match="nobody"):
                ask("nobody")

    def test_live_turns_are_found_by_their_id(self, journal: Journal) -> None:
        journal.append("a", [turn("user", "x", id="m1"), turn("user", "y", id="m2")])
        assert journal.by_id("a", "m2").seq == 2
        journal.shelve("a", [2])
        with pytest.raises(NotFoundError, match="m2"):
            journal.by_id("a", "m2")

    def test_a_stretch_of_time_is_half_open_and_by_time(self, journal: Journal) -> None:
        hours = [2, 0, 1, 3]
        journal.append("a", [turn("user", str(h), time=NOON + timedelta(hours=h)) for h in hours])
        between = journal.between("a", NOON, NOON + timedelta(hours=3), 10)
        assert texts(between) == ["0", "1", "2"]
        assert texts(journal.between("a", None, None, 2)) == ["0", "1"]
        with pytest.raises(InputError, match="time zone"):
            journal.between("a", datetime(2023, 1, 1), None, 1)


class TestChanging:
    def test_an_edit_keeps_mark_and_id_and_the_former_words(self, journal: Journal) -> None:
        [old] = journal.append("a", [turn("user", "first", id="m1", time=NOON)])
        new = journal.edit("a", 1, turn("user", "second"))
        newest = journal.edit("a", 1, turn("user", "third", time=NOON + timedelta(days=1)))
        assert (new.seq, new.id, new.time) == (old.seq, old.id, old.time)
        assert newest.time == NOON + timedelta(days=1)
        assert [t.text for t in journal.revisions("a", 1)] == ["first", "second"]
        assert journal.entries("a") == [newest]
        assert journal.state("a").epoch == 2

    def test_an_edit_to_the_same_content_changes_nothing(self, journal: Journal) -> None:
        journal.append("a", said("same"))
        journal.edit("a", 1, turn("user", "same"))
        assert journal.state("a").epoch == 0
        assert journal.revisions("a", 1) == []

    def test_only_live_turns_are_edited(self, journal: Journal) -> None:
        journal.append("a", said("x"))
        journal.shelve("a", [1])
        with pytest.raises(InputError, match="shelved"):
            journal.edit("a", 1, turn("user", "y"))

    def test_shelved_turns_leave_the_conversation_and_come_back(self, journal: Journal) -> None:
        journal.append("a", said("apples", "pears", "plums"))
        journal.shelve("a", [2, 3])
        journal.shelve("a", [3])
        assert texts(journal.entries("a")) == ["apples"]
        assert journal.search("a", "pears", 3) == []
        assert journal.get("a", [2])[0].turn.text == "pears"
        assert (journal.state("a").live, journal.state("a").epoch) == (1, 1)
        journal.restore("a", [2])
        assert texts(journal.entries("a")) == ["apples", "pears"]
        assert journal.search("a", "pears", 3)[0].seq == 2
        assert journal.changed_since("a", 0) == [2, 3]
        assert journal.changed_since("a", 1) == [2]

    def test_a_turn_whose_id_is_taken_is_not_restored(self, journal: Journal) -> None:
        journal.append("a", [turn("user", "x", id="m1")])
        journal.shelve("a", [1])
        journal.append("a", [turn("user", "y", id="m1")])
        with pytest.raises(ConflictError, match="m1"):
            journal.restore("a", [1])
        assert texts(journal.entries("a")) == ["y"]

    def test_appending_does_not_change_the_epoch(self, journal: Journal) -> None:
        journal.append("a", said("x"))
        journal.append("a", said("y"))
        assert journal.state("a").epoch == 0


class TestReconciling:
    def test_a_replay_adds_nothing(self, journal: Journal) -> None:
        history = [turn("user", "a", id="1"), turn("assistant", "b", id="2")]
        first = journal.reconcile("t", history)
        state = journal.state("t")
        again = journal.reconcile("t", history)
        assert (first.appended, again.appended) == ([1, 2], [])
        assert again.entries == first.entries
        assert journal.state("t") == state

    def test_histories_without_ids_are_matched_by_content(self, journal: Journal) -> None:
        journal.reconcile("t", said("a", "ok", "ok"))
        grown = journal.reconcile("t", said("a", "ok", "ok", "b"))
        assert grown.appended == [4]
        assert journal.state("t").epoch == 0

    def test_an_edited_message_is_edited_in_place(self, journal: Journal) -> None:
        journal.reconcile("t", [turn("user", "a", id="1"), turn("user", "b", id="2")])
        done = journal.reconcile(
            "t", [turn("user", "A", id="1"), turn("user", "b", id="2"), turn("user", "c", id="3")]
        )
        assert (done.edited, done.appended, done.shelved) == ([1], [3], [])
        assert [t.text for t in journal.revisions("t", 1)] == ["a"]

    def test_a_removed_message_is_shelved_and_restored_when_it_returns(
        self, journal: Journal
    ) -> None:
        whole = [turn("user", text, id=text) for text in "abc"]
        journal.reconcile("t", whole)
        assert journal.reconcile("t", [whole[0], whole[2]]).shelved == [2]
        back = journal.reconcile("t", whole)
        assert (back.restored, back.appended) == ([2], [])
        assert texts(back.entries) == ["a", "b", "c"]

    def test_a_regenerated_answer_shelves_the_former_branch(self, journal: Journal) -> None:
        journal.reconcile("t", [turn("user", "q", id="1"), turn("assistant", "x", id="2")])
        done = journal.reconcile("t", [turn("user", "q", id="1"), turn("assistant", "y", id="3")])
        assert (done.shelved, done.appended) == ([2], [3])
        assert texts(journal.entries("t")) == ["q", "y"]

    def test_ids_in_another_order_keep_the_part_before_it(self, journal: Journal) -> None:
        a, b, c = (turn("user", text, id=text) for text in "abc")
        journal.reconcile("t", [a, b, c])
        done = journal.reconcile("t", [a, c, b])
        assert texts(journal.entries("t")) == ["a", "c", "b"]
        assert texts(done.entries) == ["a", "c", "b"]
        assert journal.verify() == []

    def test_forgotten_turns_stay_forgotten_when_they_come_again(self, journal: Journal) -> None:
        for ids in ((None, None), ("1", "2")):
            thread = f"t{ids}"
            history = [turn("user", "secret", id=ids[0]), turn("user", "rest", id=ids[1])]
            journal.reconcile(thread, history)
            journal.forget(thread, 1)
            state = journal.state(thread)
            again = journal.reconcile(thread, [*history, turn("user", "new")])
            assert again.appended == [3]
            assert [entry.state for entry in again.entries] == ["forgotten", "live", "live"]
            assert "secret" not in texts(again.entries)
            assert journal.state(thread).epoch == state.epoch

    def test_one_id_with_two_contents_is_refused(self, journal: Journal) -> None:
        with pytest.raises(ConflictError):
            journal.reconcile("t", [turn("user", "a", id="1"), turn("user", "b", id="1")])
        assert journal.threads() == []

    def test_echoes_are_told_apart(self, journal: Journal) -> None:
        done = journal.reconcile(
            "t", said("apples are red", "recalled: apples"), is_echo=lambda t: "recalled" in t.text
        )
        assert [entry.echo for entry in done.entries] == [False, True]
        assert [hit.seq for hit in journal.search("t", "apples", 5)] == [1]


class TestWishes:
    def test_events_know_where_the_thread_stood(self, journal: Journal) -> None:
        journal.append("a", said("x", "y"))
        journal.record("a", 1, "pin", time=NOON)
        journal.append("a", said("z"))
        journal.record("a", 3, "important", 0.5)
        first, second = journal.events("a")
        assert (first.n, first.seq, first.kind, first.time, first.at_seq) == (1, 1, "pin", NOON, 2)
        assert (second.n, second.value, second.at_seq) == (2, 0.5, 3)
        assert journal.events("a", after=1) == [second]

    def test_wishes_about_nothing_are_refused(self, journal: Journal) -> None:
        journal.append("a", said("x"))
        with pytest.raises(NotFoundError, match="#2"):
            journal.record("a", 2, "pin")
        with pytest.raises(InputError, match="unknown event"):
            journal.record("a", 1, "burn")  # type: ignore[arg-type]


class TestLayouts:
    def commit(self, journal: Journal, version: int, **changes: object) -> bool:
        values = {"epoch": 0, "last_seq": 1, "state": f"v{version}", "now": NOON} | changes
        return journal.commit_layout("a", "k", expected_version=version, **values)  # type: ignore[arg-type]

    def test_a_layout_follows_its_own_version(self, journal: Journal) -> None:
        journal.append("a", said("x"))
        assert journal.load_layout("a", "k") is None
        assert not self.commit(journal, 1)
        assert self.commit(journal, 0)
        assert not self.commit(journal, 0)
        assert self.commit(journal, 1)
        row = journal.load_layout("a", "k")
        assert row is not None
        assert (row.version, row.state, row.seen_epoch) == (2, "v1", 0)

    def test_a_plan_from_before_a_change_is_refused(self, journal: Journal) -> None:
        journal.append("a", said("x"))
        journal.edit("a", 1, turn("user", "y"))
        assert not self.commit(journal, 0)
        assert not self.commit(journal, 0, epoch=1, last_seq=2)
        journal.append("a", said("z"))
        assert self.commit(journal, 0, epoch=1, last_seq=1)

    def test_layouts_out_of_use_are_dropped(self, journal: Journal) -> None:
        journal.append("a", said("x"))
        self.commit(journal, 0)
        journal.commit_layout(
            "a", "l", expected_version=0, epoch=0, last_seq=1, state="", now=NOON + timedelta(2)
        )
        assert journal.drop_layouts("a", NOON + timedelta(1)) == 1
        assert [row.key for row in journal.layouts("a")] == ["l"]


class TestStores:
    def test_a_store_is_found_again_when_it_is_reopened(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/store.db"
        first = Journal(url)
        stored = first.append("a", said("kept"))
        first.close()
        second = Journal(url)
        assert second.entries("a") == stored
        assert second.search("a", "kept", 1)[0].seq == 1
        second.close()

    def test_a_file_that_is_no_database_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("not a database, but long enough to have a header\n" * 40)
        before = path.read_bytes()
        with pytest.raises(StoreError, match="not an SQLite database"):
            Journal(f"sqlite:///{path}")
        assert path.read_bytes() == before

    @pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
    def test_urls_that_are_no_store_say_what_is(self, url: str) -> None:
        with pytest.raises(StoreError, match="sqlite:///"):
            Journal(url)

    def test_a_missing_folder_is_explained(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="folder"):
            Journal(f"sqlite:///{tmp_path}/no/such/store.db")

    def test_tables_of_other_programs_in_the_file_are_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "shared.db"
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE threads (name TEXT)")
            other.execute("INSERT INTO threads VALUES ('theirs')")
        journal = Journal(f"sqlite:///{path}")
        journal.append("a", said("x"))
        journal.forget_thread("a")
        journal.close()
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT name FROM threads").fetchall() == [("theirs",)]

    def test_many_threads_may_append_to_one_journal(self, journal: Journal) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: journal.append("a", said(f"{n}")), range(80)))
        entries = journal.entries("a")
        assert [entry.seq for entry in entries] == list(range(1, 81))
        assert {entry.turn.text for entry in entries} == {str(n) for n in range(80)}
        assert journal.verify() == []

    def test_a_lock_that_is_never_given_up_is_explained(
        self, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        journal.append("a", said("x"))
        monkeypatch.setattr("sfumato.database.LOCK_WAIT_S", 0)
        with sqlite3.connect(tmp_path / "store.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="write lock"):
                journal.append("a", said("y"))
            assert texts(journal.entries("a")) == ["x"]
            other.execute("ROLLBACK")
        assert journal.append("a", said("y"))[0].seq == 2


class TestVerifying:
    def damage(self, journal: Journal, tmp_path: Path, statement: str) -> list[str]:
        journal.append("a", said("apples", "pears"))
        journal.close()
        with sqlite3.connect(tmp_path / "store.db") as database:
            database.execute(statement)
        return [f"{p.seq}: {p.what}" for p in journal.verify("a") + journal.verify()]

    @pytest.mark.parametrize(
        ("statement", "found"),
        [
            ("UPDATE sfumato_contents SET body = x'7b7d' WHERE content_key = 2", "2: its content"),
            ("DELETE FROM sfumato_contents WHERE content_key = 1", "1: its content"),
            ("DELETE FROM sfumato_turns WHERE seq = 1", "#1 to #1 are missing"),
            ("DELETE FROM sfumato_turns WHERE seq = 2", "#2 to #2 are missing"),
            ("UPDATE sfumato_threads SET live = 9", "2 turns are live, but 9"),
            ("UPDATE sfumato_threads SET last_seq = 1", "above the thread's last"),
            ("UPDATE sfumato_turns SET state = 'forgotten' WHERE seq = 1", "was not emptied"),
            ("DELETE FROM sfumato_postings WHERE seq = 1", "index differs"),
            ("UPDATE sfumato_postings SET frequency = 7", "index differs"),
            ("INSERT INTO sfumato_contents VALUES (99, x'7b7d')", "belongs to no turn"),
        ],
    )
    def test_damage_is_found(
        self, journal: Journal, tmp_path: Path, statement: str, found: str
    ) -> None:
        assert any(found in line for line in self.damage(journal, tmp_path, statement))

    def test_a_damaged_turn_is_never_given_as_it_is(self, journal: Journal, tmp_path: Path) -> None:
        self.damage(
            journal,
            tmp_path,
            "UPDATE sfumato_contents SET body = CAST(replace(body, 'apples', 'grapes') AS BLOB)",
        )
        with pytest.raises(StoreError, match="#1"):
            journal.get("a", [1])
        assert journal.get("a", [2])[0].turn.text == "pears"

    def test_a_torn_file_is_reported(self, journal: Journal, tmp_path: Path) -> None:
        journal.append("a", said(*(f"turn {n} " * 20 for n in range(200))))
        journal.close()
        path = tmp_path / "store.db"
        damaged = bytearray(path.read_bytes())
        damaged[4096 * 8 : 4096 * 12] = b"\xa5" * (4096 * 4)
        path.write_bytes(damaged)
        assert journal.verify() != []
