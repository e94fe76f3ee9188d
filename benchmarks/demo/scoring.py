"""Counting how much of a drawn line was read wrongly.

Takes what was drawn and what was read; gives errors per character. White space
is not compared, since OCR engines guess it; compatibility forms (full width,
ligatures) count as the plain character. Knows nothing of pages or engines.
"""

from __future__ import annotations

import random
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One drawn line: where it stands, whose it is, what it says and what was read."""

    column: int
    row: int
    mark: int
    drawn: str
    read: str
    known: bool

    @property
    def errors(self) -> int:
        """Characters to insert, delete or replace to get what was drawn."""
        return edit_distance(plain(self.read), plain(self.drawn))

    @property
    def characters(self) -> int:
        """Characters drawn, without white space."""
        return len(plain(self.drawn))


@dataclass(frozen=True)
class ErrorRate:
    """Errors per character drawn, with the middle 95 % of resampled turns."""

    rate: float
    low: float
    high: float
    characters: int
    errors: int
    turns: int


def error_rate(lines: Iterable[Line], resamples: int = 1_000) -> ErrorRate:
    """The error rate over lines. Turns are resampled, for errors come in neighbourhoods."""
    turns: dict[int, tuple[int, int]] = {}
    for line in lines:
        errors, characters = turns.get(line.mark, (0, 0))
        turns[line.mark] = (errors + line.errors, characters + line.characters)
    counts = list(turns.values())
    errors, characters = (sum(each[k] for each in counts) for k in (0, 1))
    low, high = resampled(counts, resamples)
    return ErrorRate(errors / max(1, characters), low, high, characters, errors, len(counts))


def resampled(counts: Sequence[tuple[int, int]], resamples: int = 1_000) -> tuple[float, float]:
    """The middle 95 % of shares over resampled (part, whole) counts."""
    draw = random.Random(0)
    rates: list[float] = []
    for _ in range(resamples if counts else 0):
        sample = draw.choices(counts, k=len(counts))
        rates.append(sum(e for e, _ in sample) / max(1, sum(c for _, c in sample)))
    rates = sorted(rates) or [0.0]
    return rates[int(0.025 * len(rates))], rates[int(0.975 * len(rates))]


def plain(text: str) -> str:
    """The characters that are compared."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def edit_distance(one: str, other: str) -> int:
    """Insertions, deletions and replacements that make one text the other.

    All cells of a row at once, as bits of one integer (Myers 1999, in Hyyrö's
    2003 form).

    >>> edit_distance("kitten", "sitting")
    3
    """
    if not one:
        return len(other)
    where: dict[str, int] = defaultdict(int)
    for place, character in enumerate(one):
        where[character] |= 1 << place
    every, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    rises, falls, distance = every, 0, len(one)
    for character in other:
        equal = where.get(character, 0)
        diagonal = (((equal & rises) + rises) ^ rises) | equal | falls
        right_rises = falls | ~(diagonal | rises) & every
        right_falls = rises & diagonal
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises = (right_rises << 1 | 1) & every
        right_falls = (right_falls << 1) & every
        rises = right_falls | ~(diagonal | right_rises) & every
        falls = right_rises & diagonal
    return distance
