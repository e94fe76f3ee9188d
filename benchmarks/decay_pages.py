"""The rival ways to spend one visual-token budget on the older turns of a thread.

Takes a thread, a host and a budget; gives, for each way, which turns stand as
text, which on pages, and the pixels of the turns asked for. All ways have the
same text window, note and factsheet: those of sfumato's own plan with three
tiers. What that plan spends on its spans, each other way may spend on pages.

Knows nothing of reading or scoring.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from io import BytesIO

from demo.scoring import plain
from PIL import Image

from sfumato.aging import Layout, Policy
from sfumato.hosts import Host, TypeRange
from sfumato.layouts import budget_class
from sfumato.measures import Measures, added
from sfumato.memory import Memory
from sfumato.plan import Plan
from sfumato.renderers import Box, Page, Style
from sfumato.tiers import Tier, tiers_for

TIERS = 3
_SAME = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"', "–": "-", "—": "-"})


@dataclass(frozen=True)
class Piece:
    """The lines of one turn in one column, as they stand on a page.

    ``words`` is what was drawn of the turn itself, ``em_px`` the type size after
    any resampling, ``png`` the pixels.
    """

    mark: int
    words: str
    em_px: float
    png: bytes

    @property
    def digest(self) -> str:
        return sha256(self.png + f"{self.em_px:.2f}".encode()).hexdigest()


@dataclass
class Shown:
    """What one way shows: marks as text and on pages, and what it spends on the latter.

    ``pieces`` holds the turns asked for that are on pages.
    """

    way: str
    tokens: int = 0
    pages: int = 0
    text: set[int] = field(default_factory=set[int])
    paged: dict[int, float] = field(default_factory=dict[int, float])
    pieces: dict[int, list[Piece]] = field(default_factory=dict[int, list[Piece]])

    def draw(self, picture: Image.Image, page: Page, style: Style, wanted: Collection[int]) -> None:
        """Take in a page, drawn with boxes, as ``picture`` shows it."""
        self.pages += 1
        em_px = shrunk_em_px(picture, page, style)
        for mark in range(page.first, page.last + 1):
            self.paged[mark] = em_px
        for piece in pieces(picture, page, style, wanted):
            self.pieces.setdefault(piece.mark, []).append(piece)


class Bench:
    """One thread on one host at one budget, and the rival ways to show it."""

    def __init__(
        self,
        memory: Memory,
        budget: int,
        wanted: Collection[int],
        limits: tuple[float, float] | None = None,
    ) -> None:
        desk = memory.desk
        self.host, self.renderer, self.wanted = desk.host, desk.renderer, wanted
        self.capacity = budget_class(budget)
        self.thread = memory.thread
        self._memory = memory
        self._entries = memory.journal.entries(memory.thread)
        self.turns = [entry.seq for entry in self._entries]
        largest, smallest = limits or type_limits(self.host, self.capacity)
        ratio = (smallest / largest) ** (1 / (TIERS - 1))
        self.sizes = tuple(round(largest * ratio**k, 2) for k in range(TIERS))
        tiers = tuple(
            Tier(number, style_at(self.host, px, self.capacity))
            for number, px in enumerate(self.sizes, start=1)
        )
        self.tiers = tiers
        self.measures, self.layout, self.total, self.occupancy = self._planned(tiers)
        self.allowance = sum(span.tokens for span in self.layout.spans)
        self.window = set(self.layout.tail)
        self.older = [mark for mark in self.turns if mark not in self.window]

    def _planned(
        self, tiers: Sequence[Tier]
    ) -> tuple[Measures, Layout, int, list[tuple[int, ...]]]:
        """Sfumato's plan: measures, layout, tokens; turns in each tier since there are pages."""
        measures = self._memory.desk.measures(self._memory.thread, tiers)
        measures.hold(self._entries)
        plan = Plan(Policy(), self.capacity, measures)
        layout = Layout()
        occupancy: list[tuple[int, ...]] = []
        for entry in self._entries:
            layout = plan.fold(layout, [added(entry)])
            if layout.spans:
                occupancy.append(occupants(layout))
        return measures, layout, plan.total(layout), occupancy

    def said(self, mark: int) -> str:
        """What a turn says, as it is compared."""
        return letters(self.measures.entry(mark).turn.text).casefold()

    # -- the ways ----------------------------------------------------------

    def shrinking_plan(self) -> Shown:
        """Sfumato's plan as it is: each merged span is typeset anew, smaller."""
        return self._plan_shown("plan", self.tiers, self.measures, self.layout)

    def merging_plan(self) -> Shown:
        """The same plan with all tiers in the smallest type; its text window is its own."""
        tiers = [replace(tier, style=self.tiers[-1].style) for tier in self.tiers]
        measures, layout, _, _ = self._planned(tiers)
        return self._plan_shown("plan, one size", tiers, measures, layout)

    def _plan_shown(
        self, way: str, tiers: Sequence[Tier], measures: Measures, layout: Layout
    ) -> Shown:
        shown = Shown(way, text=set(layout.tail))
        for span in layout.spans:
            shown.tokens += span.tokens
            if span.kind == "text":
                shown.text.update(measures.marks(span.shown_first, span.last))
                continue
            style = tiers[span.tier - 1].style
            kept = {(page.first, page.last) for page in span.pages}
            for page in self._drawn(measures.marks(span.first, span.last), style):
                if (page.first, page.last) in kept:
                    shown.draw(opened(page), page, style, self.wanted)
        return shown

    def progressive(self) -> Shown:
        """Tiers that share the tokens: each tier is typeset in its own size."""
        shown = Shown("progressive", text=set(self.window))
        for tier, marks in self.decay():
            shown.tokens += _cost(self.measures, tier.number, marks)
            for page in self._drawn(marks, tier.style):
                shown.draw(opened(page), page, tier.style, self.wanted)
        return shown

    def downscaled(self) -> Shown:
        """The same turns in the same tiers, typeset once, in tier 1's type, then resampled.

        Each tier costs at most what it costs in ``progressive``.
        """
        shown = Shown("downscaled", text=set(self.window))
        for tier, marks in self.decay():
            # Pages that are to shrink start larger, or bars and margins would take more of them.
            swell = (self.sizes[0] / tier.type_px) ** 2
            style = style_at(self.host, self.sizes[0], int(self.capacity * swell))
            pages = self._drawn(marks, style)
            sizes = resampled_sizes(self.host, pages, _cost(self.measures, tier.number, marks))
            for page, size in zip(pages[len(pages) - len(sizes) :], sizes, strict=True):
                small = opened(page)
                if size != small.size:
                    small = small.resize(size, Image.Resampling.LANCZOS)
                shown.draw(small, page, style, self.wanted)
                shown.tokens += self.host.image_tokens(*size)
        return shown

    def decay(self) -> list[tuple[Tier, list[int]]]:
        """The turns of each tier, newest tier first. Tiers have equal shares of the tokens.

        Where all turns fit so, the first tiers get more, as long as all still fit.
        """
        best = self._shared([1 / TIERS] * TIERS)
        for twelfths in range(5, 13):
            first = twelfths / 12
            wider = self._shared([first, *[(1 - first) / (TIERS - 1)] * (TIERS - 1)])
            if sum(len(marks) for _, marks in wider) < len(self.older):
                break
            best = wider
        return best

    def _shared(self, shares: Sequence[float]) -> list[tuple[Tier, list[int]]]:
        left, spare = self.older, 0.0
        found: list[tuple[Tier, list[int]]] = []
        for tier, share in zip(self.tiers, shares, strict=True):
            spare += share * self.allowance
            start = _start(self.measures, tier.number, left, spare)
            if left[start:]:
                found.append((tier, left[start:]))
                spare -= _cost(self.measures, tier.number, left[start:])
            left = left[:start]
        return found

    def single(self, way: str, type_px: float) -> Shown:
        """All pages in one type size, the oldest turns evicted."""
        shown = Shown(way, text=set(self.window))
        style = style_at(self.host, type_px, self.capacity)
        measures = self._memory.desk.measures(self._memory.thread, [Tier(1, style)])
        measures.hold(self._entries)
        marks = self.older[_start(measures, 1, self.older, self.allowance) :]
        shown.tokens = _cost(measures, 1, marks)
        for page in self._drawn(marks, style):
            shown.draw(opened(page), page, style, self.wanted)
        return shown

    def specimen(self, type_px: float, drawn_px: float | None = None) -> Shown:
        """The turns asked for in one size; drawn in ``drawn_px`` and resampled, if given."""
        shown = Shown("specimen")
        style = style_at(self.host, drawn_px or type_px, self.capacity)
        scale = type_px / style.type_px
        for page in self._drawn(sorted(self.wanted), style):
            picture = opened(page)
            if scale != 1:
                size = (round(picture.width * scale), round(picture.height * scale))
                picture = picture.resize(size, Image.Resampling.LANCZOS)
            shown.draw(picture, page, style, self.wanted)
        return shown

    def trimmed(self) -> Shown:
        """No pages: the newest turns, as text, that fit what the whole view takes."""
        shown = Shown("trimmed")
        used = 0
        for mark in reversed(self.turns):
            used += self.measures.text(mark)
            if used > self.total:
                break
            shown.text.add(mark)
        return shown

    def _drawn(self, marks: Sequence[int], style: Style) -> list[Page]:
        blocks = [self.measures.block(mark) for mark in marks]
        return self.renderer.draw(blocks, style, boxes=True)


