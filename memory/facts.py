"""Exact strings: what a reader must not get wrong by a character.

Pages give the gist; ids, hashes, URLs, paths, amounts, dates and code names
ride beside them as text. ``exact_strings`` finds them in a turn's text, by
shape rather than by a list of known kinds; ``factsheet`` lays the strings of
many turns out under their marks within a token limit. Knows nothing of hosts
or storage.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sfumato.plain import body
from sfumato.turn import Turn

HEADING = "Exact strings from the pages, by turn:"
SEPARATOR = " · "
LONGEST = 400
"""Characters; a longer unbroken string is left to recall."""

_EDGES = "\"'`.,;:!?()[]{}<>«»“”‘’„…*|~"
_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
# Strings that hold spaces: written dates, grouped digits (phones, IBANs, amounts with a unit).
_SPACED = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTHS}\b\.?(?:,?\s\d{{4}}\b)?"
    rf"|\b{_MONTHS}\.?\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s\d{{4}}\b)?"
    rf"|\b{_MONTHS}\s\d{{4}}\b"
    r"|\b[A-Z]{2}\d{2}(?:\s[0-9A-Z]{4}){2,8}(?:\s[0-9A-Z]{1,4})?\b"
    r"|\+?\(?\d[\d().-]*(?:\s[\d().-]*\d[\d().-]*){1,6}"
    r"|(?:[$€£¥₹₩]|\b(?:USD|EUR|GBP|CHF|JPY|CNY))\s?\d[\d.,]*(?:\s?(?:[kKMB]|bn|million|billion)\b)?"
    r"|\b\d[\d.,]*\s?(?:[$€£¥₹₩%]|(?:USD|EUR|GBP|CHF|JPY|CNY|kWh|[kMG]i?B|km|kg|ms)\b)",
    re.IGNORECASE,
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"'`]+[^\s<>\"'`.,;:!?)\]}]")
_CAMEL = re.compile(r"[a-z][A-Z]|[A-Z]{2,}[a-z]")


def exact_strings(turn: Turn) -> tuple[str, ...]:
    """The exact strings in a turn, in order of appearance, each once."""
    text = body(turn)
    found: dict[str, None] = {}
    for match in _URL.finditer(text):
        found[match.group()] = None
    rest = _URL.sub(" ", text)
    for match in _SPACED.finditer(rest):
        found[" ".join(match.group().split()).strip(_EDGES)] = None
    for word in _SPACED.sub(" ", rest).split():
        for piece in _pieces(word.strip(_EDGES)):
            found[piece] = None
    return tuple(s for s in found if s and len(s) <= LONGEST and _printable(s))


def _pieces(word: str) -> list[str]:
    """The exact strings within one unbroken word: itself, or the values inside JSON."""
    if not word or len(word) > 4 * LONGEST:
        return []
    if len(word) > 12 and re.search(r"[\"{}\[\]]", word):
        inner = [p.strip(_EDGES) for p in re.split(r"[\"'{}\[\],]+", word)]
        return [p for p in inner if p and _is_exact(p)]
    return [word] if _is_exact(word) else []


def _is_exact(word: str) -> bool:
    if len(word) < 2 or (word.isalpha() and not _CAMEL.search(word)):
        return False
    digits = sum(c.isdigit() for c in word)
    if digits and (digits >= 2 or any(c.isalpha() for c in word)):
        return True
    if not word.isascii():
        return "@" in word
    return len(word) > 3 and bool(
        "@" in word[1:-1]
        or "_" in word[1:-1]
        or ("/" in word and len(word) > 5)
        or "\\" in word
        or _CAMEL.search(word)
        or re.fullmatch(r"\w+(?:\.\w+)+(?:\(\))?", word)
        or re.fullmatch(r"--?[a-z][\w-]+(?:=.*)?", word)
    )


def _printable(text: str) -> bool:
    """No controls, surrogates or invisible format characters: those are left to recall."""
    return all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)


@dataclass(frozen=True, slots=True)
class Factsheet:
    """The sheet's text ('' when there is nothing to say) and its tokens.

    ``left_out`` are the marks whose strings did not fit, oldest first.
    """

    text: str
    tokens: int
    left_out: tuple[int, ...] = ()


def factsheet(
    strings: Iterable[tuple[int, Sequence[str]]], limit: int, count: Callable[[str], int]
) -> Factsheet:
    """Lay out (mark, strings) pairs, oldest first, within ``limit`` tokens.

    Newest turns come first in right: when the limit is reached, the oldest
    lines give way to one line naming their marks. A string is listed once, at
    the newest turn that holds it.
    """
    seen: set[str] = set()
    lines: list[tuple[int, str]] = []
    for mark, found in sorted(strings, reverse=True):
        fresh = [s for s in found if s not in seen]
        seen.update(fresh)
        if fresh:
            lines.append((mark, f"#{mark} {SEPARATOR.join(fresh)}"))
    if not lines:
        return Factsheet("", 0)
    marks = [mark for mark, _ in lines]
    costs = [count(line + "\n") for _, line in lines]
    kept = 0
    used = count(HEADING + "\n")
    while kept < len(lines) and used + costs[kept] <= limit:
        used, kept = used + costs[kept], kept + 1
    # Lines were counted one by one; what holds is the count of the whole, and the line
    # that names what is left out takes its own share.
    while kept >= 0:
        rest = tuple(reversed(marks[kept:]))
        text = _sheet(lines[:kept], _overflow(rest[0], rest[-1]) if rest else "")
        tokens = count(text)
        if tokens <= limit:
            return Factsheet(text, tokens, rest)
        kept -= 1
    return Factsheet("", 0, tuple(reversed(marks)))


def _overflow(first: int, last: int) -> str:
    which = f"#{first}" if first == last else f"#{first}-#{last}"
    return f"{which}: more exact strings; recall them by mark\n"


def _sheet(lines: Sequence[tuple[int, str]], overflow: str) -> str:
    listed = "\n".join(line for _, line in reversed(lines))
    return f"{HEADING}\n{overflow}{listed}".rstrip("\n")
