"""Pagination is arithmetic that holds for all heights, also where type sizes mix."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from page_rules import CANVASES, grids, sizes

from sfumato.errors import RenderError
from sfumato.renderers.geometry import PageRules, Style, fit_style, pitch_for
from sfumato.renderers.pagination import Height, PagePlan, paginate

counts = st.lists(st.integers(1, 400), max_size=60)
# What is added to the usual pitch: most turns are set like all others.
added = st.lists(st.sampled_from([0, 0, 0, 4, -2]), min_size=60, max_size=60)


def heights(counts: Sequence[int], style: Style, added: Sequence[int] = ()) -> list[Height]:
    more = itertools.chain(added, itertools.repeat(0))
    return [
        Height(mark, lines, style.pitch_px + extra)
        for mark, (lines, extra) in enumerate(zip(counts, more, strict=False), 1)
    ]


def columns_filled(pitches: Sequence[int], column_px: int) -> int:
    """Columns that lines fill one after another."""
    columns, used = 1, 0
    for pitch in pitches:
        if used + pitch > column_px:
            columns, used = columns + 1, 0
        assert pitch <= column_px
        used += pitch
    return columns


def check_pages(pages: list[PagePlan], turns: list[Height], style: Style) -> None:
    """Every line once, in order, and in its columns; whole turns on a page unless larger."""
    pitches = [turn.pitch_px for turn in turns for _ in range(turn.lines)]
    ends = list(itertools.accumulate(turn.lines for turn in turns))
    assert [page.start for page in pages[1:]] == [page.stop for page in pages[:-1]]
    assert (pages[0].start if pages else 0) == 0
    assert (pages[-1].stop if pages else 0) == len(pitches)
    for page in pages:
        inside = pitches[page.start : page.stop]
        assert 0 < columns_filled(inside, page.rows * style.pitch_px) <= page.columns
        held = [
            turn
            for turn, end in zip(turns, ends, strict=True)
            if end > page.start and end - turn.lines < page.stop
        ]
        assert (page.first, page.last) == (held[0].mark, held[-1].mark)
        for turn in held:
            end = ends[turn.mark - 1]
            whole = page.start <= end - turn.lines and end <= page.stop
            assert whole or (len(held) == 1 and larger_than_a_page(turn, turns, style))


def larger_than_a_page(turn: Height, turns: list[Height], style: Style) -> bool:
    """Also where every column but the last ends short of its foot."""
    grids = [(style.columns, style.rows)]
    if style.canvases:
        stride = style.column_px + style.gutter_px
        foot = style.bar_px + style.margin_px
        grids = [(w // stride, (h - foot) // style.pitch_px) for w, h in style.canvases]
    pitches = {each.pitch_px for each in turns}
    if len(pitches) == 1:
        (pitch,) = pitches
        return turn.lines > max(c * (rows * style.pitch_px // pitch) for c, rows in grids)
    lost = max(pitches) - 1
    room = max(c * rows * style.pitch_px - (c - 1) * lost for c, rows in grids)
    return turn.lines * turn.pitch_px > room


@given(grids, sizes, st.integers(60_000, 4_000_000), counts, added)
def test_grid_pages_hold_every_line_once_and_are_cropped(rules, type_px, page_px2, counts, added):
    try:
        style = fit_style(rules, type_px, page_px2=page_px2)
    except RenderError:
        assume(False)
        raise
    turns = heights(counts, style, added)
    pages = paginate(turns, style)
    check_pages(pages, turns, style)
    for page in pages:
        assert page.width_px % rules.snap_px == page.height_px % rules.snap_px == 0
        assert page.width_px <= style.width_px
        assert page.height_px <= style.height_px
        assert page.columns * (style.column_px + style.gutter_px) <= page.width_px
        bottom = style.bar_px + page.rows * style.pitch_px + style.margin_px
        assert bottom <= page.height_px
        if rules.snap_px < 100:
            assert page.height_px - bottom < rules.snap_px


@given(counts, added)
def test_a_grid_page_is_as_small_as_its_own_turns_alone(counts, added):
    style = fit_style(PageRules(28, 1568, 1568), 12, page_px2=1_000_000)
    turns = heights(counts, style, added)
    for page in paginate(turns, style):
        held = turns[page.first - 1 : page.last]
        if sum(turn.lines for turn in held) == page.stop - page.start:
            (alone,) = paginate(held, style)
            assert (alone.width_px, alone.height_px) == (page.width_px, page.height_px)


@given(st.floats(6, 16), counts, added)
def test_canvas_pages_have_only_the_allowed_sizes(type_px, counts, added):
    style = fit_style(PageRules(1, 1280, 1280, CANVASES), type_px, page_px2=0)
    turns = heights(counts, style, added)
    pages = paginate(turns, style)
    check_pages(pages, turns, style)
    assert {(page.width_px, page.height_px) for page in pages} <= set(CANVASES)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=7))
def test_canvases_are_chosen_for_the_least_total_area(counts):
    style = fit_style(PageRules(1, 1024, 1024, CANVASES[:3]), 14, page_px2=0)
    pages = paginate(heights(counts, style), style)

    def area(count: int) -> float:
        pages = paginate(heights([count], style), style)
        return pages[0].width_px * pages[0].height_px if len(pages) == 1 else math.inf

    def best(rest: tuple[int, ...]) -> float:
        if not rest:
            return 0
        return min(area(sum(rest[:cut])) + best(rest[cut:]) for cut in range(1, len(rest) + 1))

    assert sum(page.width_px * page.height_px for page in pages) == best(tuple(counts))


@given(st.lists(st.integers(1, 90), min_size=1, max_size=20), st.integers(0, 19))
def test_one_larger_turn_costs_its_own_lines_and_a_rows_rest_per_column(counts, which):
    style = fit_style(PageRules(1, 1568, 1568), 9, page_px2=1_200_000, large_px=14)
    plain = heights(counts, style)
    which %= len(counts)
    turn = plain[which]
    larger = [*plain[:which], turn._replace(pitch_px=pitch_for(14)), *plain[which + 1 :]]

    def area(turns: list[Height]) -> int:
        return sum(page.width_px * page.height_px for page in paginate(turns, style))

    stride = style.column_px + style.gutter_px
    own = turn.lines * (pitch_for(14) - style.pitch_px) * stride
    pages = len(paginate(larger, style))
    # A page's head and the rows left over at its end, should it become one page more.
    rest = (pages * style.columns + 1) * 3 * pitch_for(14) * stride
    assert area(larger) <= area(plain) + own + rest


def test_the_last_page_is_balanced_over_as_few_columns_as_cost_allows():
    style = fit_style(PageRules(28, 1568, 1568), 9, page_px2=1_200_000)
    few = paginate(heights([5], style), style)[0]
    assert (few.columns, few.rows) == (1, 5)
    assert few.height_px < 100


def test_a_turn_without_lines_is_a_mistake():
    style = fit_style(PageRules(28, 1568, 1568), 9, page_px2=300_000)
    with pytest.raises(ValueError, match="#3"):
        paginate([Height(3, 0, style.pitch_px)], style)
