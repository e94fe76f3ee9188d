"""How many words and exact strings of a text were read without a fault.

Takes lines with what was drawn and what was read, gives shares with the middle
95 % of resampled turns. Knows nothing of pages or engines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from demo.scoring import Line, plain, resampled

from sfumato.facts import exact_strings
from sfumato.turn import Text, Turn

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Share:
    """``found`` of ``total``, and the middle 95 % of it over resampled lines."""

    found: int
    total: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        return self.found / max(1, self.total)


def words_read(lines: Iterable[Line]) -> Share:
    """Words of the drawn text that are among those read, each as often as it was read."""
    return _share(map(_words, lines))


def exact_read(lines: Iterable[Line]) -> Share:
    """Exact strings of the drawn text that stand in what was read, white space aside."""
    return _share(map(_exact, lines))


def _words(line: Line) -> tuple[int, int]:
    drawn, read = (Counter(_WORD.findall(text)) for text in (line.drawn, line.read))
    return (drawn & read).total(), drawn.total()


def _exact(line: Line) -> tuple[int, int]:
    strings = exact_strings(Turn("user", (Text(line.drawn),)))
    read = plain(line.read)
    return sum(plain(string) in read for string in strings), len(strings)


def _share(counts: Iterable[tuple[int, int]]) -> Share:
    listed = list(counts)
    found, total = (sum(each[k] for each in listed) for k in (0, 1))
    return Share(found, total, *resampled(listed))
