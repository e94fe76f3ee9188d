"""Which type is read at the most characters per pixel: font, size, leading, ink, text?

Draws the same excerpts with sfumato's own renderer in many ways (cells) and has
each read by Tesseract and PP-OCR, each at the magnification that reads a cell's
first excerpts best. Error is the share of characters read wrongly against the
source text, white space aside; beside it stand the share of words and of exact
strings (ids, amounts, dates …) that were read without a fault. Density is that of
full pages of a long text, in characters per 1,000 square pixels.

A screening pass reads 6 excerpts of every cell: font by size fully, everything
else one factor at a time around the baseline. The final pass reads 50 other
excerpts of the cells that decide: each font's cells on either side of 1 % wrong,
the variants of the baseline, and those near the front of density and error.

    python benchmarks/legibility.py [CONVERSATION]

CONVERSATION is any file ``sfumato import`` reads; the demo's without it. Needs
``tesseract-ocr`` with ``eng`` and ``chi_sim``, and ``rapidocr``; matplotlib for
the plot. Takes about 45 minutes on one core. Other scripts: scripts.py.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import legibility_report
from demo.scoring import ErrorRate, Line, error_rate
from legibility_inks import DRAWN, HINTED, INKS, hinted
from peers_sfumato import PAGES, blocks, columns, written_out
from PIL import Image
from readers import Engine, engines_for
from rich.console import Console
from rich.progress import Progress, TaskID, TimeElapsedColumn
from samples import Sample, samples
from shares import Share, exact_read, words_read

from sfumato.renderers import Renderer, Style, fit_style
from sfumato.renderers.fonts import BODY, Body, FontSet
from sfumato.renderers.geometry import pitch_for

FONTS = {
    "Plex Sans": BODY,
    "Plex Sans 75 %": replace(BODY, width=75),
    "Noto Sans": Body("noto-sans"),
    "Noto Sans 75 %": Body("noto-sans", width=75),
    "Inconsolata": Body("inconsolata"),
}
WEIGHTS = {
    "Plex Sans light": replace(BODY, weight=400),
    "Plex Sans heavy": replace(BODY, weight=600),
}
"""Lighter and heavier than the renderer's own."""
SIZES_PX = (6, 6.6, 7, 7.7, 8, 9)
MOST_WRONG = 0.01
SCALES = (1.5, 2.0, 3.0)
TEXT = 40_000
EXCERPTS, SCREENING = 56, 6
CHARACTERS = {"prose": 300, "code": 300, "logs": 300}
_SHORT = 120
"""Least characters of an excerpt, and of one in another script; it ends with the line."""
_CALIBRATING = 2
_NEAR = 0.002
"""A cell is near the front if no denser one was read better by this much."""
_WORST = 0.05
"""Nor is what is read worse than this of any use, however dense."""
_EXCERPT_PX2 = 200_000


@dataclass(frozen=True)
class Cell:
    """One way to draw one text. ``leading_px`` is on top of the renderer's own pitch.

    ``ink``: one of legibility_inks.
    """

    text: str
    font: str
    type_px: float
    leading_px: int = 0
    ink: str = DRAWN

    @property
    def pitch_px(self) -> int:
        """From line to line."""
        return pitch_for(self.type_px) + self.leading_px


@dataclass(frozen=True)
class Reading:
    """How one engine read a cell: ``lines`` are whole excerpts."""

    engine: str
    scale: float
    lines: tuple[Line, ...]

    @cached_property
    def rate(self) -> ErrorRate:
        """Characters read wrongly."""
        return error_rate(self.lines)

    @cached_property
    def words(self) -> Share:
        """Words read rightly."""
        return words_read(self.lines)

    @cached_property
    def exact(self) -> Share:
        """Exact strings read rightly."""
        return exact_read(self.lines)


@dataclass(frozen=True)
class Result:
    """A cell's density and what each engine read."""

    cell: Cell
    density: float
    readings: tuple[Reading, ...]

    @property
    def best(self) -> Reading:
        """By the engine that read it better."""
        return min(self.readings, key=lambda reading: reading.rate.rate)

    @property
    def rate(self) -> ErrorRate:
        return self.best.rate


BASELINE = Cell("prose", "Plex Sans", 7)
"""The renderer's own choices, at a size at which readers begin to err."""

VARIANTS = (
    *(replace(BASELINE, leading_px=px) for px in (-1, 1, 2)),
    *(replace(BASELINE, ink=ink) for ink in (*INKS, HINTED)),
    *(replace(BASELINE, font=font) for font in WEIGHTS),
)
"""The baseline with one thing changed."""

SQUEEZED = tuple(
    replace(BASELINE, type_px=size, leading_px=px) for size in (6.6, 7.7) for px in (-1, 0, 1)
)
"""Sizes whose tall and deep letters do not fit the renderer's own pitch, but one more pixel."""

CONTENT = (
    *(Cell(text, BASELINE.font, size) for text in ("code", "logs") for size in (7, 8, 9)),
    *(Cell("chinese", BASELINE.font, size) for size in (7, 8, 9, 10)),
    *(Cell("chinese", BASELINE.font, 8, px) for px in (1, 2)),
)
"""Other texts, in the renderer's own type."""

SCREENED = (
    *(Cell("prose", font, size) for font in FONTS for size in SIZES_PX),
    *(Cell("prose", font, size, 1) for font in FONTS if "75" in font for size in (6.6, 7, 7.7)),
    *(cell for cell in SQUEEZED if cell.leading_px),
    *VARIANTS,
    *CONTENT,
)


def excerpts(sample: Sample) -> list[Sample]:
    """Short pieces spread evenly over a text."""
    step = len(sample.text) // EXCERPTS
    least = CHARACTERS.get(sample.kind, _SHORT)
    return [sample.part(number * step, least) for number in range(EXCERPTS)]


