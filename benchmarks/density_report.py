"""The table and the plot of density.py.

Takes its readings, writes ``results/density.md`` and ``results/density.png``.
Knows nothing of how they came about. The plot needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reporting import markdown
from rich.console import Console
from rich.table import Table
from samples import Sample

if TYPE_CHECKING:
    from density import Reading

RESULTS = Path(__file__).parent / "results"
_HEADER = ["text", "renderer", "type px", "characters per 1,000 px²", "wrong (95 %)", "read by"]


def write(
    readings: Sequence[Reading], texts: Sequence[Sample], most_wrong: float, console: Console
) -> None:
    """Print the best of each contender, and write all of it."""
    best = list(_best(readings).values())
    table = Table(*_HEADER)
    for reading in best:
        table.add_row(*_row(reading))
    console.print(table)
    sources = ", ".join(f"{sample.kind} ({sample.source})" for sample in texts)
    lost = [
        f"{each.contender} drops {each.dropped:.0%} of the {each.kind} by default "
        f"at {each.size_px:g} px; here it was handed only what fits."
        for each in readings
        if each.dropped > 0 and each.size_px == 15
    ]
    report = [
        "# Characters per 1,000 square pixels",
        f"`python benchmarks/density.py`: {sources}. The densest type size tried at which at most "
        f"{most_wrong:.0%} of the characters are read wrongly; in brackets where no size was "
        "read so well. Wrong is against the source text, white space aside; the interval is "
        "Wilson's and takes every character on its own. OCR engines are stand-ins for a model's "
        "eyes.",
        markdown(_HEADER, map(_row, best)),
        *lost,
        "DejaVu Sans stands in for Glyph's Verdana, and Noto Sans CJK for its Chinese font. "
        "pixelprompt, un-locc and Spleen 5x8 have no Chinese letters.",
        "## All sizes tried",
        markdown(_HEADER, map(_row, readings)),
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "density.md").write_text("\n\n".join(report) + "\n", encoding="utf-8")
    console.print(f"written to {RESULTS / 'density.md'}")
    _plot(best, most_wrong, console)


def _best(readings: Sequence[Reading]) -> dict[tuple[str, str], Reading]:
    """The densest that is read well enough, or else what is read best."""
    found: dict[tuple[str, str], Reading] = {}
    for each in readings:
        key = (each.kind, each.contender)
        if key not in found or _rank(each) > _rank(found[key]):
            found[key] = each
    return found


def _rank(reading: Reading) -> tuple[bool, float]:
    return reading.within, reading.density if reading.within else -reading.rate


def _row(reading: Reading) -> list[str]:
    low, high = reading.interval
    density = f"{reading.density:.1f}"
    return [
        reading.kind,
        reading.contender,
        f"{reading.size_px:g}",
        density if reading.within else f"({density})",
        f"{reading.rate:.2%} ({low:.2%} to {high:.2%})",
        f"{reading.engine} at {reading.scale:g}x",
    ]


def _plot(best: Sequence[Reading], most_wrong: float, console: Console) -> None:
    """Bars by text; pale where no size was read well enough, with the share of errors."""
    try:
        import matplotlib
    except ImportError:
        console.print("no plot: pip install matplotlib")
        return
    matplotlib.use("agg")
    from matplotlib import pyplot

    kinds = list(dict.fromkeys(each.kind for each in best))
    names = list(dict.fromkeys(each.contender for each in best))
    width = 0.8 / len(names)
    figure, axes = pyplot.subplots(figsize=(9, 4))
    for index, name in enumerate(names):
        for each in (each for each in best if each.contender == name):
            at = kinds.index(each.kind) + (index - (len(names) - 1) / 2) * width
            bar = axes.bar(
                at, each.density, width * 0.92, color=f"C{index}", alpha=1 if each.within else 0.25
            )
            label = "" if each.within else f"{each.rate:.0%} wrong"
            axes.bar_label(bar, [label], fontsize=7, rotation=90, padding=2)
        axes.bar(0, 0, color=f"C{index}", label=name)
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_ylabel("characters per 1,000 px²")
    axes.set_title(f"Densest page read with at most {most_wrong:.0%} of characters wrong")
    axes.margins(y=0.2)
    axes.legend(ncols=len(names), fontsize=8, loc="upper center", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(RESULTS / "density.png", dpi=120, metadata={"Software": None})
    console.print(f"written to {RESULTS / 'density.png'}")
