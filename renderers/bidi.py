"""In which order the letters of a line are seen, where scripts of both directions meet.

Takes text and its base direction, gives levels (even: left to right, odd: right
to left) and the order that levels are seen in. These are the implicit rules of
Unicode's bidirectional algorithm (UAX #9, revision 50: W1-W7, N0-N2, I1-I2, L2).
The explicit ones do not apply: pages show directional controls as code points,
so that remembered text cannot reorder its neighbours. Knows nothing of fonts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# The pairs of BidiBrackets.txt that occur in text (N0).
_CLOSING = dict(
    zip("([{\u2329\u3008⟨⟦⦅「『【〔《（［｛", ")]}\u232a\u3009⟩⟧⦆」』】〕》）］｝", strict=True)
)
_OPENING = {close: opening for opening, close in _CLOSING.items()}
_MOST_OPEN = 63

# The blocks that hold all characters of right-to-left scripts.
_MAY_TURN = re.compile(
    "[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)

_STRONG = ("L", "R")
_NEUTRAL = ("ON", "WS")
_SPACES = ("B", "S", "WS")
_KEPT = ("L", "R", "AL", "EN", "ES", "ET", "AN", "CS", "NSM")


def turns_right(text: str) -> bool:
    """Whether any character of the text is written from right to left.

    >>> turns_right("abc"), turns_right("abc ש")
    (False, True)
    """
    if text.isascii() or _MAY_TURN.search(text) is None:
        return False
    return any(_kind(c) in ("R", "AL", "AN") for c in text)


def pieces(text: str) -> list[str]:
    """The text cut wherever its direction may change, whatever stands around it.

    >>> pieces("ש12-ab")
    ['ש', '12', '-', 'ab']
    """
    found: list[str] = []
    last = ""
    for character in text:
        kind = _kind(character)
        if found and kind in (last, "NSM"):
            found[-1] += character
        else:
            found.append(character)
            last = kind
    return found


def right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is of a right-to-left script (P2, P3)."""
    if text.isascii():
        return False
    return next((kind for kind in map(_kind, text) if kind in ("L", "R", "AL")), "L") != "L"


def levels(text: str, *, rtl: bool) -> list[int]:
    """The level of each character of a line whose base direction is given.

    >>> levels("a ש1", rtl=False)
    [0, 0, 1, 2]
    """
    base = 1 if rtl else 0
    outside = "R" if rtl else "L"
    kinds = _weak([_kind(character) for character in text], outside)
    _brackets(text, kinds, outside)
    _neutrals(kinds, outside)
    return [base + _raise(kind, base) for kind in kinds]


def order(found: Sequence[int]) -> list[int]:
    """Indexes from the leftmost to the rightmost (L2).

    >>> order([0, 1, 1, 0])
    [0, 2, 1, 3]
    """
    places = list(range(len(found)))
    odd = [level for level in found if level % 2]
    for level in range(max(found, default=0), min(odd, default=1) - 1, -1):
        start = 0
        while start < len(places):
            end = start
            while end < len(places) and found[places[end]] >= level:
                end += 1
            places[start:end] = places[start:end][::-1]
            start = max(end, start + 1)
    return places


@lru_cache(maxsize=65536)
def _kind(character: str) -> str:
    """Bidi class; spaces as WS, controls and all that has no rule of its own as ON."""
    kind = unicodedata.bidirectional(character)
    if kind in _KEPT:
        return kind
    return "WS" if kind in _SPACES else "ON"


def _weak(kinds: list[str], outside: str) -> list[str]:
    """W1 to W7: numbers, their separators and marks."""
    last = outside
    for at, kind in enumerate(kinds):
        if kind == "NSM":
            kinds[at] = last
        last = kinds[at]
    strong = outside
    for at, kind in enumerate(kinds):
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "AL":
            kinds[at] = "AN"
    kinds = ["R" if kind == "AL" else kind for kind in kinds]
    for at in range(1, len(kinds) - 1):
        before, kind, after = kinds[at - 1 : at + 2]
        if (kind in ("ES", "CS") and before == after == "EN") or (
            kind == "CS" and before == after == "AN"
        ):
            kinds[at] = before
    _terminators(kinds)
    kinds = ["ON" if kind in ("ES", "ET", "CS") else kind for kind in kinds]
    strong = outside
    for at, kind in enumerate(kinds):
        if kind in _STRONG:
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[at] = "L"
    return kinds


def _terminators(kinds: list[str]) -> None:
    """W5: signs beside a number belong to it."""
    for places in (range(len(kinds)), range(len(kinds) - 1, -1, -1)):
        near = False
        for at in places:
            if kinds[at] == "ET" and near:
                kinds[at] = "EN"
            near = kinds[at] == "EN"


def _brackets(text: str, kinds: list[str], outside: str) -> None:
    """N0: both brackets of a pair take one direction."""
    for first, last in _pairs(text, kinds):
        inside = {_strong(kind) for kind in kinds[first + 1 : last]}
        if outside in inside:
            direction = outside
        elif inside & set(_STRONG):
            before = (_strong(kind) for kind in reversed(kinds[:first]))
            direction = next((kind for kind in before if kind in _STRONG), outside)
        else:
            continue
        for at in (first, last):
            kinds[at] = direction
            # Marks on a bracket go with it.
            while at + 1 < len(text) and unicodedata.bidirectional(text[at + 1]) == "NSM":
                at += 1
                kinds[at] = direction


def _pairs(text: str, kinds: Sequence[str]) -> list[tuple[int, int]]:
    """Matching brackets, by their opening."""
    opened: list[tuple[str, int]] = []
    found: list[tuple[int, int]] = []
    for at, character in enumerate(text):
        if kinds[at] != "ON":
            continue
        if character in _CLOSING:
            if len(opened) == _MOST_OPEN:
                break
            opened.append((_CLOSING[character], at))
        elif character in _OPENING:
            for depth in range(len(opened) - 1, -1, -1):
                if _same(opened[depth][0], character):
                    found.append((opened[depth][1], at))
                    del opened[depth:]
                    break
    return sorted(found)


def _same(one: str, other: str) -> bool:
    """Angle brackets have two code points each that are canonically the same."""
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def _neutrals(kinds: list[str], outside: str) -> None:
    """N1 and N2: what has no direction takes its neighbours', or the line's."""
    start = 0
    while start < len(kinds):
        end = start
        while end < len(kinds) and kinds[end] in _NEUTRAL:
            end += 1
        if end > start:
            before = _strong(kinds[start - 1]) if start else outside
            after = _strong(kinds[end]) if end < len(kinds) else outside
            kinds[start:end] = [before if before == after else outside] * (end - start)
        start = max(end, start + 1)


def _strong(kind: str) -> str:
    """Numbers count as right-to-left beside neutrals."""
    return "R" if kind in ("EN", "AN") else kind


def _raise(kind: str, base: int) -> int:
    """I1 and I2: how far above the base level."""
    if base:
        return 0 if kind == "R" else 1
    return {"L": 0, "R": 1}.get(kind, 2)
