"""Words of letters that are all as wide, put together from parts seen before.

Takes a word, gives its Stamp: pixel for pixel what its glyphs give side by side.
A part is as many letters as make whole pixels (at 9 px two, of 4.5 px each): code
has new words on every page, but seldom a new pair of letters. Knows nothing of
fonts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sfumato.renderers.stamps import SUPERSAMPLING, Glyph, Stamp, Stamper

_CACHED_PARTS = 200_000
_PAPER = b"\xff"


class _Part(NamedTuple):
    """A part's pixels, with the paper on both sides that is its own.

    Ink lies from ``left_px`` and ``top_px`` to before ``right_px`` and ``bottom_px``.
    """

    columns: bytes
    left_px: int
    right_px: int
    top_px: int
    bottom_px: int


class Cells(dict[str, "_Part | None"]):
    """Parts of words, found when first asked for; None if one cannot be set by itself.

    ``advance`` is the width of every letter in large pixels. Where it is no whole
    number there are no parts.
    """

    def __init__(
        self,
        stamper: Stamper,
        glyphs: Callable[[str], Sequence[Glyph] | None],
        advance: float,
    ) -> None:
        super().__init__()
        self._stamper, self._glyphs, self._advance = stamper, glyphs, advance
        self._letters = SUPERSAMPLING // math.gcd(int(advance), SUPERSAMPLING)
        self._part_px = int(advance) * self._letters // SUPERSAMPLING

    def stamp(self, word: str, advance_px: int) -> Stamp | None:
        """A word's stamp, or None where its letters must be set side by side."""
        letters, pitch_px = self._letters, self._stamper.pitch_px
        found = [self[word[start : start + letters]] for start in range(0, len(word), letters)]
        parts = [part for part in found if part is not None]
        if not parts or len(parts) < len(found):
            return None
        left = parts[0].left_px
        right = (len(parts) - 1) * self._part_px + parts[-1].right_px
        columns = b"".join([part.columns for part in parts])[left * pitch_px : right * pitch_px]
        top = min([part.top_px for part in parts])
        height = max([part.bottom_px for part in parts]) - top
        return Stamp(left, right - left, advance_px, columns, top, height)

    def __missing__(self, text: str) -> _Part | None:
        if len(self) >= _CACHED_PARTS:
            self.clear()
        part = self[text] = self._found(text)
        return part

    def _found(self, text: str) -> _Part | None:
        glyphs = self._glyphs(text) if self._advance.is_integer() else None
        if glyphs is None or any(glyph.advance != self._advance for glyph in glyphs):
            return None
        stamp = self._stamper.side_by_side(glyphs, 0)
        if stamp is None or not all(map(self._stamper.inside, glyphs)):
            return None
        left, right = stamp.left_px, stamp.left_px + stamp.width_px
        if left < 0 or right > self._part_px:
            return None
        before, after = (
            _PAPER * (width * self._stamper.pitch_px) for width in (left, self._part_px - right)
        )
        columns = before + stamp.columns + after
        return _Part(columns, left, right, stamp.top_px, stamp.top_px + stamp.height_px)
