"""Large ink to stamps: a word's pixels as they stand on a page.

Takes ink drawn at SUPERSAMPLING times its size, gives Stamps: columns of the
line's height that a page's rows are joined from. Words whose letters stand side
by side are added up from their glyphs; the pixels are those of the whole word
drawn large and averaged down. Knows nothing of fonts.

A glyph's small ink is one large integer, as an addition of integers adds all its
pixels at once: 16 bits a pixel, column after column, in each the sum of the large
pixels that a small one is the mean of.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from struct import pack
from typing import NamedTuple

from PIL import Image

SUPERSAMPLING = 4
_PAPER_LINES = 3

# Sums of large pixels take 12 bits; 4 are left so that all may be shifted as one.
_BITS = 16
_LARGE = SUPERSAMPLING * SUPERSAMPLING
_LARGE_BITS = 4

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

    __slots__ = ("advance", "bottom", "left", "mask", "top", "width")

    def __init__(self, advance: float, left: int, top: int, mask: Image.Image) -> None:
        self.advance, self.left, self.top, self.mask = advance, left, top, mask
        self.width, self.bottom = mask.width, top + mask.height


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


class Stamper:
    """Stamps of glyphs that follow one another, in lines of one pitch.

    Thread-safe: what two threads find at once is the same.
    """

    def __init__(self, pitch_px: int) -> None:
        self.pitch_px = pitch_px
        self._fitted: dict[tuple[int, int], _Fitted | None] = {}
        # Most words fit as they are: their glyphs are the same.
        self._inks: dict[Fit, list[_Inks]] = {}

    def side_by_side(self, glyphs: Sequence[Glyph], advance_px: int) -> Stamp | None:
        """The stamp of a word's glyphs; None if one reaches into the next or off the paper."""
        top = min([glyph.top for glyph in glyphs])
        bottom = max([glyph.bottom for glyph in glyphs])
        try:
            fitted = self._fitted[top, bottom]
        except KeyError:
            fitted = self._fitted[top, bottom] = self._fit(top, bottom)
        if fitted is None:
            return None
        inks, column_bits = fitted.inks, self.pitch_px * _BITS
        pen = 0.0
        reach = glyphs[0].left
        left = reach // SUPERSAMPLING
        sums = 0
        for glyph in glyphs:
            start = round(pen) + glyph.left
            if start < reach:
                return None
            column, phase = divmod(start, SUPERSAMPLING)
            sums += inks[phase][glyph] << (column - left) * column_bits
            reach = start + glyph.width
            pen += glyph.advance
        width = -(-reach // SUPERSAMPLING) - left
        pixels = width * self.pitch_px
        # All means at once, rounded as Pillow's ``reduce`` does: each in its lower byte.
        means = (sums + _halves(pixels)) >> _LARGE_BITS
        columns = means.to_bytes(pixels * _BITS // 8, "little")[::2].translate(_INVERTED)
        return Stamp(left, width, advance_px, columns, fitted.top_px, fitted.height_px)

    def inside(self, glyph: Glyph) -> bool:
        """Whether a glyph's ink stays within the line, so that nothing moves it."""
        line = self.pitch_px * SUPERSAMPLING
        return line <= glyph.top and glyph.bottom <= 2 * line

    def _fit(self, top: int, bottom: int) -> _Fitted | None:
        tallest = self.pitch_px * SUPERSAMPLING
        paper = _PAPER_LINES * tallest
        if top < 0 or bottom > paper:
            return None
        fit = Fit.of(top, bottom, paper, tallest)
        if fit not in self._inks:
            self._inks[fit] = [_Inks(fit, phase) for phase in range(SUPERSAMPLING)]
        return _Fitted(*fit.rows(top, bottom), self._inks[fit])


class _Fitted(NamedTuple):
    """Words of one top and bottom: their rows, and their glyphs' small ink.

    ``inks`` are by how many large pixels into a small column the ink begins.
    """

    top_px: int
    height_px: int
    inks: Sequence[_Inks]


class _Inks(dict[Glyph, int]):
    """Sums of glyphs' large pixels, found when first asked for."""

    def __init__(self, fit: Fit, phase: int) -> None:
        super().__init__()
        self._fit, self._phase = fit, phase

    def __missing__(self, glyph: Glyph) -> int:
        step, phase = SUPERSAMPLING, self._phase
        ink, top = self._fit.place(glyph.mask, glyph.top)
        width = -(-(phase + ink.width) // step)
        strip = Image.new("L", (width * step, self._fit.tallest), 0)
        strip.paste(ink, (phase, top))
        # Means of floats are exact.
        small = strip.transpose(Image.Transpose.TRANSPOSE).convert("F").reduce(step)
        sums = [int(mean * _LARGE) for mean in array("f", small.tobytes())]
        found = self[glyph] = int.from_bytes(pack(f"<{len(sums)}H", *sums), "little")
        return found


@lru_cache(maxsize=4096)
def _halves(pixels: int) -> int:
    """What rounds so many sums to the nearest mean."""
    return int.from_bytes(pack("<H", _LARGE // 2) * pixels, "little")
