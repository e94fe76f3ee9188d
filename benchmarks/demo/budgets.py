"""What each host gets of the conversation within a budget, beside trimming.

Takes a store, gives a view for every host and profile with its figures, and
the table of them. Knows nothing of reading pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from progress import bar
from rich.table import Table

from sfumato import Memory, Store, View, host

THREAD = "demo"
PROFILES = ("legible", "dense")
HOSTS = ("qwen3-vl", "claude-high-res", "deepseek-ocr", "gpt-patch", "gemini-3", "text-only")
PRICED = {
    "claude-high-res": "claude-sonnet-5",
    "gpt-patch": "gpt-5-mini",
    "gemini-3": "gemini-3.1-pro",
}
"""A model of the family whose price is published, for each family that has one."""


@dataclass(frozen=True)
class Row:
    """One view beside trimming to the same budget. USD are for 1,000 requests, uncached."""

    host: str
    profile: str
    text_tokens: int
    budget: int
    trimmed_turns: int
    tokens: int
    fill: float
    turns_in_view: int
    turns: int
    pages: int
    type_px: tuple[float, ...]
    usd_text: float | None
    usd_view: float | None
    folder: str


def lay_out_all(
    store: Store, out: Path, share: float
) -> tuple[list[Row], dict[tuple[str, str], View]]:
    """A view for every host and profile, written to a folder."""
    cases = [(name, p) for name in HOSTS for p in (PROFILES if host(name).sees else PROFILES[:1])]
    rows: list[Row] = []
    views: dict[tuple[str, str], View] = {}
    with bar() as progress:
        for name, profile in progress.track(cases, description="laying out views"):
            memory = Memory(THREAD, name, store, profile=profile)
            view = memory.view(int(share * memory.text_tokens()))
            folder = out / (f"{name}-{profile}" if memory.host.sees else name)
            view.write(folder)
            rows.append(row_of(memory, view, profile, folder))
            views[name, profile] = view
    return rows, views


def row_of(memory: Memory, view: View, profile: str, folder: Path) -> Row:
    prices = host(PRICED.get(view.host.name, view.host.name)).prices
    usd = None if prices is None else prices.input / 1_000  # a million tokens, a thousand requests
    return Row(
        view.host.name,
        profile if view.host.sees else "text",
        view.text_tokens,
        view.budget,
        trimmed(memory, view.budget),
        view.tokens,
        view.tokens / view.budget,
        view.turns_in_view,
        memory.journal.state(THREAD).live,
        len(view.pages),
        tuple(sorted({page.type_px or 0 for page in view.pages}, reverse=True)),
        None if usd is None else usd * view.text_tokens,
        None if usd is None else usd * view.tokens,
        str(folder),
    )


def trimmed(memory: Memory, budget: int) -> int:
    """How many turns trimming keeps: system turns, then the newest that fit as text."""
    measures = memory.desk.measures(THREAD, ())
    entries = memory.journal.entries(THREAD)
    system = [entry.seq for entry in entries if entry.turn.role == "system"]
    left = budget - sum(measures.text(mark) for mark in system)
    kept = len(system)
    for entry in reversed(entries):
        if entry.turn.role == "system":
            continue
        left -= measures.text(entry.seq)
        if left < 0:
            break
        kept += 1
    return kept


def costs_table(rows: list[Row], share: float) -> Table:
    table = Table(
        title=f"{rows[0].turns} turns within {share:.0%} of their text tokens, by each host's "
        "own formula",
        title_justify="left",
        caption="USD: input of 1,000 requests without caching, at the price of "
        + ", ".join(PRICED.values()),
        caption_justify="left",
    )
    for name in ("host", "profile"):
        table.add_column(name)
    for name in (
        "text\ntokens", "budget", "trimming\nkeeps", "view\ntokens", "fill", "turns\nin view",
        "share\nin view", "pages", "type px", "USD\ntext", "USD\nview",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.host,
            row.profile,
            f"{row.text_tokens:,}",
            f"{row.budget:,}",
            f"{row.trimmed_turns}",
            f"{row.tokens:,}",
            f"{row.fill:.0%}",
            f"{row.turns_in_view}",
            f"{row.turns_in_view / row.turns:.0%}",
            f"{row.pages or ''}",
            " ".join(f"{size:g}" for size in row.type_px),
            "" if row.usd_text is None else f"{row.usd_text:.2f}",
            "" if row.usd_view is None else f"{row.usd_view:.2f}",
            end_section=row.profile != PROFILES[0],
        )
    return table
