"""Stores of other versions: older ones are migrated, newer ones are left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from sfumato import schema
from sfumato.errors import StoreError
from sfumato.journal import Journal
from sfumato.turn import digest, encode, turn

# The schema as version 1 wrote it. It must never change here.
VERSION_1 = """
CREATE TABLE sfumato_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO sfumato_meta VALUES ('schema_version', '1');
INSERT INTO sfumato_meta VALUES ('salt', '00112233445566778899aabbccddeeff');
CREATE TABLE sfumato_threads (
    thread_key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
    created_us BIGINT NOT NULL, last_seq BIGINT NOT NULL, epoch BIGINT NOT NULL,
    live BIGINT NOT NULL, events BIGINT NOT NULL);
CREATE TABLE sfumato_contents (content_key INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE sfumato_turns (
    thread_key BIGINT NOT NULL REFERENCES sfumato_threads, seq BIGINT NOT NULL,
    turn_id TEXT NOT NULL, time_us BIGINT NOT NULL, content_key BIGINT NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'shelved', 'forgotten')), echo BOOLEAN NOT NULL,
    changed_epoch BIGINT NOT NULL, former TEXT, PRIMARY KEY (thread_key, seq)) WITHOUT ROWID;
CREATE UNIQUE INDEX sfumato_turns_by_id ON sfumato_turns (thread_key, turn_id)
    WHERE state <> 'shelved';
CREATE INDEX sfumato_turns_by_time ON sfumato_turns (thread_key, time_us);
CREATE INDEX sfumato_turns_changed ON sfumato_turns (thread_key, changed_epoch)
    WHERE changed_epoch > 0;
CREATE INDEX sfumato_turns_shelved ON sfumato_turns (thread_key, seq) WHERE state = 'shelved';
CREATE INDEX sfumato_turns_echo ON sfumato_turns (thread_key, seq) WHERE echo;
CREATE TABLE sfumato_revisions (
    thread_key BIGINT NOT NULL, seq BIGINT NOT NULL, epoch BIGINT NOT NULL,
    time_us BIGINT NOT NULL, content_key BIGINT NOT NULL,
    PRIMARY KEY (thread_key, seq, epoch),
    FOREIGN KEY (thread_key, seq) REFERENCES sfumato_turns) WITHOUT ROWID;
CREATE TABLE sfumato_calls (
    thread_key BIGINT NOT NULL, call_id TEXT NOT NULL, seq BIGINT NOT NULL,
    PRIMARY KEY (thread_key, call_id, seq)) WITHOUT ROWID;
CREATE TABLE sfumato_events (
    thread_key BIGINT NOT NULL, n BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL, time_us BIGINT NOT NULL, at_seq BIGINT NOT NULL,
    PRIMARY KEY (thread_key, n)) WITHOUT ROWID;
CREATE TABLE sfumato_layouts (
    thread_key BIGINT NOT NULL, key TEXT NOT NULL, version BIGINT NOT NULL,
    seen_epoch BIGINT NOT NULL, last_seq BIGINT NOT NULL, state TEXT NOT NULL,
    used_us BIGINT NOT NULL, PRIMARY KEY (thread_key, key));
INSERT INTO sfumato_threads VALUES (1, 'old', 0, 2, 1, 2, 0);
"""


def write_version_1(path: Path, texts: list[str]) -> None:
    with sqlite3.connect(path) as database:
        database.executescript(VERSION_1)
        for seq, text in enumerate(texts, 1):
            body = encode(turn("user", text))
            database.execute("INSERT INTO sfumato_contents VALUES (?, ?)", (seq, body))
            database.execute(
                "INSERT INTO sfumato_turns VALUES (1, ?, ?, ?, ?, ?, 'live', 0, 0, NULL)",
                (seq, f"id{seq}", seq, seq, digest(body)),
            )


def shape(path: Path) -> dict[str, str]:
    """The SQL of every table and index, with spaces made alike."""
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: "".join(sql.split()) for name, sql in rows}


def test_a_store_of_version_1_is_migrated_and_searchable(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    write_version_1(path, ["apples are red", "pears are green"])
    journal = Journal(f"sqlite:///{path}")
    assert [entry.turn.text for entry in journal.entries("old")] == [
        "apples are red",
        "pears are green",
    ]
    assert [hit.seq for hit in journal.search("old", "green?", 5)] == [2]
    journal.append("old", [turn("user", "plums")])
    assert journal.verify() == []
    journal.close()


def test_a_migrated_store_is_shaped_like_a_new_one(tmp_path: Path) -> None:
    write_version_1(tmp_path / "old.db", ["x", "y"])
    for name in ("old.db", "new.db"):
        Journal(f"sqlite:///{tmp_path / name}").close()
    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")


def test_the_tables_have_the_columns_that_queries_name(tmp_path: Path) -> None:
    Journal(f"sqlite:///{tmp_path}/store.db").close()
    inspector = sa.inspect(sa.create_engine(f"sqlite:///{tmp_path}/store.db"))
    for table in schema.metadata.sorted_tables:
        held = {column["name"] for column in inspector.get_columns(table.name)}
        assert held == set(table.columns.keys()), table.name


def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    journal = Journal(f"sqlite:///{path}")
    journal.append("a", [turn("user", "x")])
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE sfumato_meta SET value = '99' WHERE key = 'schema_version'")
    before = shape(path)
    with pytest.raises(StoreError, match="upgrade sfumato"):
        Journal(f"sqlite:///{path}")
    assert shape(path) == before


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    write_version_1(path, ["x", "y"])
    before = shape(path)
    engine = sa.create_engine(f"sqlite:///{path}")
    sa.event.listen(engine, "connect", lambda c, _: setattr(c, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    broken = (*schema.MIGRATIONS, "CREATE TABLE one (a INTEGER); NONSENSE")
    with pytest.raises(sa.exc.OperationalError), engine.begin() as connection:
        schema.prepare(connection, broken)
    engine.dispose()
    assert shape(path) == before
