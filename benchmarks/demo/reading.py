"""Reading pages back with an OCR engine.

Takes drawn pages, gives each line as drawn and as RapidOCR reads it. The engine
(PP-OCRv6, detection and recognition, in the package itself) gets each column of
a page as a picture, magnified, and knows nothing of its text.

Characters outside the engine's alphabet (it has no Cyrillic, Hangul, Arabic,
Hebrew or Devanagari) can only be read wrongly, so lines say whether they hold
any.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import local
from typing import Any

import numpy as np
from PIL import Image
from rapidocr import RapidOCR
from scoring import Line, plain

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
        read = self._read(page, style, drawn.keys())
        lines: list[Line] = []
        for at in sorted(drawn.keys() | read.keys()):
            text = drawn.get(at, "")
            known = self.alphabet.issuperset(plain(text))
            lines.append(Line(*at, marks.get(at, page.first), text, read.get(at, ""), known))
        return lines

    def _drawn(
        self, page: Page, style: Style
    ) -> tuple[dict[tuple[int, int], str], dict[tuple[int, int], int]]:
        """What stands on each line (column, top), and the mark of the turn it belongs to."""
        words: dict[tuple[int, int], list[str]] = defaultdict(list)
        marks: dict[tuple[int, int], int] = {}
        mark = page.first
        for box in page.boxes:
            if box.kind in ("bar", "picture"):
                continue
            at = box.x0 // (style.column_px + style.gutter_px), box.line_y0
            if box.kind == "lead" and box.text.startswith("#"):
                mark = int(box.text[1:])
            words[at].append("".join(r.shown for r in self._fonts.runs(box.text, "prose")))
            marks[at] = mark
        return {at: " ".join(found) for at, found in words.items()}, marks

    def _read(
        self, page: Page, style: Style, drawn: Collection[tuple[int, int]]
    ) -> dict[tuple[int, int], str]:
        """What the engine reads on each (column, top), each the line of ``drawn`` it stands on."""
        picture = Image.open(BytesIO(page.png)).convert("RGB")
        stride = style.column_px + style.gutter_px
        found: dict[tuple[int, int], list[tuple[float, str]]] = defaultdict(list)
        for column in range(max(1, page.width_px // stride)):
            tops = sorted(top for each, top in drawn if each == column)
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
                line = bisect_right(tops, y + style.bar_px) - 1
                top = tops[line] if line >= 0 else style.bar_px
                found[column, top].append((float(x), text))
        return {at: " ".join(text for _, text in sorted(texts)) for at, texts in found.items()}

    def _engine(self) -> Any:
        if not hasattr(self._local, "engine"):
            engine = RapidOCR(params=SETTINGS)
            # The recogniser is loaded, and its alphabet known, once it has read something.
            engine(np.full((48, 160, 3), 255, np.uint8), use_det=False)
            self._local.engine = engine
        return self._local.engine
