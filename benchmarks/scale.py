"""Does the cost of a turn grow with the thread? 1,000 turns against 100,000.

In one run, on two threads of one store's make: the time to add a turn, and to
build a warm view with no aging due, on a short and on a long thread. Both are
medians over many rounds taken alternately, so a noisy machine hits both alike.

    python benchmarks/scale.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from sfumato.memory import Memory
from sfumato.turn import Turn, turn

ALLOWED = 2.0
BATCH = 2_000


def sentence(number: int) -> str:
    """A turn of chat length whose words vary."""
    return (
        f"On day {number} the survey team at station {number % 97} logged {number * 7 % 1009} "
        f"samples, and {'Ines' if number % 3 else 'Tomasz'} asked for the {number % 53}th report."
    )


def turns(first: int, count: int) -> list[Turn]:
    """Turns ``first`` to ``first + count - 1``."""
    return [
        turn("user" if n % 2 else "assistant", sentence(n)) for n in range(first, first + count)
    ]


def filled(folder: Path, count: int) -> Memory:
    """A memory with ``count`` turns and one view already built."""
    memory = Memory(
        "thread", host="qwen3-vl", store=f"sqlite:///{folder / f'{count}.db'}", budget=8_000
    )
    batches = range(1, count + 1, BATCH)
    for first in track(batches, f"{count:,} turns", console=Console(stderr=True)):
        memory.extend(turns(first, min(BATCH, count + 1 - first)))
    memory.view()
    return memory


def measure(memories: list[Memory], rounds: int) -> dict[str, list[float]]:
    """Median seconds per add and per warm view, for each memory."""
    adds: list[list[float]] = [[] for _ in memories]
    views: list[list[float]] = [[] for _ in memories]
    for number in range(rounds):
        for index, memory in enumerate(memories):
            started = time.perf_counter()
            memory.add("user" if number % 2 else "assistant", sentence(number))
            adds[index].append(time.perf_counter() - started)
            before = memory.view()  # takes any step that is due
            started = time.perf_counter()
            after = memory.view()
            views[index].append(time.perf_counter() - started)
            if [p.png for p in before.pages] != [p.png for p in after.pages]:
                raise AssertionError("a warm view differs from the one before it")
    return {
        "add": [statistics.median(times) for times in adds],
        "warm view": [statistics.median(times) for times in views],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", type=int, default=1_000)
    parser.add_argument("--long", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        memories = [filled(Path(folder), count) for count in (options.short, options.long)]
        medians = measure(memories, options.rounds)
    table = Table("", f"{options.short:,} turns", f"{options.long:,} turns", "ratio")
    ratios: dict[str, float] = {}
    for name, (short, long) in medians.items():
        ratios[name] = long / short
        table.add_row(name, f"{short * 1e3:.2f} ms", f"{long * 1e3:.2f} ms", f"{long / short:.2f}")
    Console(stderr=True).print(table)
    print(json.dumps({"seconds": medians, "ratios": ratios}, indent=1))
    sys.exit(1 if any(ratio > ALLOWED for ratio in ratios.values()) else 0)


if __name__ == "__main__":
    main()
