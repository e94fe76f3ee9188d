"""Text to lines.

Takes Paragraphs and a Style, gives Lines: what stands on each line of a
column. Knows nothing of turns, columns or pixels, except how wide words are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, cast

from sfumato.renderers.bidi import right_to_left, turns_right
from sfumato.renderers.content import Paragraph, Picture
from sfumato.renderers.fonts import Face
from sfumato.renderers.geometry import Style
from sfumato.renderers.glyphs import Letters

CONTINUATION = "↪"
# In running text: where a line ended, followed by the spaces that the next begins with,
# where more than one space stands, and how often the sign before it does.
BREAK = "↵"
SPACES = "␣"
TIMES = "×"

_TAB_CELLS = 4
_CACHED_WORDS = 200_000

# Share of a column that leading spaces may take at most: one in so many.
_LARGEST_INDENT = 4

# Share of a line that is given up for breaking a long word or a line of code after a
# sign or a space, rather than within a name or a number.
_GIVEN_UP = 0.35

# Width given to words that may break anywhere.
_BREAKABLE = -1

# All white space that prose folds; other controls are drawn as code points.
_FOLDED = re.compile("[ \t\n\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_CONTROL_SPACE = re.compile("[\r\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")

# Scripts written without spaces: Thai and Lao, CJK, Hangul, kana, full width.
_UNSPACED = (
    "\u0e00-\u0eff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0003ffff"
)
_UNSPACED_MARK = "\u0e31\u0e33-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec8-\u0ece\u3099\u309a"
_NO_LINE_START = (
    "、。，．・：；？！゛゜ヽヾゝゞ々ー’”）〕］｝〉》」』】°％"
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
)
_NO_LINE_END = "‘“（〔［｛〈《「『【"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
# The pieces of such a word between which a line may end (basic kinsoku).
_ATOM = re.compile(
    f"[{_NO_LINE_END}]*"
    f"(?:[{_UNSPACED}][{_UNSPACED_MARK}]*|[^{_UNSPACED}{_NO_LINE_END}{_NO_LINE_START}]+)"
    rf"[{_NO_LINE_START},.:;?!)\]}}%]*|.",
    re.DOTALL,
)

# Scripts whose letters join: in code, too, their words stay whole where they fit.
_JOINED = "\u0590-\u08ff\u0900-\u0dff\u0e00-\u109f\u1780-\u17ff"
_CODE_PIECE = re.compile(f"[{_JOINED}]+|[^{_JOINED}]+")
_IS_JOINED = re.compile(f"[{_JOINED}]")
_LONGEST_JOINED = 12
_CODE_WORD = re.compile(" +|[^ ]+")
# A rule across the page, such as of hyphens: nobody counts them.
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{8,}")


class Line(NamedTuple):
    """One line of a column.

    ``flush`` lines start a turn: at the left, with a tick. ``lead`` is bold.
    ``tight`` are indexes of words that follow the word before without a space,
    counted from the first of the lead; ``signs`` those of words that are ours, bold.
    ``continued`` lines start inside a word or a line of code. Code is one
    "word" with its spaces. ``rtl`` lines are of a paragraph that runs from right to
    left; ``indent_px`` moves a line in. A picture's line is its strip number ``strip``.
    """

    kind: Literal["prose", "code", "picture"]
    flush: bool = False
    lead: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tight: frozenset[int] = frozenset()
    signs: frozenset[int] = frozenset()
    continued: bool = False
    rtl: bool = False
    indent_px: int = 0
    picture: Picture | None = None
    strip: int = 0


class Typesetter:
    """Sets text in the letters of one type size. Thread-safe; caches are bounded."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters
        self.mark_px = letters.measure(CONTINUATION, "prose") + 1
        faces: tuple[Face, ...] = ("prose", "bold", "mono")
        self._widths: dict[Face, _Widths] = {face: _Widths(letters, face) for face in faces}
        # Of pieces between which a line may end.
        self.atom_widths = {face: _Widths(letters, face, breaking=False) for face in faces}

    def set(self, paragraphs: Sequence[Paragraph], style: Style) -> list[Line]:
        """The lines of one turn. The first is flush, all others hang."""
        room = style.column_px - style.hang_px
        lines: list[Line] = []
        for group in _groups(paragraphs) if style.running else ([each] for each in paragraphs):
            paragraph = group[0]
            if len(group) > 1 or paragraph.kind == "prose":
                indent = self._indent(paragraph, room) if lines else 0
                first = room - indent if lines else style.column_px - style.flush_px
                lines += self._prose(group, first, room - indent, indent)
            elif paragraph.kind in ("code", "table"):
                lines += self._code(paragraph.text, room)
            elif paragraph.picture is not None:
                strips = paragraph.picture.height_px // style.pitch_px
                lines += [
                    Line("picture", picture=paragraph.picture, strip=strip)
                    for strip in range(strips)
                ]
        lines[0] = lines[0]._replace(flush=True)
        return lines

    def cells(self, text: str) -> list[tuple[int, str]]:
        """(column, word) of a line of code; columns are ``cell_px`` wide."""
        cells: list[tuple[int, str]] = []
        if text.isascii() and text.isprintable():
            code = text.lstrip(" ")
            column = len(text) - len(code)
            for word in code.split(" "):
                if word:
                    cells.append((column, word))
                column += len(word) + 1
            return cells
        column = 0
        for unit in self._code_units(text):
            if unit != " ":
                cells.append((column, unit))
            column += self._cells_of(unit)
        return cells

    def _code_units(self, text: str) -> Iterator[str]:
        """What of a line of code stays together."""
        if text.isascii():
            yield from text
            return
        for piece in cast("list[str]", _CODE_PIECE.findall(text)):
            joined = len(piece) <= _LONGEST_JOINED and _IS_JOINED.match(piece)
            # Code points take much more room, and need not stay together.
            if joined and self._letters.has_shapes(piece, "mono"):
                yield piece
            else:
                yield from self._letters.units(piece, "mono")

    def _indent(self, paragraph: Paragraph, room: int) -> int:
        """How far a paragraph that begins with spaces is moved in, in pixels."""
        return min(paragraph.indent * self._letters.space_px, room // _LARGEST_INDENT)

    def _prose(self, group: Sequence[Paragraph], first: int, room: int, indent: int) -> list[Line]:
        """Lead and words, broken into lines; ``first`` is the first line's room.

        More than one paragraph makes running text.
        """
        rtl = right_to_left(group[0].text)
        filling = _Filling(
            self, self._letters, self._widths, first, room, rtl=rtl, indent_px=indent
        )
        if group[0].lead:
            filling.add(_words(group[0].lead), "bold")
        begun = False
        for paragraph in group:
            if paragraph.kind == "code":
                _run_on(filling, paragraph.text, first=not begun)
            else:
                if begun:
                    filling.sign(f"{BREAK}{paragraph.indent or ''}")
                filling.add(_words(paragraph.text), "prose")
            begun = begun or paragraph.kind == "code" or bool(paragraph.text)
        return filling.finish()

    def _code(self, text: str, room: int) -> list[Line]:
        """One line of code, its tabs expanded, wrapped where it is too long."""
        text = text.expandtabs(_TAB_CELLS)
        most = max(1, int(room / self._letters.cell_px))
        plain = text.isascii() and text.isprintable()
        if plain and len(text) <= most:
            return [Line("code", words=(text,))]
        mark = math.ceil(self.mark_px / self._letters.cell_px)
        if plain:
            return list(_plain_code(text, most, max(1, most - mark)))
        lines: list[Line] = []
        piece: list[str] = []
        used = 0
        for unit in self._code_units(text):
            cells = self._cells_of(unit)
            if piece and used + cells > most:
                cut = _cut(piece)
                lines.append(Line("code", words=("".join(piece[:cut]),), continued=bool(lines)))
                piece = piece[cut:]
                used = mark + sum(map(self._cells_of, piece))
            piece.append(unit)
            used += cells
        lines.append(Line("code", words=("".join(piece),), continued=bool(lines)))
        return lines

    def _cells_of(self, unit: str) -> int:
        """Columns of code a unit takes; wide characters take two or more."""
        if unit.isascii() and unit.isprintable():
            return 1
        # A tenth of a cell of overhang does not show.
        return max(1, math.ceil(self._letters.length(unit, "mono") / self._letters.cell_px - 0.1))

    def pieces(self, word: str, face: Face, first: int, room: int) -> Iterator[str]:
        """A word wider than a line in pieces, the first in ``first`` pixels."""
        letters = self._letters
        width = letters.measure if turns_right(word) else letters.length
        units = list(letters.units(word, face))
        widths = {unit: width(unit, face) for unit in set(units)}
        at = 0
        while at < len(units):
            end, used = at, 0.0
            while end < len(units) and (end == at or used + widths[units[end]] <= first):
                used += widths[units[end]]
                end += 1
            # Shaped together, units may be wider than alone.
            while end - at > 1 and letters.measure("".join(units[at:end]), face) > first:
                end -= 1
            if end < len(units):
                cut = at + _cut(units[at:end])
                # Less text may be wider: what it is cut from decides how marks are drawn.
                if letters.measure("".join(units[at:cut]), face) <= first:
                    end = cut
            yield "".join(units[at:end])
            at, first = end, room


def _plain_code(text: str, first: int, rest: int) -> Iterator[Line]:
    """A line of code too long, of characters that all take one cell."""
    at, most = 0, first
    while len(text) - at > most:
        cut = _cut(text[at : at + most])
        yield Line("code", words=(text[at : at + cut],), continued=at > 0)
        at, most = at + cut, rest
    yield Line("code", words=(text[at:],), continued=at > 0)


def _groups(paragraphs: Sequence[Paragraph]) -> Iterator[list[Paragraph]]:
    """Paragraphs that run on after one another; all others on their own.

    A lead of ours begins anew, and so does text that runs from right to left.
    """
    group: list[Paragraph] = []
    for paragraph in paragraphs:
        runs = paragraph.kind in ("prose", "code") and not turns_right(paragraph.text)
        if group and (paragraph.lead or not runs):
            yield group
            group = []
        if runs:
            group.append(paragraph)
        else:
            yield [paragraph]
    if group:
        yield group


def _run_on(filling: _Filling, text: str, *, first: bool) -> None:
    """A line of code in running text, its white space exact."""
    text = text.expandtabs(_TAB_CELLS)
    code = text.lstrip(" ")
    indent = len(text) - len(code)
    if not first:
        filling.sign(f"{BREAK}{indent or ''}")
    elif indent:
        filling.sign(f"{SPACES}{indent}")
    for piece in cast("list[str]", _CODE_WORD.findall(code)):
        if _RULE.fullmatch(piece):
            filling.add([piece[0]], "prose")
            filling.sign(f"{TIMES}{len(piece)}")
        elif not piece.startswith(" "):
            filling.add([piece], "prose")
        elif len(piece) > 1:
            filling.sign(f"{SPACES}{len(piece)}")


def _cut(units: Sequence[str]) -> int:
    """How many of a full line's units stay: up to the last sign, if that is near the end."""
    nearest = max(1, math.ceil(len(units) * (1 - _GIVEN_UP)))
    for cut in range(len(units), nearest, -1):
        if not units[cut - 1][-1].isalnum():
            return cut
    return len(units)


class _Widths(dict[str, int]):
    """Word widths of one face, measured when first asked for.

    If ``breaking``, words that may break anywhere are _BREAKABLE.
    """

    def __init__(self, letters: Letters, face: Face, *, breaking: bool = True) -> None:
        super().__init__()
        self._letters = letters
        self._face: Face = face
        self._breaking = breaking and face != "mono"

    def __missing__(self, word: str) -> int:
        if len(self) >= _CACHED_WORDS:
            self.clear()
        unspaced = self._breaking and len(word) > 1 and _IS_UNSPACED.search(word)
        width = _BREAKABLE if unspaced else self._letters.measure(word, self._face)
        self[word] = width
        return width


class _Filling:
    """Lines being filled with words, first to last."""

    def __init__(
        self,
        setter: Typesetter,
        letters: Letters,
        widths: dict[Face, _Widths],
        first: int,
        room: int,
        *,
        rtl: bool,
        indent_px: int,
    ) -> None:
        self._setter, self._letters, self._rtl = setter, letters, rtl
        self._indent_px = indent_px
        self._widths, self._room = widths, room
        self._lines: list[Line] = []
        self._left = first
        self._begin()

    def add(self, words: Sequence[str], face: Face) -> None:
        """Set words after what is there, each after a space."""
        widths, space, room = self._widths[face], self._letters.space_px, self._room
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

    def sign(self, text: str) -> None:
        """Set a sign of ours close to the word before."""
        width = self._widths["bold"][text]
        if width > self._left:
            self._close()
        self._signs.add(len(self._lead) + len(self._words))
        self._put(text, "prose", width, glued=True)

    def finish(self) -> list[Line]:
        """All lines; at least one."""
        if self._started or not self._lines:
            self._close()
        return self._lines

    def _add_breaking(self, word: str, width: int, face: Face) -> None:
        atoms = cast("list[str]", _ATOM.findall(word)) if width == _BREAKABLE else [word]
        widths, space = self._setter.atom_widths[face], self._letters.space_px
        glued = False
        for atom in atoms:
            width = widths[atom]
            gap = space if self._started and not glued else 0
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
        first = self._letters.measure(next(self._letters.units(atom, face)), face)
        if self._started and self._left - gap < max(first, self._room // 4):
            self._close()
            gap = 0
        rest = self._room - self._setter.mark_px
        for number, piece in enumerate(self._setter.pieces(atom, face, self._left - gap, rest)):
            if number:
                self._close()
                self._continued = True
                self._left = rest
                gap, glued = 0, False
            self._put(piece, face, gap + self._letters.measure(piece, face), glued)

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
        self._signs: set[int] = set()
        self._started = self._continued = False

    def _close(self) -> None:
        self._lines.append(
            Line(
                "prose",
                lead=tuple(self._lead),
                words=tuple(self._words),
                tight=frozenset(self._tight) if self._tight else _NONE,
                signs=frozenset(self._signs) if self._signs else _NONE,
                continued=self._continued,
                rtl=self._rtl,
                indent_px=self._indent_px,
            )
        )
        self._left = self._room
        self._begin()


_NONE: frozenset[int] = frozenset()


def _words(text: str) -> list[str]:
    """Text at its white space; control characters are not white space."""
    if _CONTROL_SPACE.search(text):
        return [word for word in _FOLDED.split(text) if word]
    return text.split()
