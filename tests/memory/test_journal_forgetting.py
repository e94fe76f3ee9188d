"""Forgetting: the words are gone from every answer and from every byte of the store."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
from pathlib import Path

import pytest

from sfumato.errors import NotFoundError, StoreError
from sfumato.journal import Journal
from sfumato.turn import Image, Text, ToolCall, ToolResult, turn

PLANTED = "Xylophone-7731-Zanzibar quux\u00e9\u6771\u4eac"


@pytest.fixture
def journal(tmp_path: Path):
    made = Journal(f"sqlite:///{tmp_path}/store.db")
    yield made
    made.close()


def bytes_of_store(folder: Path) -> bytes:
    """All bytes of the database, its write-ahead log and its shared memory."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("store.db*")))


def forms(secret: str) -> list[bytes]:
    """The ways in which a text may lie in a file: plain, JSON-escaped, and its words."""
    words = [w for w in secret.lower().replace("-", " ").split() if len(w) > 4]
    return [secret.encode(), json.dumps(secret)[1:-1].encode(), *(w.encode() for w in words)]


def remains(folder: Path, secret: str) -> list[bytes]:
    held = bytes_of_store(folder).lower()
    return [form for form in forms(secret) if form.lower() in held]


def test_a_forgotten_turn_keeps_its_place_and_nothing_else(journal: Journal) -> None:
    journal.append("a", [turn("user", PLANTED, name="Ann", metadata={"k": 1}), turn("user", "b")])
    assert journal.forget("a", 1) == [1]
    [gone] = journal.get("a", [1])
    assert (gone.state, gone.turn.role, gone.turn.parts) == ("forgotten", "user", ())
    assert (gone.turn.name, gone.turn.metadata) == (None, {})
    assert [entry.seq for entry in journal.entries("a")] == [2]
    assert journal.search("a", "xylophone", 5) == []
    assert journal.changed_since("a", 0) == [1]
    assert journal.state("a").live == 1
    assert journal.verify() == []


def test_no_byte_of_a_forgotten_turn_stays_in_the_files(journal: Journal, tmp_path: Path) -> None:
    photo = random.Random(1).randbytes(60_000)
    parts = [Text(PLANTED), Image(photo, caption="Quokka on a trampoline")]
    journal.append("a", [turn("user", "before"), turn("user", parts), turn("user", "after")])
    assert remains(tmp_path, PLANTED) != []
    assert base64.b64encode(photo)[:64] in bytes_of_store(tmp_path)
    journal.forget("a", 2)
    assert remains(tmp_path, PLANTED) == []
    assert remains(tmp_path, "Quokka trampoline") == []
    held = bytes_of_store(tmp_path)
    encoded = base64.b64encode(photo)
    assert not any(encoded[at : at + 48] in held for at in range(0, len(encoded), 4096))
    assert [entry.turn.text for entry in journal.entries("a")] == ["before", "after"]
    assert journal.verify() == []


def test_former_revisions_go_with_the_turn(journal: Journal, tmp_path: Path) -> None:
    journal.append("a", [turn("user", PLANTED)])
    journal.edit("a", 1, turn("user", "harmless"))
    journal.forget("a", 1)
    assert journal.revisions("a", 1) == []
    assert remains(tmp_path, PLANTED) == []


def test_among_many_interleaved_threads_no_copy_stays_behind(
    journal: Journal, tmp_path: Path
) -> None:
    # So many that rows would move between pages if they were deleted, leaving copies.
    chance = random.Random(7)
    secrets: list[tuple[str, int, str]] = []
    for n in range(0, 600, 10):
        thread = f"t{chance.randrange(12)}"
        words = [f"secret{n + m:05}word" for m in range(10)]
        fillers = ["filler " * chance.randrange(1, 90) for _ in words]
        entries = journal.append(
            thread, [turn("user", f"{w} {f}") for w, f in zip(words, fillers, strict=True)]
        )
        journal.edit(thread, entries[0].seq, turn("user", f"{words[0]} edited"))
        secrets += [(thread, e.seq, w) for e, w in zip(entries, words, strict=True)]
    gone = chance.sample(secrets, 400)
    for thread, seq, _ in gone:
        journal.forget(thread, seq)
    held = bytes_of_store(tmp_path)
    assert [word for _, _, word in gone if word.encode() in held] == []
    journal.forget_thread("t3")
    held = bytes_of_store(tmp_path)
    assert [w for thread, _, w in secrets if thread == "t3" and w.encode() in held] == []
    assert journal.verify() == []


def test_a_forgotten_thread_leaves_neither_rows_nor_bytes(journal: Journal, tmp_path: Path) -> None:
    journal.append("Rumpelstiltskin", [turn("user", PLANTED, id="idOfMine")])
    journal.record("Rumpelstiltskin", 1, "pin")
    journal.append("other", [turn("user", "kept")])
    journal.forget_thread("Rumpelstiltskin")
    with pytest.raises(NotFoundError):
        journal.state("Rumpelstiltskin")
    assert remains(tmp_path, PLANTED + " Rumpelstiltskin idOfMine") == []
    assert [entry.turn.text for entry in journal.entries("other")] == ["kept"]
    assert journal.append("Rumpelstiltskin", [turn("user", "new")])[0].seq == 1
    assert journal.verify() == []


