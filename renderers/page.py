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
from typing import TypeAlias

import PIL
from PIL import features

from sfumato.renderers.content import PictureRoom, paragraphs
from sfumato.renderers.fonts import FontSet
from sfumato.renderers.geometry import Block, PagePlan, Style, paginate
from sfumato.renderers.glyphs import Letters
from sfumato.renderers.place import Placing
from sfumato.renderers.sheet import PNG, Page, Sheet
from sfumato.renderers.typeset import Line, Typesetter
from sfumato.turn import Text, Turn, encode

# Raised whenever the same input would be drawn otherwise than before.
RENDERER_VERSION = 4

_Key: TypeAlias = tuple[bytes, tuple[float, int, int, int], int, bool]

_COUNTED_BLOCKS = 200_000
_KEPT_BLOCKS = 4_096


class Renderer:
    """Draws turns as pages. Thread-safe; make one and share it.

    ``fingerprint`` changes whenever the same blocks would give other pixels or
    other PNG bytes. ``fonts`` are the installed ones unless given.
    """

    def __init__(self, fonts: FontSet | None = None) -> None:
        self._fonts = fonts or FontSet()
        self._setters: dict[tuple[float, int], tuple[Letters, Typesetter]] = {}
        self._counts: dict[_Key, int] = {}
        self._kept: OrderedDict[_Key, list[Line]] = OrderedDict()
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
        placing = Placing(letters, setter)
        pages: list[Page] = []
        for plan in plans:
            sheet = Sheet(plan, style, letters, placing)
            sheet.bar(_bar_texts(plan, dates[plan.start : plan.stop], lines[plan.start]))
            sheet.columns(lines[plan.start : plan.stop])
            pages.append(sheet.page(boxes))
        return pages

    def _set(self, block: Block, style: Style, key: _Key) -> list[Line]:
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


def _key(block: Block, style: Style) -> _Key:
    """What a block's lines depend on: all of the block, hashed, and some of the style."""
    time = block.time.isoformat() if block.show_time and block.time is not None else ""
    about = repr((block.mark, block.role, block.name, time, block.note))
    whole = hashlib.blake2b(about.encode("utf-8", "backslashreplace"), digest_size=16)
    for part in () if block.note is not None else block.parts:
        if isinstance(part, Text):
            text = part.text.encode("utf-8", "surrogatepass")
            whole.update(b"text %d " % len(text))
            whole.update(text)
        else:
            other = encode(Turn("user", (part,)))
            whole.update(b"part %d " % len(other))
            whole.update(other)
    room = (style.type_px, style.pitch_px, style.column_px, style.rows)
    return whole.digest(), room, style.thumbnail_px, style.running


def _fingerprint(fonts: FontSet) -> str:
    """Hash of all that determines pixels and PNG bytes besides blocks and style."""
    libraries = ("freetype2", "raqm", "harfbuzz", "fribidi", "zlib", "zlib_ng")
    versions = [(name, features.version(name)) for name in libraries]
    about = (
        RENDERER_VERSION,
        PIL.__version__,
        versions,
        unicodedata.unidata_version,
        sorted(PNG.items()),
        fonts.identity,
    )
    return hashlib.sha256(repr(about).encode()).hexdigest()[:32]
