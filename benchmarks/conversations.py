"""What a view keeps of long conversations, beside trimming to the same tokens.

For each conversation, host and profile: the view at a share of the text's
tokens, its tokens by the host's own formula, how full the budget is (at the
end, and on average from the turn the text first passes it), the tiers, pages
and type sizes, and the share of turns in view; and the share that trimming to
the same budget keeps. Every view is checked: budget held, every turn exactly
once in the view, the archive or the tail, ``verify`` clean.

    python benchmarks/conversations.py FILE [FILE …] [--share 0.25]

Files are anything ``sfumato import`` reads.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sfumato.aging import Layout
from sfumato.importers import read_conversations
from sfumato.layouts import budget_class
from sfumato.measures import added
from sfumato.memory import Memory
from sfumato.plan import Plan
from sfumato.store import Store
from sfumato.tiers import tiers_for
from sfumato.view import View

HOSTS = ("qwen3-vl", "claude-high-res", "deepseek-ocr")


@dataclass(frozen=True)
class Row:
    """One view's figures. Shares are 0 to 1."""

    thread: str
    host: str
    profile: str
    text_tokens: int
    budget: int
    tokens: int
    fill: float
    mean_fill: float
    tiers: int
    pages: int
    type_px: tuple[float, ...]
    turns: int
    in_view: float
    trimmed: float


def measure(store: Store, thread: str, host: str, profile: str, share: float) -> Row:
    """Build, check and measure one view. Raises AssertionError if it breaks a rule."""
    memory = Memory(thread, host, store, profile=profile)
    text = text_tokens(memory)
    budget = int(share * text)
    view = memory.view(budget)
    turns = memory.journal.state(thread).live
    check(view, turns)
    problems = memory.verify()
    assert not problems, problems
    pages = view.pages
    return Row(
        thread,
        host,
        profile,
        view.text_tokens,
        budget,
        view.tokens,
        view.tokens / budget,
        mean_fill(memory, budget),
        len({page.tier for page in pages}),
        len(pages),
        tuple(sorted({page.type_px or 0.0 for page in pages}, reverse=True)),
        turns,
        view.turns_in_view / turns,
        trimmed(memory, budget) / turns,
    )


def text_tokens(memory: Memory) -> int:
    """The whole thread as text on the memory's host."""
    measures = memory.desk.measures(memory.thread, ())
    return sum(measures.text(entry.seq) for entry in memory.journal.entries(memory.thread))


def trimmed(memory: Memory, budget: int) -> int:
    """How many of the newest turns fit the budget as text."""
    measures = memory.desk.measures(memory.thread, ())
    kept = used = 0
    for entry in reversed(memory.journal.entries(memory.thread)):
        used += measures.text(entry.seq)
        if used > budget:
            break
        kept += 1
    return kept


def mean_fill(memory: Memory, budget: int) -> float:
    """Mean share of the budget used after each turn, once the text has passed it."""
    desk, capacity = memory.desk, budget_class(budget)
    measures = desk.measures(
        memory.thread, tiers_for(desk.host, desk.profile, capacity, desk.policy)
    )
    plan = Plan(desk.policy, capacity, measures)
    layout, text, fills = Layout(), 0, list[float]()
    for entry in memory.journal.entries(memory.thread):
        measures.hold([entry])
        layout = plan.fold(layout, [added(entry)])
        text += measures.text(entry.seq)
        if text > budget:
            fills.append(plan.total(layout) / budget)
    return statistics.mean(fills)


def check(view: View, turns: int) -> None:
    """Budget held, and every turn exactly once in view, archive or tail."""
    assert view.tokens <= view.budget
    assert view.tokens == view.overhead_tokens + sum(part.tokens for part in view.parts)
    for page in view.pages:
        assert page.tokens == view.host.image_tokens(page.width or 0, page.height or 0)
    ranges = [view.archived] if view.archived else []
    system: list[tuple[int, int]] = []
    for part in view.parts:
        if part.kind in ("page", "text"):
            is_system = part.turn is not None and part.turn.role == "system"
            (system if is_system else ranges).append((part.first_turn or 0, part.last_turn or 0))
    assert ranges == sorted(ranges), "turns are out of order"
    # System turns never age: they stand before all others, wherever they were said.
    marks = [mark for first, last in sorted(system + ranges) for mark in range(first, last + 1)]
    assert marks == list(range(1, turns + 1)), "turns are missing or doubled"


def table(rows: list[Row]) -> Table:
    """The rows as a table for people."""
    shown = Table(
        "thread", "host", "profile", "text", "budget", "tokens", "fill", "mean fill",
        "tiers", "pages", "type px", "turns in view", "trimming",
    )  # fmt: skip
    for row in rows:
        shown.add_row(
            row.thread,
            row.host,
            row.profile,
            f"{row.text_tokens:,}",
            f"{row.budget:,}",
            f"{row.tokens:,}",
            f"{row.fill:.0%}",
            f"{row.mean_fill:.0%}",
            str(row.tiers),
            str(row.pages),
            " ".join(f"{size:g}" for size in row.type_px),
            f"{row.in_view:.0%}",
            f"{row.trimmed:.0%}",
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--hosts", nargs="+", default=list(HOSTS))
    parser.add_argument("--profiles", nargs="+", default=["dense", "legible"])
    options = parser.parse_args()
    console = Console(stderr=True, width=150)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, Progress(console=console) as progress:
        store = Store(f"sqlite:///{folder}/memory.db")
        threads: list[str] = []
        for path in options.files:
            for number, found in enumerate(read_conversations(path), start=1):
                threads.append(found.name or f"{path.stem}-{number}")
                Memory(threads[-1], "text-only", store).extend(found.turns)
        cases = [(t, h, p) for t in threads for h in options.hosts for p in options.profiles]
        for thread, host, profile in progress.track(cases, description="views"):
            rows.append(measure(store, thread, host, profile, options.share))
        store.close()
    console.print(table(rows))
    json.dump([asdict(row) for row in rows], sys.stdout, indent=1)


if __name__ == "__main__":
    main()
