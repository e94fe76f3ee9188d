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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sfumato.renderers.bidi import pieces, right_to_left, turns_right
from sfumato.renderers.cells import Cells
from sfumato.renderers.fonts import Face, FontSet, Run, clusters
from sfumato.renderers.geometry import ASCENT_EM, DESCENT_EM
from sfumato.renderers.scripts import SQUARE, STACKED
from sfumato.renderers.stamps import (
    SUPERSAMPLING,
    Glyph,
    Stamp,
    Stamper,
    from_large,
)

_SPACE_EM = 0.25
_CACHED_WORDS = 200_000

# Longer words fit no line; shaping a megabyte to know its width takes minutes.
_LONGEST_WORD = 2_000
UNMEASURED = 1 << 30

# Scripts that stack marks above and below their letters are set smaller, all alike,
# so that few of their words must be squeezed between the lines.
_STACKED = re.compile(f"[{STACKED}]")
_STACKED_SCALE = 0.88
# Ideographs and Hangul fill their whole square: at the size of Latin type their lines
# would touch, and none could be read.
_SQUARE = re.compile(f"[{SQUARE}]")
_SQUARE_SCALE = 0.9

# Scripts whose characters look the same wherever they stand: their glyphs are
# drawn once and set side by side, all others are shaped word by word.
_SIMPLE = re.compile(
    "[!-~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u058f\u10a0-\u10ff\u1e00-\u1fff"
    "\u2010-\u2027\u2030-\u205e\u2070-\u20cf\u2100-\u2bff\u3001-\u3029\u3030-\u3098"
    "\u309b-\u9fff\uac00-\ud7a3\uff01-\uff60]"
)


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
        self._stamps: dict[tuple[Face, bool], _Stamps] = {
            (face, rtl): _Stamps(self, face, rtl=rtl)
            for face in ("prose", "bold", "mono")
            for rtl in (False, True)
        }
        self._glyphs: dict[Face, _Glyphs] = {
            "prose": _Glyphs(self, "prose"),
            "bold": _Glyphs(self, "bold"),
            "mono": _Glyphs(self, "mono"),
        }
        self._stamper = Stamper(pitch_px)
        spare = max(0.0, pitch_px - type_px * (ASCENT_EM + DESCENT_EM))
        self._baseline_px = round(type_px * ASCENT_EM + spare / 2)
        self.space_px = max(2, round(type_px * _SPACE_EM))
        self.cell_px = self.length("0", "mono")
        mono = self._glyphs["mono"]
        self._cells = Cells(self._stamper, mono.of, self.cell_px * SUPERSAMPLING)

    def measure(self, text: str, face: Face) -> int:
        """How far a word moves the pen, in whole pixels; UNMEASURED if it is endless."""
        if len(text) > _LONGEST_WORD:
            return UNMEASURED
        if turns_right(text):
            # Wherever its line cuts it, its pieces take no more room than the whole.
            return sum(_whole(self.length(piece, face)) for piece in pieces(text))
        return _whole(self.length(text, face))

    def has_shapes(self, text: str, face: Face) -> bool:
        """Whether all of a text is drawn as itself, and nothing as its code point."""
        return all(run.shown == run.text for run in self._fonts.runs(text, face))

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

    def stamps(self, face: Face, *, rtl: bool = False) -> Mapping[str, Stamp]:
        """Every word's pixels, from the cache or drawn now. ``rtl`` runs to the left."""
        return self._stamps[face, rtl]

    def draw(self, text: str, face: Face, *, rtl: bool) -> Stamp:
        """A word's pixels, drawn now."""
        if face == "mono" and not rtl:
            found = self._cells.stamp(text, _whole(len(text) * self.cell_px))
            if found is not None:
                return found
        # What runs to the left may be mirrored, and its characters change places.
        glyphs = None if rtl else self._glyphs[face].of(text)
        if glyphs:
            found = self._stamper.side_by_side(glyphs, _whole(_width(glyphs)))
            if found is not None:
                return found
        advance = self.measure(text, face)
        with self._lock:
            large, pen = self._large(text, face, advance, glyphs, rtl=rtl)
        return from_large(large, pen, advance, self._pitch_px)

    def length(self, text: str, face: Face) -> float:
        """Advance of a word in (fractional) pixels."""
        glyphs = self._glyphs[face].of(text)
        if glyphs is not None:
            return _width(glyphs)
        rtl = right_to_left(text)
        return self._ink(self._runs(text, face, rtl), self._size(text), rtl).end / SUPERSAMPLING

    def glyph(self, character: str, face: Face) -> Glyph | None:
        """A character's large glyph, or None where it must be shaped with its word."""
        if _SIMPLE.match(character) is None:
            return None
        (run,) = self._fonts.runs(character, face)
        if run.shown != character:
            return None
        step = SUPERSAMPLING
        size = self._size(character)
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
        size = self._type_px * SUPERSAMPLING
        if _STACKED.search(text):
            return size * _STACKED_SCALE
        return size * _SQUARE_SCALE if _SQUARE.search(text) else size

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

    def _large(
        self,
        text: str,
        face: Face,
        advance: int,
        glyphs: Sequence[Glyph] | None,
        *,
        rtl: bool,
    ) -> tuple[Image.Image, int]:
        """The word large in the middle of its paper, and where the pen started."""
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
                (pen, baseline),
                run.shown,
                font=font,
                fill=255,
                anchor="ls",
                direction=direction,
            )
            pen += font.getlength(run.shown, direction=direction)
        return large, margin

    def _paper(self, advance: int, ink: _Ink | None = None) -> tuple[Image.Image, int, int]:
        """Empty paper with the line in its middle, its left margin and the baseline.

        Room for all ``ink`` is left above and below the line: a line's height,
        and more for higher stacks of marks.
        """
        line = self._pitch_px * SUPERSAMPLING
        reach = line if ink is None else max(line, math.ceil(max(ink.above, ink.below)) + 1)
        margin = math.ceil(self._type_px) * SUPERSAMPLING
        width = (advance + 1) * SUPERSAMPLING + 2 * margin
        paper = Image.new("L", (width, line + 2 * reach), 0)
        return paper, margin, reach + self._baseline_px * SUPERSAMPLING

    def _runs(self, text: str, face: Face, rtl: bool) -> list[Run]:
        """Runs in the order in which they are seen."""
        runs = self._fonts.runs(text, face)
        return runs[::-1] if rtl else runs


