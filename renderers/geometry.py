"""Page geometry: how large pages, columns and lines are.

Takes what a host demands of a page (PageRules) and a type size in pixels; gives a
Style. Everything here is arithmetic: a planner can cost pages without drawing them.
Knows nothing of fonts, pixels, tokens or tiers.

All lengths are pixels. A page is a header bar over one or more columns; lines
fill the columns from the left, and lines of one type size have the same height
(pitch).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from sfumato.errors import RenderError
from sfumato.turn import Part

# Mean advance of a character of English prose in the body font, in ems, word
# spaces included (measured on chat text with the font set in fonts.py).
PROSE_CHARACTER_EM = 0.465

# Reach of the body font's letters above and below the baseline, in ems.
ASCENT_EM = 0.74
DESCENT_EM = 0.212

# By how much a line may be lower than its letters reach: a word that has both tall and
# deep letters is squeezed by so much, which readers do not mind (benchmarks/legibility.py).
SQUEEZED = 1.05

# Characters per line aimed at. Short lines waste less of each turn's last line
# but more at their ends: on chat of 140 characters a turn, 40 to 60 characters
# are within 1.5 % of the densest, and wide columns are easier to follow.
LINE_CHARACTERS = 50

# Type sizes closer than this are one tier: a reader cannot tell them apart.
LADDER_STEP = 1.3


Priority: TypeAlias = Literal[-1, 0, 1]


@dataclass(frozen=True, slots=True)
class PageRules:
    """What a host demands of a page image.

    Page sides are multiples of ``snap_px`` (1: free) and at most the maxima, so
    that the host never rescales. Non-empty ``canvases`` (width, height) are the
    only sizes allowed, for encoders that spend fixed tokens on a fixed size.
    """

    snap_px: int
    max_width_px: int
    max_height_px: int
    canvases: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """One turn as it is drawn. ``note`` is drawn instead of the parts.

    Turns of ``priority`` 1 are set in their style's large type, those of -1 in its small.
    """

    mark: int
    role: str
    name: str | None
    time: datetime | None
    show_time: bool
    parts: tuple[Part, ...]
    note: str | None = None
    priority: Priority = 0


@dataclass(frozen=True, slots=True)
class Style:
    """Everything besides the blocks that determines pixels.

    ``columns`` x ``rows`` lines is the most a page holds (of the largest
    canvas, where sizes are fixed); ``width_px`` x ``height_px`` is that page.
    ``column_px`` is a column's width, ``gutter_px`` the space between columns.
    Thumbnails are at most ``thumbnail_px`` high; 0 leaves captions only.
    In ``running`` text a turn's lines follow one another without a break, a sign
    where each ended. ``large_px`` and ``small_px`` are the type sizes of turns that
    matter more and less than others; 0 sets them like all others.
    """

    type_px: float
    pitch_px: int
    columns: int
    column_px: int
    rows: int
    width_px: int
    height_px: int
    margin_px: int
    gutter_px: int
    snap_px: int
    canvases: tuple[tuple[int, int], ...] = ()
    thumbnail_px: int = 0
    running: bool = False
    large_px: float = 0
    small_px: float = 0

    def of(self, priority: Priority) -> Style:
        """The style that turns of a priority are set in, in the same columns.

        Like all others where the page is too small for the priority's type size.
        """
        type_px = {1: self.large_px, 0: 0, -1: self.small_px}[priority]
        if not type_px:
            return self
        return self._set_in(type_px, pitch_for(type_px))

    def opened(self, ratio: float) -> Style:
        """This style with lines about ``ratio`` type sizes apart, where they are closer.

        Type is smaller by as much as lines are further apart: a text takes the same area.
        """
        pitch = round(math.sqrt(ratio * self.type_px * self.pitch_px))
        if pitch <= self.pitch_px:
            return self
        return self._set_in(self.type_px * self.pitch_px / pitch, pitch)

    def _set_in(self, type_px: float, pitch_px: int) -> Style:
        """This style in another type, in the same columns; itself where there is no room."""
        rows = self.rows * self.pitch_px // pitch_px
        own = replace(self, type_px=type_px, pitch_px=pitch_px, rows=rows)
        return own if own.has_room else self

    @property
    def has_room(self) -> bool:
        """Whether a few words of its type fit on a page."""
        wide = self.column_px >= self.hang_px + 8 * self.type_px
        return self.columns >= 1 and self.rows >= 2 and wide

    @property
    def bar_px(self) -> int:
        """Height of the header bar over a page's columns."""
        return self.pitch_px + 2

    @property
    def flush_px(self) -> int:
        """Where a turn's first line starts, right of the tick, from the column's left."""
        return 4

    @property
    def hang_px(self) -> int:
        """Where all other lines start, from the column's left."""
        return self.flush_px + max(4, round(self.type_px * 0.6))


def pitch_for(type_px: float) -> int:
    """Distance between lines for a type size: the least at which words need little squeezing.

    >>> pitch_for(6.6), pitch_for(7.7), pitch_for(9)
    (6, 7, 9)
    """
    return math.ceil(type_px * (ASCENT_EM + DESCENT_EM) / SQUEEZED)