def occupants(layout: Layout) -> tuple[int, ...]:
    """Turns on pages of each tier."""
    return tuple(
        sum(s.turns for s in layout.spans if s.tier == tier and s.kind == "page")
        for tier in range(1, TIERS + 1)
    )


def _start(measures: Measures, tier: int, marks: Sequence[int], tokens: float) -> int:
    """Where the longest run of the newest turns starts whose pages cost at most ``tokens``."""
    low, high = 0, len(marks)
    while low < high:
        middle = (low + high) // 2
        if _cost(measures, tier, marks[middle:]) <= tokens:
            high = middle
        else:
            low = middle + 1
    return low


def _cost(measures: Measures, tier: int, marks: Sequence[int]) -> int:
    return sum(page.tokens for page in measures.pages(tier, marks))


def type_limits(host: Host, capacity: int) -> tuple[float, float]:
    """The largest type whose pages profit, up to the legible maximum; the dense minimum."""
    smallest, largest = host.profiles["dense"].min_px, host.profiles["legible"].max_px
    wide = replace(host, profiles={"wide": TypeRange(smallest, largest, "")})
    return tiers_for(wide, "wide", capacity, Policy())[0].type_px, smallest


def style_at(host: Host, type_px: float, capacity: int) -> Style:
    """The page sfumato would use for a type size."""
    lone = replace(host, profiles={"lone": TypeRange(type_px, type_px, "")})
    return tiers_for(lone, "lone", capacity, Policy())[0].style