def test_a_call_and_its_result_are_forgotten_together_and_still_pair(
    journal: Journal, tmp_path: Path
) -> None:
    journal.append(
        "a",
        [
            turn("user", "book it"),
            turn("assistant", [ToolCall("c1", "book", '{"to": "Ouagadougou"}')]),
            turn("tool", [ToolResult("c1", (Text("booked Ouagadougou"),), "book")]),
            turn("assistant", "done"),
        ],
    )
    assert journal.forget("a", 3) == [2, 3]
    call, result = journal.get("a", [2, 3])
    assert (call.turn.call_ids, result.turn.result_ids) == (("c1",), ("c1",))
    assert remains(tmp_path, "Ouagadougou") == []


def test_where_call_ids_are_used_again_only_one_exchange_is_forgotten(journal: Journal) -> None:
    exchange = [turn("assistant", [ToolCall("c", "f")]), turn("tool", [ToolResult("c")])]
    journal.append("a", exchange * 3)
    assert journal.forget("a", 4) == [3, 4]


def test_several_results_of_one_turn_of_calls_are_one_exchange(journal: Journal) -> None:
    journal.append(
        "a",
        [
            turn("assistant", [ToolCall("c1", "f"), ToolCall("c2", "g")]),
            turn("tool", [ToolResult("c1", (Text("one"),))]),
            turn("tool", [ToolResult("c2", (Text("two"),))]),
            turn("assistant", [ToolCall("c3", "h")]),
        ],
    )
    assert journal.forget("a", 2) == [1, 2, 3]


def test_shelved_versions_are_forgotten_with_the_turn(journal: Journal, tmp_path: Path) -> None:
    journal.reconcile("a", [turn("user", "q"), turn("assistant", PLANTED, id="1")])
    journal.reconcile("a", [turn("user", "other"), turn("assistant", PLANTED, id="1")])
    assert [e.state for e in journal.entries("a", live_only=False)] == ["shelved"] * 2 + [
        "live"
    ] * 2
    assert journal.forget("a", 4) == [2, 4]
    assert remains(tmp_path, PLANTED) == []
    assert journal.get("a", [2])[0].state == "shelved"


def test_echoes_that_quote_the_turn_are_forgotten_with_it(journal: Journal, tmp_path: Path) -> None:
    journal.append("a", [turn("user", PLANTED), turn("user", "thanks")])
    quote = json.dumps([{"turn": 1, "text": PLANTED}])
    journal.append(
        "a",
        [turn("tool", [ToolResult("r", (Text(quote),))]), turn("tool", [ToolResult("s")])],
        is_echo=lambda _: True,
    )
    assert journal.forget("a", 1) == [1, 3]
    assert remains(tmp_path, PLANTED) == []


def test_forgetting_twice_is_harmless(journal: Journal) -> None:
    journal.append("a", [turn("user", "x")])
    journal.forget("a", 1)
    state = journal.state("a")
    assert journal.forget("a", 1) == [1]
    assert journal.state("a") == state


def test_a_turn_that_is_appended_again_stays_forgotten(journal: Journal) -> None:
    given = turn("user", PLANTED, id="1")
    journal.append("a", [given])
    journal.forget("a", 1)
    [entry] = journal.append("a", [given])
    assert (entry.seq, entry.state) == (1, "forgotten")


def test_open_connections_that_read_nothing_do_not_hinder_forgetting(
    journal: Journal, tmp_path: Path
) -> None:
    journal.append("a", [turn("user", PLANTED)])
    other = sqlite3.connect(tmp_path / "store.db")
    assert other.execute("SELECT count(*) FROM sfumato_turns").fetchall() == [(1,)]
    journal.forget("a", 1)
    assert remains(tmp_path, PLANTED) == []
    other.close()


def test_a_reader_of_an_older_state_makes_forgetting_say_so_and_finish_later(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfumato.database.SCRUB_WAIT_S", 0)
    journal.append("a", [turn("user", PLANTED), turn("user", "kept")])
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM sfumato_turns").fetchall() == [(2,)]
    with pytest.raises(StoreError, match="reader"):
        journal.forget("a", 1)
    assert journal.get("a", [1])[0].state == "forgotten"
    assert journal.search("a", "xylophone", 5) == []
    reader.execute("COMMIT")
    assert journal.forget("a", 1) == [1]
    assert remains(tmp_path, PLANTED) == []
    reader.close()


def test_a_missing_mark_is_named(journal: Journal) -> None:
    journal.append("a", [turn("user", "x")])
    with pytest.raises(NotFoundError, match="#5"):
        journal.forget("a", 5)


def test_forgetting_a_thread_can_be_finished_later(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfumato.database.SCRUB_WAIT_S", 0)
    journal.append("a", [turn("user", PLANTED)])
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sfumato_turns").fetchall()
    with pytest.raises(StoreError, match="reader"):
        journal.forget_thread("a")
    assert journal.threads() == []
    reader.execute("COMMIT")
    journal.forget_thread("a")
    assert remains(tmp_path, PLANTED) == []
    with pytest.raises(NotFoundError):
        journal.forget_thread("a")
    reader.close()
