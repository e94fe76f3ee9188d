"""The command view: what a host gets of a thread, on the screen and in files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sfumato.cli_session import (
    HostOption,
    JsonOption,
    ProfileOption,
    StoreOption,
    ThreadArgument,
    marks,
    readable,
    settings,
    table,
    working,
)
from sfumato.errors import InputError
from sfumato.memory import Memory
from sfumato.view import View, ViewPart

DEFAULT_HOST = "claude-high-res"
DEFAULT_BUDGET = "8000"

BudgetOption = Annotated[
    str,
    typer.Option(
        "--budget",
        metavar="N|P%",
        help="Tokens on that host, or a share of the thread's text tokens there.",
    ),
]


def view(
    context: typer.Context,
    thread: ThreadArgument,
    host: HostOption = DEFAULT_HOST,
    budget: BudgetOption = DEFAULT_BUDGET,
    profile: ProfileOption = "legible",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for view.json and the pages.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan only; write nothing.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lay out what a host gets of a thread: recent turns as text, older ones as pages."""
    if out is None and not dry_run:
        raise InputError("give --out DIR for view.json and the pages, or --dry-run to plan only")
    given = settings(context, store, as_json)
    with given.store() as opened, working(f"laying out {readable(thread)}"):
        memory = Memory(thread, host, opened, profile=profile)
        made = memory.view(budget_tokens(memory, budget), dry_run=dry_run)
        turns = opened.journal.state(thread).live
        written = made.write(out) if out is not None and not dry_run else []
    files = Text(f"Wrote {len(written)} files to {out}." if written else "Wrote nothing (dry run).")
    given.show(made.to_json(), parts_table(made), Text(summary(made, turns)), files)


def budget_tokens(memory: Memory, asked: str) -> int:
    """A budget as tokens: "8000", or a share such as "25%" of the thread's text tokens.

    Raises InputError for anything else, NotFoundError for an unknown thread.
    """
    match = re.fullmatch(r"(\d[\d_,]*)|(\d+(?:\.\d+)?)\s*%", asked.strip())
    if match is None:
        raise InputError(f"a budget is a number of tokens or a share such as 25%, not {asked!r}")
    if match[1]:
        return int(re.sub("[_,]", "", match[1]))
    return max(1, int(memory.text_tokens() * float(match[2]) / 100))


def parts_table(made: View) -> Table:
    """The view's parts for people; neighbouring texts of one tier share a row."""
    shown = table(
        "part", "tier", "type px", "tokens", "turns", "size px", "role",
        right=("tier", "type px", "tokens", "size px"),
    )  # fmt: skip
    for parts in _rows(made.parts):
        part, last = parts[0], parts[-1]
        several = f" ({len(parts)} turns)" if len(parts) > 1 else ""
        shown.add_row(
            part.kind,
            "" if part.tier is None else str(part.tier),
            f"{part.type_px:g}" if part.type_px else "",
            f"{sum(each.tokens for each in parts):,}",
            marks(part.first_turn, last.last_turn) + several,
            f"{part.width}×{part.height}" if part.width else "",
            part.role if len(parts) == 1 else "",
        )
    return shown


def _rows(parts: Sequence[ViewPart]) -> Iterator[list[ViewPart]]:
    def same(item: tuple[int, ViewPart]) -> object:
        place, part = item
        joined = part.kind == "text" and part.role != "system"
        return (part.kind, part.tier) if joined else place

    for _, group in groupby(enumerate(parts), same):
        yield [part for _, part in group]


def summary(made: View, turns: int) -> str:
    """What a view achieves, in words. ``turns`` are the thread's live ones."""
    share = made.turns_in_view / turns if turns else 1
    sizes = sorted({part.type_px for part in made.pages if part.type_px}, reverse=True)
    lines = [
        f"{made.tokens:,} of {made.budget:,} tokens on {made.host.name} "
        f"({made.tokens / made.budget:.0%} of the budget); "
        f"{made.overhead_tokens} of them frame messages",
        f"the whole thread as text: {made.text_tokens:,} tokens; saved {made.saved:.0%}",
        f"turns in view: {made.turns_in_view:,} of {turns:,} ({share:.0%}); "
        f"archived: {marks(*made.archived) if made.archived else 'none'}",
    ]
    if sizes:
        drawn = ", ".join(f"{size:g}" for size in sizes)
        lines.append(f"{len(made.pages)} pages in type of {drawn} px")
    return "\n".join(lines)
