"""Can the invariants' tests fail? Breaks each rule once and runs its tests.

For every invariant one line of a copy of the package is changed so that the
rule no longer holds; the named test must then fail. Prints a table; exits 1 if
a mutation survived or no longer applies.

    python benchmarks/mutations.py
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"memory": "sfumato", "renderers": "sfumato/renderers", "adapters": "sfumato/adapters"}


@dataclass(frozen=True)
class Mutation:
    """One line made wrong, and the test that must notice."""

    rule: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        "1 coverage: a turn that ages takes its neighbour with it",
        "memory/plan.py",
        "tail=layout.tail[count:],",
        "tail=layout.tail[count + 1 :],",
        "tests/invariants/test_views.py -k test_1",
    ),
    Mutation(
        "2 pairs: the boundary may fall between a call and its result",
        "memory/plan.py",
        "            if not open_calls:\n                cuts.append(index + 1)",
        "            if True:\n                cuts.append(index + 1)",
        "tests/memory/test_plan.py -k two_sides",
    ),
    Mutation(
        "3 stability: a step is taken before one is due",
        "memory/plan.py",
        "        if self.fits(layout):\n            return layout\n        layout = self._refresh",
        "        if self.fits(layout, self.room_tokens):\n            return layout\n"
        "        layout = self._refresh",
        "tests/invariants/test_views.py -k test_3",
    ),
    Mutation(
        "4 budget: pages are counted at half their cost",
        "memory/measures.py",
        "self._host.image_tokens(plan.width_px, plan.height_px),",
        "self._host.image_tokens(plan.width_px, plan.height_px) // 2,",
        "tests/invariants/test_views.py -k test_4",
    ),
    Mutation(
        "5 profit: every span becomes pages",
        "memory/plan.py",
        "return cost + self.sizes.facts(marks, text // 10) < text",
        "return bool(marks)",
        "tests/memory/test_plan.py -k costs_no_more",
    ),
    Mutation(
        "6 paper: the last line of a page is not drawn",
        "renderers/page.py",
        "sheet.columns(lines[plan.start : plan.stop])",
        "sheet.columns(lines[plan.start : plan.stop - 1])",
        "tests/invariants/test_truth.py -k test_6",
    ),
    Mutation(
        "7 verbatim: white space at a turn's end is dropped",
        "memory/turn.py",
        'Text(body["text"], extra)',
        'Text(body["text"].rstrip(), extra)',
        "tests/invariants/test_truth.py -k test_7",
    ),
    Mutation(
        "8 determinism: a pixel depends on the process's hash seed",
        "renderers/sheet.py",
        "_TICK_PX = 2",
        "_TICK_PX = 1 + hash('tick') % 97 % 4",
        "tests/invariants/test_truth.py -k test_8_another",
    ),
    Mutation(
        "9 forgetting: the files are not scrubbed",
        "memory/journal.py",
        "        self._database.scrub()\n",
        "",
        "tests/invariants/test_truth.py -k test_9",
    ),
    Mutation(
        "10 spoofing: remembered lines are not indented",
        "memory/plain.py",
        'INDENT = "  "',
        'INDENT = ""',
        "tests/memory/test_plain.py tests/invariants/test_truth.py -k 'ours or test_10'",
    ),
)


def caught(mutation: Mutation, folder: Path) -> str:
    """'caught', 'survived', or why the mutation could not be tried."""
    site = folder / "site"
    for room, place in ROOMS.items():
        shutil.copytree(
            ROOT / room, site / place, ignore=shutil.ignore_patterns("__pycache__"),
            dirs_exist_ok=True,
        )  # fmt: skip
    room, _, name = mutation.file.partition("/")
    path = site / ROOMS[room] / name
    text = path.read_text(encoding="utf-8")
    if mutation.old not in text:
        return "the line to change is gone"
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    command = f"{sys.executable} -m pytest -q -x -p no:cacheprovider {mutation.test}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(site), "HYPOTHESIS_PROFILE": "quick-to-fail"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 1:
        return "caught"
    return "survived" if done.returncode == 0 else f"tests did not run:\n{done.stdout[-500:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="text that the rule must contain")
    only = parser.parse_args().only or ""
    table = Table("invariant and how it was broken", "test", "outcome")
    outcomes: list[str] = []
    chosen = [mutation for mutation in MUTATIONS if only in mutation.rule]
    for mutation in track(chosen, "mutations", console=Console(stderr=True)):
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(caught(mutation, Path(folder)))
        table.add_row(mutation.rule, mutation.test, outcomes[-1])
    Console(width=150).print(table)
    sys.exit(0 if set(outcomes) == {"caught"} else 1)


if __name__ == "__main__":
    main()
