"""Which letters take more room than plain ones, as ranges for regular expressions' classes.

Knows nothing of fonts, sizes or lines.
"""

from __future__ import annotations

STACKED = "\u0900-\u109f\u1780-\u17ff"
"""Indic scripts, Thai, Lao, Tibetan, Burmese, Khmer: marks stack above and below letters."""

ARABIC = "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc"

MARKED = "\u0100-\u024f\u0300-\u036f\u0386-\u0390\u03aa-\u03b0\u03ca-\u03ce\u1e00-\u1fff"
"""Latin letters beyond those of Western Europe, Greek letters with marks, and marks alone."""

SQUARE = (
    "\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff01-\uffdc"
    "\U0001b000-\U0001b2ff\U00020000-\U0003ffff"
)
"""Ideographs, kana and Hangul, which fill their whole square."""
