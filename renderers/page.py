"""Pages: blocks to PNG images.

Takes Blocks and a Style, gives the pages that pagination.paginate plans, as PNG
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
from datetime import datetime
from typing import TypeAlias

import PIL
from PIL import features

from sfumato.renderers.content import PictureRoom, paragraphs
from sfumato.renderers.fonts import FontSet
from sfumato.renderers.geometry import Block, Style
from sfumato.renderers.glyphs import Letters
from sfumato.renderers.leading import styled
from sfumato.renderers.pagination import Height, PagePlan, paginate
from sfumato.renderers.place import Placing
from sfumato.renderers.png import SETTINGS
from sfumato.renderers.sheet import Page, Sheet, Type
from sfumato.renderers.typeset import Line, Typesetter
from sfumato.turn import Text, Turn, encode

# Raised whenever the same input would be drawn otherwise than before.
RENDERER_VERSION = 7

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

    def height(self, block: Block, style: Style) -> Height:
        """How much of a page a block takes, whatever stands before and after it."""
        own = styled(block, style)
        key = _key(block, own)
        count = self._counts.get(key)
        if count is None:
            count = len(self._set(block, own, key))
            if len(self._counts) >= _COUNTED_BLOCKS:
                self._counts.clear()
            self._counts[key] = count
        return Height(block.mark, count, own.pitch_px)

    def draw(self, blocks: Sequence[Block], style: Style, *, boxes: bool = False) -> list[Page]:
        """The pages that ``paginate`` plans for these blocks' heights."""
        usual = self._type(style)
        types: dict[Style, Type] = {style: usual}
        heights: list[Height] = []
        lines: list[tuple[Line, Type]] = []
        dates: list[datetime | None] = []
        for block in blocks:
            own = styled(block, style)
            if own not in types:
                types[own] = self._type(own)
            found = self._set(block, own, _key(block, own))
            heights.append(Height(block.mark, len(found), own.pitch_px))
            lines += [(line, types[own]) for line in found]
            dates += [block.time] * len(found)
        pages: list[Page] = []
        for plan in paginate(heights, style):
            sheet = Sheet(plan, usual)
            sheet.bar(_bar_texts(plan, dates[plan.start : plan.stop], lines[plan.start][0]))
            sheet.columns(lines[plan.start : plan.stop])
            pages.append(sheet.page(boxes))
        return pages

    def _type(self, style: Style) -> Type:
        letters, setter = self._setter(style)
        return Type(style, letters, Placing(letters, setter))

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


def _bar_texts(plan: PagePlan, times: Sequence[datetime | None], first: Line) -> list[str]:
    """The page's own line, from the most telling to the shortest."""
    marks = f"#{plan.first}" if plan.first == plan.last else f"#{plan.first}–#{plan.last}"
    if not first.flush:
        marks += " continued"
    days = [time.date().isoformat() for time in times if time is not None]
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
    libraries = ("freetype2", "raqm", "harfbuzz", "fribidi")
    versions = [(name, features.version(name)) for name in libraries]
    about = (
        RENDERER_VERSION,
        PIL.__version__,
        versions,
        unicodedata.unidata_version,
        SETTINGS,
        fonts.identity,
    )
    return hashlib.sha256(repr(about).encode()).hexdigest()[:32]
