"""Large ink to stamps: a word's pixels as they stand on a page.

Takes ink drawn at SUPERSAMPLING times its size, gives Stamps: columns of the
line's height that a page's rows are joined from. Words whose letters stand side
by side are joined from their glyphs' columns; the pixels are those of the whole
word drawn large and averaged down. Knows nothing of fonts.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from operator import add
from typing import NamedTuple

from PIL import Image

SUPERSAMPLING = 4
_PAPER_LINES = 3
_WHITE = 255

_INVERTED = bytes(range(255, -1, -1))


class Stamp(NamedTuple):
    """A word's pixels, ``left_px`` right of the pen, in a line of the pitch's height.

    ``columns`` are its greys from left to right, each column from top to bottom;
    paper is 255. Ink lies in the ``height_px`` rows from ``top_px`` on.
    """

    left_px: int
    width_px: int
    advance_px: int
    columns: bytes
    top_px: int
    height_px: int

    def mask(self) -> Image.Image | None:
        """The darkness of its pixels, for pasting; None without ink."""
        if not self.columns:
            return None
        pitch_px = len(self.columns) // self.width_px
        turned = Image.frombytes("L", (pitch_px, self.width_px), self.columns.translate(_INVERTED))
        return turned.transpose(Image.Transpose.TRANSPOSE)


class Glyph:
    """A character's large ink: all lengths in large pixels.

    ``left`` counts from the pen, ``top`` from the top of the paper, which is
    three lines high, the text's line in its middle.
    """

    __slots__ = ("_cells", "advance", "bottom", "left", "mask", "top")

    def __init__(self, advance: float, left: int, top: int, mask: Image.Image) -> None:
        self.advance, self.left, self.top, self.mask = advance, left, top, mask
        self.bottom = top + mask.height
        self._cells: dict[tuple[int, Fit], Cells] = {}

    def cells(self, pen: float, fit: Fit) -> Cells:
        """Its small pixels, if the pen is so far into a small column."""
        at = round(pen)
        found = self._cells.get((at, fit))
        if found is None:
            found = self._cells[at, fit] = self._averaged(at + self.left, fit)
        return found

    def _averaged(self, start: int, fit: Fit) -> Cells:
        step = SUPERSAMPLING
        column, phase = divmod(start, step)
        ink, top = fit.place(self.mask, self.top)
        width = -(-(phase + ink.width) // step)
        strip = Image.new("L", (width * step, fit.tallest), 0)
        strip.paste(ink, (phase, top))
        # As floats, for means are rounded only when all ink of a pixel is known.
        small = strip.transpose(Image.Transpose.TRANSPOSE).convert("F").reduce(step)
        means = small.tobytes()
        count = len(means) // width
        columns = [means[at : at + count] for at in range(0, len(means), count)]
        greys = b"".join(map(_greys, columns))
        return Cells(start, start + ink.width, column, width, greys, columns[0], columns[-1])


class Piece:
    """Characters that words are made of, such as a name or a sign: their glyphs, side by side."""

    __slots__ = ("_cells", "advance", "bottom", "glyphs", "top")

    def __init__(self, glyphs: Sequence[Glyph]) -> None:
        self.glyphs = glyphs
        self.advance = sum([glyph.advance for glyph in glyphs])
        self.top = min([glyph.top for glyph in glyphs])
        self.bottom = max([glyph.bottom for glyph in glyphs])
        self._cells: dict[tuple[float, Fit], Cells | None] = {}

    def cells(self, pen: float, fit: Fit) -> Cells | None:
        """Their small pixels, if the pen is so far into a small column."""
        if (pen, fit) not in self._cells:
            self._cells[pen, fit] = _joined(self.glyphs, pen, fit)
        return self._cells[pen, fit]


class Cells(NamedTuple):
    """Small pixels: ``width`` columns of them from ``column`` on.

    Ink lies between the large pixels ``start`` and ``end``. The means of the outer
    columns are kept unrounded, for neighbours may add to them.
    """

    start: int
    end: int
    column: int
    width: int
    greys: bytes
    first: bytes
    last: bytes


class Fit(NamedTuple):
    """How a word's ink, from ``top`` to ``bottom`` on its paper, fits between the lines.

    Words that are taller than a line are squeezed, but whole and as wide; ink of
    others beyond the line moves inside. All lengths are large pixels.
    """

    tallest: int
    moved: int
    squeezed_top: int = 0
    squeezed_height: int = 0

    @classmethod
    def of(cls, top: int, bottom: int, paper: int, tallest: int) -> Fit:
        """How ink between ``top`` and ``bottom`` of ``paper`` fits into ``tallest``."""
        line = (paper - tallest) // 2
        if bottom - top > tallest:
            return cls(tallest, 0, top, bottom - top)
        inside = min(max(top - line, 0), tallest - (bottom - top))
        return cls(tallest, inside - top)

    def rows(self, top: int, bottom: int) -> tuple[int, int]:
        """The first small row of the word's ink and their number."""
        if self.squeezed_height:
            top, bottom = 0, self.tallest
        else:
            top, bottom = top + self.moved, bottom + self.moved
        first = top // SUPERSAMPLING
        return first, -(-bottom // SUPERSAMPLING) - first

    def place(self, ink: Image.Image, top: int) -> tuple[Image.Image, int]:
        """Ink as high as it fits, and where its top is in the line."""
        if not self.squeezed_height:
            return ink, top + self.moved
        if ink.height != self.squeezed_height:
            whole = Image.new("L", (ink.width, self.squeezed_height), 0)
            whole.paste(ink, (0, top - self.squeezed_top))
            ink = whole
        return ink.resize((ink.width, self.tallest), Image.Resampling.BOX), 0


def from_large(large: Image.Image, pen: int, advance_px: int, pitch_px: int) -> Stamp:
    """The stamp of ink on a large paper, where the pen started at ``pen``."""
    box = large.getbbox()
    if box is None:
        return Stamp(0, 0, advance_px, b"", 0, 0)
    step = SUPERSAMPLING
    fit = Fit.of(box[1], box[3], large.height, pitch_px * step)
    ink, top = fit.place(large.crop(box), box[1])
    left = (box[0] - pen) // step
    width = -(-(box[2] - pen - left * step) // step)
    strip = Image.new("L", (width * step, fit.tallest), 0)
    strip.paste(ink, (box[0] - pen - left * step, top))
    small = strip.transpose(Image.Transpose.TRANSPOSE).reduce(step)
    columns = small.tobytes().translate(_INVERTED)
    top, height = fit.rows(box[1], box[3])
    return Stamp(left, width, advance_px, columns, top, height)


def side_by_side(pieces: Sequence[Piece], advance_px: int, pitch_px: int) -> Stamp | None:
    """The stamp of pieces that follow one another; None if a glyph reaches into the next."""
    top = min([piece.top for piece in pieces])
    bottom = max([piece.bottom for piece in pieces])
    paper = _PAPER_LINES * pitch_px * SUPERSAMPLING
    if top < 0 or bottom > paper:
        return None
    fit = Fit.of(top, bottom, paper, pitch_px * SUPERSAMPLING)
    cells = _joined(pieces, 0.0, fit)
    if cells is None:
        return None
    return Stamp(cells.column, cells.width, advance_px, cells.greys, *fit.rows(top, bottom))


def _joined(pieces: Sequence[Glyph] | Sequence[Piece], pen: float, fit: Fit) -> Cells | None:
    """What follows one another from a pen on; None if ink reaches into the next ink's place."""
    step, pitch_px = SUPERSAMPLING, fit.tallest // SUPERSAMPLING
    begin = left = reach = end = 0
    first = last = b""
    parts: list[bytes] = []
    for piece in pieces:
        whole = int(pen) // step
        cells = piece.cells(pen - whole * step, fit)
        if cells is None:
            return None
        start, stop, column, width, greys, opening, closing = cells
        start, column = start + whole * step, column + whole
        if not parts:
            begin, left, first = start, column, opening
        elif start < reach:
            return None
        elif column < end:
            # It begins in the small column in which the one before ended.
            opening = _together(last, opening)
            parts[-1] = parts[-1][:-pitch_px]
            greys = _greys(opening) + greys[pitch_px:]
            if width == 1:
                closing = opening
            if column == left:
                first = opening
        elif column > end:
            parts.append(b"\xff" * (pitch_px * (column - end)))
        parts.append(greys)
        last, end, reach = closing, column + width, stop + whole * step
        pen += piece.advance
    return Cells(begin, reach, left, end - left, b"".join(parts), first, last)


@lru_cache(maxsize=65536)
def _together(one: bytes, other: bytes) -> bytes:
    """The means of the ink of both."""
    means, more = array("f", one), array("f", other)
    return array("f", map(add, means, more)).tobytes()


@lru_cache(maxsize=65536)
def _greys(column: bytes) -> bytes:
    """Means of darkness as greys, rounded as Pillow's ``reduce`` does."""
    return bytes(_WHITE - int(mean + 0.5) for mean in array("f", column))
