"""Encoders that cut an image into tiles, or take it at a few fixed sizes.

Same contract as formulas.py. A page here has one of a few sizes, since a started
tile is paid in full and any other size is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sfumato.formulas import Formula, Seen, fit_square, rounded
from sfumato.renderers.geometry import PageRules


@dataclass(frozen=True)
class Tiles(Formula):
    """``base + per_tile`` for each tile, after fitting a square and then the short side."""

    base: int
    per_tile: int
    tile_px: int = 512
    max_edge_px: int = 2048
    short_side_px: int = 768

    def see(self, width_px: int, height_px: int) -> Seen:
        width, height = fit_square(width_px, height_px, self.max_edge_px)
        short = min(width, height)
        if short > self.short_side_px:
            width = rounded(width * self.short_side_px / short)
            height = rounded(height * self.short_side_px / short)
        tiles = math.ceil(width / self.tile_px) * math.ceil(height / self.tile_px)
        return Seen(self.base + self.per_tile * tiles, width, height)

    def page_rules(self, max_edge_px: int) -> PageRules:
        # A started tile is paid in full, so only whole tiles are drawn: one tile
        # wide where the short side holds no second one.
        edge = min(max_edge_px, self.max_edge_px)
        width = min(edge, self.short_side_px) // self.tile_px * self.tile_px
        if width < 1:
            raise ValueError(f"a page needs at least one tile of {self.tile_px} px a side")
        return PageRules(self.tile_px, width, edge // self.tile_px * self.tile_px)


@dataclass(frozen=True)
class Crops(Formula):
    """One crop's tokens if both sides are small, else so many for each crop.

    The crop's side is two thirds of the short side, held between ``min_crop_px``
    and ``crop_px``; each crop is scaled to ``crop_px``.
    """

    tokens_per_crop: int
    small_px: int
    min_crop_px: int
    crop_px: int

    def see(self, width_px: int, height_px: int) -> Seen:
        if max(width_px, height_px) <= self.small_px:
            return Seen(self.tokens_per_crop, width_px, height_px)
        side = min(max(min(width_px, height_px) * 2 // 3, self.min_crop_px), self.crop_px)
        crops = math.ceil(width_px / side) * math.ceil(height_px / side)
        scale = self.crop_px / side
        return Seen(
            self.tokens_per_crop * crops, rounded(width_px * scale), rounded(height_px * scale)
        )

    def page_rules(self, max_edge_px: int) -> PageRules:
        # Two crops on the short side is the least that is not magnified.
        most = max(2, max_edge_px // self.crop_px)
        sides = [
            (columns * self.crop_px, rows * self.crop_px)
            for columns in range(2, most + 1)
            for rows in range(columns, most + 1)
        ]
        return PageRules(self.crop_px, sides[-1][0], sides[-1][1], tuple(sides))


@dataclass(frozen=True)
class Canvases(Formula):
    """Fixed inputs: a name to ``[width, height, tokens]`` for each.

    An image of another size goes to the smallest canvas that holds it, or to
    the largest. ``tokens`` is the whole sequence length.
    """

    canvases: Mapping[str, tuple[int, int, int]]

    def see(self, width_px: int, height_px: int) -> Seen:
        by_area = sorted(self.canvases.values(), key=lambda canvas: canvas[0] * canvas[1])
        holding = [c for c in by_area if width_px <= c[0] and height_px <= c[1]]
        width, height, tokens = holding[0] if holding else by_area[-1]
        return Seen(tokens, width, height)

    def page_rules(self, max_edge_px: int) -> PageRules:
        return _canvas_rules([(w, h) for w, h, _ in self.canvases.values()], max_edge_px)


@dataclass(frozen=True)
class Levels(Formula):
    """A named level buys a number of tokens, whatever the image's pixels.

    The image is scaled to the largest grid of ``cell_px`` cells of its aspect
    ratio that the level's tokens hold. A page has one of the sizes that fill a
    level exactly, and so its size says which level to ask for; anything else is
    taken at ``default``.
    """

    levels: Mapping[str, int]
    cell_px: int
    default: str
    wrapper: int = 0

    def __post_init__(self) -> None:
        if self.default not in self.levels:
            raise ValueError(f"default = {self.default!r} is not one of {[*self.levels]}")

    def see(self, width_px: int, height_px: int) -> Seen:
        tokens = self.levels[self._level(width_px, height_px)]
        columns = math.floor(math.sqrt(tokens * width_px / height_px))
        rows = math.floor(math.sqrt(tokens * height_px / width_px))
        if columns == 0:
            columns, rows = 1, min(height_px // width_px, tokens)
        elif rows == 0:
            columns, rows = min(width_px // height_px, tokens), 1
        return Seen(columns * rows + self.wrapper, columns * self.cell_px, rows * self.cell_px)

    def detail(self, width_px: int, height_px: int) -> str | None:
        return self._level(width_px, height_px) if len(self.levels) > 1 else None

    def _level(self, width_px: int, height_px: int) -> str:
        for name, size in self._sizes().items():
            if size == (width_px, height_px):
                return name
        return self.default

    def _sizes(self) -> dict[str, tuple[int, int]]:
        grids = {name: _exact_grid(tokens) for name, tokens in self.levels.items()}
        return {name: (w * self.cell_px, h * self.cell_px) for name, (w, h) in grids.items()}

    def page_rules(self, max_edge_px: int) -> PageRules:
        return _canvas_rules(list(self._sizes().values()), max_edge_px)


@dataclass(frozen=True)
class TiledGrid(Formula):
    """A grid of tiles chosen by aspect ratio, and one view of the whole.

    ``tile_side`` is the tokens on a tile's side. With ``row_ends`` the tiles form
    one mosaic with a token at the end of each of its rows. With ``view_px`` an
    image no larger than a tile is seen in the view alone, scaled to that square;
    without it the grid decides, and a single tile stands for the view.
    """

    tile_px: int
    tile_side: int
    view_tokens: int
    min_tiles: int
    max_tiles: int
    view_px: int = 0
    row_ends: bool = False
    wrapper: int = 0

    def see(self, width_px: int, height_px: int) -> Seen:
        if self.view_px and max(width_px, height_px) <= self.tile_px:
            scale = self.view_px / max(width_px, height_px)
            sides = rounded(width_px * scale), rounded(height_px * scale)
            return Seen(self.view_tokens + self.wrapper, *sides)
        columns, rows = self._grid(width_px, height_px)
        row_tokens = columns * self.tile_side + (1 if self.row_ends else 0)
        tokens = rows * self.tile_side * row_tokens + self.wrapper
        if self.view_px or columns * rows > 1:
            tokens += self.view_tokens
        return Seen(tokens, columns * self.tile_px, rows * self.tile_px)

    def _grid(self, width_px: int, height_px: int) -> tuple[int, int]:
        """The grid nearest in aspect ratio; among equals the larger while it is half filled."""
        best, best_gap = (1, 1), math.inf
        for columns, rows in _grids(self.min_tiles, self.max_tiles):
            gap = abs(width_px / height_px - columns / rows)
            half = 0.5 * self.tile_px**2 * columns * rows
            if gap < best_gap or (gap == best_gap and width_px * height_px > half):
                best, best_gap = (columns, rows), gap
        return best

    def page_rules(self, max_edge_px: int) -> PageRules:
        grids = _grids(self.min_tiles, self.max_tiles)
        return _kept_rules(
            self, [(c * self.tile_px, r * self.tile_px) for c, r in grids], max_edge_px
        )


@dataclass(frozen=True)
class SplitTiles(Formula):
    """The long edge scaled (also up) to a fixed length, then cut into tiles.

    Each tile is ``tile_tokens`` and ``tile_tags`` (its opening and its row and
    column tag), each row ends with ``row_tags``, and a view of the whole comes
    last with ``view_tags``.
    """

    tile_px: int
    tile_tokens: int
    long_edge_px: int
    tile_tags: int = 2
    row_tags: int = 1
    view_tags: int = 3

    def see(self, width_px: int, height_px: int) -> Seen:
        aspect = width_px / height_px
        # Truncated, then made even, as in the processor this restates.
        if width_px >= height_px:
            width, height = self.long_edge_px, int(self.long_edge_px / aspect)
            height = max(1, height + height % 2)
        else:
            width, height = int(self.long_edge_px * aspect), self.long_edge_px
            width = max(1, width + width % 2)
        columns, rows = math.ceil(width / self.tile_px), math.ceil(height / self.tile_px)
        view = self.tile_tokens + self.view_tags
        if columns * rows == 1:
            return Seen(view, self.tile_px, self.tile_px)
        row = columns * (self.tile_tokens + self.tile_tags) + self.row_tags
        return Seen(view + rows * row, columns * self.tile_px, rows * self.tile_px)

    def page_rules(self, max_edge_px: int) -> PageRules:
        across = range(self.tile_px, self.long_edge_px + 1, self.tile_px)
        sizes = [(self.long_edge_px, side) for side in across]
        sizes += [(side, self.long_edge_px) for side in across if side < self.long_edge_px]
        return _kept_rules(self, sizes, max_edge_px)


@lru_cache(maxsize=64)
def _grids(least: int, most: int) -> tuple[tuple[int, int], ...]:
    """All (columns, rows) of ``least`` to ``most`` tiles, fewest tiles first."""
    every = [(c, r) for c in range(1, most + 1) for r in range(1, most // c + 1) if c * r >= least]
    return tuple(sorted(every, key=lambda grid: grid[0] * grid[1]))


def _exact_grid(cells: int) -> tuple[int, int]:
    """The squarest (columns, rows) of exactly ``cells`` cells, portrait."""
    columns = next(c for c in range(math.isqrt(cells), 0, -1) if cells % c == 0)
    return columns, cells // columns


def _kept_rules(formula: Formula, sizes: list[tuple[int, int]], max_edge_px: int) -> PageRules:
    """Rules with those sizes that the formula leaves as they are."""
    kept: list[tuple[int, int]] = []
    for size in sizes:
        seen = formula.see(*size)
        if (seen.width_px, seen.height_px) == size:
            kept.append(size)
    return _canvas_rules(kept, max_edge_px)


def _canvas_rules(sizes: list[tuple[int, int]], max_edge_px: int) -> PageRules:
    kept = sorted((s for s in sizes if max(s) <= max_edge_px), key=lambda s: (s[0] * s[1], s))
    if not kept:
        raise ValueError(f"no page size of this formula is within max_edge_px = {max_edge_px}")
    return PageRules(1, max(w for w, _ in kept), max(h for _, h in kept), tuple(kept))
