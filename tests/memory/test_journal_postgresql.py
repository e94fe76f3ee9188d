"""The journal on PostgreSQL: the same promises, kept by a real server.

The test classes and functions imported here run with this module's
``journal`` fixture.
"""

# Fixtures and tests are imported for pytest to find.
# ruff: noqa: F401, F811

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from databases import new_database, postgresql_server, postgresql_url
from test_index import (
    test_a_rebuilt_index_gives_the_same_results,
    test_an_identifier_finds_its_turn_and_no_neighbour,
    test_echoes_and_turns_out_of_the_conversation_are_not_found,
    test_every_part_of_a_turn_is_searched,
    test_threads_do_not_see_or_sway_each_other,
)
from test_journal import (
    TestAppending,
    TestChanging,
    TestLayouts,
    TestReading,
    TestReconciling,
    TestWishes,
    test_any_turn_comes_back_equal,
)
from test_journal_processes import start

from sfumato.errors import NotFoundError, StoreError
from sfumato.journal import Journal
from sfumato.turn import Text, ToolCall, ToolResult, turn


@pytest.fixture
def journal(postgresql_url: str) -> Iterator[Journal]:
    made = Journal(postgresql_url)
    yield made
    made.close()


def test_searches_find_the_same_as_on_sqlite(journal: Journal, tmp_path) -> None:
    other = Journal(f"sqlite:///{tmp_path}/store.db")
    texts = [f"heron {n} by lake {n % 7}? in May" for n in range(80)]
    for store in (journal, other):
        store.append("a", [turn("user", text, id=text) for text in texts])
        store.shelve("a", [4])
    for query in ("heron 3", "lake 5 in May", "LAKES", "nothing"):
        here, there = journal.search("a", query, 10), other.search("a", query, 10)
        assert [hit.seq for hit in here] == [hit.seq for hit in there]
        assert [hit.score for hit in here] == pytest.approx([hit.score for hit in there])
    other.close()


def test_forgotten_words_are_in_no_row(journal: Journal, postgresql_url: str) -> None:
    import psycopg

    journal.append(
        "a",
        [
            turn("assistant", [ToolCall("c", "f", '{"to": "Ouagadougou"}')]),
            turn("tool", [ToolResult("c", (Text("Ouagadougou"),))]),
        ],
    )
    assert journal.forget("a", 1) == [1, 2]
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as connection:
        bodies = connection.execute("SELECT body FROM sfumato_contents").fetchall()
    assert not any(b"Ouagadougou" in body for (body,) in bodies)
    journal.forget_thread("a")
    with pytest.raises(NotFoundError):
        journal.state("a")
    assert journal.verify() == []


def test_threads_and_processes_append_without_gaps(journal: Journal, postgresql_url: str) -> None:
    workers = [start(postgresql_url, f"w{n}", 20, 3) for n in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: journal.append("t", [turn("user", f"{n}")]), range(40)))
    for worker in workers:
        worker.communicate()
    assert [worker.returncode for worker in workers] == [0, 0]
    assert [entry.seq for entry in journal.entries("t")] == list(range(1, 81))
    assert journal.verify() == []


def test_several_openers_make_one_store(postgresql_server: str) -> None:
    url = new_database(postgresql_server)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Journal(url), range(4)))
    assert [journal.threads() for journal in opened] == [[]] * 4
    for journal in opened:
        journal.close()


def test_a_server_that_is_not_there_is_explained(tmp_path) -> None:
    with pytest.raises(StoreError, match="sfumato_none"):
        Journal(f"postgresql+psycopg://test@/sfumato_none?host={tmp_path}")
