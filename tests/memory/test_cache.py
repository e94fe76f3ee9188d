"""The cache: derived bytes come back as they were, or not at all."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.cache import Cache


class Trap:
    """Unpickling this makes a folder: proof that foreign code has run."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path):
    made = Cache(folder)
    yield made
    made.close()


def value_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/??/*.val"))


@given(key=st.text(max_size=50), value=st.binary(max_size=2000))
def test_what_is_put_is_got(cache: Cache, key: str, value: bytes) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    cache.put(key, value)
    assert cache.get(key) == value


def test_what_was_never_put_is_a_miss(cache: Cache) -> None:
    assert cache.get("nothing") is None


def test_a_reopened_cache_still_holds_it(cache: Cache, folder: Path) -> None:
    cache.put("k", b"v" * 100_000)
    cache.close()
    assert Cache(folder).get("k") == b"v" * 100_000
    assert cache.get("k") == b"v" * 100_000


def test_tags_are_evicted_together_and_leave_no_file(cache: Cache, folder: Path) -> None:
    cache.put("a", b"secret words", tag="alice")
    cache.put("b", b"others", tag="bob")
    cache.evict_tag("alice")
    assert (cache.get("a"), cache.get("b")) == (None, b"others")
    held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"secret words" not in held


def test_keys_are_deleted_and_everything_cleared(cache: Cache) -> None:
    for key in "abc":
        cache.put(key, b"x")
    cache.delete(["a", "never"])
    assert [cache.get(key) for key in "abc"] == [None, b"x", b"x"]
    cache.clear()
    assert [cache.get(key) for key in "abc"] == [None] * 3


def test_the_size_limit_holds(folder: Path) -> None:
    cache = Cache(folder, size_limit=2_000_000)
    for n in range(100):
        cache.put(f"{n}", bytes(50_000))
    assert sum(path.stat().st_size for path in value_files(folder)) <= 2_100_000
    assert cache.get("99") is not None
    cache.close()


def test_a_corrupted_value_is_a_miss_and_is_deleted(cache: Cache, folder: Path) -> None:
    cache.put("k", b"v" * 1000)
    [path] = value_files(folder)
    damaged = bytearray(path.read_bytes())
    damaged[500] ^= 1
    path.write_bytes(damaged)
    assert cache.get("k") is None
    assert value_files(folder) == []
    path.parent.mkdir(parents=True, exist_ok=True)
    cache.put("k", b"new")
    assert cache.get("k") == b"new"


def test_a_truncated_or_missing_file_is_a_miss(cache: Cache, folder: Path) -> None:
    cache.put("a", b"v" * 1000)
    value_files(folder)[0].write_bytes(b"")
    assert cache.get("a") is None
    cache.put("b", b"v" * 1000)
    value_files(folder)[0].unlink()
    assert cache.get("b") is None


def test_a_value_under_another_key_is_a_miss(cache: Cache, folder: Path) -> None:
    cache.put("a", b"for a")
    with sqlite3.connect(folder / "cache.db") as database:
        database.execute("UPDATE Cache SET key = 'b'")
    assert cache.get("b") is None


class TestPoison:
    """Rows planted by someone who can write to the folder."""

    def plant(self, folder: Path, statement: str, *values: object) -> None:
        with sqlite3.connect(folder / "cache.db") as database:
            database.execute(statement, values)

    def test_a_pickled_value_is_not_unpickled(
        self, cache: Cache, folder: Path, tmp_path: Path
    ) -> None:
        cache.put("k", b"good")
        self.plant(
            folder,
            "UPDATE Cache SET mode = 4, filename = NULL, value = ?",
            pickle.dumps(Trap(tmp_path / "sprung")),
        )
        assert cache.get("k") is None
        assert cache.get("k") is None
        assert not (tmp_path / "sprung").exists()
        cache.put("k", b"again")
        assert cache.get("k") == b"again"

    def test_a_pickled_file_is_not_unpickled(
        self, cache: Cache, folder: Path, tmp_path: Path
    ) -> None:
        cache.put("k", b"good")
        value_files(folder)[0].write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
        self.plant(folder, "UPDATE Cache SET mode = 4")
        assert cache.get("k") is None
        assert not (tmp_path / "sprung").exists()

    def test_a_pickled_key_is_never_read(self, cache: Cache, folder: Path, tmp_path: Path) -> None:
        cache.put("k", b"good")
        trap = pickle.dumps(Trap(tmp_path / "sprung"))
        self.plant(
            folder,
            "INSERT INTO Cache (key, raw, mode, value, tag) VALUES (?, 0, 1, x'00', 't')",
            trap,
        )
        assert cache.get("k") == b"good"
        cache.evict_tag("t")
        cache.clear()
        assert not (tmp_path / "sprung").exists()

    @pytest.mark.parametrize(
        "name", ["../secret.txt", "/{tmp}/secret.txt", "ab/cd/../../../secret.txt"]
    )
    def test_a_file_outside_is_neither_read_nor_deleted(
        self, cache: Cache, folder: Path, tmp_path: Path, name: str
    ) -> None:
        secret = tmp_path / "secret.txt"
        secret.write_bytes(b"private")
        cache.put("k", b"good")
        self.plant(folder, "UPDATE Cache SET filename = ?", name.replace("/{tmp}", str(tmp_path)))
        assert cache.get("k") is None
        cache.clear()
        assert secret.read_bytes() == b"private"

    def test_values_in_the_database_itself_are_refused(self, cache: Cache, folder: Path) -> None:
        cache.put("k", b"good")
        self.plant(folder, "UPDATE Cache SET mode = 1, filename = NULL, value = x'626164'")
        assert cache.get("k") is None

    def test_foreign_settings_do_not_break_the_cache(self, cache: Cache, folder: Path) -> None:
        cache.put("k", b"good")
        cache.close()
        self.plant(folder, "INSERT INTO Settings VALUES ('get', 'poison')")
        self.plant(folder, "UPDATE Settings SET value = 'nonsense' WHERE key = 'eviction_policy'")
        other = Cache(folder)
        other.get("k")
        other.put("k", b"new")
        assert other.get("k") == b"new"


class TestDamage:
    """The folder is deleted, replaced or scribbled over while the cache is in use."""

    def test_a_deleted_folder_is_made_again(self, cache: Cache, folder: Path) -> None:
        cache.put("k", b"v")
        shutil.rmtree(folder)
        assert cache.get("k") is None
        cache.put("k", b"w")
        assert cache.get("k") == b"w"
        assert value_files(folder) != []

    @pytest.mark.parametrize("junk", [b"", b"junk" * 5000])
    def test_a_database_that_is_none_is_made_anew(self, folder: Path, junk: bytes) -> None:
        first = Cache(folder)
        first.put("k", b"v")
        first.close()
        (folder / "cache.db").write_bytes(junk)
        keep = folder / "notes.txt"
        keep.write_text("not ours")
        cache = Cache(folder)
        assert cache.get("k") is None
        cache.put("k", b"w")
        assert cache.get("k") == b"w"
        assert keep.read_text() == "not ours"

    def test_missing_tables_are_a_miss(self, cache: Cache, folder: Path) -> None:
        cache.put("k", b"v")
        with sqlite3.connect(folder / "cache.db") as database:
            database.execute("DROP TABLE Cache")
        assert cache.get("k") is None
        cache.put("k", b"w")
        assert cache.get("k") == b"w"

    def test_a_folder_that_cannot_be_made_means_only_misses(self, tmp_path: Path) -> None:
        blocked = tmp_path / "file"
        blocked.write_text("in the way")
        cache = Cache(blocked / "cache")
        cache.put("k", b"v")
        assert cache.get("k") is None
        cache.evict_tag("t")
        cache.clear()


def test_threads_share_a_cache(cache: Cache) -> None:
    def work(n: int) -> bool:
        cache.put(f"{n % 10}", b"%d" % (n % 10) * 10_000)
        return cache.get(f"{n % 10}") in (None, b"%d" % (n % 10) * 10_000)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(120)))


def put_in_child(cache: Cache, n: int) -> None:
    cache.put(f"child{n}", b"%d" % n)
    assert cache.get("parent") == b"p"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_cache_may_be_used_on_both_sides_of_a_fork(cache: Cache) -> None:
    cache.put("parent", b"p")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=put_in_child, args=(cache, n)) for n in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert [cache.get(f"child{n}") for n in range(3)] == [b"0", b"1", b"2"]
