"""Page geometry: how large pages are and which turns stand on which page.

Takes what a host demands of a page (PageRules), a type size in pixels and, per
turn, its mark and its number of lines; gives a Style and PagePlans. Everything
here is arithmetic: a planner can cost pages without drawing them, and drawing
gives exactly these pages. Knows nothing of fonts, pixels, tokens or tiers.

All lengths are pixels. A page is a header bar over one or more columns; lines
fill the columns from the left, and all lines have the same height (pitch).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

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
    """One turn as it is drawn. ``note`` is drawn instead of the parts."""

    mark: int
    role: str
    name: str | None
    time: datetime | None
    show_time: bool
    parts: tuple[Part, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """Everything besides the blocks that determines pixels.

    ``columns`` x ``rows`` lines is the most a page holds (of the largest
    canvas, where sizes are fixed); ``width_px`` x ``height_px`` is that page.
    ``column_px`` is a column's width, ``gutter_px`` the space between columns.
    Thumbnails are at most ``thumbnail_px`` high; 0 leaves captions only.
    In ``running`` text a turn's lines follow one another without a break, a sign
    where each ended.
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

    @property
    def capacity(self) -> int:
        """The most lines one page holds."""
        return self.columns * self.rows


@dataclass(frozen=True, slots=True)
class PagePlan:
    """One page: marks ``first`` to ``last``, lines ``start`` up to ``stop``.

    Lines count from 0 over all blocks of the span. They fill ``columns``
    columns of ``rows`` lines on an image of ``width_px`` x ``height_px``.
    """

    first: int
    last: int
    start: int
    stop: int
    columns: int
    rows: int
    width_px: int
    height_px: int


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
    )
    if columns < 1 or rows < 2 or style.column_px < style.hang_px + 8 * type_px:
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


def paginate(marks_lines: Sequence[tuple[int, int]], style: Style) -> list[PagePlan]:
    """The pages that (mark, number of lines) pairs fill, in order.

    A turn stays on one page unless it is larger than a page; such a turn gets
    pages of its own. Grid pages are cropped to what they hold; where canvases
    are fixed, the set with the least total area is chosen.
    """
    for mark, lines in marks_lines:
        if lines < 1:
            raise ValueError(f"turn #{mark} has {lines} lines; every turn has at least one")
    choose = _pack_canvases if style.canvases else _pack_grid
    pages: list[PagePlan] = []
    start = 0
    for turns in _groups(marks_lines, _largest(style)):
        if len(turns) == 1 and turns[0][1] > _largest(style):
            sizes = _split(turns[0][1], _largest(style))
            parts = [(turns[0][0], turns[0][0], size) for size in sizes]
        else:
            parts = choose(turns, style)
        for first, last, lines in parts:
            pages.append(_plan(first, last, start, start + lines, style))
            start += lines
    return pages


def _groups(
    marks_lines: Sequence[tuple[int, int]], largest: int
) -> Iterator[list[tuple[int, int]]]:
    """Runs of turns that may share pages; an oversized turn is a run of its own."""
    run: list[tuple[int, int]] = []
    for pair in marks_lines:
        if pair[1] <= largest:
            run.append(pair)
            continue
        if run:
            yield run
        yield [pair]
        run = []
    if run:
        yield run


def _split(lines: int, largest: int) -> list[int]:
    whole, rest = divmod(lines, largest)
    return [largest] * whole + ([rest] if rest else [])


def _pack_grid(turns: Sequence[tuple[int, int]], style: Style) -> list[tuple[int, int, int]]:
    """Fill each page as far as whole turns go."""
    pages: list[tuple[int, int, int]] = []
    for mark, lines in turns:
        if pages and pages[-1][2] + lines <= style.capacity:
            first, _, filled = pages[-1]
            pages[-1] = (first, mark, filled + lines)
        else:
            pages.append((mark, mark, lines))
    return pages


def _pack_canvases(turns: Sequence[tuple[int, int]], style: Style) -> list[tuple[int, int, int]]:
    """The cut into pages whose smallest fitting canvases have the least area.

    Dynamic programme over page starts: the least cost never falls as turns are
    added, so for each canvas only the longest page that starts here can be
    best. Fewest pages break ties (each repeats a header), then full first pages.
    """
    sizes = sorted({(columns * rows, w * h) for w, h, columns, rows in _canvas_grids(style)})
    until = [0]
    for _, lines in turns:
        until.append(until[-1] + lines)
    count = len(turns)
    best = [(0, 0, count)] * (count + 1)
    ends = [count] * len(sizes)
    for start in range(count - 1, -1, -1):
        choices: list[tuple[int, int, int, int]] = []
        for k, (capacity, area) in enumerate(sizes):
            while until[ends[k]] - until[start] > capacity:
                ends[k] -= 1
            if ends[k] > start:
                cost, pages, _ = best[ends[k]]
                choices.append((cost + area, pages + 1, -area, ends[k]))
        cost, pages, _, end = min(choices)
        best[start] = (cost, pages, end)
    cuts: list[tuple[int, int, int]] = []
    start = 0
    while start < count:
        end = best[start][2]
        cuts.append((turns[start][0], turns[end - 1][0], until[end] - until[start]))
        start = end
    return cuts


def _plan(first: int, last: int, start: int, stop: int, style: Style) -> PagePlan:
    """The smallest page that holds the lines."""
    lines = stop - start
    if style.canvases:
        fitting = [grid for grid in _canvas_grids(style) if grid[2] * grid[3] >= lines]
        width, height, columns, rows = min(fitting, key=lambda grid: (grid[0] * grid[1], grid))
        return PagePlan(first, last, start, stop, columns, rows, width, height)
    shapes: list[tuple[int, int, int, int, int]] = []
    for columns in range(1, min(style.columns, lines) + 1):
        rows = math.ceil(lines / columns)
        if rows <= style.rows:
            width, height = _cropped(style, columns, rows)
            shapes.append((width * height, columns, rows, width, height))
    _, columns, rows, width, height = min(shapes)
    return PagePlan(first, last, start, stop, columns, rows, width, height)


def _cropped(style: Style, columns: int, rows: int) -> tuple[int, int]:
    stride = style.column_px + style.gutter_px
    width = _up(columns * stride, style.snap_px)
    height = _up(style.bar_px + rows * style.pitch_px + style.margin_px, style.snap_px)
    # A stride that is a fraction of the grid may round up past the full page.
    return min(width, style.width_px), min(height, style.height_px)


def _canvas_grids(style: Style) -> list[tuple[int, int, int, int]]:
    """(width, height, columns, rows) of every canvas that holds at least a line."""
    stride = style.column_px + style.gutter_px
    grids: list[tuple[int, int, int, int]] = []
    for width, height in style.canvases:
        columns = width // stride
        rows = (height - style.bar_px - style.margin_px) // style.pitch_px
        if columns > 0 and rows > 0:
            grids.append((width, height, columns, rows))
    return grids


def _largest(style: Style) -> int:
    if style.canvases:
        return max(columns * rows for _, _, columns, rows in _canvas_grids(style))
    return style.capacity


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
    while columns < most and _up(columns * stride, snap) * max_height < page_px2:
        columns += 1
    while columns > 1 and _up(columns * stride, snap) > rules.max_width_px:
        columns -= 1
    width = _up(columns * stride, snap)
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


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
