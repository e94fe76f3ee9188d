"""Text to lines, and words to pixels.

Takes Paragraphs and a Style, gives Lines: what stands on each line of a
column. Also gives a word's Stamp: its pixels, drawn once and then pasted
wherever the word occurs. Knows nothing of turns, columns or pages.

Words are drawn at four times their size and averaged down: fonts at 8-12 px
have too few pixels for glyphs to start on whole ones, and uneven gaps are what
readers stumble over (measured with Tesseract on chat text, Noto Sans 9 px:
7.3 % of characters wrong when drawn at size, 0.4 % when averaged down).
"""

from __future__ import annotations

import math
import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image, ImageDraw

from sfumato.renderers.content import Paragraph, Picture
from sfumato.renderers.fonts import Face, FontSet, Run, clusters
from sfumato.renderers.geometry import Style

CONTINUATION = "↪"

_SUPERSAMPLING = 4
_SPACE_EM = 0.25
_TAB_CELLS = 4
_CACHED_WORDS = 200_000

# Width given to words that may break anywhere.
_BREAKABLE = -1

# All white space that prose folds; other controls are drawn as code points.
_FOLDED = re.compile("[ \t\n\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_CONTROL_SPACE = re.compile("[\r\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")

# Scripts written without spaces: Thai and Lao, CJK, Hangul, kana, full width.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff00-\uffef\U00020000-\U0003ffff]"
)
_NO_LINE_START = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ー’”）〕］｝〉》」』】°％ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ,.:;?!)]}%"
)
_NO_LINE_END = frozenset("‘“（〔［｛〈《「『【([{")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a column.

    ``flush`` lines start a turn: at the left, with a tick. ``lead`` is bold.
    ``tight`` are indexes of words that follow the word before without a space.
    ``continued`` lines start inside a word or a line of code. Code is one
    "word" with its spaces. A picture's line is its strip number ``strip``.
    """

    kind: Literal["prose", "code", "picture"]
    flush: bool = False
    lead: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tight: frozenset[int] = frozenset()
    continued: bool = False
    picture: Picture | None = None
    strip: int = 0


@dataclass(frozen=True, slots=True)
class Stamp:
    """A word's pixels, ``left_px`` right of the pen and ``top_px`` below the line's top."""

    mask: Image.Image | None
    left_px: int
    top_px: int
    advance_px: int


class Typesetter:
    """Sets text of one type size and pitch. Thread-safe; caches are bounded."""

    def __init__(self, fonts: FontSet, type_px: float, pitch_px: int) -> None:
        self._fonts = fonts
        self._type_px = type_px
        self._pitch_px = pitch_px
        self._lock = threading.RLock()
        self._stamps: dict[tuple[str, Face], Stamp] = {}
        self._advances: dict[tuple[str, Face], float] = {}
        main = fonts.load(fonts.main("prose"), type_px * _SUPERSAMPLING)
        _, top, _, bottom = main.getbbox("bdfhklgjpqy", anchor="ls")
        ascent = math.ceil(-top / _SUPERSAMPLING)
        descent = math.ceil(bottom / _SUPERSAMPLING)
        self._baseline_px = ascent + max(0, pitch_px - ascent - descent) // 2
        self.space_px = max(2, round(type_px * _SPACE_EM))
        mono = fonts.load(fonts.main("mono"), type_px * _SUPERSAMPLING)
        self.cell_px = mono.getlength("0" * 64) / 64 / _SUPERSAMPLING
        self.mark_px = self.stamp(CONTINUATION, "prose").advance_px + 1
        self._widths: dict[Face, _Widths] = {
            "prose": _Widths(self, "prose"),
            "bold": _Widths(self, "bold"),
            "mono": _Widths(self, "mono"),
        }

    def set(self, paragraphs: Sequence[Paragraph], style: Style) -> list[Line]:
        """The lines of one turn. The first is flush, all others hang."""
        room = style.column_px - style.hang_px
        lines: list[Line] = []
        for paragraph in paragraphs:
            if paragraph.kind == "prose":
                first = room if lines else style.column_px - style.flush_px
                lines += self._prose(paragraph, first, room)
            elif paragraph.kind == "code":
                lines += self._code(paragraph.text, room)
            elif paragraph.picture is not None:
                strips = paragraph.picture.height_px // style.pitch_px
                lines += [
                    Line("picture", picture=paragraph.picture, strip=strip)
                    for strip in range(strips)
                ]
        lines[0] = replace(lines[0], flush=True)
        return lines

    def measure(self, text: str, face: Face) -> int:
        """How far a word moves the pen, in whole pixels."""
        # A quarter of a pixel of overhang vanishes in the space or side bearing.
        return max(1, math.ceil(self._length(text, face) - 0.25))

    def measure_unit(self, unit: str, face: Face) -> int:
        """measure, remembered: for the few thousand units that texts consist of."""
        return max(1, math.ceil(self._exact(unit, face) - 0.25))

    def stamp(self, text: str, face: Face) -> Stamp:
        """A word's pixels, from the cache or drawn now."""
        found = self._stamps.get((text, face))
        if found is None:
            with self._lock:
                if len(self._stamps) >= _CACHED_WORDS:
                    self._stamps.clear()
                found = self._stamps[text, face] = self._draw(text, face)
        return found

    def cells(self, text: str) -> Iterator[tuple[int, str]]:
        """(column, word) of a line of code; columns are ``cell_px`` wide."""
        if text.isascii() and text.isprintable():
            for found in re.finditer(r"[^ ]+", text):
                yield found.start(), found[0]
            return
        column = 0
        for unit in self._units(text, "mono"):
            if unit != " ":
                yield column, unit
            column += self._cells_of(unit)

    def _prose(self, paragraph: Paragraph, first: int, room: int) -> list[Line]:
        """Lead and words, broken into lines; ``first`` is the first line's room."""
        filling = _Filling(self, self._widths, first, room)
        if paragraph.lead:
            filling.add(_words(paragraph.lead), "bold")
        filling.add(_words(paragraph.text), "prose")
        return filling.finish()

    def _code(self, text: str, room: int) -> list[Line]:
        """One line of code, its tabs expanded, wrapped where it is too long."""
        text = text.expandtabs(_TAB_CELLS)
        most = max(1, int(room / self.cell_px))
        if text.isascii() and text.isprintable() and len(text) <= most:
            return [Line("code", words=(text,))]
        mark = math.ceil(self.mark_px / self.cell_px)
        lines: list[Line] = []
        piece: list[str] = []
        used = 0
        for unit in self._units(text, "mono"):
            cells = self._cells_of(unit)
            if piece and used + cells > most:
                lines.append(Line("code", words=("".join(piece),), continued=bool(lines)))
                piece, used = [], mark
            piece.append(unit)
            used += cells
        lines.append(Line("code", words=("".join(piece),), continued=bool(lines)))
        return lines

    def _cells_of(self, unit: str) -> int:
        """Columns of code a unit takes; wide characters take two or more."""
        if unit.isascii() and unit.isprintable():
            return 1
        # A tenth of a cell of overhang does not show.
        return max(1, math.ceil(self._widths["mono"][unit] / self.cell_px - 0.1))

    def _units(self, text: str, face: Face) -> Iterator[str]:
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

    def atoms(self, word: str) -> Iterator[str]:
        """A word cut where its script allows a line to end (basic kinsoku)."""
        atom = ""
        open_end = was_spaced = False
        for unit in self._units(word, "prose"):
            spaced = _UNSPACED.match(unit) is None
            joined = open_end or unit in _NO_LINE_START or (spaced and was_spaced)
            if atom and not joined:
                yield atom
                atom = ""
            atom += unit
            open_end = unit in _NO_LINE_END
            was_spaced = spaced and unit not in _NO_LINE_START
        if atom:
            yield atom

    def head(self, word: str, face: Face, room: int) -> str:
        """The longest beginning of a word that fits; at least one unit of it."""
        taken: list[str] = []
        used = 0.0
        for unit in self._units(word, face):
            # Units alone are rounded up to whole pixels; a word is, as a whole.
            used += self._exact(unit, face)
            if taken and used > room:
                break
            taken.append(unit)
        while len(taken) > 1 and self.measure("".join(taken), face) > room:
            taken.pop()
        return "".join(taken)

    def _exact(self, unit: str, face: Face) -> float:
        key = (unit, face)
        if key not in self._advances:
            if len(self._advances) >= _CACHED_WORDS:
                self._advances.clear()
            self._advances[key] = self._length(unit, face)
        return self._advances[key]

    def _length(self, text: str, face: Face) -> float:
        """Advance of a word in (fractional) pixels."""
        length = 0.0
        for run in self._fonts.runs(text, face):
            font = self._fonts.load(run.font, self._type_px * _SUPERSAMPLING)
            with self._lock:
                length += font.getlength(run.shown)
        return length / _SUPERSAMPLING

    def _draw(self, text: str, face: Face) -> Stamp:
        """Draw a word large, fit it between its neighbours' lines, average it down."""
        runs = self._fonts.runs(text, face)
        if right_to_left(text):
            runs.reverse()
        advance = self.measure(text, face)
        size = self._type_px * _SUPERSAMPLING
        large, pen = self._large(runs, size, advance)
        box = large.getbbox()
        if box is None:
            return Stamp(None, 0, 0, advance)
        tallest = self._pitch_px * _SUPERSAMPLING
        if box[3] - box[1] > tallest:
            # Tall stacks of marks and deep scripts: smaller, but whole.
            large, pen = self._large(runs, size * tallest / (box[3] - box[1] + 2), advance)
            box = large.getbbox() or box
        top = box[1] - tallest
        shift = -min(0, top) if top < 0 else min(0, tallest - (box[3] - tallest))
        top, bottom = top + shift, box[3] - tallest + shift
        step = _SUPERSAMPLING
        left = (box[0] - pen) // step
        width = -(-(box[2] - pen - left * step) // step)
        first, last = max(0, top // step), min(self._pitch_px, -(-bottom // step))
        window = (
            pen + left * step,
            tallest - shift + first * step,
            pen + (left + width) * step,
            tallest - shift + last * step,
        )
        return Stamp(large.crop(window).reduce(step), left, first, advance)

    def _large(self, runs: Sequence[Run], size: float, advance: int) -> tuple[Image.Image, int]:
        """The runs at ``size`` on three lines' height, and where the pen started."""
        step = _SUPERSAMPLING
        margin = math.ceil(self._type_px) * step
        height = 3 * self._pitch_px * step
        width = (advance + 1) * step + 2 * margin
        large = Image.new("L", (width, height), 0)
        draw = ImageDraw.Draw(large)
        pen = float(margin)
        for run in runs:
            font = self._fonts.load(run.font, size)
            baseline = (self._pitch_px + self._baseline_px) * step
            draw.text((pen, baseline), run.shown, font=font, fill=255, anchor="ls")
            pen += font.getlength(run.shown)
        return large, margin


class _Widths(dict[str, int]):
    """Word widths of one face, measured when first asked for."""

    def __init__(self, setter: Typesetter, face: Face) -> None:
        super().__init__()
        self._setter = setter
        self._face: Face = face

    def __missing__(self, word: str) -> int:
        if len(self) >= _CACHED_WORDS:
            self.clear()
        unspaced = self._face != "mono" and len(word) > 1 and _UNSPACED.search(word)
        width = _BREAKABLE if unspaced else self._setter.measure(word, self._face)
        self[word] = width
        return width


class _Filling:
    """Lines being filled with words, first to last."""

    def __init__(
        self, setter: Typesetter, widths: dict[Face, _Widths], first: int, room: int
    ) -> None:
        self._setter, self._widths, self._room = setter, widths, room
        self._lines: list[Line] = []
        self._left = first
        self._begin()

    def add(self, words: Sequence[str], face: Face) -> None:
        """Set words after what is there, each after a space."""
        widths, space, room = self._widths[face], self._setter.space_px, self._room
        target = self._lead if face == "bold" else self._words
        for word in words:
            width = widths[word]
            needed = width + space if self._started else width
            if width >= 0 and needed <= self._left:
                target.append(word)
                self._left -= needed
                self._started = True
            elif 0 <= width <= room:
                self._close()
                target = self._lead if face == "bold" else self._words
                target.append(word)
                self._left -= width
                self._started = True
            else:
                self._add_breaking(word, width, face)
                target = self._lead if face == "bold" else self._words

    def finish(self) -> list[Line]:
        """All lines; at least one."""
        if self._started or not self._lines:
            self._close()
        return self._lines

    def _add_breaking(self, word: str, width: int, face: Face) -> None:
        atoms = self._setter.atoms(word) if width == _BREAKABLE else (word,)
        glued = False
        for atom in atoms:
            width = self._setter.measure_unit(atom, face)
            gap = self._setter.space_px if self._started and not glued else 0
            if gap + width <= self._left:
                self._put(atom, face, gap + width, glued)
            elif width <= self._room:
                self._close()
                self._put(atom, face, width, glued)
            else:
                self._put_long(atom, face, gap, glued)
            glued = True

    def _put_long(self, atom: str, face: Face, gap: int, glued: bool) -> None:
        """A word wider than a line, in pieces; every further line says so."""
        if self._started and self._left - gap < self._room // 4:
            self._close()
            gap = 0
        rest = atom
        while True:
            piece = self._setter.head(rest, face, self._left - gap)
            rest = rest[len(piece) :]
            self._put(piece, face, gap + self._setter.measure(piece, face), glued)
            if not rest:
                return
            self._close()
            self._continued = True
            self._left -= self._setter.mark_px
            gap, glued = 0, False

    def _put(self, word: str, face: Face, needed: int, glued: bool) -> None:
        if glued and self._started:
            self._tight.add(len(self._lead) + len(self._words))
        (self._lead if face == "bold" else self._words).append(word)
        self._left -= needed
        self._started = True

    def _begin(self) -> None:
        self._lead: list[str] = []
        self._words: list[str] = []
        self._tight: set[int] = set()
        self._started = self._continued = False

    def _close(self) -> None:
        self._lines.append(
            Line(
                "prose",
                lead=tuple(self._lead),
                words=tuple(self._words),
                tight=frozenset(self._tight) if self._tight else _NONE_TIGHT,
                continued=self._continued,
            )
        )
        self._left = self._room
        self._begin()


_NONE_TIGHT: frozenset[int] = frozenset()


def right_to_left(word: str) -> bool:
    """Whether a word's first letter is of a right-to-left script."""
    if word.isascii():
        return False
    directions = (unicodedata.bidirectional(c) for c in word)
    return next((d for d in directions if d in ("L", "R", "AL")), "L") != "L"


def _words(text: str) -> list[str]:
    """Text at its white space; control characters are not white space."""
    if _CONTROL_SPACE.search(text):
        return [word for word in _FOLDED.split(text) if word]
    return text.split()
