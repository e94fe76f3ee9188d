"""Kill -9 during add and aging: is any acknowledged turn ever lost?

A warm parent forks a child that adds turns and asks for views as fast as it
can. The child says on a pipe which phase it is in (append, plan, draw, commit)
and which turns were acknowledged; the parent kills it with SIGKILL at a random
moment of a chosen phase, then a second child opens the store and checks that
every acknowledged turn is there byte for byte, that ``verify`` is clean, and
that the next view holds every turn exactly once.

    python benchmarks/torture.py --kills 2000
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sfumato.memory import Memory, shared_renderer
from sfumato.plan import Plan

PHASES = {"a": "append", "p": "plan", "d": "draw", "c": "commit"}
DELAY_S = {"a": 0.004, "p": 0.0004, "d": 0.006, "c": 0.003}
"""Longest wait between hearing of a phase and the kill; planning is quick."""
TURNS_PER_STORE = 80
"""A store is put aside after so many turns, so that a check stays quick."""
BUDGET = 900


WORDS = (
    "the harbour office moved invoice 7741 to Thursday because Ana could not sign",
    "before the crane inspection ended and nobody had the key",
)


def conversation(number: int) -> str:
    """A turn's text, different for every number and never the same length twice running."""
    words = random.Random(number).choices(" ".join(WORDS).split(), k=12 + number % 29)
    return f"turn {number}: " + " ".join(words)


