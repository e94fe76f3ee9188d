"""How well an OCR engine reads the pages of the views, tier by tier.

Takes views, gives what was read of each page, the error rates of each tier and
the table of them. Knows nothing of budgets or questions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from progress import bar
from reading import Reader
from rich.table import Table
from scoring import ErrorRate, Line, error_rate

from sfumato import Memory, Store, View
from sfumato.layouts import budget_class
from sfumato.renderers import Page, Style
from sfumato.tiers import tiers_for

READ = {"qwen3-vl": "dense", "claude-high-res": "legible", "deepseek-ocr": "dense"}
"""The hosts whose pages are read, with the profile: small type and large, both profiles."""


@dataclass(frozen=True)
class Reading:
    """How well the OCR engine read the pages of one tier of one host.

    ``known`` counts only lines whose every character is in its alphabet.
    """

    host: str
    profile: str
    tier: int
    type_px: float
    pages: int
    all: ErrorRate
    known: ErrorRate


def read_pages(store: Store, views: dict[str, View]) -> dict[str, list[list[Line]]]:
    """What OCR reads on every page of these views, by host, page by page."""
    jobs = {name: list(drawn_again(store, view)) for name, view in views.items()}
    reader = Reader()
    lines: dict[str, list[list[Line]]] = defaultdict(list)
    with bar() as progress:
        task = progress.add_task("reading pages", total=sum(map(len, jobs.values())))
        for name, pages in jobs.items():
            progress.update(task, description=f"reading {name}")
            for found in reader.read_all(pages):
                lines[name].append(found)
                progress.advance(task)
    return lines


def drawn_again(store: Store, view: View) -> Iterator[tuple[Page, Style]]:
    """The view's pages drawn once more, with the place of every word; same bytes, or it stops."""
    profile = READ[view.host.name]
    desk = Memory(view.thread, view.host, store, profile=profile).desk
    tiers = tiers_for(view.host, profile, budget_class(view.budget), desk.policy)
    measures = desk.measures(view.thread, tiers)
    for part in view.pages:
        style = tiers[(part.tier or 1) - 1].style
        if style.canvases:
            # Alone, the page's turns might be spread over two smaller ones.
            style = replace(style, canvases=((part.width or 0, part.height or 0),))
        marks = measures.marks(part.first_turn or 0, part.last_turn or 0)
        drawn = desk.renderer.draw([measures.block(mark) for mark in marks], style, boxes=True)
        same = [page for page in drawn if page.png == part.png]
        assert same, f"turns #{part.first_turn}-#{part.last_turn} are drawn otherwise now"
        yield same[0], style


def readings_of(view: View, pages: list[list[Line]]) -> list[Reading]:
    """Error rates of a view's tiers."""
    tiers: dict[tuple[int, float], list[list[Line]]] = defaultdict(list)
    for part, lines in zip(view.pages, pages, strict=True):
        tiers[part.tier or 0, part.type_px or 0].append(lines)
    return [
        Reading(
            view.host.name,
            READ[view.host.name],
            tier,
            type_px,
            len(found),
            error_rate(line for lines in found for line in lines),
            error_rate(line for lines in found for line in lines if line.known),
        )
        for (tier, type_px), found in sorted(tiers.items())
    ]


def readings_table(readings: list[Reading]) -> Table:
    table = Table(
        title="Every page of three hosts read back by OCR (RapidOCR, PP-OCRv6): share of "
        "characters wrong, with the middle 95 % of resampled turns",
        title_justify="left",
        caption="An OCR engine is not the host's model: this shows that the pages are readable, "
        "not that every model reads them.\nIts alphabet has no Cyrillic, Hangul, Arabic, Hebrew "
        "or Devanagari; the last column leaves out lines that hold any of these.",
        caption_justify="left",
    )
    for name in (
        "host",
        "profile",
        "tier",
        "type px",
        "pages",
        "characters",
        "wrong",
        "wrong, its alphabet",
    ):
        table.add_column(name, justify="left" if name in ("host", "profile") else "right")
    for each in readings:
        table.add_row(
            each.host,
            each.profile,
            f"{each.tier}",
            f"{each.type_px:g}",
            f"{each.pages}",
            f"{each.all.characters:,}",
            shown(each.all),
            shown(each.known),
        )
    return table


def shown(rate: ErrorRate) -> str:
    return f"{rate.rate:.1%} ({rate.low:.1%} to {rate.high:.1%})"
