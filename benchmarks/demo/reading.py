"""Reading pages back with an OCR engine, and counting its errors.

Takes drawn pages, gives what RapidOCR reads in each line and how many
characters differ from what was drawn. The engine (PP-OCRv6, detection and
recognition, in the package itself) gets each column of a page as a picture,
magnified, and knows nothing of its text.

White space is not compared, since engines guess it; compatibility forms (full
width, ligatures) count as the plain character. Characters outside the engine's
alphabet (it has no Cyrillic, Hangul, Arabic, Hebrew or Devanagari) can only be
read wrongly, so lines that hold any are also counted apart.
"""

from __future__ import annotations

import os
import random
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from threading import local
from typing import Any

import numpy as np
from PIL import Image
from rapidocr import RapidOCR

from sfumato.renderers import Page, Style
from sfumato.renderers.fonts import FontSet

MAGNIFIED = 2
"""Three times reads no better and loses more of the spaces."""
MOST_THREADS = 4
"""Each engine takes about half a gigabyte."""
SETTINGS = {
    "Global.log_level": "error",
    "Global.use_cls": False,  # no line is upside down
    "Global.text_score": 0.0,  # what it is unsure of counts too
    "Global.max_side_len": 100_000,
    "Det.limit_type": "max",
    "Det.limit_side_len": 100_000,
    "Rec.rec_batch_num": 1,  # a batch is padded to its longest line: slower on a CPU
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


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


class Reader:
    """Reads pages, several at a time; each thread has an engine of one core.

    ``alphabet`` is what the engine can write.
    """

    def __init__(self) -> None:
        self._local = local()
        self._fonts = FontSet()
        self.alphabet = frozenset(self._engine().text_rec.session.get_character_list())

    def read_all(self, pages: Sequence[tuple[Page, Style]]) -> Iterable[list[Line]]:
        """The lines of each page, in the order of the pages."""
        with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as threads:
            yield from threads.map(lambda page: self.read(*page), pages)

    def read(self, page: Page, style: Style) -> list[Line]:
        """The lines of a page that was drawn with its boxes."""
        drawn, marks = self._drawn(page, style)
        read = self._read(page, style)
        lines: list[Line] = []
        for at in sorted(drawn.keys() | read.keys()):
            text = drawn.get(at, "")
            known = self.alphabet.issuperset(plain(text))
            lines.append(Line(*at, marks.get(at, page.first), text, read.get(at, ""), known))
        return lines

    def _drawn(
        self, page: Page, style: Style
    ) -> tuple[dict[tuple[int, int], str], dict[tuple[int, int], int]]:
        """What stands on each (column, row), and the mark of the turn it belongs to."""
        words: dict[tuple[int, int], list[str]] = defaultdict(list)
        marks: dict[tuple[int, int], int] = {}
        mark = page.first
        for box in page.boxes:
            if box.kind in ("bar", "picture"):
                continue
            column = box.x0 // (style.column_px + style.gutter_px)
            row = int(((box.y0 + box.y1) / 2 - style.bar_px) // style.pitch_px)
            if box.kind == "lead" and box.text.startswith("#"):
                mark = int(box.text[1:])
            words[column, row].append("".join(r.shown for r in self._fonts.runs(box.text, "prose")))
            marks[column, row] = mark
        return {at: " ".join(found) for at, found in words.items()}, marks

    def _read(self, page: Page, style: Style) -> dict[tuple[int, int], str]:
        """What the engine reads on each (column, row)."""
        picture = Image.open(BytesIO(page.png)).convert("RGB")
        stride = style.column_px + style.gutter_px
        found: dict[tuple[int, int], list[tuple[float, str]]] = defaultdict(list)
        for column in range(max(1, page.width_px // stride)):
            left = column * stride
            right = min(left + stride, page.width_px)
            strip = picture.crop((left + (column > 0), style.bar_px, right, page.height_px))
            size = (strip.width * MAGNIFIED, strip.height * MAGNIFIED)
            pixels = np.asarray(strip.resize(size, Image.Resampling.LANCZOS))[:, :, ::-1]
            result = self._engine()(np.ascontiguousarray(pixels), use_det=True)
            if result.boxes is None:
                continue
            for box, text in zip(result.boxes, result.txts, strict=True):
                x, y = box[:, 0].mean() / MAGNIFIED, box[:, 1].mean() / MAGNIFIED
                found[column, int(y // style.pitch_px)].append((float(x), text))
        return {at: " ".join(text for _, text in sorted(texts)) for at, texts in found.items()}

    def _engine(self) -> Any:
        if not hasattr(self._local, "engine"):
            engine = RapidOCR(params=SETTINGS)
            # The recogniser is loaded, and its alphabet known, once it has read something.
            engine(np.full((48, 160, 3), 255, np.uint8), use_det=False)
            self._local.engine = engine
        return self._local.engine


def error_rate(lines: Iterable[Line], resamples: int = 1_000) -> ErrorRate:
    """The error rate over lines. Turns are resampled, for errors come in neighbourhoods."""
    turns: dict[int, tuple[int, int]] = {}
    for line in lines:
        errors, characters = turns.get(line.mark, (0, 0))
        turns[line.mark] = (errors + line.errors, characters + line.characters)
    counts = list(turns.values())
    errors, characters = (sum(each[k] for each in counts) for k in (0, 1))
    draw = random.Random(0)
    rates: list[float] = []
    for _ in range(resamples if counts else 0):
        sample = draw.choices(counts, k=len(counts))
        rates.append(sum(e for e, _ in sample) / max(1, sum(c for _, c in sample)))
    rates = sorted(rates) or [0.0]
    low, high = rates[int(0.025 * len(rates))], rates[int(0.975 * len(rates))]
    return ErrorRate(errors / max(1, characters), low, high, characters, errors, len(counts))


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