def fit_style(
    rules: PageRules,
    type_px: float,
    *,
    page_px2: int,
    pitch_px: int | None = None,
    line_characters: int = LINE_CHARACTERS,
    thumbnail_px: int = 0,
    running: bool = False,
    large_px: float = 0,
    small_px: float = 0,
) -> Style:
    """The page that suits a host and a type size.

    ``page_px2`` is the largest page area wanted, in square pixels; it is not
    used where the host has fixed canvases. ``pitch_px`` is ``pitch_for`` the type
    size unless given. One column is preferred, and more are taken only where one
    cannot reach that area.

    Raises RenderError if not even a few words fit on a page.
    """
    margin = max(3, round(type_px * 0.35))
    wanted = round(line_characters * type_px * PROSE_CHARACTER_EM) + 2 * margin
    pitch = pitch_for(type_px) if pitch_px is None else pitch_px
    bar = pitch + 2
    if rules.canvases:
        stride = _canvas_stride(rules.canvases, wanted)
        width, height = max(rules.canvases, key=lambda size: (size[0] * size[1], size))
        columns = width // stride
    else:
        stride = _grid_stride(rules.snap_px, rules.max_width_px, wanted)
        columns, width, height = _grid_page(rules, stride, page_px2, pitch, bar + margin)
    rows = (height - bar - margin) // pitch
    style = Style(
        type_px=type_px,
        pitch_px=pitch,
        columns=columns,
        column_px=stride - 2 * margin,
        rows=rows,
        width_px=width,
        height_px=height,
        margin_px=margin,
        gutter_px=2 * margin,
        snap_px=rules.snap_px,
        canvases=rules.canvases,
        thumbnail_px=thumbnail_px,
        running=running,
        large_px=large_px,
        small_px=small_px,
    )
    if not style.has_room:
        raise RenderError(
            f"a {width}x{height} px page is too small for {type_px:g} px type: "
            "allow larger pages or use smaller type"
        )
    return style


def ladder(min_px: float, max_px: float, max_tiers: int = 3) -> tuple[float, ...]:
    """Type sizes of the tiers, largest first, spaced geometrically.

    Steps are at least LADDER_STEP; closer limits give one tier, the smallest.

    >>> ladder(8, 16)
    (16, 11.31, 8)
    """
    if not 0 < min_px <= max_px or max_tiers < 1:
        raise ValueError(f"no ladder from {max_px} px down to {min_px} px in {max_tiers} tiers")
    ratio = max_px / min_px
    steps = min(max_tiers - 1, math.floor(math.log(ratio, LADDER_STEP) + 1e-9))
    if steps == 0:
        return (min_px,)
    between = (round(max_px * ratio ** (-k / steps), 2) for k in range(1, steps))
    return (max_px, *between, min_px)


def _grid_stride(snap: int, max_width: int, wanted: int) -> int:
    """Column width plus gutter, so that any number of columns meets the grid.

    With margins of half a gutter a page is columns x stride wide: a stride that
    is a multiple of the snap, or a whole fraction of it, wastes nothing.
    """
    widest = max_width - max_width % snap
    if snap <= wanted:
        stride = snap * max(1, round(wanted / snap))
    else:
        stride = snap // max(1, round(snap / wanted))
    return min(stride, widest)


def _grid_page(
    rules: PageRules, stride: int, page_px2: int, pitch: int, fixed: int
) -> tuple[int, int, int]:
    """(columns, width, height) of the largest page of at most ``page_px2``."""
    snap = rules.snap_px
    max_height = rules.max_height_px - rules.max_height_px % snap
    most = max(1, rules.max_width_px // max(1, stride))
    columns = 1
    while columns < most and up(columns * stride, snap) * max_height < page_px2:
        columns += 1
    while columns > 1 and up(columns * stride, snap) > rules.max_width_px:
        columns -= 1
    width = up(columns * stride, snap)
    columns = max(1, width // max(1, stride))
    tallest = min(max_height, page_px2 // max(1, width) // snap * snap)
    # Of the heights close to the wanted one, the one that leaves least unused.
    heights = range(tallest, int(tallest * 0.85), -snap) if tallest > 0 else range(0)
    height = min(heights, key=lambda h: ((h - fixed) % pitch / h, -h), default=0)
    return columns, width, height


def _canvas_stride(canvases: Sequence[tuple[int, int]], wanted: int) -> int:
    """Column width plus gutter that leaves least of all canvases unused."""

    def unused(stride: int) -> tuple[float, int]:
        spare = sum((w % stride) / w for w, _ in canvases)
        return spare, abs(stride - wanted)

    narrow, wide = round(wanted * 0.8), round(wanted * 1.25)
    narrowest = min(width for width, _ in canvases)
    return min(range(min(narrow, narrowest), min(wide, narrowest) + 1), key=unused)


def up(value: int, step: int) -> int:
    """The least multiple of ``step`` that is not below ``value``."""
    return -(-value // step) * step
