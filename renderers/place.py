"""Where the words of a line stand.

Takes a Line and where it starts, gives its words, each with its Stamp and the
place of its pen, in reading order. Knows nothing of pages or pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from sfumato.renderers import bidi
from sfumato.renderers.glyphs import Letters
from sfumato.renderers.stamps import Stamp
from sfumato.renderers.typeset import CONTINUATION, Line, Typesetter

Kind: TypeAlias = Literal["text", "lead", "sign", "bar"]
# A word on its line: where the pen is that its stamp counts from, the stamp, the text
# and whose it is. Plain tuples, for there is one for every word drawn.
Placed: TypeAlias = tuple[int, Stamp, str, Kind]


class Placing:
    """Places words set in one type size."""

    def __init__(self, letters: Letters, setter: Typesetter) -> None:
        self._letters, self._setter = letters, setter
        self._prose, self._bold = letters.stamps("prose"), letters.stamps("bold")
        self._mono, self._mono_rtl = (
            letters.stamps("mono"),
            letters.stamps("mono", rtl=True),
        )

    def place(self, line: Line, start: int, end: int) -> list[Placed]:
        """The words of a line from ``start`` in a column that ends at ``end``."""
        found: list[Placed] = []
        if line.continued:
            found.append((start, self._prose[CONTINUATION], CONTINUATION, "sign"))
            start += self._setter.mark_px
        if line.kind == "code":
            self._code(line.words[0], start, found)
        elif line.kind == "prose":
            self._words(line, start, end, found)
        return found

    def _words(self, line: Line, pen: int, end: int, found: list[Placed]) -> None:
        space, tight, signs = self._letters.space_px, line.tight, line.signs
        if line.lead:
            for word in line.lead:
                stamp = self._bold[word]
                found.append((pen, stamp, word, "lead"))
                pen += stamp.advance_px + space
            if not line.words or len(line.lead) in tight:
                pen -= space
        if line.rtl or bidi.turns_right("".join(line.words)):
            found += self._both_ways(line, pen, end)
            return
        stamps = self._prose
        if not tight and not signs:
            for word in line.words:
                stamp = stamps[word]
                found.append((pen, stamp, word, "text"))
                pen += stamp.advance_px + space
            return
        for index, word in enumerate(line.words, start=len(line.lead)):
            if index in tight and index > len(line.lead):
                pen -= space
            if index in signs:
                stamp = self._bold[word]
                found.append((pen, stamp, word, "sign"))
            else:
                stamp = stamps[word]
                found.append((pen, stamp, word, "text"))
            pen += stamp.advance_px + space

    def _code(self, text: str, start: int, found: list[Placed]) -> None:
        cell, mono = self._letters.cell_px, self._mono
        plain = text.isascii()
        for at, word in self._setter.cells(text):
            stamps = mono if plain or not bidi.right_to_left(word) else self._mono_rtl
            found.append((start + round(at * cell), stamps[word], word, "text"))

    def _both_ways(self, line: Line, start: int, end: int) -> list[Placed]:
        """Words of a line in which right-to-left letters occur, where they are seen."""
        room = end - start
        segments = _segments(line)
        if self._least(segments) > room:
            # Clusters of foreign marks may be wider cut than whole.
            segments = _uncut(segments)
        gaps = sum(segment.text == " " for segment in segments)
        # Pieces of words are rounded up one by one: spaces make room for them.
        spare = room - self._least(segments)
        space = min(self._letters.space_px, 1 + max(0, spare) // gaps) if gaps else 0
        places: dict[int, int] = {}
        pen = start
        for index in bidi.order([segment.level for segment in segments]):
            places[index] = pen
            pen += space if segments[index].text == " " else self._stamp(segments[index]).advance_px
        return [
            (places[index], self._stamp(segment), segment.text, "text")
            for index, segment in enumerate(segments)
            if segment.text != " "
        ]

    def _least(self, segments: Sequence[_Segment]) -> int:
        """The least room they take."""
        return sum(1 if s.text == " " else self._stamp(s).advance_px for s in segments)

    def _stamp(self, segment: _Segment) -> Stamp:
        return self._letters.stamps("prose", rtl=segment.level % 2 == 1)[segment.text]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A space, a word, or the piece of a word that runs in one direction.

    ``word`` is the index of the word; a space has that of the word after it.
    """

    text: str
    level: int
    word: int


def _segments(line: Line) -> list[_Segment]:
    """A line's words and spaces, cut where the direction may change, in reading order.

    Words with right-to-left letters are cut as they were measured.
    """
    pieces: list[tuple[int, str]] = []
    for index, word in enumerate(line.words):
        if index and len(line.lead) + index not in line.tight:
            pieces.append((index, " "))
        parts = bidi.pieces(word) if bidi.turns_right(word) else [word]
        pieces += [(index, part) for part in parts]
    levels = bidi.levels("".join(piece for _, piece in pieces), rtl=line.rtl)
    found: list[_Segment] = []
    start = 0
    for index, piece in pieces:
        at, end = start, start + len(piece)
        for place in range(start + 1, end + 1):
            if place == end or levels[place] != levels[at]:
                found.append(_Segment(piece[at - start : place - start], levels[at], index))
                at = place
        start = end
    return found


def _uncut(segments: Sequence[_Segment]) -> list[_Segment]:
    """Each word in one piece again, running as its beginning does."""
    found: list[_Segment] = []
    for segment in segments:
        last = found[-1] if found else None
        if last is None or " " in (segment.text, last.text) or last.word != segment.word:
            found.append(segment)
        else:
            found[-1] = replace(last, text=last.text + segment.text)
    return found
