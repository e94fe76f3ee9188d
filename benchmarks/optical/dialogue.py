"""Turns to draw and questions about them, made from free text by a seeded generator.

Knows nothing of pages. A fact is a sentence with an exact string that a question asks for.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

ROLES = ("user", "assistant", "user", "assistant", "user", "assistant", "tool")
_OWNERS = [
    "Anna",
    "Ben",
    "Carla",
    "David",
    "Elena",
    "Farid",
    "Grace",
    "Hugo",
    "Iris",
    "Jonas",
    "Karin",
    "Leo",
    "Mona",
    "Nils",
    "Olga",
    "Pavel",
    "Rosa",
    "Sven",
    "Tara",
    "Uwe",
    "Vera",
    "Walter",
    "Yara",
    "Zoe",
]
_THINGS = [
    "door code",
    "flight",
    "invoice number",
    "room",
    "locker",
    "ticket",
    "order number",
    "budget",
    "meeting date",
    "phone extension",
    "license plate",
    "tracking number",
    "server",
    "branch",
    "build",
    "seat",
    "gate",
    "account",
    "part number",
    "commit",
    "password hint",
    "badge number",
    "parking spot",
    "deadline",
    "train",
    "case number",
    "host name",
    "serial number",
    "backup file",
    "port",
]
_SAYS = (
    "{owner}'s {thing} is {value}.",
    "The {thing} of {owner} is {value}.",
    "Note for later: {owner}'s {thing} is {value}.",
    "{owner} told me that the {thing} is {value}.",
    "For {owner} we have the {thing} {value}.",
)
_OPENINGS = (
    "Could you look at this? ",
    "Thanks, that helps. ",
    "I read the following: ",
    "Sure. ",
    "Let me quote it: ",
    "One more thing. ",
    "As I said, ",
    "Here is what I found. ",
)

_PIECE = re.compile(r" ?[!-~]{1,20}")


@dataclass(frozen=True)
class Said:
    """A turn before it has a mark. ``facts`` are (question, answer)."""

    role: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()


class Pieces:
    """Pieces of words, spaces before them included, by how often each occurs in free text."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        known = {piece: count for piece, count in counts.items() if _PIECE.fullmatch(piece)}
        self._pieces = list(known)
        # What is a hundred times as frequent is taken ten times as often.
        self._reach = list(accumulate(count**0.5 for count in known.values()))

    def some(self, draw: random.Random, most: int) -> str:
        """Pieces side by side, of at most ``most`` characters."""
        text = ""
        while True:
            (piece,) = draw.choices(self._pieces, cum_weights=self._reach)
            if len(text) + len(piece) > most:
                return text.strip() or "?"
            text += piece


@dataclass
class Talker:
    """Makes turns. ``scramble`` is the share of turns made of meaningless words.

    ``seldom`` is the share made of ``pieces`` of words, in no order, most of them rare: free
    text is mostly its hundred most frequent words, and shows others too seldom to be learned.
    """

    passages: list[str]
    draw: random.Random
    scramble: float = 0.12
    seldom: float = 0.0
    pieces: Pieces | None = None
    _used: set[tuple[str, str]] = field(default_factory=set)

    def begin(self) -> None:
        """Start a page: no two facts on it share owner and thing."""
        self._used.clear()

    def turn(self, most: int) -> Said:
        """A turn of at most about ``most`` characters."""
        if self.pieces is not None and self.draw.random() < self.seldom:
            return Said(self.draw.choice(ROLES), self.pieces.some(self.draw, min(most, 300)))
        kind = self.draw.random()
        if kind < self.scramble:
            return Said(self.draw.choice(ROLES), self._noise(min(most, self.draw.randint(20, 160))))
        text = self._passage(min(most, self.draw.choice((60, 120, 200, 300, 500, 800))))
        if kind < 0.45 and "\n" not in text:
            text = self.draw.choice(_OPENINGS) + text
        if kind > 0.55:
            sentence, fact = self._fact()
            if "\n" in text:
                text = f"{sentence}\n{text}"
            else:
                text = f"{text} {sentence}" if self.draw.random() < 0.5 else f"{sentence} {text}"
            return Said(self.draw.choice(ROLES), text, (fact,))
        return Said(self.draw.choice(ROLES), text)

    def _passage(self, most: int) -> str:
        text = self.draw.choice(self.passages)
        if len(text) <= most:
            return text
        sign = "\n" if "\n" in text else " "
        start = text.find(sign, self.draw.randrange(len(text) - most)) + 1
        cut = text.rfind(sign, start, start + most)
        return text[start : cut if cut > start else start + most].strip("\n ")

    def _fact(self) -> tuple[str, tuple[str, str]]:
        while True:
            key = self.draw.choice(_OWNERS), self.draw.choice(_THINGS)
            if key not in self._used:
                break
        self._used.add(key)
        owner, thing = key
        value = identifier(self.draw)
        sentence = self.draw.choice(_SAYS).format(owner=owner, thing=thing, value=value)
        return sentence, (f"What is {owner}'s {thing}?", value)

    def _noise(self, length: int) -> str:
        words: list[str] = []
        while sum(map(len, words)) + len(words) < length:
            if self.draw.random() < 0.4:
                words.append(identifier(self.draw))
            else:
                letters = self.draw.choices(string.ascii_lowercase, k=self.draw.randint(1, 9))
                words.append("".join(letters))
        return " ".join(words)


def identifier(draw: random.Random) -> str:
    """An exact string: a number, hash, flight, date, amount, name or path."""

    def some(alphabet: str, low: int, high: int) -> str:
        return "".join(draw.choices(alphabet, k=draw.randint(low, high)))

    upper, lower, digits = string.ascii_uppercase, string.ascii_lowercase, string.digits
    return draw.choice(
        (
            lambda: some(digits, 3, 7),
            lambda: some(upper, 2, 2) + some(digits, 3, 4),
            lambda: some("0123456789abcdef", 7, 8),
            lambda: f"20{draw.randint(10, 39)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
            lambda: f"${draw.randint(1, 9999)}.{draw.randint(0, 99):02}",
            lambda: f"{some(lower, 3, 7)}_{some(lower, 3, 7)}",
            lambda: f"/{some(lower, 2, 5)}/{some(lower, 3, 7)}.{draw.choice(('py', 'txt', 'gz'))}",
            lambda: f"{some(upper, 3, 3)}-{some(digits, 2, 4)}",
            lambda: f"{draw.randint(0, 23):02}:{draw.randint(0, 59):02}",
        )
    )()
