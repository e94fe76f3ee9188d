"""Several processes on one store: appending together, forking, dying at any moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sfumato.journal import Journal
from sfumato.turn import turn

APPEND = """
import sys
from sfumato.journal import Journal
from sfumato.turn import turn
url, worker, count, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
journal = Journal(url)
for n in range(0, count, batch):
    some = range(n, min(n + batch, count))
    entries = journal.append("t", [turn("user", f"{worker}-{m}") for m in some])
    for entry in entries:
        print(entry.seq, entry.turn.text, flush=True)
"""


def start(url: str, worker: str, count: int, batch: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APPEND, url, worker, str(count), str(batch)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_appending_to_one_thread_leave_no_gap_and_keep_their_order(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    workers = [start(url, f"w{n}", 40, 1 + n) for n in range(3)]
    outputs = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    journal = Journal(url)
    entries = journal.entries("t")
    assert [entry.seq for entry in entries] == list(range(1, 121))
    told = sorted(line.split() for output in outputs for line in output.splitlines())
    assert sorted([str(e.seq), e.turn.text] for e in entries) == told
    for n in range(3):
        mine = [e.turn.text for e in entries if e.turn.text.startswith(f"w{n}-")]
        assert mine == [f"w{n}-{m}" for m in range(40)]
    assert journal.verify() == []
    journal.close()


def test_what_was_acknowledged_survives_being_killed_at_any_moment(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    told: list[list[str]] = []
    for round_ in range(12):
        worker = start(url, f"r{round_}", 10_000, 1 + round_ % 4)
        assert worker.stdout is not None
        first = worker.stdout.readline()
        time.sleep(0.003 * round_)
        worker.send_signal(signal.SIGKILL)
        lines = [first, *worker.stdout.read().splitlines(keepends=True)]
        worker.stdout.close()
        worker.wait()
        told += [line.split() for line in lines if line.endswith("\n")]
        journal = Journal(url)
        assert journal.verify() == []
        journal.close()
    journal = Journal(url)
    held = {str(entry.seq): entry.turn.text for entry in journal.entries("t")}
    assert len(told) >= 12
    assert all(held[seq] == text for seq, text in told)
    assert list(held) == [str(seq) for seq in range(1, len(held) + 1)]
    journal.close()


def append_in_child(journal: Journal, name: str) -> None:
    for n in range(10):
        journal.append("t", [turn("user", f"{name}-{n}")])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_journal_may_be_used_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/store.db")
    journal.append("t", [turn("user", "before")])
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            journal.append("busy", [turn("user", "x")])

    busy = threading.Thread(target=keep_busy)
    busy.start()
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=append_in_child, args=(journal, f"child{n}")) for n in range(3)
    ]
    for child in children:
        child.start()
    append_in_child(journal, "parent")
    for child in children:
        child.join()
    stop.set()
    busy.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert [entry.seq for entry in journal.entries("t")] == list(range(1, 42))
    assert journal.verify() == []
    journal.close()


def test_readers_see_one_moment_while_others_write(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/store.db")
    journal.append("t", [turn("user", "0"), turn("user", "0")])
    stop = threading.Event()

    def edit_both() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            journal.shelve("t", [1, 2])
            journal.restore("t", [1, 2])

    writer = threading.Thread(target=edit_both)
    writer.start()
    seen = [len(journal.entries("t")) for _ in range(100)]
    stop.set()
    writer.join()
    assert set(seen) <= {0, 2}
    journal.close()


def test_several_openers_make_one_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    openers = [start(url, f"w{n}", 1, 1) for n in range(4)]
    for opener in openers:
        opener.communicate()
    assert [opener.returncode for opener in openers] == [0] * 4
    journal = Journal(url)
    assert journal.state("t").last_seq == 4
    journal.close()