def _width(glyphs: Sequence[Glyph]) -> float:
    return sum([glyph.advance for glyph in glyphs]) / SUPERSAMPLING


def _whole(length_px: float) -> int:
    # A quarter of a pixel of overhang vanishes in the space or side bearing.
    return max(1, math.ceil(length_px - 0.25))


def _direction(rtl: bool) -> str:
    return "rtl" if rtl else "ltr"


class _Stamps(dict[str, Stamp]):
    """Words of one face and direction, drawn when first asked for."""

    def __init__(self, letters: Letters, face: Face, *, rtl: bool) -> None:
        super().__init__()
        self._letters = letters
        self._face: Face = face
        self._rtl = rtl

    def __missing__(self, word: str) -> Stamp:
        stamp = self._letters.draw(word, self._face, rtl=self._rtl)
        if len(self) >= _CACHED_WORDS:
            self.clear()
        self[word] = stamp
        return stamp


class _Glyphs(dict[str, "Glyph | None"]):
    """Large glyphs of one face, drawn when first asked for."""

    def __init__(self, letters: Letters, face: Face) -> None:
        super().__init__()
        self._letters = letters
        self._face: Face = face

    def of(self, word: str) -> list[Glyph] | None:
        """A word's glyphs, or None where the word must be shaped as a whole."""
        found: list[Glyph] = []
        for character in word:
            glyph = self[character]
            if glyph is None:
                return None
            found.append(glyph)
        return found

    def __missing__(self, character: str) -> Glyph | None:
        glyph = self[character] = self._letters.glyph(character, self._face)
        return glyph
