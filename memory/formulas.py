"""What an image costs on a host, and what the server does to its pixels.

Takes a size in pixels and a family's parameters; gives a `Seen`: the sequence
positions the image really takes (row breaks, separators and wrapper tokens
included) and the size it is resampled to before it is read. Also gives the
`PageRules` under which a page is never resampled. Knows nothing about hosts by
name, prices, text or drawing; the figures come from hosts.toml, with sources.
Here are the encoders that pay by area; those that cut tiles are in tilings.py.

Each formula is a frozen dataclass whose fields are its parameters, in hosts.toml
spelt alike. All sizes are whole pixels, at least 1.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from sfumato.renderers.geometry import PageRules


@dataclass(frozen=True, slots=True)
class Seen:
    """One image as the host takes it.

    ``tokens`` is its sequence length. ``width_px`` and ``height_px`` are the
    size it has been resampled to when the model reads it, padding not counted.
    """

    tokens: int
    width_px: int
    height_px: int


class Formula(ABC):
    """A family's token arithmetic."""

    @abstractmethod
    def see(self, width_px: int, height_px: int) -> Seen:
        """What becomes of an image of that size."""

    @abstractmethod
    def page_rules(self, max_edge_px: int) -> PageRules:
        """Sizes up to ``max_edge_px`` a side that the server leaves as they are."""

    def detail(self, width_px: int, height_px: int) -> str | None:
        """The level to ask for with an image of that size, where the family has several."""
        return None


@dataclass(frozen=True)
class PatchGrid(Formula):
    """``ceil(w/patch) * ceil(h/patch)`` after shrinking until edge and patches fit.

    The shrunk size is the largest that keeps the aspect ratio and whose padded
    sides are within ``max_edge_px`` and whose patches are within ``max_patches``.
    ``wrapper`` tokens are added to each image.
    """

    patch_px: int
    max_patches: int
    max_edge_px: int
    wrapper: int = 0

    def see(self, width_px: int, height_px: int) -> Seen:
        width, height = width_px, height_px
        if not self._fits(width, height):
            long, short = max(width, height), min(width, height)
            low, high = 1, long
            while low < high:
                middle = (low + high + 1) // 2
                fits = self._fits(middle, rounded(middle * short / long))
                low, high = (middle, high) if fits else (low, middle - 1)
            sides = (low, rounded(low * short / long))
            width, height = sides if width_px >= height_px else sides[::-1]
        return Seen(self._patches(width, height) + self.wrapper, width, height)

    def _patches(self, width: int, height: int) -> int:
        return math.ceil(width / self.patch_px) * math.ceil(height / self.patch_px)

    def _fits(self, width: int, height: int) -> bool:
        edge = math.ceil(max(width, height) / self.patch_px) * self.patch_px
        return edge <= self.max_edge_px and self._patches(width, height) <= self.max_patches

    def page_rules(self, max_edge_px: int) -> PageRules:
        edge = min(max_edge_px, self.max_edge_px)
        return _grid_rules(self.patch_px, self.max_patches, edge)


@dataclass(frozen=True)
class PatchBudget(Formula):
    """Patches within a budget, times the model's multiplier, rounded up.

    An image past ``max_edge_px`` is first fitted into that square; one over the
    budget is then scaled by the square root of the overshoot, and once more so
    that the tighter axis comes out in whole patches.
    """

    patch_px: int
    max_patches: int
    multiplier: float
    max_edge_px: int

    def see(self, width_px: int, height_px: int) -> Seen:
        width, height = fit_square(width_px, height_px, self.max_edge_px)
        patch = self.patch_px
        if math.ceil(width / patch) * math.ceil(height / patch) > self.max_patches:
            shrink = math.sqrt(self.max_patches * patch**2 / (width * height))
            across, down = width * shrink / patch, height * shrink / patch
            # A side under one patch cannot be floored; it stays one (padded) patch.
            shrink *= min(max(1, math.floor(side)) / side for side in (across, down) if side >= 1)
            width, height = rounded(width * shrink), rounded(height * shrink)
        patches = min(math.ceil(width / patch) * math.ceil(height / patch), self.max_patches)
        return Seen(_ceil(patches * self.multiplier), width, height)

    def page_rules(self, max_edge_px: int) -> PageRules:
        return _grid_rules(self.patch_px, self.max_patches, min(max_edge_px, self.max_edge_px))