def announce(pipe: int, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, saying on the pipe when it starts and when it ends."""

    def told(*args: Any, **kwargs: Any) -> Any:
        os.write(pipe, phase.encode())
        try:
            return function(*args, **kwargs)
        finally:
            os.write(pipe, b".")

    return told


def work(folder: Path, pipe: int) -> None:
    """The child: add turns and ask for views until killed."""
    memory = open_memory(folder)
    journal, renderer = memory.store.journal, memory.desk.renderer
    journal.append = announce(pipe, "a", journal.append)  # type: ignore[method-assign]
    journal.commit_layout = announce(pipe, "c", journal.commit_layout)  # type: ignore[method-assign]
    renderer.draw = announce(pipe, "d", renderer.draw)  # type: ignore[method-assign]
    Plan.fold = announce(pipe, "p", Plan.fold)  # type: ignore[method-assign]
    try:
        number = journal.state("torture").last_seq
    except LookupError:
        number = 0
    while True:
        for _ in range(3):
            number += 1
            role = "user" if number % 2 else "assistant"
            memory.add(role, conversation(number))
            os.write(pipe, f"<{number}>".encode())
        memory.view()


def open_memory(folder: Path) -> Memory:
    """The memory under torture."""
    return Memory(
        "torture",
        host="qwen3-vl",
        store=f"sqlite:///{folder / 'memory.db'}",
        budget=BUDGET,
        profile="dense",
    )


def check(folder: Path, acknowledged: int) -> str | None:
    """What is wrong with the store after a kill; None when nothing is."""
    memory = open_memory(folder)
    try:
        entries = memory.journal.entries("torture")
    except LookupError:
        return None if not acknowledged else "the thread is gone"
    if len(entries) < acknowledged:
        return f"{acknowledged} turns were acknowledged and {len(entries)} are there"
    for entry in entries:
        if entry.turn.text != conversation(entry.seq):
            return f"turn {entry.seq} differs from what was added"
    view = memory.view()
    shown = [view.archived] if view.archived else []
    shown += [(p.first_turn, p.last_turn) for p in view.parts if p.kind in ("page", "text")]
    marks = [m for first, last in shown for m in range(first or 0, (last or 0) + 1)]
    if marks != list(range(1, len(entries) + 1)):
        return "the view does not hold every turn exactly once, in order"
    problems = memory.verify()
    memory.close()
    return "; ".join(problem.what for problem in problems) or None


def forked(function: Callable[[], None]) -> int:
    """Run in a child that inherits everything warm; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        function()
        os._exit(0)
    except BaseException as problem:
        print(f"child: {type(problem).__name__}: {problem}", file=sys.stderr)
        os._exit(1)


def kill_once(folder: Path, phase: str, chance: random.Random) -> tuple[str, int]:
    """Kill one child in ``phase``; the phase it was really in and the last turn acknowledged."""
    reader, writer = os.pipe()
    child = forked(lambda: work(folder, writer))
    os.close(writer)
    heard = b""
    skip = chance.randint(0, 2)  # not always the first time the phase comes round
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([reader], [], [], 0.05)[0]:
            piece = os.read(reader, 65536)
            if not piece:
                break
            heard += piece
            if heard.count(phase.encode()) > skip:
                time.sleep(chance.random() * DELAY_S[phase])
                break
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while piece := os.read(reader, 65536):
        heard += piece
    os.close(reader)
    return in_phase(heard), last_acknowledged(heard)


def in_phase(heard: bytes) -> str:
    """The innermost phase open when the pipe fell silent."""
    stack: list[str] = []
    for letter in heard.decode():
        if letter in PHASES:
            stack.append(letter)
        elif letter == "." and stack:
            stack.pop()
    return PHASES[stack[-1]] if stack else "between"


def last_acknowledged(heard: bytes) -> int:
    """The number in the last whole <number>."""
    whole = heard.rpartition(b">")[0]
    return int(whole.rpartition(b"<")[2]) if b"<" in whole else 0


def torture(kills: int, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """``kills`` kills spread over the phases; counts by phase and every failure."""
    chance = random.Random(seed)
    shared_renderer()  # fonts are loaded once, before forking
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as root:
        folder, best = Path(root) / "0", 0
        folder.mkdir()
        for number in range(kills):
            phase, acknowledged = kill_once(folder, chance.choice("appppdcc"), chance)
            counts[phase] += 1
            best = max(best, acknowledged)
            failures += checked(folder, best, number)
            if best > TURNS_PER_STORE:
                folder, best = Path(root) / str(number + 1), 0
                folder.mkdir()
            if number % 50 == 49:
                say(f"{number + 1} kills, {len(failures)} failures, {dict(counts)}")
    return {"kills": kills, "phases": dict(counts), "failures": failures}


def checked(folder: Path, acknowledged: int, number: int) -> list[str]:
    """Check in a child of its own, so that the parent never holds the store open."""
    reader, writer = os.pipe()

    def look() -> None:
        os.write(writer, (check(folder, acknowledged) or "clean").encode()[:4000])

    child = forked(look)
    os.close(writer)
    said = os.read(reader, 65536).decode() or "the check itself failed"
    os.close(reader)
    os.waitpid(child, 0)
    return [] if said == "clean" else [f"kill {number + 1}: {said}"]


def say(line: str) -> None:
    """Progress, on stderr."""
    print(line, file=sys.stderr, flush=True)


def side_by_side(kills: int, seed: int, jobs: int) -> dict[str, Any]:
    """``kills`` kills shared among ``jobs`` warm parents, each with stores of its own."""
    shares = [kills // jobs + (job < kills % jobs) for job in range(jobs)]
    shared_renderer()
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        runs = [pool.submit(torture, share, seed + job, say) for job, share in enumerate(shares)]
        results = [run.result() for run in runs]
    phases: Counter[str] = sum((Counter(each["phases"]) for each in results), Counter())
    failures = [failure for each in results for failure in each["failures"]]
    return {"kills": kills, "phases": dict(phases), "failures": failures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="tortures run side by side")
    options = parser.parse_args()
    started = time.monotonic()
    result = side_by_side(options.kills, options.seed, options.jobs)
    result["seconds"] = round(time.monotonic() - started)
    print(json.dumps(result, indent=1))
    short = [
        name for name in PHASES.values() if result["phases"].get(name, 0) < options.kills // 40
    ]
    if short:
        print(f"too few kills in: {', '.join(short)}", file=sys.stderr)
    sys.exit(1 if result["failures"] or short else 0)


if __name__ == "__main__":
    main()
