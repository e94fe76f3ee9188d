"""How well a turn answers a question: BM25, as pure functions.

Knows nothing of storage or words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

# The usual constants of BM25 (Robertson & Zaragoza 2009).
_SATURATION = 1.2
_LENGTH_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Collection:
    """What is searched: how many turns, and how many terms they hold together."""

    turns: int
    terms: int


def weight(turns: int, holders: int) -> float:
    """How telling a term is that ``holders`` of ``turns`` hold; always positive."""
    return math.log(1 + (turns - holders + 0.5) / (holders + 0.5))


def saturation(frequency: Any, length: Any, collection: Collection) -> Any:
    """What a term's frequency in a turn of ``length`` terms is worth.

    Takes numbers or SQL columns alike.
    """
    mean_length = max(collection.terms / max(collection.turns, 1), 1.0)
    norm = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * length / mean_length)
    return frequency * (_SATURATION + 1) / (frequency + norm)
