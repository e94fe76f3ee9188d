"""The store's tables, and the steps that bring an older store up to date.

Gives the SQLAlchemy tables that queries are written with, and ``prepare``,
which creates or migrates a store. A new store runs the same migrations as an
old one, so each step is exercised whenever a store is made. Migrations are
literal SQL that is never edited once released: a change is a new step.

How it is laid out:

- ``threads`` has one row per thread; writers lock it, and it carries the
  counters, so that an append costs the same on a long thread as on a short one.
- ``turns`` has one small row per turn; its key (thread, seq) is the order.
- ``contents`` holds the canonical bytes of turns and of their revisions. Rows
  are only ever added at the end, and overwritten in place when forgotten:
  SQLite's secure_delete leaves copies behind when it moves rows between pages
  (11 of 400 rows deleted after insertion in random order could still be read
  in the file, SQLite 3.40.1, November 2026), and rows laid end to end are
  never moved.
- ``postings`` is the search index. It holds keyed hashes of terms, no text.
- ``calls`` says which turns speak of a tool call id.

Knows nothing of what the rows mean: that is the journal's business.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, LargeBinary, Text

from sfumato.errors import StoreError

metadata = sa.MetaData()

meta = sa.Table(
    "sfumato_meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# A row id that SQLite counts by itself only when it is declared INTEGER.
_RowId = BigInteger().with_variant(Integer, "sqlite")

threads = sa.Table(
    "sfumato_threads",
    metadata,
    Column("thread_key", _RowId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("live", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("indexed_by", Integer, nullable=False),
    Column("indexed_turns", BigInteger, nullable=False),
    Column("indexed_terms", BigInteger, nullable=False),
)

contents = sa.Table(
    "sfumato_contents",
    metadata,
    Column("content_key", _RowId, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

turns = sa.Table(
    "sfumato_turns",
    metadata,
    Column("thread_key", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("turn_id", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("content_key", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("echo", Boolean, nullable=False),
    Column("changed_epoch", BigInteger, nullable=False),
    # Keyed hash of the digest that a forgotten turn had; null while the words are there.
    Column("former", Text),
)

revisions = sa.Table(
    "sfumato_revisions",
    metadata,
    Column("thread_key", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("time_us", BigInteger, nullable=False),
    Column("content_key", BigInteger, nullable=False),
)

calls = sa.Table(
    "sfumato_calls",
    metadata,
    Column("thread_key", BigInteger, primary_key=True),
    Column("call_id", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
)

events = sa.Table(
    "sfumato_events",
    metadata,
    Column("thread_key", BigInteger, primary_key=True),
    Column("n", BigInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", sa.Double, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("at_seq", BigInteger, nullable=False),
)

layouts = sa.Table(
    "sfumato_layouts",
    metadata,
    Column("thread_key", BigInteger, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("seen_epoch", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("used_us", BigInteger, nullable=False),
)

postings = sa.Table(
    "sfumato_postings",
    metadata,
    Column("thread_key", BigInteger, primary_key=True),
    Column("term", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("frequency", Integer, nullable=False),
    Column("length", Integer, nullable=False),
)

# Tables that hold rows of one thread, in the order in which they are emptied.
OF_THREAD: tuple[sa.Table, ...] = (postings, calls, layouts, events, revisions, turns, threads)

_META = "CREATE TABLE sfumato_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)"

_JOURNAL = """
CREATE TABLE sfumato_threads (
    thread_key {row_id}, name TEXT NOT NULL UNIQUE, created_us BIGINT NOT NULL,
    last_seq BIGINT NOT NULL, epoch BIGINT NOT NULL, live BIGINT NOT NULL, events BIGINT NOT NULL);
CREATE TABLE sfumato_contents (content_key {row_id}, body {bytes} NOT NULL);
CREATE TABLE sfumato_turns (
    thread_key BIGINT NOT NULL REFERENCES sfumato_threads, seq BIGINT NOT NULL,
    turn_id TEXT NOT NULL, time_us BIGINT NOT NULL,
    content_key BIGINT NOT NULL, digest TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'shelved', 'forgotten')), echo BOOLEAN NOT NULL,
    changed_epoch BIGINT NOT NULL, former TEXT, PRIMARY KEY (thread_key, seq)){clustered};
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
    FOREIGN KEY (thread_key, seq) REFERENCES sfumato_turns){clustered};
CREATE TABLE sfumato_calls (
    thread_key BIGINT NOT NULL, call_id TEXT NOT NULL, seq BIGINT NOT NULL,
    PRIMARY KEY (thread_key, call_id, seq)){clustered};
CREATE TABLE sfumato_events (
    thread_key BIGINT NOT NULL, n BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL, time_us BIGINT NOT NULL, at_seq BIGINT NOT NULL,
    PRIMARY KEY (thread_key, n)){clustered};
CREATE TABLE sfumato_layouts (
    thread_key BIGINT NOT NULL, key TEXT NOT NULL, version BIGINT NOT NULL,
    seen_epoch BIGINT NOT NULL, last_seq BIGINT NOT NULL, state TEXT NOT NULL,
    used_us BIGINT NOT NULL, PRIMARY KEY (thread_key, key))
"""

_INDEX = """
ALTER TABLE sfumato_threads ADD COLUMN indexed_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sfumato_threads ADD COLUMN indexed_turns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sfumato_threads ADD COLUMN indexed_terms BIGINT NOT NULL DEFAULT 0;
CREATE TABLE sfumato_postings (
    thread_key BIGINT NOT NULL, term BIGINT NOT NULL, seq BIGINT NOT NULL,
    frequency INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (thread_key, term, seq)){clustered}
"""

# Step i takes a store from version i to i + 1.
MIGRATIONS: tuple[str, ...] = (_JOURNAL, _INDEX)

_DIALECT_WORDS = {
    "sqlite": {
        "row_id": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "bytes": "BLOB",
        "clustered": " WITHOUT ROWID",
    },
    "postgresql": {
        "row_id": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        "bytes": "BYTEA",
        "clustered": "",
    },
}


def version(connection: Connection) -> int:
    """The store's schema version; 0 if there is no sfumato store in it yet."""
    if not sa.inspect(connection).has_table(meta.name):
        return 0
    return int(read_meta(connection, "schema_version") or 0)


def is_current(connection: Connection) -> bool:
    """Whether the store needs no migration."""
    return version(connection) == len(MIGRATIONS)


def prepare(connection: Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Create the store, or migrate it, inside the caller's write transaction.

    Raises StoreError for a store written by a newer sfumato.
    """
    found = version(connection)
    if found > len(migrations):
        raise StoreError(
            f"the store has schema version {found}, but this sfumato knows versions up to "
            f"{len(migrations)}: upgrade sfumato, or open another store. Nothing was changed."
        )
    if found == 0:
        connection.exec_driver_sql(_META)
        write_meta(connection, "salt", secrets.token_hex(32))
    for step in migrations[found:]:
        for statement in step.format(**_DIALECT_WORDS[connection.dialect.name]).split(";"):
            connection.exec_driver_sql(statement)
    if found < len(migrations):
        write_meta(connection, "schema_version", str(len(migrations)))


def read_meta(connection: Connection, key: str) -> str | None:
    """A value of the store itself, such as its salt."""
    return connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()


def write_meta(connection: Connection, key: str, value: str | None) -> None:
    """Set a value of the store itself; None removes it."""
    connection.execute(sa.delete(meta).where(meta.c.key == key))
    if value is not None:
        connection.execute(sa.insert(meta).values(key=key, value=value))
