"""Commands about a thread's layouts: show, pin, unpin, verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sfumato.cli_session import (
    HostOption,
    JsonOption,
    StoreOption,
    ThreadArgument,
    readable,
    settings,
    table,
    tracked,
)
from sfumato.errors import BudgetError, HostError
from sfumato.journal import LayoutRow, Problem
from sfumato.memory import Memory
from sfumato.store import Store
from sfumato.verify_layouts import verify_layouts
from sfumato.view import View

MarkArgument = Annotated[int, typer.Argument(min=1, help="The turn's number.", show_default=False)]
PinBudgetOption = Annotated[
    int, typer.Option("--budget", min=1, help="Budget that the pins must leave room in.")
]


@dataclass(frozen=True)
class TierReport:
    """What a tier holds in a view; tier 0 is text, and text kept between pages counts there."""

    tier: int
    type_px: float | None
    pages: int
    turns: int
    tokens: int


@dataclass(frozen=True)
class LayoutReport:
    """A committed layout and the view it gives now.

    Figures are None, and ``problem`` says why, where no view can be laid out:
    turns that no longer fit, or settings that only a program knows.
    """

    layout: str
    host: str
    profile: str
    capacity: int
    version: int
    used: str
    tokens: int | None = None
    text_tokens: int | None = None
    saved: float | None = None
    turns_in_view: int | None = None
    archived: tuple[int, int] | None = None
    pages: int | None = None
    tiers: tuple[TierReport, ...] = ()
    problem: str | None = None


def show(
    context: typer.Context,
    thread: ThreadArgument,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a thread's layouts: tiers, pages, tokens and savings."""
    given = settings(context, store, as_json)
    with given.store() as opened:
        state = opened.journal.state(thread)
        pins = Memory(thread, "text-only", opened).pins()
        reports = [report(opened, thread, row) for row in opened.journal.layouts(thread)]
    value = {
        "thread": thread,
        "turns": state.live,
        "last_turn": state.last_seq,
        "pins": list(pins),
        "layouts": [asdict(each) for each in reports],
    }
    pinned = ", ".join(f"#{mark}" for mark in pins) or "none"
    about = f"{readable(thread)}: {state.live:,} turns, pinned: {pinned}, layouts: {len(reports)}"
    given.show(value, Text(about), *_tables(reports, state.live))


def report(store: Store, thread: str, row: LayoutRow) -> LayoutReport:
    """A committed layout, and the view it gives of the thread as it is now."""
    host, profile, size = row.key.rsplit("-", 3)[:3]
    capacity = int(size)

    def without(problem: str) -> LayoutReport:
        used = row.used.isoformat()
        return LayoutReport(row.key, host, profile, capacity, row.version, used, problem=problem)

    try:
        memory = Memory(thread, host, store, profile=profile)
        if memory.desk.layout_key(capacity) != row.key:
            return without("made with a policy, counter or host that only a program knows")
        view = memory.view(capacity, dry_run=True)
    except (HostError, BudgetError) as problem:
        return without(str(problem))
    return LayoutReport(
        row.key,
        host,
        profile,
        capacity,
        row.version,
        row.used.isoformat(),
        view.tokens,
        view.text_tokens,
        round(view.saved, 4),
        view.turns_in_view,
        view.archived,
        len(view.pages),
        tier_reports(view),
    )


def tier_reports(view: View) -> tuple[TierReport, ...]:
    """What each tier of a view holds, text first."""
    text = [part for part in view.parts if part.kind == "text"]
    found = [TierReport(0, None, 0, len(text), sum(part.tokens for part in text))]
    for tier in sorted({page.tier or 0 for page in view.pages}):
        pages = [page for page in view.pages if page.tier == tier]
        turns = {m for p in pages for m in range(p.first_turn or 0, (p.last_turn or 0) + 1)}
        tokens = sum(page.tokens for page in pages)
        found.append(TierReport(tier, pages[0].type_px, len(pages), len(turns), tokens))
    return tuple(found)


def _tables(reports: Sequence[LayoutReport], turns: int) -> list[Table | Text]:
    shown: list[Table | Text] = []
    for each in reports:
        title = f"{each.host}, {each.profile}, {each.capacity:,} tokens"
        if each.problem or each.tokens is None or each.saved is None:
            shown.append(Text(f"{title}: {each.problem}"))
            continue
        tiers = table(
            "tier", "type px", "pages", "turns", "tokens", title=title,
            right=("tier", "type px", "pages", "turns", "tokens"),
        )  # fmt: skip
        for tier in each.tiers:
            size = f"{tier.type_px:g}" if tier.type_px else "text"
            tiers.add_row(
                str(tier.tier), size, str(tier.pages), f"{tier.turns:,}", f"{tier.tokens:,}"
            )
        shown += [
            tiers,
            Text(
                f"view: {each.tokens:,} tokens, {each.turns_in_view:,} of {turns:,} turns; "
                f"as text: {each.text_tokens:,}; saved {each.saved:.0%}"
            ),
        ]
    return shown


def pin(
    context: typer.Context,
    thread: ThreadArgument,
    turn: MarkArgument,
    host: HostOption = "claude-high-res",
    budget: PinBudgetOption = 8_000,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a verbatim copy of a turn in every view."""
    given = settings(context, store, as_json)
    with given.store() as opened:
        memory = Memory(thread, host, opened, budget)
        memory.pin(turn)
        pins = memory.pins()
    given.show({"thread": thread, "pins": list(pins)}, _pinned(pins))


def unpin(
    context: typer.Context,
    thread: ThreadArgument,
    turn: MarkArgument,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a pinned turn fade like any other."""
    given = settings(context, store, as_json)
    with given.store() as opened:
        memory = Memory(thread, "text-only", opened)
        memory.unpin(turn)
        pins = memory.pins()
    given.show({"thread": thread, "pins": list(pins)}, _pinned(pins))


def _pinned(pins: Sequence[int]) -> Text:
    return Text("Pinned: " + (", ".join(f"#{mark}" for mark in pins) or "none"))


def verify(
    context: typer.Context,
    thread: Annotated[
        str | None, typer.Argument(help="Only this thread.", show_default=False)
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check turns, index, layouts and pages against each other; exit 1 if anything is wrong."""
    given = settings(context, store, as_json)
    with given.store() as opened:
        problems: list[Problem] = opened.journal.verify(thread)
        names = [thread] if thread else [each.thread for each in opened.journal.threads()]
        for name in tracked(names, "checking layouts"):
            problems += verify_layouts(Memory(name, "text-only", opened).desk, name)
    found = table("thread", "turn", "problem")
    for each in problems:
        mark = f"#{each.seq}" if each.seq else ""
        found.add_row(readable(each.thread or ""), mark, readable(each.what))
    value = [{"thread": each.thread, "turn": each.seq, "what": each.what} for each in problems]
    checked = f"{len(names)} thread{'s' if len(names) != 1 else ''} checked"
    clean = Text(f"{checked}: no problems.")
    given.show(value, found if problems else clean)
    if problems:
        raise typer.Exit(1)
