"""Derived bytes on disk: pages, factsheets, features. Never truth.

Takes and gives bytes under string keys, on top of diskcache. Knows nothing of
what the bytes mean: whatever is missing can be made again, so a damaged,
foreign or deleted cache is a miss and never an error.

diskcache pickles by default, and whoever can write to its folder can then run
code in the reader (CVE-2025-69872; no fixed release of diskcache 5.6.3 as of
November 2026, and its JSONDisk does not help). ``BytesDisk`` stores and reads
plain bytes only, refuses rows of any other kind, and reads only files with
names that diskcache itself gives. Each value carries a checksum.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import diskcache  # pyright: ignore[reportMissingTypeStubs]
from diskcache.core import (  # pyright: ignore[reportMissingTypeStubs]
    MODE_BINARY,  # pyright: ignore[reportUnknownVariableType]
    UNKNOWN,  # pyright: ignore[reportUnknownVariableType]
)

# Another process may hold the cache's lock; after this long, in seconds, making
# the bytes again is the better choice.
_LOCK_WAIT_S = 5
_CHECKSUM_BYTES = 16
_VALUE_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val")

# What a damaged database makes diskcache raise.
_DAMAGE = (sqlite3.Error, OSError, ValueError, TypeError, AttributeError)

_Result = TypeVar("_Result")


class _ForeignRow(Exception):
    """A row of the database that this module did not write."""


# diskcache has no types: what is taken from it is Any.
_Disk: Any = diskcache.Disk


class BytesDisk(_Disk):
    """Stores bytes under strings, in files; refuses anything else it finds."""

    def put(self, key: Any) -> tuple[str, bool]:
        """The database form of a key."""
        if type(key) is not str:
            raise TypeError(f"cache keys are strings, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        """The key of a database form; a pickled one is refused."""
        if not raw or type(key) is not str:
            raise _ForeignRow("a foreign key in the cache")
        return key

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> tuple[Any, ...]:
        """Write a value to a file; its size, mode and file name."""
        if read or type(value) is not bytes:
            raise TypeError(f"cache values are bytes, not {type(value).__name__}")
        return _Disk.store(self, value, False, key=key)

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:
        """Read a value from its file; pickled values and other files are refused."""
        if mode != MODE_BINARY or read or not _is_value_file(filename):
            raise _ForeignRow("a foreign value in the cache")
        return _Disk.fetch(self, mode, filename, value, False)

    def remove(self, file_path: Any) -> None:
        """Delete a value's file; no other file."""
        if _is_value_file(file_path):
            _Disk.remove(self, file_path)


class Cache:
    """A folder of derived bytes, at most about ``size_limit`` bytes large.

    When it is full, what was stored longest ago goes first. The folder is made
    when it is missing, and made anew when it is damaged. Threads and processes
    may share it.
    """

    def __init__(self, directory: str | Path, size_limit: int = 1 << 30) -> None:
        self._folder = Path(directory).absolute()
        self._size_limit = size_limit
        self._inner: Any = None
        self._opening = threading.RLock()
        self._identity: tuple[int, int] | None = None
        _open_caches.add(self)

    def get(self, key: str) -> bytes | None:
        """The bytes stored under ``key``; None when they are missing or damaged."""
        try:
            held: bytes | None = self._try(lambda inner: inner.get(key))
        except _ForeignRow:
            held = b""
        if held is None:
            return None
        value = held[_CHECKSUM_BYTES:]
        if held[:_CHECKSUM_BYTES] == _checksum(key, value):
            return value
        self.delete([key])
        return None

    def put(self, key: str, value: bytes, *, tag: str | None = None) -> None:
        """Store bytes under ``key``; those with a ``tag`` can be evicted together."""
        sealed = _checksum(key, value) + value
        self._try(lambda inner: inner.set(key, sealed, tag=tag))

    def evict_tag(self, tag: str) -> None:
        """Delete everything stored with this tag."""
        self._try(lambda inner: inner.evict(tag))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete what is stored under these keys."""
        for key in keys:
            self._try(lambda inner, key=key: inner.delete(key))

    def clear(self) -> None:
        """Delete everything."""
        self._try(lambda inner: inner.clear())

    def close(self) -> None:
        """Close this thread's connection. The cache can still be used; it reopens by itself."""
        if self._inner is not None:
            with suppress(sqlite3.Error):
                self._inner.close()

    def _try(self, act: Callable[[Any], _Result]) -> _Result | None:
        """Act on the folder; if it is damaged, make it anew and act once more."""
        for _ in range(2):
            try:
                return act(self._opened())
            except diskcache.Timeout:
                return None
            except _DAMAGE:
                self._discard()
        return None

    def _opened(self) -> Any:
        """The diskcache, opened anew if the folder was deleted or replaced."""
        with self._opening:
            if self._inner is None or self._identity != self._database_identity():
                self._inner = diskcache.Cache(
                    str(self._folder),
                    timeout=_LOCK_WAIT_S,
                    disk=BytesDisk,
                    size_limit=self._size_limit,
                    # Values lie in files of their own, so that deleting one leaves no bytes behind.
                    disk_min_file_size=0,
                    eviction_policy="least-recently-stored",
                    statistics=0,
                    tag_index=1,
                    sqlite_secure_delete=1,
                )
                self._identity = self._database_identity()
            return self._inner

    def _database_identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._folder / diskcache.core.DBNAME)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _discard(self) -> None:
        """Delete the database and the values, and nothing else that lies in the folder."""
        with self._opening:
            self.close()
            self._inner = None
            for pattern in (diskcache.core.DBNAME + "*", "??/??/*.val"):
                for path in self._folder.glob(pattern):
                    if pattern.startswith("?") and not _is_value_file(
                        path.relative_to(self._folder)
                    ):
                        continue
                    with suppress(OSError):
                        path.unlink()


_open_caches: weakref.WeakSet[Cache] = weakref.WeakSet()


def _close_before_fork() -> None:
    """SQLite connections must not cross a fork."""
    for cache in list(_open_caches):
        cache.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_before_fork)


def _is_value_file(path: Any) -> bool:
    """Whether a path inside the folder is one that diskcache gives to values."""
    name = str(path).replace(os.sep, "/")
    return _VALUE_FILE.fullmatch(name) is not None


def _checksum(key: str, value: bytes) -> bytes:
    made = hashlib.blake2b(value, digest_size=_CHECKSUM_BYTES, person=b"sfumato-cache")
    made.update(key.encode("utf-8", "surrogatepass"))
    return made.digest()
