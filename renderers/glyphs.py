"""Words to pixels.

Takes a word and a face, gives how far it moves the pen and its Stamp: its
pixels, drawn once and then pasted wherever the word occurs. Knows nothing of
lines, pages or turns.

Words are drawn at four times their size and averaged down: fonts at 8-12 px
have too few pixels for glyphs to start on whole ones, and uneven gaps are what
readers stumble over (measured with Tesseract on chat text, Noto Sans 9 px:
7.3 % of characters wrong when drawn at size, 0.4 % when averaged down).
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sfumato.renderers.bidi import pieces, right_to_left, turns_right
from sfumato.renderers.fonts import Face, FontSet, Run, clusters
from sfumato.renderers.geometry import ASCENT_EM, DESCENT_EM

_SUPERSAMPLING = 4
_SPACE_EM = 0.25
_CACHED_WORDS = 200_000

# Longer words fit no line; shaping a megabyte to know its width takes minutes.
_LONGEST_WORD = 2_000
UNMEASURED = 1 << 30

# Scripts that stack marks above and below their letters are set smaller, all alike,
# so that few of their words must be squeezed between the lines.
_STACKED = re.compile("[\u0900-\u0dff\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff]")
_STACKED_SCALE = 0.88

# Scripts whose characters look the same wherever they stand: their glyphs are
# drawn once and set side by side, all others are shaped word by word.
_SIMPLE = re.compile(
    "[!-~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u058f\u10a0-\u10ff\u1e00-\u1fff"
    "\u2010-\u2027\u2030-\u205e\u2070-\u20cf\u2100-\u2bff\u3001-\u3029\u3030-\u3098"
    "\u309b-\u9fff\uac00-\ud7a3\uff01-\uff60]"
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A word's pixels, ``left_px`` right of the pen and ``top_px`` below the line's top."""

    mask: Image.Image | None
    left_px: int
    top_px: int
    advance_px: int


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character at _SUPERSAMPLING times its size: all lengths in large pixels.

    ``left`` counts from the pen, ``top`` from the top of the paper.
    """

    advance: float
    left: int
    top: int
    mask: Image.Image


@dataclass(frozen=True, slots=True)
class _Ink:
    """Reach of a word in large pixels.

    Marks of shaped words may reach beyond the advance: the pen must begin at
    ``start`` for no ink to be left of 0, and all ink ends before ``end``.
    ``above`` and ``below`` are the reach from the baseline.
    """

    start: float
    end: float
    above: float
    below: float


class Letters:
    """How wide words are and what they look like, at one type size and pitch.

    Thread-safe; caches are bounded.
    """

    def __init__(self, fonts: FontSet, type_px: float, pitch_px: int) -> None:
        self._fonts = fonts
        self._type_px = type_px
        self._pitch_px = pitch_px
        self._lock = threading.RLock()
        self._stamps: dict[tuple[str, Face, bool], Stamp] = {}
        self._glyphs: dict[Face, _Glyphs] = {
            "prose": _Glyphs(self, "prose"),
            "bold": _Glyphs(self, "bold"),
            "mono": _Glyphs(self, "mono"),
        }
        ascent, descent = math.ceil(type_px * ASCENT_EM), math.ceil(type_px * DESCENT_EM)
        self._baseline_px = ascent + max(0, pitch_px - ascent - descent) // 2
        self.space_px = max(2, round(type_px * _SPACE_EM))
        self.cell_px = self.length("0", "mono")

    def measure(self, text: str, face: Face) -> int:
        """How far a word moves the pen, in whole pixels; UNMEASURED if it is endless."""
        if len(text) > _LONGEST_WORD:
            return UNMEASURED
        if turns_right(text):
            # Wherever its line cuts it, its pieces take no more room than the whole.
            return sum(self._whole(piece, face) for piece in pieces(text))
        return self._whole(text, face)

    def _whole(self, text: str, face: Face) -> int:
        # A quarter of a pixel of overhang vanishes in the space or side bearing.
        return max(1, math.ceil(self.length(text, face) - 0.25))

    def units(self, text: str, face: Face) -> Iterator[str]:
        """The smallest pieces that may stand on different lines."""
        if text.isascii() and text.isprintable():
            yield from text
            return
        for cluster in clusters(text):
            if len(cluster) == 1:
                yield cluster
            else:
                for run in self._fonts.runs(cluster, face):
                    yield run.text

    def stamp(self, text: str, face: Face, *, rtl: bool = False) -> Stamp:
        """A word's pixels, from the cache or drawn now. ``rtl`` runs to the left."""
        found = self._stamps.get((text, face, rtl))
        if found is None:
            with self._lock:
                if len(self._stamps) >= _CACHED_WORDS:
                    self._stamps.clear()
                found = self._stamps[text, face, rtl] = self._draw(text, face, rtl)
        return found

    def length(self, text: str, face: Face) -> float:
        """Advance of a word in (fractional) pixels."""
        glyphs = self._glyphs[face].of(text)
        if glyphs is not None:
            return sum(glyph.advance for glyph in glyphs) / _SUPERSAMPLING
        rtl = right_to_left(text)
        return self._ink(self._runs(text, face, rtl), self._size(text), rtl).end / _SUPERSAMPLING

    def glyph(self, character: str, face: Face) -> Glyph | None:
        """A character's large glyph, or None where it must be shaped with its word."""
        if _SIMPLE.match(character) is None:
            return None
        (run,) = self._fonts.runs(character, face)
        if run.shown != character:
            return None
        step = _SUPERSAMPLING
        size = self._type_px * step
        with self._lock:
            advance = self._fonts.load(run.font, size).getlength(character)
            large, pen = self._shaped([run], size, math.ceil(advance / step), rtl=False)
        box = large.getbbox()
        # Ink far outside the advance needs a word's own measure.
        if box is None or box[0] - pen < -step or box[2] - pen > advance + step:
            return None
        return Glyph(advance, box[0] - pen, box[1], large.crop(box))

    def _size(self, text: str) -> float:
        """The size a word is drawn at, in large pixels."""
        size = self._type_px * _SUPERSAMPLING
        return size * _STACKED_SCALE if _STACKED.search(text) else size

    def _ink(self, runs: Sequence[Run], size: float, rtl: bool) -> _Ink:
        """The reach of runs drawn at ``size``, measured before drawing."""
        start = pen = end = above = below = 0.0
        direction = _direction(rtl)
        with self._lock:
            for number, run in enumerate(runs):
                font = self._fonts.load(run.font, size)
                left, top, right, bottom = font.getbbox(run.shown, anchor="ls", direction=direction)
                if number == 0:
                    start = pen = max(0.0, -left)
                end = max(end, pen + right)
                above, below = max(above, -top), max(below, bottom)
                pen += font.getlength(run.shown, direction=direction)
        return _Ink(start, max(pen, end), above, below)

    def _draw(self, text: str, face: Face, rtl: bool) -> Stamp:
        """Draw a word large, fit it between its neighbours' lines, average it down."""
        advance = self.measure(text, face)
        large, pen = self._large(text, face, advance, rtl)
        box = large.getbbox()
        if box is None:
            return Stamp(None, 0, 0, advance)
        step, tallest = _SUPERSAMPLING, self._pitch_px * _SUPERSAMPLING
        ink = large.crop(box)
        if ink.height > tallest:
            # Tall letters and deep ones in one word: squeezed, but whole and as wide.
            ink = ink.resize((ink.width, tallest), Image.Resampling.BOX)
        # The line is the middle third of the paper; ink beyond it moves inside.
        top = min(max(box[1] - (large.height - tallest) // 2, 0), tallest - ink.height)
        left, first = (box[0] - pen) // step, top // step
        width = -(-(box[2] - pen - left * step) // step)
        height = -(-(top + ink.height) // step) - first
        mask = Image.new("L", (width * step, height * step), 0)
        mask.paste(ink, (box[0] - pen - left * step, top - first * step))
        return Stamp(mask.reduce(step), left, first, advance)

    def _large(self, text: str, face: Face, advance: int, rtl: bool) -> tuple[Image.Image, int]:
        """The word large in the middle of its paper, and where the pen started."""
        # What runs to the left may be mirrored, and its characters change places.
        glyphs = None if rtl else self._glyphs[face].of(text)
        if glyphs is None:
            return self._shaped(self._runs(text, face, rtl), self._size(text), advance, rtl=rtl)
        large, margin, _ = self._paper(advance)
        pen = float(margin)
        for glyph in glyphs:
            large.paste(255, (round(pen) + glyph.left, glyph.top), glyph.mask)
            pen += glyph.advance
        return large, margin

    def _shaped(
        self, runs: Sequence[Run], size: float, advance: int, *, rtl: bool
    ) -> tuple[Image.Image, int]:
        """Runs drawn by their fonts' own rules, as ``_large`` gives them."""
        ink = self._ink(runs, size, rtl)
        large, margin, baseline = self._paper(advance, ink)
        draw = ImageDraw.Draw(large)
        direction = _direction(rtl)
        pen = margin + ink.start
        for run in runs:
            font = self._fonts.load(run.font, size)
            draw.text(
                (pen, baseline), run.shown, font=font, fill=255, anchor="ls", direction=direction
            )
            pen += font.getlength(run.shown, direction=direction)
        return large, margin

    def _paper(self, advance: int, ink: _Ink | None = None) -> tuple[Image.Image, int, int]:
        """Empty paper with the line in its middle, its left margin and the baseline.

        Room for all ``ink`` is left above and below the line: a line's height,
        and more for higher stacks of marks.
        """
        line = self._pitch_px * _SUPERSAMPLING
        reach = line if ink is None else max(line, math.ceil(max(ink.above, ink.below)) + 1)
        margin = math.ceil(self._type_px) * _SUPERSAMPLING
        width = (advance + 1) * _SUPERSAMPLING + 2 * margin
        paper = Image.new("L", (width, line + 2 * reach), 0)
        return paper, margin, reach + self._baseline_px * _SUPERSAMPLING

    def _runs(self, text: str, face: Face, rtl: bool) -> list[Run]:
        """Runs in the order in which they are seen."""
        runs = self._fonts.runs(text, face)
        return runs[::-1] if rtl else runs


def _direction(rtl: bool) -> str:
    return "rtl" if rtl else "ltr"


class _Glyphs(dict[str, "Glyph | None"]):
    """Large glyphs of one face, drawn when first asked for."""

    def __init__(self, letters: Letters, face: Face) -> None:
        super().__init__()
        self._letters = letters
        self._face: Face = face

    def __missing__(self, character: str) -> Glyph | None:
        glyph = self[character] = self._letters.glyph(character, self._face)
        return glyph

    def of(self, word: str) -> list[Glyph] | None:
        """A word's glyphs, or None where the word must be shaped as a whole."""
        found: list[Glyph] = []
        for character in word:
            glyph = self[character]
            if glyph is None:
                return None
            found.append(glyph)
        return found
