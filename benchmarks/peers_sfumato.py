"""sfumato as a contender: a Sample as turns, and its pages as what is read of them.

What is sfumato's own on a page (header bar, marks, names, ticks, signs of
continuation) is painted over before reading, since it is no part of the text,
but its area counts. Only the count of a rule (``=×31`` for 31 signs) is read like
all else, and written out. Columns are cut by the Style's geometry. Knows nothing of
readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from peers import Drawn, picture
from PIL import Image
from samples import Sample

from sfumato.renderers import Block, Page, PageRules, Renderer, Style, fit_style
from sfumato.renderers.typeset import TIMES
from sfumato.turn import Text, ToolResult

PAGES = PageRules(snap_px=32, max_width_px=1568, max_height_px=1568)
"""Pages in 32 px patches; no side longer than any of the peers' pages."""
# Engines may take the sign for a letter.
_RULE = re.compile(rf"([^\w\s])[{TIMES}xX](\d+)")
_LONGEST_RULE = 500
"""A count misread as a million would only take time."""


def blocks(sample: Sample) -> list[Block]:
    """Conversations as what people said, code and logs as what a tool gave back."""
    if sample.kind in ("code", "logs"):
        parts = [ToolResult("c", (Text(turn),), "read") for turn in sample.turns]
        return [
            Block(mark, "tool", None, None, False, (part,))
            for mark, part in enumerate(parts, start=1)
        ]
    return [
        Block(mark, "user" if mark % 2 else "assistant", None, None, False, (Text(turn),))
        for mark, turn in enumerate(sample.turns, start=1)
    ]


class Sfumato:
    """Pages at a type size."""

    name = "sfumato"

    def __init__(self) -> None:
        self._renderer = Renderer()

    def sizes_px(self, kind: str) -> Sequence[float]:
        return (6.6, 7, 7.3, 7.7, 8, 8.2, 8.4, 9, 10, 12, 15)

    def default_px(self, kind: str) -> float:
        return 8

    def draw(self, sample: Sample, size_px: float) -> list[Drawn]:
        style = fit_style(
            PAGES, size_px, page_px2=PAGES.max_width_px * PAGES.max_height_px, running=True
        )
        pages = self._renderer.draw(blocks(sample), style, boxes=True)
        drawn: list[Drawn] = []
        for page in pages:
            found = columns(page, style)
            rows = tuple(_rows(page, found, style))
            area_px2 = page.width_px * page.height_px
            drawn.append(Drawn(page.png, tuple(found), area_px2, rows, written_out))
        return drawn

    def dropped(self, sample: Sample, size_px: float) -> float:
        """Nothing that does not fit."""
        return 0.0


def written_out(read: str) -> str:
    """What was read, its rules at full length.

    >>> written_out("a =×12 b")
    'a ============ b'
    """
    return _RULE.sub(lambda found: found[1] * min(_LONGEST_RULE, int(found[2])), read)


def columns(page: Page, style: Style) -> list[Image.Image]:
    """The page's columns without what is ours; all white from the last line on."""
    image = picture(page.png)
    for box in page.boxes:
        if box.kind == "lead" or (box.kind == "sign" and not box.text.startswith(TIMES)):
            image.paste(255, (box.x0, box.y0, box.x1, box.y1))
    stride = style.column_px + style.gutter_px
    found: list[Image.Image] = []
    for left in range(0, page.width_px - stride + 1, stride):
        # The rule stands at the left edge of all columns but the first.
        column = image.crop((left + (left > 0), style.bar_px, left + stride, page.height_px))
        column.paste(255, (0, 0, style.margin_px + style.flush_px - 1, column.height))
        found.append(column)
    return found


def _rows(page: Page, found: Sequence[Image.Image], style: Style) -> Iterator[Image.Image]:
    """The lines that hold ink, cut out of the columns, each alone."""
    stride, bar = style.column_px + style.gutter_px, style.bar_px
    lines = {
        (box.x0 // stride, box.line_y0, box.line_y1) for box in page.boxes if box.kind != "bar"
    }
    for number, top, bottom in sorted(lines):
        column = found[number]
        line = column.crop((0, top - bar, column.width, bottom - bar))
        if line.getextrema() != (255, 255):
            yield line
