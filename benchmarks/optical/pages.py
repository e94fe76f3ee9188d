"""Pages of one size, with what stands where: what the host is trained and tested on.

sfumato's own Renderer draws them. Beside the pixels a page has its text as tokens, where
each turn is in them, which visual token should hold each, questions about it, and two maps
of characters: what stands in each patch, and what stands in each stretch of the page when
its lines are laid end to end.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
from dialogue import Pieces, Said, Talker
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from sfumato.renderers import Block, Box, PageRules, Renderer, Style, fit_style
from sfumato.renderers.fonts import Face, FontSet
from sfumato.turn import Text

SIDE = 384
PATCH = 12
SCALE = 4
GRID = SIDE // PATCH
PATCHES = GRID * GRID
TOKENS = PATCHES // SCALE**2
# Type sizes that give about 2, 3.3, 5, 7, 11 and 22 text tokens per visual token.
TIERS = (24.0, 18.5, 15.0, 12.5, 10.0, 7.5)
_CHARACTERS = (350, 620, 960, 1400, 2000, 4200)
SLOTS = 6
NOTHING, SPACE, TURN_END, OTHER = 0, 95, 96, 97
CLASSES = 98
LONGEST = 1536
TURNS = 24
EMPTIEST = 0.4
"""Share of the asked lines below which a page is drawn again: a turn did not fit on it."""
_COUNTED = 20_000
"""Passages whose words are counted."""
QUESTIONS = 4
QUESTION_TOKENS, ANSWER_TOKENS = 24, 24

Map = NDArray[np.uint8]


@dataclass(frozen=True)
class Drawn:
    """A page. ``turns`` are (mark, start, end) in ``ids``; maps are (patches, SLOTS).

    ``starts`` are the stretches in which each of ``ids`` begins.
    """

    tier: int
    pixels: NDArray[np.uint8]
    local: Map
    strip: Map
    ids: list[int]
    starts: list[int]
    turns: list[tuple[int, int, int]]
    facts: list[tuple[list[int], list[int]]]

    @property
    def owners(self) -> list[int]:
        """The visual tokens that should hold each of ``ids``."""
        return [stretch // SCALE**2 for stretch in self.starts]


@cache
def style(tier: int) -> Style:
    """The page that sfumato itself would take for a fixed canvas of this size."""
    rules = PageRules(1, SIDE, SIDE, ((SIDE, SIDE),))
    return fit_style(rules, TIERS[tier], page_px2=SIDE * SIDE)


def load_passages(corpus: Path) -> tuple[list[str], list[str]]:
    """Passages to train on, and every 40th, which is held out."""
    with gzip.open(corpus, "rt") as file:
        every = [json.loads(line) for line in file]
    return [text for k, text in enumerate(every) if k % 40], every[::40]


class Painter:
    """Draws pages of turns that a seeded talker says, a share of them in rare words."""

    def __init__(
        self, passages: list[str], tokenizer: Tokenizer, seed: int, seldom: float = 0.0
    ) -> None:
        self._draw = random.Random(seed)
        pieces = pieces_of(passages[:_COUNTED], tokenizer) if seldom else None
        self._talker = Talker(passages, self._draw, seldom=seldom, pieces=pieces)
        self._tokenizer = tokenizer
        self._renderer = Renderer()

    def page(self, tier: int, fill: float) -> Drawn:
        """A page of one tier, about ``fill`` full."""
        while True:
            found = self._try(tier, fill)
            if found is not None:
                return found

    def _try(self, tier: int, fill: float) -> Drawn | None:
        self._talker.begin()
        room = int(_CHARACTERS[tier] * fill)
        mark = first = self._draw.randint(1, 900)
        said: dict[int, Said] = {}
        while room > 20 and len(said) < TURNS:
            turn = self._talker.turn(min(room, int(_CHARACTERS[tier] * 0.8)))
            said[mark] = turn
            room -= len(turn.text) + 12
            mark += 1
        blocks = [
            Block(mark, turn.role, None, None, False, (Text(turn.text),))
            for mark, turn in said.items()
        ]
        if not blocks:
            return None
        page = self._renderer.draw(blocks, style(tier), boxes=True)[0]
        shown = {mark: turn for mark, turn in said.items() if first <= mark <= page.last}
        lines = sum(self._renderer.height(b, style(tier)).lines for b in blocks if b.mark in shown)
        room = style(tier).columns * style(tier).rows
        if not EMPTIEST * fill * room <= lines <= room:
            return None
        return self._finish(tier, page.png, page.boxes, shown)

    def _finish(
        self, tier: int, png: bytes, boxes: tuple[Box, ...], said: dict[int, Said]
    ) -> Drawn | None:
        texts = [f"#{mark} {turn.role} {turn.text}\n" for mark, turn in said.items()]
        ids: list[int] = []
        turns: list[tuple[int, int, int]] = []
        encoded = self._tokenizer.encode_batch(texts)
        for mark, found in zip(said, encoded, strict=True):
            turns.append((mark, len(ids), len(ids) + len(found.ids)))
            ids += found.ids
        if len(ids) > LONGEST:
            return None
        facts = [fact for turn in said.values() for fact in turn.facts]
        asked = [(self._tokenizer.encode(q).ids, self._tokenizer.encode(a).ids) for q, a in facts]
        asked = [(q, a) for q, a in asked if len(q) <= QUESTION_TOKENS and len(a) <= ANSWER_TOKENS]
        self._draw.shuffle(asked)
        local, strip, stretches = maps(boxes, style(tier))
        spans = [(text, found.offsets) for text, found in zip(texts, encoded, strict=True)]
        pixels = np.asarray(Image.open(BytesIO(png)).convert("L"))
        starts = starts_of(spans, stretches)
        return Drawn(tier, pixels, local, strip, ids, starts, turns, asked[:QUESTIONS])


def pieces_of(passages: list[str], tokenizer: Tokenizer) -> Pieces:
    """The pieces that a tokenizer cuts passages into."""
    found = Counter(chain.from_iterable(e.ids for e in tokenizer.encode_batch(passages)))
    return Pieces({tokenizer.decode([token]): count for token, count in found.items()})


def maps(boxes: tuple[Box, ...], style: Style) -> tuple[Map, Map, list[int]]:
    """The characters of each patch, and of each stretch of the lines laid end to end.

    A patch's slots are parts of its width; a stretch's are filled in order. Last the
    stretches in which the characters stand, one by one, spaces left out.
    """
    local = np.zeros((PATCHES, SLOTS), np.uint8)
    strip = np.zeros((PATCHES, SLOTS), np.uint8)
    used = np.zeros(PATCHES, np.int64)
    stretches: list[int] = []
    stride = style.column_px + style.gutter_px
    lines = style.columns * style.rows

    def put(label: int, x: float, line: int, row: int) -> int:
        """Enter a character whose middle is at ``x`` in both maps; gives its stretch."""
        column = min(style.columns - 1, max(0, int(x - style.margin_px) // stride))
        y = style.bar_px + (row + 0.5) * style.pitch_px
        place = min(GRID - 1, int(y) // PATCH) * GRID + min(GRID - 1, int(x) // PATCH)
        along = (x - column * stride) / stride
        stretch = min(PATCHES - 1, int((line + min(0.999, max(0.0, along))) / lines * PATCHES))
        across = int(x % PATCH / PATCH * SLOTS)
        free = np.flatnonzero(local[place, across:] == NOTHING)
        if len(free):
            local[place, across + free[0]] = label
        at = PLACE_OF_STRETCH[stretch]
        if used[at] < SLOTS:
            strip[at, used[at]] = label
            used[at] += 1
        return stretch

    last: tuple[float, int, int] | None = None
    for box in boxes:
        if box.kind not in ("text", "lead"):
            continue
        column = min(style.columns - 1, max(0, int(box.x0 - style.margin_px) // stride))
        row = max(0, ((box.y0 + box.y1) // 2 - style.bar_px) // style.pitch_px)
        line = column * style.rows + row
        if last is not None:
            starts_turn = box.kind == "lead" and box.text.startswith("#")
            put(TURN_END if starts_turn else SPACE, *last)
        widths = _advances(box, style)
        step = (box.x1 - box.x0) / sum(widths)
        x = float(box.x0)
        for character, width in zip(box.text, widths, strict=True):
            stretches.append(put(label_of(character), x + width * step / 2, line, row))
            x += width * step
        last = (x + 1, line, row)
    if last is not None:
        put(TURN_END, *last)
    return local, strip, stretches


def starts_of(
    spans: Sequence[tuple[str, Sequence[tuple[int, int]]]], stretches: Sequence[int]
) -> list[int]:
    """The stretch of each text token: that of its first letter, or of the token before.

    ``spans`` are texts with where their tokens start and end.

    >>> starts_of([("ab c", [(0, 1), (1, 2), (2, 3), (2, 4)])], [0, 16, 500])
    [0, 16, 16, 500]
    """
    starts: list[int] = []
    last, letters = 0, iter(stretches)
    for text, offsets in spans:
        at = [None if character.isspace() else next(letters) for character in text]
        for start, end in offsets:
            stretch = next((place for place in at[start:end] if place is not None), None)
            if stretch is not None:
                last = max(last, stretch)
            starts.append(last)
    return starts


def _advances(box: Box, style: Style) -> list[float]:
    """How far each character of a word moves the pen, in ems of the face that it is set in."""
    faces: tuple[Face, ...] = ("bold",) if box.kind == "lead" else ("prose", "mono")
    found = [[_advance(character, face) for character in box.text] for face in faces]
    return min(found, key=lambda each: abs(sum(each) * style.type_px - (box.x1 - box.x0)))


@cache
def _advance(character: str, face: Face) -> float:
    runs = _fonts().runs(character, face)
    return sum(_fonts().load(run.font, 100).getlength(run.shown) for run in runs) / 100


@cache
def _fonts() -> FontSet:
    return FontSet()


def label_of(character: str) -> int:
    """The class of a character: printable ASCII is told apart, all else is one."""
    return ord(character) - 32 if "!" <= character <= "~" else OTHER


def _place_of_stretch() -> NDArray[np.int64]:
    """The patch that stands for each stretch: along the visual tokens, then inside them."""
    across = GRID // SCALE
    stretch = np.arange(PATCHES)
    token, inside = stretch // SCALE**2, stretch % SCALE**2
    y = token // across * SCALE + inside // SCALE
    x = token % across * SCALE + inside % SCALE
    return y * GRID + x


PLACE_OF_STRETCH = _place_of_stretch()
