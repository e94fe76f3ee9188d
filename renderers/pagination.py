"""Pagination: which turns stand on which page, and how large each page is.

Takes the heights of turns (mark, lines, pitch) and a Style, gives PagePlans. Arithmetic
alone: a planner can cost pages without drawing them, and drawing gives exactly these
pages. Knows nothing of fonts, pixels, tokens or tiers.

Lines fill the columns from the left. Where lines of several pitches meet, a column may
end short of its foot by less than the tallest line; every column is counted as if it did,
so that what is planned always fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfumato.renderers.geometry import Style, up


class Height(NamedTuple):
    """How much of a page a turn takes: ``lines`` of ``pitch_px`` each."""

    mark: int
    lines: int
    pitch_px: int


@dataclass(frozen=True, slots=True)
class PagePlan:
    """One page: marks ``first`` to ``last``, lines ``start`` up to ``stop``.

    Lines count from 0 over all blocks of the span. They fill ``columns`` columns
    of ``rows`` times the style's pitch on an image of ``width_px`` x ``height_px``.
    """

    first: int
    last: int
    start: int
    stop: int
    columns: int
    rows: int
    width_px: int
    height_px: int


class _Grid(NamedTuple):
    """A page's columns and rows, and the image that holds them."""

    area_px2: int
    columns: int
    rows: int
    width_px: int
    height_px: int


