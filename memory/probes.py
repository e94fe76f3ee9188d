"""Probe pages: made-up turns, drawn as sfumato draws, with what a reader should find there.

Takes a host's page rules, a type size and a seed; gives a page and its answers. What is
said means something, so that a reader may lean on language as it would on a real page,
but no exact string in it can be guessed. Knows nothing of models and servers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sfumato.renderers import Block, PageRules, Renderer, fit_style
from sfumato.renderers.geometry import PROSE_CHARACTER_EM, pitch_for
from sfumato.turn import Text

CHARACTERS = 2_400
"""Of the turns on a probe page: as many as a model transcribes in one answer."""
_SPARE = 1.5
"""Page area over that of its letters: line ends, names and marks take room too."""
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Said:
    """Something said: the text, and the exact strings in it."""

    text: str
    strings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """A page (PNG) and what is said on it, by turn."""

    png: bytes
    width_px: int
    height_px: int
    type_px: float
    turns: tuple[Said, ...]

    @property
    def strings(self) -> list[str]:
        """The exact strings on the page."""
        return [string for turn in self.turns for string in turn.strings]

    @property
    def words(self) -> list[str]:
        """All other words on the page, in small letters."""
        return [word for turn in self.turns for word in words(turn.text, turn.strings)]


def probe(rules: PageRules, type_px: float, seed: int, renderer: Renderer) -> Probe:
    """A page for a host. A seed says the same at every type size, as far as the page goes.

    RenderError if the host's largest page is too small for such type.
    """
    letters = CHARACTERS * PROSE_CHARACTER_EM * type_px * pitch_for(type_px)
    style = fit_style(rules, type_px, page_px2=int(letters * _SPARE))
    said = conversation(seed)
    blocks = [
        Block(mark, ("assistant", "user")[mark % 2], None, None, False, (Text(turn.text),))
        for mark, turn in enumerate(said, start=1)
    ]
    fullest = max(renderer.draw(blocks, style), key=lambda page: page.last - page.first)
    shown = said[fullest.first - 1 : fullest.last]
    return Probe(fullest.png, fullest.width_px, fullest.height_px, type_px, tuple(shown))


def words(text: str, without: Sequence[str] = ()) -> list[str]:
    """The words of a text in small letters, exact strings left out.

    >>> words("Room B-12 is Anna's.", ["B-12"])
    ['room', 'is', 'anna']
    """
    for string in without:
        text = text.replace(string, " ")
    return _WORD.findall(text.lower())


def conversation(seed: int) -> list[Said]:
    """Turns that fill a probe page and no more."""
    draw = random.Random(seed)
    said: list[Said] = []
    while sum(len(turn.text) for turn in said) < CHARACTERS:
        sentences = [_sentence(draw) for _ in range(draw.randint(1, 3))]
        strings = tuple(string for _, string in sentences if string)
        said.append(Said(" ".join(text for text, _ in sentences), strings))
    return said


def _sentence(draw: random.Random) -> tuple[str, str]:
    """A sentence, and the exact string in it or ""."""
    frame = draw.choice(_FRAMES)
    string = draw.choice(_KINDS)(draw) if "{string}" in frame else ""
    text = frame.format(
        string=string,
        thing=draw.choice(_THINGS),
        other=draw.choice(_THINGS),
        place=draw.choice(_PLACES),
        who=draw.choice(_NAMES),
        how=draw.choice(_WAYS),
    )
    return text, string


_FRAMES = (
    "The {thing} for {place} has the number {string}, please keep it.",
    "{who} wrote that the {thing} is filed under {string} now.",
    "Can you check {string} before the {other} leaves {place}?",
    "I looked again, and it says {string} on the {thing}.",
    "{string} belongs to the {thing}, not to the {other}.",
    "We changed it from {string} because {who} asked for a {how} {thing}.",
    "After lunch {who} sent {string} and a note about the {other}.",
    "The {how} {thing} at {place} came back as {string}, which surprised {who}.",
    "I would rather have the {thing} than another {how} {other}.",
    "{who} was in {place} last week and liked the {thing} very much.",
    "Is there still room for a {thing} beside the {how} {other}?",
    "That sounds good, let us talk about the {other} when you are home.",
)
_THINGS = (
    "parcel", "invoice", "camera", "bicycle", "ticket", "contract", "lamp", "server", "garden",
    "report", "piano", "boiler", "passport", "recipe", "window", "battery", "letter", "printer",
    "meeting", "engine", "carpet", "license", "backup", "painting",
)  # fmt: skip
_PLACES = (
    "the harbour", "the office", "Lisbon", "the second floor", "Oslo", "the workshop", "Nairobi",
    "the station", "the library", "Kyoto", "the north gate", "the kitchen",
)  # fmt: skip
_NAMES = ("Maria", "Jonas", "Priya", "Owen", "Leila", "Tomas", "Grace", "Dmitri", "Aiko", "Samuel")
_WAYS = (
    "cheaper", "quiet", "green", "larger", "used", "wooden", "broken", "modern", "heavy", "simple",
)  # fmt: skip
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SMALL = _CAPITALS.lower()


def _some(draw: random.Random, letters: str, count: int) -> str:
    return "".join(draw.choices(letters, k=count))


def _number(draw: random.Random, digits: int) -> int:
    return draw.randint(10 ** (digits - 1), 10**digits - 1)


def _code(draw: random.Random) -> str:
    first, last = _some(draw, _CAPITALS, 1), _some(draw, _CAPITALS, 2)
    return f"{first}{_number(draw, 1)}-{_number(draw, 4)}-{last}"


def _hash(draw: random.Random) -> str:
    return _some(draw, "0123456789abcdef", 12)


def _amount(draw: random.Random) -> str:
    return f"{_number(draw, 2)},{_number(draw, 3)}.{_number(draw, 2)}"


def _date(draw: random.Random) -> str:
    return f"20{_number(draw, 2)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"


def _address(draw: random.Random) -> str:
    return f"{draw.choice(_NAMES).lower()}.{_some(draw, _SMALL, 5)}@{draw.choice(_THINGS)}.example"


def _path(draw: random.Random) -> str:
    return f"/srv/{draw.choice(_THINGS)}/{_some(draw, _SMALL, 4)}-{_number(draw, 3)}.csv"


def _version(draw: random.Random) -> str:
    return f"v{_number(draw, 1)}.{_number(draw, 2)}.{_number(draw, 1)}-rc{_number(draw, 1)}"


def _invoice(draw: random.Random) -> str:
    return f"INV-{_number(draw, 6)}"


_KINDS = (_code, _hash, _amount, _date, _address, _path, _version, _invoice)
