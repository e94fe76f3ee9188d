"""Pages: blocks to PNG images.

Takes Blocks and a Style, gives the pages that geometry.paginate plans, as PNG
bytes, and on request the boxes of everything pasted on them. Knows nothing of
spans, tiers, hosts or tokens.

What text cannot imitate marks what is ours: a page begins with a white-on-black
bar, a turn with a tick at the column's left edge and bold words; all other
lines of a turn hang indented, and remembered text is never bold.
"""

from __future__ import annotations

import hashlib
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Literal

import PIL
from PIL import Image, ImageDraw, features

from sfumato.renderers import bidi
from sfumato.renderers.content import PictureRoom, paragraphs
from sfumato.renderers.fonts import FontSet
from sfumato.renderers.geometry import Block, PagePlan, Style, paginate
from sfumato.renderers.glyphs import Letters, Stamp
from sfumato.renderers.typeset import CONTINUATION, Line, Typesetter
from sfumato.turn import Turn, encode

# Raised whenever the same input would be drawn otherwise than before.
RENDERER_VERSION = 3

# 16 greys: a third smaller and faster than 256, and text needs no more.
_GREYS = [17 * grey for grey in range(16)]
_TO_GREY = [(value * 15 + 127) // 255 for value in range(256)]
_PNG = {"bits": 4, "compress_level": 6}

_TICK_PX = 2
_RULE_GREY = 170

_COUNTED_BLOCKS = 200_000
_KEPT_BLOCKS = 4_096


@dataclass(frozen=True, slots=True)
class Box:
    """Ink pasted on a page: ``text`` of a turn, or something of ours.

    ``x1`` and ``y1`` are exclusive. ``text`` is the source text, also where its
    code point is drawn. Boxes stand in reading order.
    """

    kind: Literal["text", "lead", "sign", "bar", "picture"]
    text: str
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class Page:
    """A drawn page. ``boxes`` is filled only on request."""

    png: bytes
    width_px: int
    height_px: int
    first: int
    last: int
    boxes: tuple[Box, ...] = ()


class Renderer:
    """Draws turns as pages. Thread-safe; make one and share it.

    ``fingerprint`` changes whenever the same blocks would give other pixels or
    other PNG bytes.
    """

    def __init__(self) -> None:
        self._fonts = FontSet()
        self._setters: dict[tuple[float, int], tuple[Letters, Typesetter]] = {}
        self._counts: dict[bytes, int] = {}
        self._kept: OrderedDict[bytes, list[Line]] = OrderedDict()
        self._lock = threading.Lock()
        self.fingerprint = _fingerprint(self._fonts)

    def lines(self, block: Block, style: Style) -> int:
        """How many lines a block takes, whatever stands before and after it."""
        key = _key(block, style)
        count = self._counts.get(key)
        if count is None:
            count = len(self._set(block, style, key))
            if len(self._counts) >= _COUNTED_BLOCKS:
                self._counts.clear()
            self._counts[key] = count
        return count

    def paginate(self, marks_lines: Sequence[tuple[int, int]], style: Style) -> list[PagePlan]:
        """geometry.paginate: the pages that (mark, lines) pairs fill."""
        return paginate(marks_lines, style)

    def draw(self, blocks: Sequence[Block], style: Style, *, boxes: bool = False) -> list[Page]:
        """The pages that ``paginate`` promises for these blocks' ``lines``."""
        per_block = [self._set(block, style, _key(block, style)) for block in blocks]
        plans = paginate(
            [(block.mark, len(lines)) for block, lines in zip(blocks, per_block, strict=True)],
            style,
        )
        lines = [line for found in per_block for line in found]
        dates = [block for block, found in zip(blocks, per_block, strict=True) for _ in found]
        letters, setter = self._setter(style)
        pages: list[Page] = []
        for plan in plans:
            sheet = _Sheet(plan, style, letters, setter)
            sheet.bar(_bar_texts(plan, dates[plan.start : plan.stop], lines[plan.start]))
            sheet.columns(lines[plan.start : plan.stop])
            pages.append(sheet.page(boxes))
        return pages

    def _set(self, block: Block, style: Style, key: bytes) -> list[Line]:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        room = PictureRoom(
            width_px=style.column_px - style.hang_px,
            height_px=min(style.thumbnail_px, style.rows * style.pitch_px),
            pitch_px=style.pitch_px,
        )
        lines = self._setter(style)[1].set(paragraphs(block, room), style)
        with self._lock:
            self._kept[key] = lines
            if len(self._kept) > _KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return lines

    def _setter(self, style: Style) -> tuple[Letters, Typesetter]:
        key = (style.type_px, style.pitch_px)
        with self._lock:
            if key not in self._setters:
                letters = Letters(self._fonts, *key)
                self._setters[key] = (letters, Typesetter(letters))
            return self._setters[key]


class _Sheet:
    """One page being drawn."""

    def __init__(self, plan: PagePlan, style: Style, letters: Letters, setter: Typesetter) -> None:
        self._plan, self._style = plan, style
        self._letters, self._setter = letters, setter
        self._image = Image.new("L", (plan.width_px, plan.height_px), 255)
        self._draw = ImageDraw.Draw(self._image)
        self._boxes: list[Box] = []

    def bar(self, texts: Sequence[str]) -> None:
        """The page's own line, the longest of ``texts`` that fits."""
        style, letters = self._style, self._letters
        self._draw.rectangle((0, 0, self._plan.width_px - 1, style.bar_px - 2), fill=0)
        left = style.margin_px + style.flush_px
        room = self._plan.width_px - left - style.margin_px
        for text in texts:
            words = text.split()
            needed = sum(letters.measure(word, "bold") + letters.space_px for word in words)
            if needed - letters.space_px <= room or text == texts[-1]:
                for word in words:
                    stamp = letters.stamp(word, "bold")
                    self._paste(stamp, left, 1, "bar", word, ink=255)
                    left += stamp.advance_px + letters.space_px
                return

    def columns(self, lines: Sequence[Line]) -> None:
        """The text, column by column."""
        style, plan = self._style, self._plan
        stride = style.column_px + style.gutter_px
        for column in range(plan.columns):
            left = style.margin_px + column * stride
            if column:
                x = left - style.margin_px
                self._draw.line((x, style.bar_px, x, plan.height_px - 1), fill=_RULE_GREY)
            for row, line in enumerate(lines[column * plan.rows : (column + 1) * plan.rows]):
                self._line(line, left, style.bar_px + row * style.pitch_px)

    def page(self, boxes: bool) -> Page:
        """The finished page."""
        plan = self._plan
        grey = self._image.point(_TO_GREY)
        grey.putpalette([value for value in _GREYS for _ in range(3)])
        out = BytesIO()
        grey.save(out, "PNG", **_PNG)
        found = tuple(self._boxes) if boxes else ()
        return Page(out.getvalue(), plan.width_px, plan.height_px, plan.first, plan.last, found)

    def _line(self, line: Line, left: int, top: int) -> None:
        style = self._style
        start = left + (style.flush_px if line.flush else style.hang_px) + line.indent_px
        if line.flush:
            self._draw.rectangle((left, top, left + _TICK_PX - 1, top + style.pitch_px - 1), fill=0)
        if line.continued:
            mark = self._letters.stamp(CONTINUATION, "prose")
            self._paste(mark, start, top, "sign", CONTINUATION)
            start += self._setter.mark_px
        if line.kind == "picture":
            self._picture(line, start, top)
        elif line.kind == "code":
            self._code(line, start, top)
        else:
            self._prose(line, start, top)

    def _prose(self, line: Line, start: int, top: int) -> None:
        pen = start
        space = self._letters.space_px
        for index, word in enumerate(line.lead):
            stamp = self._letters.stamp(word, "bold")
            pen += space if index else 0
            self._paste(stamp, pen, top, "lead", word)
            pen += stamp.advance_px
        if line.lead and line.words and len(line.lead) not in line.tight:
            pen += space
        if line.rtl or any(map(bidi.turns_right, line.words)):
            self._both_ways(line, pen, top)
            return
        for index, word in enumerate(line.words):
            stamp = self._letters.stamp(word, "prose")
            if index and len(line.lead) + index not in line.tight:
                pen += space
            self._paste(stamp, pen, top, "text", word)
            pen += stamp.advance_px

    def _both_ways(self, line: Line, start: int, top: int) -> None:
        """Words of a line in which right-to-left letters occur, where they are seen."""
        room = self._right_of(start) - start
        segments = _segments(line)
        if self._least(segments) > room:
            # Clusters of foreign marks may be wider cut than whole.
            segments = _uncut(segments)
        gaps = sum(segment.text == " " for segment in segments)
        # Pieces of words are rounded up one by one: spaces make room for them.
        spare = room - self._least(segments)
        space = min(self._letters.space_px, 1 + max(0, spare) // gaps) if gaps else 0
        places: dict[int, int] = {}
        pen = start
        for index in bidi.order([segment.level for segment in segments]):
            places[index] = pen
            pen += space if segments[index].text == " " else self._stamp(segments[index]).advance_px
        for index, segment in enumerate(segments):
            if segment.text != " ":
                self._paste(self._stamp(segment), places[index], top, "text", segment.text)

    def _least(self, segments: Sequence[_Segment]) -> int:
        """The least room they take."""
        return sum(1 if s.text == " " else self._stamp(s).advance_px for s in segments)

    def _stamp(self, segment: _Segment) -> Stamp:
        return self._letters.stamp(segment.text, "prose", rtl=segment.level % 2 == 1)

    def _right_of(self, x: int) -> int:
        """Where the column ends in which ``x`` lies."""
        margin, width = self._style.margin_px, self._style.column_px
        stride = width + self._style.gutter_px
        return margin + (x - margin) // stride * stride + width

    def _code(self, line: Line, start: int, top: int) -> None:
        cell = self._letters.cell_px
        for column, word in self._setter.cells(line.words[0]):
            stamp = self._letters.stamp(word, "mono", rtl=bidi.right_to_left(word))
            self._paste(stamp, start + round(column * cell), top, "text", word)

    def _picture(self, line: Line, start: int, top: int) -> None:
        picture, pitch = line.picture, self._style.pitch_px
        if picture is None:
            return
        strip = slice(
            line.strip * pitch * picture.width_px, (line.strip + 1) * pitch * picture.width_px
        )
        pixels = Image.frombytes("L", (picture.width_px, pitch), picture.pixels[strip])
        self._image.paste(pixels, (start, top))
        right, bottom = start + picture.width_px - 1, top + pitch - 1
        edges = [(start, top, start, bottom), (right, top, right, bottom)]
        if line.strip == 0:
            edges.append((start, top, right, top))
        if (line.strip + 1) * pitch == picture.height_px:
            edges.append((start, bottom, right, bottom))
        for edge in edges:
            self._draw.line(edge, fill=_RULE_GREY)
        self._boxes.append(Box("picture", "", start, top, start + picture.width_px, top + pitch))

    def _paste(
        self,
        stamp: Stamp,
        pen: int,
        top: int,
        kind: Literal["text", "lead", "sign", "bar"],
        text: str,
        ink: int = 0,
    ) -> None:
        if stamp.mask is None:
            return
        x, y = pen + stamp.left_px, top + stamp.top_px
        self._image.paste(ink, (x, y), stamp.mask)
        width, height = stamp.mask.size
        self._boxes.append(Box(kind, text, x, y, x + width, y + height))


@dataclass(frozen=True, slots=True)
class _Segment:
    """A space, a word, or the piece of a word that runs in one direction.

    ``word`` is the index of the word; a space has that of the word after it.
    """

    text: str
    level: int
    word: int


def _segments(line: Line) -> list[_Segment]:
    """A line's words and spaces, cut where the direction may change, in reading order.

    Words with right-to-left letters are cut as they were measured.
    """
    pieces: list[tuple[int, str]] = []
    for index, word in enumerate(line.words):
        if index and len(line.lead) + index not in line.tight:
            pieces.append((index, " "))
        parts = bidi.pieces(word) if bidi.turns_right(word) else [word]
        pieces += [(index, part) for part in parts]
    levels = bidi.levels("".join(piece for _, piece in pieces), rtl=line.rtl)
    found: list[_Segment] = []
    start = 0
    for index, piece in pieces:
        at, end = start, start + len(piece)
        for place in range(start + 1, end + 1):
            if place == end or levels[place] != levels[at]:
                found.append(_Segment(piece[at - start : place - start], levels[at], index))
                at = place
        start = end
    return found


def _uncut(segments: Sequence[_Segment]) -> list[_Segment]:
    """Each word in one piece again, running as its beginning does."""
    found: list[_Segment] = []
    for segment in segments:
        last = found[-1] if found else None
        if last is None or " " in (segment.text, last.text) or last.word != segment.word:
            found.append(segment)
        else:
            found[-1] = replace(last, text=last.text + segment.text)
    return found


def _bar_texts(plan: PagePlan, blocks: Sequence[Block], first: Line) -> list[str]:
    """The page's own line, from the most telling to the shortest."""
    marks = f"#{plan.first}" if plan.first == plan.last else f"#{plan.first}–#{plan.last}"
    if not first.flush:
        marks += " continued"
    days = [block.time.date().isoformat() for block in blocks if block.time is not None]
    texts = [marks]
    if days:
        texts.insert(0, f"{marks} {days[0]}")
        if days[-1] != days[0]:
            texts.insert(0, f"{marks} {days[0]} – {days[-1]}")
    return texts


def _key(block: Block, style: Style) -> bytes:
    """What a block's lines depend on, hashed."""
    time = block.time.isoformat() if block.show_time and block.time is not None else ""
    about = (block.mark, block.role, block.name, time, block.note)
    room = (style.type_px, style.pitch_px, style.column_px, style.thumbnail_px, style.rows)
    whole = hashlib.blake2b(repr((about, room)).encode("utf-8", "backslashreplace"), digest_size=16)
    if block.note is None:
        whole.update(encode(Turn("user", block.parts)))
    return whole.digest()


def _fingerprint(fonts: FontSet) -> str:
    """Hash of all that determines pixels and PNG bytes besides blocks and style."""
    libraries = ("freetype2", "raqm", "harfbuzz", "fribidi", "zlib", "zlib_ng")
    versions = [(name, features.version(name)) for name in libraries]
    about = (
        RENDERER_VERSION,
        PIL.__version__,
        versions,
        unicodedata.unidata_version,
        sorted(_PNG.items()),
        fonts.identity,
    )
    return hashlib.sha256(repr(about).encode()).hexdigest()[:32]