@dataclass(frozen=True)
class SmartResize(Formula):
    """Both sides rounded to multiples of ``factor_px``, the area kept within bounds.

    ``frames`` is how many times an image counts against the area bounds (GLM-V
    counts its temporal patch of 2). ``wrapper`` tokens open and close an image.
    """

    factor_px: int
    min_pixels: int
    max_pixels: int
    frames: int = 1
    wrapper: int = 2

    def see(self, width_px: int, height_px: int) -> Seen:
        factor = self.factor_px
        across, down = width_px, height_px
        if self.frames > 1 and min(across, down) < factor:
            enlarge = max(factor / down, factor / across)
            across, down = int(across * enlarge), int(down * enlarge)
        # Python's round() is to even, as in the processors this restates.
        width, height = round(across / factor) * factor, round(down / factor) * factor
        counted = self.frames * across * down
        if self.frames * width * height > self.max_pixels:
            shrink = math.sqrt(counted / self.max_pixels)
            width = max(factor, math.floor(across / shrink / factor) * factor)
            height = max(factor, math.floor(down / shrink / factor) * factor)
        elif self.frames * width * height < self.min_pixels:
            enlarge = math.sqrt(self.min_pixels / counted)
            width = math.ceil(across * enlarge / factor) * factor
            height = math.ceil(down * enlarge / factor) * factor
        return Seen(width * height // factor**2 + self.wrapper, width, height)

    def page_rules(self, max_edge_px: int) -> PageRules:
        most = self.max_pixels // self.frames // self.factor_px**2
        return _grid_rules(self.factor_px, most, max_edge_px)


@dataclass(frozen=True)
class RowBreaks(Formula):
    """Patches plus one token that ends each row, after fitting a square.

    ``patch_px`` is the patch after spatial merging.
    """

    patch_px: int
    max_edge_px: int

    def see(self, width_px: int, height_px: int) -> Seen:
        width, height = width_px, height_px
        ratio = max(width, height) / self.max_edge_px
        if ratio > 1:
            width = max(1, math.floor(width / ratio))
            height = max(1, math.floor(height / ratio))
        columns, rows = math.ceil(width / self.patch_px), math.ceil(height / self.patch_px)
        # The processor stretches to whole patches.
        return Seen((columns + 1) * rows, columns * self.patch_px, rows * self.patch_px)

    def page_rules(self, max_edge_px: int) -> PageRules:
        cells = min(max_edge_px, self.max_edge_px) // self.patch_px
        return _grid_rules(self.patch_px, cells**2, max_edge_px)


def fit_square(width: int, height: int, edge: int) -> tuple[int, int]:
    """The size shrunk, never grown, into a square of that edge."""
    long = max(width, height)
    if long <= edge:
        return width, height
    return rounded(width * edge / long), rounded(height * edge / long)


def rounded(side: float) -> int:
    """A side in whole pixels, at least one."""
    return max(1, round(side))


def _ceil(value: float) -> int:
    # 1.62 * 100 is 162.00000000000003 in binary; a bill is not.
    return math.ceil(round(value, 6))


def _grid_rules(cell_px: int, max_cells: int, max_edge_px: int) -> PageRules:
    """The largest page of whole cells, the squarest of equals, portrait."""
    side = max_edge_px // cell_px
    if side < 1:
        raise ValueError(f"a page needs at least one cell of {cell_px} px a side")
    columns = max(
        range(1, min(side, math.isqrt(max_cells)) + 1),
        key=lambda c: (c * min(side, max_cells // c), c),
    )
    rows = min(side, max_cells // columns)
    return PageRules(cell_px, columns * cell_px, rows * cell_px)
