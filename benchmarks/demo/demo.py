"""The demo: one long conversation, seen by several hosts, read back by OCR.

Imports the conversation beside this file into a fresh store, lays out what
each host gets of it within a quarter of its text tokens, beside what trimming
keeps; writes the pages; reads every page of three hosts with an OCR engine and
counts its errors; finds a fact on an old page and recalls its turn verbatim.
Every figure is measured in the run that prints it.

    python benchmarks/demo/demo.py [--out demo-output] [--share 0.25]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

from budgets import THREAD, Row, costs_table, lay_out_all
from facts import RECALLED, answers_read, fact_panel, oldest_fact, rank_of
from legibility import (
    READ,
    Reading,
    read_pages,
    readings_of,
    readings_table,
    shown,
)
from rich.console import Console
from rich.panel import Panel

from sfumato import Memory, Store, cli
from sfumato.importers import read_conversations

HERE = Path(__file__).parent
CONVERSATION = HERE / "conversation.jsonl"
QUESTIONS = HERE / "questions.json"

console = Console(width=None if sys.stdout.isatty() else 130, highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo-output"))
    parser.add_argument("--share", type=float, default=0.25, help="budget as a share of the text")
    options = parser.parse_args()
    started = time.monotonic()
    warnings.simplefilter("ignore", UserWarning)  # the page shows which characters no font has
    url = fresh_store(options.out)
    import_conversation(url)
    store = Store(url)
    try:
        summary = run(store, options.out, options.share)
    finally:
        store.close()
    summary["seconds"] = round(time.monotonic() - started, 1)
    path = options.out / "summary.json"
    path.write_text(json.dumps(summary, indent=1), encoding="ascii")
    console.print(f"All figures: {path}. Time: {summary['seconds']:.0f} s.")


def run(store: Store, out: Path, share: float) -> dict[str, Any]:
    """All parts of the demo; returns what it measured."""
    questions = json.loads(QUESTIONS.read_text("utf-8"))
    memory = Memory(THREAD, "text-only", store)
    rows, views = lay_out_all(store, out, share)
    console.print(costs_table(rows, share))
    problems = memory.verify()
    console.print(f"verify: {len(problems)} problems in {len(rows)} layouts\n")

    read = {name: views[name, profile] for name, profile in READ.items()}
    lines = read_pages(store, read)
    readings = [each for name in READ for each in readings_of(read[name], lines[name])]
    console.print(readings_table(readings))
    answers = {name: answers_read(questions, read[name], lines[name]) for name in READ}
    for name, each in answers.items():
        console.print(
            f"{name}: of {each.on_pages} exact answers on pages OCR reads {each.read} letter by "
            f"letter; the factsheet lists {each.in_factsheet}; either: {each.read_or_in_factsheet}"
        )
    console.print()

    ranks = [rank_of(memory, each) for each in questions]
    found = sum(rank is not None for rank in ranks)
    fact = oldest_fact(memory, questions, read, lines)
    if fact is not None:
        console.print(fact_panel(fact, str(out / f"{fact.host}-{READ[fact.host]}")))
    check_verbatim(memory)
    console.print(conclusion(rows, readings, found, len(questions)))
    return {
        "conversation": CONVERSATION.name,
        "turns": rows[0].turns,
        "share": share,
        "views": [asdict(row) for row in rows],
        "problems": len(problems),
        "readings": [asdict(each) for each in readings],
        "answers_read": {name: asdict(each) for name, each in answers.items()},
        "recall": {"found": found, "asked": len(questions), "k": RECALLED},
        "fact": None if fact is None else asdict(fact),
    }


def fresh_store(out: Path) -> str:
    """A store's URL in ``out``, where none is any more."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("memory.db", "memory.db-wal", "memory.db-shm"):
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "memory.cache", ignore_errors=True)
    return f"sqlite:///{out / 'memory.db'}"


def import_conversation(url: str) -> None:
    """Import by the command line, as anyone would; then once more, which adds nothing."""
    for _ in range(2):
        command = ["--store", url, "import", str(CONVERSATION), "--thread", THREAD]
        console.print(f"$ sfumato {' '.join(command)}", style="bold")
        try:
            cli.main(command)
        except SystemExit as ended:
            if ended.code:
                raise


def check_verbatim(memory: Memory) -> None:
    """Every turn comes back as it is in the file. Stops if one does not."""
    given = [turn for each in read_conversations(CONVERSATION) for turn in each.turns]
    kept = [each.content for each in memory.recall_marks(range(1, len(given) + 1))]
    assert kept == given
    console.print(f"Compared with the file: all {len(kept)} turns come back unchanged.\n")


def conclusion(rows: list[Row], readings: list[Reading], found: int, asked: int) -> Panel:
    """What was measured, on one screen, and where the pages are."""
    text = ["[bold]Turns in view, beside trimming to the same budget; pages[/]"]
    for row in rows:
        more = row.turns_in_view / row.trimmed_turns
        where = f"{row.pages} in {row.folder}/" if row.pages else ""
        text.append(
            f"  {f'{row.host} {row.profile}':<24} {row.turns_in_view:>4} of {row.turns}  "
            f"{more:.1f}×  {row.tokens:>6,} of {row.text_tokens:,} tokens  {where}"
        )
    text.append("[bold]Characters misread by OCR, lines in its alphabet[/]")
    for each in readings:
        name = f"{each.host} {each.type_px:g} px"
        text.append(f"  {name:<24} {shown(each.known)}")
    text.append(
        f"[bold]Recall[/]  {found} of {asked} questions find the turn with the answer among "
        f"{RECALLED}, verbatim"
    )
    return Panel("\n".join(text), title="Summary", title_align="left")


if __name__ == "__main__":
    main()
