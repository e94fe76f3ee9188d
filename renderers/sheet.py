"""One page: lines to the PNG of a page.

Takes a PagePlan, the page's bar and its lines, gives a Page. A row of pixels is
joined from the columns of the words that stand on it; what cannot be joined,
such as ink that reaches into its neighbour, is pasted over it.
Knows nothing of blocks and how they became lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw

from sfumato.renderers.content import Picture
from sfumato.renderers.geometry import Style
from sfumato.renderers.glyphs import Letters
from sfumato.renderers.pagination import PagePlan
from sfumato.renderers.place import Placed, Placing
from sfumato.renderers.png import encoded
from sfumato.renderers.typeset import Line

_TICK_PX = 2
_BAR_TOP_PX = 1
_RULE_GREY = 170


@dataclass(frozen=True, slots=True)
class Box:
    """Ink pasted on a page: ``text`` of a turn, or something of ours.

    ``x1`` and ``y1`` are exclusive. ``text`` is the source text, also where its
    code point is drawn. ``line_y0`` and ``line_y1`` are the top and the (exclusive)
    bottom of the line it stands on. Boxes stand in reading order.
    """

    kind: Literal["text", "lead", "sign", "bar", "picture"]
    text: str
    x0: int
    y0: int
    x1: int
    y1: int
    line_y0: int
    line_y1: int


@dataclass(frozen=True, slots=True)
class Page:
    """A drawn page. ``boxes`` is filled only on request."""

    png: bytes
    width_px: int
    height_px: int
    first: int
    last: int
    boxes: tuple[Box, ...] = ()


class Type(NamedTuple):
    """What lines of one type size are placed with."""

    style: Style
    letters: Letters
    placing: Placing


class Sheet:
    """One page being drawn: all its words are placed, then its columns' rows are joined."""

    def __init__(self, plan: PagePlan, usual: Type) -> None:
        self._plan, self._style, self._letters = plan, usual.style, usual.letters
        self._bar: list[Placed] = []
        self._lines: list[_Set] = []

    def bar(self, texts: Sequence[str]) -> None:
        """The page's own line, the longest of ``texts`` that fits."""
        style, letters = self._style, self._letters
        left = style.margin_px + style.flush_px
        room = self._plan.width_px - left - style.margin_px
        for text in texts:
            words = text.split()
            needed = sum(letters.measure(word, "bold") + letters.space_px for word in words)
            if needed - letters.space_px <= room or text == texts[-1]:
                for word in words:
                    stamp = letters.stamps("bold")[word]
                    self._bar.append((left, stamp, word, "bar"))
                    left += stamp.advance_px + letters.space_px
                return

    def columns(self, lines: Sequence[tuple[Line, Type]]) -> None:
        """The text, column by column, each line in its type."""
        bar, left = self._style.bar_px, self._style.margin_px
        stride = self._style.column_px + self._style.gutter_px
        foot = bar + self._plan.rows * self._style.pitch_px
        top = bar
        for (style, _, placing), group in groupby(lines, itemgetter(1)):
            pitch, flush, hang, width = (
                style.pitch_px,
                style.flush_px,
                style.hang_px,
                style.column_px,
            )
            for line, _ in group:
                if top + pitch > foot:
                    top = bar
                    left += stride
                start = left + (flush if line.flush else hang) + line.indent_px
                words = placing.place(line, start, left + width)
                self._lines.append(_Set(line, left, start, top, pitch, words))
                top += pitch

    def page(self, boxes: bool) -> Page:
        """The finished page."""
        plan, style = self._plan, self._style
        over: list[tuple[Placed, int]] = []
        image = Image.new("L", (plan.width_px, plan.height_px), 255)
        for left, lines in groupby(self._lines, attrgetter("left")):
            image.paste(self._column(left, lines, over), (left, style.bar_px))
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, 0, plan.width_px - 1, style.bar_px - 2), fill=0)
        for column in range(1, plan.columns):
            x = column * (style.column_px + style.gutter_px)
            draw.line((x, style.bar_px, x, plan.height_px - 1), fill=_RULE_GREY)
        for word in self._bar:
            _paste(image, word, _BAR_TOP_PX, 255)
        for word, top in over:
            _paste(image, word, top, 0)
        for found in self._lines:
            if found.line.picture is not None:
                _picture(image, draw, found, found.line.picture)
        return Page(
            encoded(image),
            plan.width_px,
            plan.height_px,
            plan.first,
            plan.last,
            tuple(self._boxes()) if boxes else (),
        )

    def _column(
        self, left: int, lines: Iterable[_Set], over: list[tuple[Placed, int]]
    ) -> Image.Image:
        """All lines of a column, their words joined; words that cannot be go ``over`` it."""
        width = min(self._style.column_px + self._style.gutter_px, self._plan.width_px - left)
        parts: list[bytes] = []
        for line, _, _, top, pitch, words in lines:
            blank = b"\xff" * (pitch * width)
            columns: list[bytes] = []
            end = 0
            if line.flush:
                columns.append(bytes(pitch * _TICK_PX))
                end = _TICK_PX
            for word in sorted(words) if line.rtl else words:
                stamp = word[1]
                x = word[0] + stamp.left_px - left
                if end <= x <= width - stamp.width_px:
                    columns += (blank[: pitch * (x - end)], stamp.columns)
                    end = x + stamp.width_px
                else:
                    over.append((word, top))
            columns.append(blank[: pitch * (width - end)])
            band = b"".join(columns)
            parts += [band[height::pitch] for height in range(pitch)]
        joined = b"".join(parts)
        return Image.frombytes("L", (width, len(joined) // width), joined)

    def _boxes(self) -> Iterator[Box]:
        """Everything on the page, in reading order."""
        for word in self._bar:
            yield from _box(word, _BAR_TOP_PX, self._style.pitch_px)
        for found in self._lines:
            top, bottom = found.top, found.bottom
            for word in found.words:
                yield from _box(word, top, found.pitch_px)
            picture = found.line.picture
            if picture is not None:
                right = found.start + picture.width_px
                yield Box("picture", "", found.start, top, right, bottom, top, bottom)


class _Set(NamedTuple):
    """A line and where it is: ``left`` of its column, ``start`` of its words."""

    line: Line
    left: int
    start: int
    top: int
    pitch_px: int
    words: list[Placed]

    @property
    def bottom(self) -> int:
        """The first row of pixels below it."""
        return self.top + self.pitch_px


def _box(word: Placed, top: int, pitch: int) -> Iterator[Box]:
    pen, stamp, text, kind = word
    if stamp.columns:
        x, y = pen + stamp.left_px, top + stamp.top_px
        right, bottom = x + stamp.width_px, y + stamp.height_px
        yield Box(kind, text, x, y, right, bottom, top, top + pitch)


def _paste(image: Image.Image, word: Placed, top: int, ink: int) -> None:
    pen, stamp, _, _ = word
    mask = stamp.mask()
    if mask is not None:
        image.paste(ink, (pen + stamp.left_px, top), mask)


def _picture(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    at: _Set,
    picture: Picture,
) -> None:
    """A strip of a picture and the edges that it is at."""
    strip, start, top, pitch = at.line.strip, at.start, at.top, at.pitch_px
    size = pitch * picture.width_px
    pixels = picture.pixels[strip * size : (strip + 1) * size]
    image.paste(Image.frombytes("L", (picture.width_px, pitch), pixels), (start, top))
    right, bottom = start + picture.width_px - 1, top + pitch - 1
    edges = [(start, top, start, bottom), (right, top, right, bottom)]
    if strip == 0:
        edges.append((start, top, right, top))
    if (strip + 1) * pitch == picture.height_px:
        edges.append((start, bottom, right, bottom))
    for edge in edges:
        draw.line(edge, fill=_RULE_GREY)