def density(cell: Cell, sample: Sample) -> float:
    """Characters of the source per 1,000 square pixels of full pages."""
    style = _style(cell, PAGES.max_width_px * PAGES.max_height_px)
    pages = _renderer(cell.font).draw(blocks(sample), style)
    return 1_000 * len(sample.text) / sum(page.width_px * page.height_px for page in pages)


def pictures(cell: Cell, excerpt: Sample) -> list[Image.Image]:
    """An excerpt as the columns that are read."""
    style = _style(cell, _EXCERPT_PX2)
    pages = _renderer(cell.font).draw(blocks(excerpt), style, boxes=True)
    if cell.ink == HINTED:
        pages = [hinted(page, style, _fonts(cell.font)) for page in pages]
    found = [column for page in pages for column in columns(page, style)]
    return [INKS[cell.ink](column) for column in found] if cell.ink in INKS else found


def screen(cell: Cell, sample: Sample, calibrating: int = _CALIBRATING) -> Result:
    """The first pass: every engine at the magnification that reads ``calibrating`` parts best."""
    parts = _screening(excerpts(sample))
    readings: list[Reading] = []
    for engine in engines_for(cell.text):
        tried = {scale: read(cell, parts[:calibrating], engine, scale) for scale in SCALES}
        best = min(SCALES, key=lambda scale: sum(line.errors for line in tried[scale]))
        lines = tried[best] + read(cell, parts[calibrating:], engine, best)
        readings.append(Reading(engine.name, best, _numbered(lines)))
    return Result(cell, density(cell, sample), tuple(readings))


def confirm(found: Result, sample: Sample) -> Result:
    """The final pass: a screened cell's other excerpts, at the magnifications found."""
    every = excerpts(sample)
    parts = [part for part in every if part not in _screening(every)]
    readings: list[Reading] = []
    for engine, screened in zip(engines_for(found.cell.text), found.readings, strict=True):
        lines = read(found.cell, parts, engine, screened.scale)
        readings.append(Reading(engine.name, screened.scale, _numbered(lines)))
    return replace(found, readings=tuple(readings))


def read(cell: Cell, parts: Sequence[Sample], engine: Engine, scale: float) -> list[Line]:
    """Every excerpt as one line: what it says and what was read of it."""
    lines: list[Line] = []
    for part in parts:
        found = [line for column in pictures(cell, part) for line in engine.read(column, scale)]
        lines.append(Line(0, 0, 0, part.text, written_out("\n".join(found)), True))
    return lines


def finalists(screened: Sequence[Result]) -> list[Cell]:
    """The cells that decide, in the order in which they were screened."""
    chosen = {BASELINE, *VARIANTS, *SQUEEZED, *CONTENT}
    prose = [each for each in screened if each.cell.text == "prose"]
    fonts: dict[str, list[Result]] = defaultdict(list)
    for each in prose:
        if each.cell.leading_px == 0 and each.cell.font in FONTS and each.cell.ink == DRAWN:
            fonts[each.cell.font].append(each)
    for found in fonts.values():
        chosen |= {each.cell for each in around(found)}
    for each in prose:
        denser = [other.rate.rate for other in prose if other.density >= each.density]
        if each.rate.rate <= min([*denser, _WORST - _NEAR]) + _NEAR:
            chosen.add(each.cell)
    return [each.cell for each in screened if each.cell in chosen]


def around(sizes: Sequence[Result]) -> list[Result]:
    """The densest cell read with at most 1 % wrong, and the next denser one."""
    falling = sorted(sizes, key=lambda each: each.density)
    within = [index for index, each in enumerate(falling) if each.rate.rate <= MOST_WRONG]
    at = within[-1] if within else 0
    return falling[at : at + 2]


def study(texts: Sequence[Sample], console: Console) -> tuple[list[Result], list[Result]]:
    """Both passes: all screened cells, and the final ones."""
    by_kind = {sample.kind: sample for sample in texts}
    bar = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*bar, console=console) as progress:

        def passed(task: TaskID, result: Result) -> Result:
            progress.advance(task)
            cell = result.cell
            progress.console.print(
                f"{cell.text}, {cell.font} {cell.type_px:g}/{cell.pitch_px} px: "
                f"{result.density:.1f}, {result.rate.rate:.2%} wrong ({result.best.engine})"
            )
            return result

        task = progress.add_task("screening", total=len(SCREENED))
        screened = [passed(task, screen(cell, by_kind[cell.text])) for cell in SCREENED]
        chosen = set(finalists(screened))
        task = progress.add_task("final", total=len(chosen))
        final = [
            passed(task, confirm(each, by_kind[each.cell.text]))
            for each in screened
            if each.cell in chosen
        ]
    return screened, final


def _screening(every: Sequence[Sample]) -> Sequence[Sample]:
    return every[:: len(every) // SCREENING + 1]


def _numbered(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Each excerpt a mark of its own, for these are resampled."""
    return tuple(replace(line, mark=number) for number, line in enumerate(lines))


def _style(cell: Cell, page_px2: int) -> Style:
    return fit_style(PAGES, cell.type_px, page_px2=page_px2, pitch_px=cell.pitch_px, running=True)


@cache
def _renderer(font: str) -> Renderer:
    return Renderer(_fonts(font))


@cache
def _fonts(font: str) -> FontSet:
    return FontSet((FONTS | WEIGHTS)[font])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conversation", nargs="?", type=Path)
    options = parser.parse_args()
    console = Console(stderr=True)
    texts = samples(options.conversation, TEXT)
    screened, final = study(texts, console)
    baseline = next(each for each in final if each.cell == BASELINE)
    legibility_report.write(screened, final, texts, baseline, console)


if __name__ == "__main__":
    main()