class _Filling(NamedTuple):
    """How lines fill columns: in units of ``unit_px``, ``lost`` of them at each column's end.

    Lines of one pitch are their own unit and lose nothing; else the unit is a pixel.
    """

    style: Style
    unit_px: int
    lost: int

    @classmethod
    def of(cls, style: Style, heights: Sequence[Height]) -> _Filling:
        """How turns of these heights fill pages together."""
        pitches = {height.pitch_px for height in heights}
        if len(pitches) == 1:
            return cls(style, pitches.pop(), 0)
        return cls(style, 1, max(pitches, default=1) - 1)

    @property
    def most(self) -> int:
        """What the largest page holds."""
        style = self.style
        if style.canvases:
            return max(map(self.holds, self.canvases()))
        return self._holds(style.columns, style.rows)

    def units(self, height: Height) -> int:
        """What a turn takes."""
        return height.lines * height.pitch_px // self.unit_px

    def holds(self, grid: _Grid) -> int:
        """What a page holds for certain."""
        return self._holds(grid.columns, grid.rows)

    def _holds(self, columns: int, rows: int) -> int:
        column = rows * self.style.pitch_px // self.unit_px
        return columns * column - (columns - 1) * self.lost if column > self.lost else 0

    def canvases(self) -> list[_Grid]:
        """Every canvas that holds at least a line."""
        style = self.style
        stride = style.column_px + style.gutter_px
        grids: list[_Grid] = []
        for width, height in style.canvases:
            columns = width // stride
            rows = (height - style.bar_px - style.margin_px) // style.pitch_px
            if columns > 0 and rows > 0:
                grids.append(_Grid(width * height, columns, rows, width, height))
        return grids

    def smallest(self, units: int, lines: int) -> _Grid:
        """The smallest page that holds so much."""
        style = self.style
        if style.canvases:
            return min(grid for grid in self.canvases() if self.holds(grid) >= units)
        grids: list[_Grid] = []
        for columns in range(1, min(style.columns, lines) + 1):
            column = max(self.lost + 1, -(-(units + (columns - 1) * self.lost) // columns))
            rows = -(-column * self.unit_px // style.pitch_px)
            if rows <= style.rows:
                width, height = _cropped(style, columns, rows)
                grids.append(_Grid(width * height, columns, rows, width, height))
        return min(grids)


def paginate(heights: Sequence[Height], style: Style) -> list[PagePlan]:
    """The pages that turns of these heights fill, in order.

    A turn stays on one page unless it is larger than a page; such a turn gets
    pages of its own. Grid pages are cropped to what they hold; where canvases
    are fixed, the set with the least total area is chosen. Raises ValueError for
    a turn without lines.
    """
    for mark, lines, _ in heights:
        if lines < 1:
            raise ValueError(f"turn #{mark} has {lines} lines; every turn has at least one")
    shared = _Filling.of(style, heights)
    pack = _pack_canvases if style.canvases else _pack_grid
    pages: list[PagePlan] = []
    for run in _runs(heights, shared):
        start = pages[-1].stop if pages else 0
        if shared.units(run[0]) <= shared.most:
            pages += _plans(pack(run, shared), style, start)
        else:
            alone = _Filling.of(style, run)
            pages += _plans(_split(run[0], alone.most), style, start)
    return pages


def _plans(parts: Sequence[Sequence[Height]], style: Style, start: int) -> Iterator[PagePlan]:
    """A page for each part, as small as its own lines allow; the first of all is ``start``."""
    for turns in parts:
        filling = _Filling.of(style, turns)
        lines = sum(turn.lines for turn in turns)
        grid = filling.smallest(sum(map(filling.units, turns)), lines)
        yield PagePlan(
            turns[0].mark,
            turns[-1].mark,
            start,
            start + lines,
            grid.columns,
            grid.rows,
            grid.width_px,
            grid.height_px,
        )
        start += lines


def _cropped(style: Style, columns: int, rows: int) -> tuple[int, int]:
    stride = style.column_px + style.gutter_px
    width = up(columns * stride, style.snap_px)
    height = up(style.bar_px + rows * style.pitch_px + style.margin_px, style.snap_px)
    # A stride that is a fraction of the grid may round up past the full page.
    return min(width, style.width_px), min(height, style.height_px)


def _runs(heights: Sequence[Height], filling: _Filling) -> Iterator[Sequence[Height]]:
    """Runs of turns that may share pages; an oversized turn is a run of its own."""
    most = filling.most
    run: list[Height] = []
    for height in heights:
        if filling.units(height) <= most:
            run.append(height)
            continue
        if run:
            yield run
        yield [height]
        run = []
    if run:
        yield run


def _split(turn: Height, most: int) -> list[Sequence[Height]]:
    """A turn in parts of at most ``most`` lines."""
    return [
        [turn._replace(lines=min(most, turn.lines - start))] for start in range(0, turn.lines, most)
    ]


def _pack_grid(turns: Sequence[Height], filling: _Filling) -> list[Sequence[Height]]:
    """Fill each page as far as whole turns go."""
    most, filled = filling.most, 0
    pages: list[list[Height]] = []
    for turn in turns:
        units = filling.units(turn)
        if pages and filled + units <= most:
            pages[-1].append(turn)
            filled += units
        else:
            pages.append([turn])
            filled = units
    return list(pages)


def _pack_canvases(turns: Sequence[Height], filling: _Filling) -> list[Sequence[Height]]:
    """The cut into pages whose smallest fitting canvases have the least area.

    Dynamic programme over page starts: the least cost never falls as turns are
    added, so for each canvas only the longest page that starts here can be
    best. Fewest pages break ties (each repeats a header), then full first pages.
    """
    sizes = sorted({(filling.holds(grid), grid.area_px2) for grid in filling.canvases()})
    until = [0]
    for turn in turns:
        until.append(until[-1] + filling.units(turn))
    count = len(turns)
    best = [(0, 0, count)] * (count + 1)
    ends = [count] * len(sizes)
    for start in range(count - 1, -1, -1):
        choices: list[tuple[int, int, int, int]] = []
        for k, (most, area) in enumerate(sizes):
            while until[ends[k]] - until[start] > most:
                ends[k] -= 1
            if ends[k] > start:
                cost, pages, _ = best[ends[k]]
                choices.append((cost + area, pages + 1, -area, ends[k]))
        cost, pages, _, end = min(choices)
        best[start] = (cost, pages, end)
    cuts: list[Sequence[Height]] = []
    start = 0
    while start < count:
        end = best[start][2]
        cuts.append(turns[start:end])
        start = end
    return cuts
