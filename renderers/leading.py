"""How far apart a turn's lines must stand for its script.

Takes a Block and a Style, gives the style that the block is set in. Knows nothing of
fonts, words or pixels.

Lines of plain Latin, Cyrillic and Hebrew letters may touch. Where marks stand above or
below letters, or letters fill their whole square, lines that touch are misread: there type
is set smaller and lines further apart, in the same area. Measured with Tesseract on ten
languages at 8 to 18 px (benchmarks/results/scripts.md): at 14 px it reads, so set, none of
Hindi wrong, 0.9 % of Arabic and of Vietnamese and 3.7 % of Thai; before, with lines
as close as those of plain Latin letters, it read 12, 11, 2.8 and 11 % wrong.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sfumato.renderers.geometry import Block, Style
from sfumato.renderers.scripts import ARABIC, MARKED, SQUARE, STACKED
from sfumato.turn import Turn


class _Script(NamedTuple):
    """Letters whose lines stand ``pitch`` type sizes apart where ``share`` of a text is of them."""

    letters: re.Pattern[str]
    share: float
    pitch: float


_SCRIPTS = (
    _Script(re.compile(f"[{ARABIC}{STACKED}]"), share=0.2, pitch=1.2),
    # Polish, Czech, Turkish, Vietnamese, Greek. The marks of French, German and Spanish are
    # no higher than an l, and rarer.
    _Script(re.compile(f"[{MARKED}]"), share=0.02, pitch=1.12),
    _Script(re.compile(f"[{SQUARE}]"), share=0.2, pitch=1.06),
)


def styled(block: Block, style: Style) -> Style:
    """The style a block is set in: its priority's, its lines as far apart as its script needs."""
    own = style.of(block.priority)
    if block.note is not None:
        return own
    text = Turn("user", block.parts).text
    return own if text.isascii() else own.opened(_pitch(text))


def _pitch(text: str) -> float:
    """How many type sizes lines of a text stand apart at least; 0 where they may touch."""
    for letters, share, pitch in _SCRIPTS:
        if len(letters.findall(text)) > share * len(text):
            return pitch
    return 0
