"""The tables and the plot of legibility.py.

Takes its results, writes ``results/legibility.md`` and ``results/legibility.png``.
Knows nothing of how they came about. The plot needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reporting import markdown
from rich.console import Console
from samples import Sample
from shares import Share

if TYPE_CHECKING:
    from legibility import Reading, Result

RESULTS = Path(__file__).parent / "results"
_HEADER = ["text", "font", "px", "line px", "ink", "characters per 1,000 px²", "wrong (95 %)"]
_HEADER += ["words read (95 %)", "exact strings read (95 %)", "read by", "wrong by the other"]


def write(
    screened: Sequence[Result],
    final: Sequence[Result],
    texts: Sequence[Sample],
    baseline: Result,
    console: Console,
) -> None:
    """Write all tables, what each factor did, and the plot."""
    sources = ", ".join(f"{sample.kind} ({sample.source})" for sample in texts)
    count = len(final[0].readings[0].lines)
    report = [
        "# Legibility of pages",
        f"`python benchmarks/legibility.py`: {sources}. sfumato's renderer, running text; "
        f"{count} excerpts in each cell below, besides those that chose the cells and the "
        "engines' magnifications. Each cell is read by Tesseract and PP-OCR, and the better "
        "counts; intervals are bootstrapped over excerpts. White space is not compared. Words "
        "and exact strings (ids, amounts, dates, names) are those read without any fault; "
        "Chinese is not parted into words. Magnified 3 times, PP-OCR joins words and few count "
        "as read, though their letters do. Beside a page exact strings also ride as text. OCR "
        "engines are stand-ins for a model's eyes, and those here read Latin and Chinese alone "
        "(`scripts.md` has others).",
        "## The front: no denser prose is read as well",
        markdown(_HEADER, map(_row, front([each for each in final if each.cell.text == "prose"]))),
        "## One thing changed",
        *[f"- {line}" for line in changes(final, baseline)],
        "## All final cells",
        markdown(_HEADER, map(_row, final)),
        "## All screened cells (few excerpts: a guide only)",
        markdown(_HEADER, map(_row, screened)),
    ]
    RESULTS.mkdir(exist_ok=True)
    text = "\n\n".join(report).replace("\n\n- ", "\n- ") + "\n"
    (RESULTS / "legibility.md").write_text(text, encoding="utf-8")
    console.print(f"written to {RESULTS / 'legibility.md'}")
    _plot(final, console)


def front(results: Sequence[Result]) -> list[Result]:
    """Those that no denser one beats, densest first."""
    kept: list[Result] = []
    for each in sorted(results, key=lambda each: (-each.density, each.rate.rate)):
        if not kept or each.rate.rate < kept[-1].rate.rate:
            kept.append(each)
    return kept


def changes(final: Sequence[Result], baseline: Result) -> list[str]:
    """What one other choice does to density and error, beside the baseline."""
    said: list[str] = []
    for each in final:
        one, other = each.cell, baseline.cell
        pairs = {
            f"font {one.font}": one.font != other.font,
            f"{one.leading_px:+d} px between lines": one.leading_px != other.leading_px,
            f"ink {one.ink}": one.ink != other.ink,
        }
        changed = [name for name, differs in pairs.items() if differs]
        if one.text == other.text and one.type_px == other.type_px and len(changed) == 1:
            apart = each.rate.low > baseline.rate.high or each.rate.high < baseline.rate.low
            said.append(
                f"{changed[0]}: {each.density / baseline.density - 1:+.1%} characters, "
                f"{each.rate.rate:.2%} wrong instead of {baseline.rate.rate:.2%}"
                f"{'' if apart else ' (intervals overlap)'}"
            )
    return said


def _row(result: Result) -> list[str]:
    cell, rate = result.cell, result.rate
    other: Reading = max(result.readings, key=lambda reading: reading.rate.rate)
    return [
        cell.text,
        cell.font,
        f"{cell.type_px:g}",
        f"{cell.pitch_px}",
        cell.ink,
        f"{result.density:.1f}",
        f"{rate.rate:.2%} ({rate.low:.2%} to {rate.high:.2%})",
        "–" if cell.text == "chinese" else _shown(result.best.words),
        _shown(result.best.exact),
        f"{result.best.engine} at {result.best.scale:g}x",
        f"{other.rate.rate:.2%}",
    ]


def _shown(share: Share) -> str:
    if not share.total:
        return "none there"
    return f"{share.rate:.1%} of {share.total} ({share.low:.1%} to {share.high:.1%})"


def _plot(final: Sequence[Result], console: Console) -> None:
    """Error against density: a line per font over its sizes, points for what was varied."""
    try:
        import matplotlib
    except ImportError:
        console.print("no plot: pip install matplotlib")
        return
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5))
    prose = [each for each in final if each.cell.text == "prose"]
    for index, font in enumerate(dict.fromkeys(each.cell.font for each in prose)):
        cells = sorted((each for each in prose if each.cell.font == font), key=lambda e: e.density)
        rates = [100 * each.rate.rate for each in cells]
        spread = [
            [100 * (each.rate.rate - each.rate.low) for each in cells],
            [100 * (each.rate.high - each.rate.rate) for each in cells],
        ]
        density = [each.density for each in cells]
        axes.errorbar(density, rates, spread, fmt="o", ms=4, lw=1, color=f"C{index}", label=font)
    best = front(prose)
    axes.step(
        [each.density for each in best],
        [100 * each.rate.rate for each in best],
        where="pre",
        color="black",
        lw=0.8,
        label="front",
    )
    axes.set_yscale("log")
    axes.set_xlabel("characters per 1,000 px²")
    axes.set_ylabel("characters read wrongly, %")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(RESULTS / "legibility.png", dpi=120, metadata={"Software": None})
    console.print(f"written to {RESULTS / 'legibility.png'}")
