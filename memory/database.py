"""Opening a store, transactions on it, and truly erasing from it.

``Database(url)`` gives ``reading()`` and ``writing()`` transactions and
``scrub()``. Everything that differs between SQLite and PostgreSQL is in this
module, apart from the spelling of three column types in ``schema``.

SQLite runs in WAL mode with synchronous=FULL: a committed transaction survives
kill -9 and power loss. Writers take the write lock when they begin, and wait
for it, so that a reader never has to upgrade and fail.

A process that forks: connections must not cross the fork, and SQLite keeps
its file locks in process-wide tables, so not even a new connection in the
child is safe while an inherited one exists. So a fork waits until running
transactions have ended, and closes idle connections first.

Knows nothing of turns.
"""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from sfumato import schema
from sfumato.errors import StoreError

# How long a writer waits for other writers, in seconds.
LOCK_WAIT_S = 60
# How long forgetting waits for readers of old snapshots, in seconds.
SCRUB_WAIT_S = 5

_Key = TypeVar("_Key")

# Any number, the same for all who prepare a PostgreSQL store.
_SCHEMA_LOCK = 0x5F0A70

_DELETED_BUT = "the content is deleted, but old bytes in the store's files"
_SCRUB_DUE = "scrub_due"


class Database:
    """A store: SQLite file or PostgreSQL database, created or migrated on opening.

    Safe to share between threads, and to use after a fork. Raises StoreError
    for anything that is not a store of a known version.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self.name = self._url.render_as_string(hide_password=True)
        self._gate = _Gate()
        self._engine = self._connect()
        _open_databases.add(self)
        with self.reading() as connection:
            current = schema.is_current(connection)
        if not current:
            with self.writing() as connection:
                if not self.is_sqlite:
                    # SQLite's writers exclude each other anyhow.
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
                schema.prepare(connection)

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is an SQLite file."""
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A transaction that sees one moment of the store throughout."""
        with self._transaction("read") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A write transaction: committed at the end, rolled back on an error."""
        with self._transaction("write") as connection:
            yield connection

    def close(self) -> None:
        """Close all connections. The store can still be used; it reopens by itself."""
        self._engine.dispose()

    def insert_if_absent(self, connection: Connection, table: sa.Table, **values: Any) -> None:
        """Insert a row unless one with its unique values is there."""
        made = (sqlite if self.is_sqlite else postgresql).insert(table).values(**values)
        connection.execute(made.on_conflict_do_nothing())

    def insert_rows(
        self, connection: Connection, table: sa.Table, rows: Sequence[tuple[int, ...]]
    ) -> None:
        """Insert many rows of numbers, given in the order of the table's columns."""
        columns = ", ".join(table.columns.keys())
        if self.is_sqlite:
            marks = ", ".join("?" * len(table.columns))
            connection.exec_driver_sql(
                f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", list(rows)
            )
            return
        driver: Any = connection.connection.driver_connection
        copy = f"COPY {table.name} ({columns}) FROM STDIN"
        with driver.cursor() as cursor, cursor.copy(copy) as copying:
            for row in rows:
                copying.write_row(row)

    def erase(self, connection: Connection, keys: Sequence[int]) -> None:
        """Erase contents; ``scrub`` afterwards.

        SQLite overwrites bytes where they are when the length stays the same.
        Deleting the row instead would let it move other rows and leave copies.
        """
        table = schema.contents
        for some in batches(keys):
            mine = table.c.content_key.in_(some)
            if self.is_sqlite:
                blank = sa.func.zeroblob(sa.func.length(table.c.body))
                connection.execute(sa.update(table).where(mine).values(body=blank))
            else:
                connection.execute(sa.delete(table).where(mine))

    def scrub_later(self, connection: Connection) -> None:
        """Note, in a write transaction, that deleted rows have yet to be scrubbed."""
        schema.write_meta(connection, _SCRUB_DUE, "yes")

    def is_scrub_due(self) -> bool:
        """Whether deleted rows have yet to be scrubbed."""
        with self.reading() as connection:
            return schema.read_meta(connection, _SCRUB_DUE) is not None

    def scrub(self) -> None:
        """Make what was overwritten or deleted unreadable in the store's files.

        On SQLite this empties the write-ahead log into the file, and rewrites
        the file if whole rows were deleted. On PostgreSQL it vacuums; its own
        write-ahead log and backups are the operator's to expire. Raises
        StoreError if a reader of an older snapshot is in the way; the content
        is deleted all the same, and repeating the call finishes the work.
        """
        rewrite = self.is_scrub_due()
        try:
            with self._outside_transactions() as connection:
                if not self.is_sqlite:
                    for table in (*schema.OF_THREAD, schema.contents):
                        connection.exec_driver_sql(f"VACUUM {table.name}")
                elif rewrite:
                    connection.exec_driver_sql("VACUUM")
                blocked = self.is_sqlite and not self._empty_log(connection)
        except StoreError as problem:
            raise StoreError(f"{_DELETED_BUT} could not be scrubbed: {problem}") from problem
        if blocked:
            raise StoreError(
                f"{self.name}: {_DELETED_BUT} remain, since another connection still reads an "
                "older state of the store. Let that reader finish, then forget again; that is "
                "safe to repeat."
            )
        if rewrite:
            with self.writing() as connection:
                schema.write_meta(connection, _SCRUB_DUE, None)

    def _empty_log(self, connection: Connection) -> bool:
        """Move the write-ahead log into the file; False if a reader needs it still."""
        connection.exec_driver_sql(f"PRAGMA busy_timeout={SCRUB_WAIT_S * 1000}")
        try:
            return not connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={LOCK_WAIT_S * 1000}")

    @contextmanager
    def _transaction(self, kind: Literal["read", "write"]) -> Generator[Connection]:
        with (
            self._gate.passing(),
            self._errors_explained(),
            self._engine.connect().execution_options(sfumato=kind) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _outside_transactions(self) -> Generator[Connection]:
        options = {"sfumato": "none"} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        with (
            self._gate.passing(),
            self._errors_explained(),
            self._engine.connect().execution_options(**options) as connection,
        ):
            yield connection

    def _connect(self) -> sa.Engine:
        if not self.is_sqlite:
            engine = sa.create_engine(self._url, max_overflow=-1, pool_pre_ping=True)
            event.listen(engine, "begin", _begin_postgresql)
            return engine
        engine = sa.create_engine(self._url, max_overflow=-1, connect_args={"timeout": LOCK_WAIT_S})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def _errors_explained(self) -> Generator[None]:
        try:
            yield
        except exc.DBAPIError as problem:
            raise StoreError(f"{self.name}: {_advice(str(problem.orig))}") from problem

    def _before_fork(self) -> None:
        self._gate.close()
        self._engine.dispose()

    def _after_fork_in_parent(self) -> None:
        self._gate.open()

    def _after_fork_in_child(self) -> None:
        self._gate = _Gate()
        self._engine = self._connect()


class _Gate:
    """Counts transactions under way; can be closed once there are none."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def passing(self) -> Generator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._closed = True
            self._changed.wait_for(lambda: self._inside == 0)

    def open(self) -> None:
        with self._changed:
            self._closed = False
            self._changed.notify_all()


_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def _each_database(method: Any) -> Any:
    def visit() -> None:
        for database in list(_open_databases):
            method(database)

    return visit


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_each_database(Database._before_fork),  # pyright: ignore[reportPrivateUsage]
        after_in_parent=_each_database(Database._after_fork_in_parent),  # pyright: ignore[reportPrivateUsage]
        after_in_child=_each_database(Database._after_fork_in_child),  # pyright: ignore[reportPrivateUsage]
    )


def batches(keys: Sequence[_Key], size: int = 500) -> Iterator[Sequence[_Key]]:
    """Runs of keys, short enough to be parameters of one statement."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _checked(url: str) -> URL:
    """The URL with an absolute path, so that changing directory changes nothing."""
    try:
        made = make_url(url)
    except exc.ArgumentError as problem:
        raise StoreError(
            f"{url!r} is no store URL: use e.g. sqlite:///sfumato.db "
            "or postgresql+psycopg://user@host/database"
        ) from problem
    backend = made.get_backend_name()
    if backend == "postgresql":
        return made.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise StoreError(f"no stores on {backend}: use a sqlite:/// or postgresql+psycopg:// URL")
    if not made.database or made.database == ":memory:" or made.database.startswith("file:"):
        raise StoreError(
            f"{url!r} names no file: a store must outlive its connections; "
            "use e.g. sqlite:///sfumato.db"
        )
    return made.set(database=str(Path(made.database).absolute()))


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # Transactions are begun by _begin_sqlite alone.
    connection.isolation_level = None
    cursor = connection.cursor()
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-16384")
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Switch to WAL. SQLite does not wait for locks here, so several openers retry."""
    for attempt in range(200):
        try:
            if cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return
        except Exception as problem:
            if "locked" not in str(problem):
                raise
        time.sleep(0.005 * min(attempt + 1, 20))
    cursor.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    match connection.get_execution_options()["sfumato"]:
        case "write":
            _take_write_lock(connection)
        case "read":
            connection.exec_driver_sql("BEGIN")
        case _:
            pass


def _take_write_lock(connection: Connection) -> None:
    """Begin to write, waiting for other processes.

    SQLite's own waiting sleeps up to 100 ms between tries, and starves beside a
    process that writes without pause; short tries at random moments do not.
    """
    deadline = time.monotonic() + LOCK_WAIT_S
    connection.exec_driver_sql("PRAGMA busy_timeout=5")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except exc.OperationalError as problem:
                if "locked" not in str(problem.orig) or time.monotonic() > deadline:
                    raise
            time.sleep(random.uniform(0.0005, 0.005))
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={LOCK_WAIT_S * 1000}")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("sfumato") == "read":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _advice(problem: str) -> str:
    if "file is not a database" in problem:
        return "the file is not an SQLite database: name another file for the store"
    if "unable to open database file" in problem:
        return "the file cannot be opened: its folder must exist and be writable"
    if "readonly" in problem:
        return "the store is read-only: make the file and its folder writable"
    if "malformed" in problem:
        return (
            "the store is damaged: keep a copy of the file, then restore a backup "
            "or extract what is left with the sqlite3 shell's .recover"
        )
    if "locked" in problem or "busy" in problem:
        return (
            f"another process held the store's write lock for more than {LOCK_WAIT_S} s: "
            "find it and let it finish, then try again. Nothing was changed"
        )
    if "disk is full" in problem or "No space left" in problem:
        return "the disk is full: make room, then try again. Nothing was changed"
    return problem