def letters(text: str) -> str:
    """The characters compared: no white space, one form of quotes and dashes."""
    return plain(text).translate(_SAME)


def opened(page: Page) -> Image.Image:
    return Image.open(BytesIO(page.png)).convert("L")


def shrunk_em_px(picture: Image.Image, page: Page, style: Style) -> float:
    """The type size on a page that was resampled to ``picture``."""
    scale = picture.width * picture.height / (page.width_px * page.height_px)
    return round(style.type_px * math.sqrt(scale), 2)


def pieces(
    picture: Image.Image, page: Page, style: Style, wanted: Collection[int]
) -> Iterator[Piece]:
    """These turns of a page, column by column, cut out of ``picture`` (the page, resampled)."""
    stride = style.column_px + style.gutter_px
    boxes: dict[tuple[int, int], list[Box]] = defaultdict(list)
    words: dict[tuple[int, int], list[str]] = defaultdict(list)
    mark = page.first
    for box in page.boxes:
        if box.kind in ("bar", "picture"):
            continue
        if box.kind == "lead" and box.text.startswith("#"):
            mark = int(box.text[1:])
        place = (mark, box.x0 // stride)
        boxes[place].append(box)
        if box.kind == "text":
            words[place].append(box.text)
    across, down = picture.width / page.width_px, picture.height / page.height_px
    em_px = shrunk_em_px(picture, page, style)
    for (mark, column), found in boxes.items():
        if mark not in wanted:
            continue
        top, bottom = min(box.line_y0 for box in found), max(box.line_y1 for box in found)
        # The rule between columns is no letter, and cut alike, equal turns are equal pieces.
        left, right = column * stride + 2, (column + 1) * stride - 1
        cut = picture.crop(
            (
                math.floor(left * across),
                math.floor(top * down),
                min(math.ceil(right * across), picture.width),
                min(math.ceil(bottom * down), picture.height),
            )
        )
        png = BytesIO()
        cut.save(png, "PNG", compress_level=1)
        yield Piece(mark, " ".join(words[mark, column]), em_px, png.getvalue())


def resampled_sizes(host: Host, pages: Sequence[Page], tokens: int) -> list[tuple[int, int]]:
    """Sizes for these pages that together cost at most ``tokens`` and shrink alike.

    Where even the smallest do not fit, sizes for the newest pages only.
    """
    rules = host.page_rules
    assert rules is not None
    kept = list(pages)
    while kept:
        if rules.canvases:
            sizes = _canvas_sizes(host, kept, rules.canvases, tokens)
        else:
            sizes = _grid_sizes(host, kept, rules.snap_px, tokens)
        if sizes:
            return sizes
        kept = kept[1:]
    return []


def _grid_sizes(host: Host, pages: Sequence[Page], snap: int, tokens: int) -> list[tuple[int, int]]:
    """The largest common scale, in thousandths, that the tokens allow, on the host's grid."""
    for scale in range(1000, 250, -2):
        sizes = [
            (
                max(snap, round(page.width_px * scale / 1000 / snap) * snap),
                max(snap, round(page.height_px * scale / 1000 / snap) * snap),
            )
            for page in pages
        ]
        if sum(host.image_tokens(*size) for size in sizes) <= tokens:
            return sizes
    return []


def _canvas_sizes(
    host: Host, pages: Sequence[Page], canvases: Sequence[tuple[int, int]], tokens: int
) -> list[tuple[int, int]]:
    """The page shrunk most gets the next larger canvas, as long as the tokens allow."""
    ladder = sorted(canvases)
    at = [0] * len(pages)
    tops = [ladder.index((page.width_px, page.height_px)) for page in pages]

    def cost() -> int:
        return sum(host.image_tokens(*ladder[k]) for k in at)

    if cost() > tokens:
        return []
    while True:
        shrunk = sorted(
            (ladder[at[n]][0] / page.width_px, n) for n, page in enumerate(pages) if at[n] < tops[n]
        )
        for _, n in shrunk:
            at[n] += 1
            if cost() <= tokens:
                break
            at[n] -= 1
        else:
            return [ladder[k] for k in at]
