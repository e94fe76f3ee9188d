"""Geometry: page sizes and pagination are arithmetic that holds for all inputs."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sfumato.errors import RenderError
from sfumato.renderers.geometry import (
    ASCENT_EM,
    DESCENT_EM,
    LADDER_STEP,
    SQUEEZED,
    PagePlan,
    PageRules,
    Style,
    fit_style,
    ladder,
    paginate,
    pitch_for,
)

CANVASES = ((512, 512), (640, 640), (1024, 1024), (1280, 1280))

sizes = st.floats(6, 24)
grids = st.builds(
    PageRules,
    st.sampled_from([1, 16, 28, 32, 64, 512]),
    st.integers(512, 3000),
    st.integers(512, 3000),
)
turns = st.lists(st.integers(1, 400), max_size=60).map(lambda lines: list(enumerate(lines, 1)))


def style_or_skip(rules: PageRules, type_px: float, page_px2: int) -> Style:
    try:
        return fit_style(rules, type_px, page_px2=page_px2)
    except RenderError:
        assume(False)
        raise


def check_pages(pages: list[PagePlan], marks_lines: list[tuple[int, int]], style: Style) -> None:
    """Every line once, in order; whole turns on a page unless a turn needs more than one."""
    starts = dict(
        zip(
            (m for m, _ in marks_lines),
            itertools.accumulate((n for _, n in marks_lines), initial=0),
            strict=False,
        )
    )
    assert [page.start for page in pages[1:]] == [page.stop for page in pages[:-1]]
    assert (pages[0].start if pages else 0) == 0
    assert (pages[-1].stop if pages else 0) == sum(lines for _, lines in marks_lines)
    largest = max((p.columns * p.rows for p in paginate([(1, 10**5)], style)), default=0)
    for page in pages:
        assert 0 < page.stop - page.start <= page.columns * page.rows
        held = [
            (m, n) for m, n in marks_lines if starts[m] < page.stop and starts[m] + n > page.start
        ]
        assert (page.first, page.last) == (held[0][0], held[-1][0])
        for mark, lines in held:
            inside = page.start <= starts[mark] and starts[mark] + lines <= page.stop
            assert inside or (lines > largest and len(held) == 1)


@given(grids, sizes, st.integers(60_000, 4_000_000))
def test_a_grid_page_keeps_the_hosts_rules_and_the_wanted_area(rules, type_px, page_px2):
    style = style_or_skip(rules, type_px, page_px2)
    assert style.width_px % rules.snap_px == style.height_px % rules.snap_px == 0
    assert style.width_px <= rules.max_width_px
    assert style.height_px <= rules.max_height_px
    assert style.width_px * style.height_px <= page_px2
    stride = style.column_px + style.gutter_px
    assert style.columns * stride <= style.width_px
    assert style.bar_px + style.rows * style.pitch_px + style.margin_px <= style.height_px


@given(grids, sizes, st.integers(60_000, 4_000_000), turns)
def test_grid_pages_hold_every_line_once_and_are_cropped(rules, type_px, page_px2, marks_lines):
    style = style_or_skip(rules, type_px, page_px2)
    pages = paginate(marks_lines, style)
    check_pages(pages, marks_lines, style)
    for page in pages:
        assert page.width_px % rules.snap_px == page.height_px % rules.snap_px == 0
        assert page.width_px <= style.width_px
        assert page.height_px <= style.height_px
        assert page.columns * (style.column_px + style.gutter_px) <= page.width_px
        bottom = style.bar_px + page.rows * style.pitch_px + style.margin_px
        assert bottom <= page.height_px
        if rules.snap_px < 100:
            assert page.height_px - bottom < rules.snap_px


@given(st.floats(6, 16), turns)
def test_canvas_pages_have_only_the_allowed_sizes(type_px, marks_lines):
    style = fit_style(PageRules(1, 1280, 1280, CANVASES), type_px, page_px2=0)
    pages = paginate(marks_lines, style)
    check_pages(pages, marks_lines, style)
    assert {(page.width_px, page.height_px) for page in pages} <= set(CANVASES)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=7))
def test_canvases_are_chosen_for_the_least_total_area(lines):
    style = fit_style(PageRules(1, 1024, 1024, CANVASES[:3]), 14, page_px2=0)
    pages = paginate(list(enumerate(lines, 1)), style)

    def area(count: int) -> float:
        pages = paginate([(1, count)], style)
        return pages[0].width_px * pages[0].height_px if len(pages) == 1 else math.inf

    def best(rest: tuple[int, ...]) -> float:
        if not rest:
            return 0
        return min(area(sum(rest[:cut])) + best(rest[cut:]) for cut in range(1, len(rest) + 1))

    assert sum(page.width_px * page.height_px for page in pages) == best(tuple(lines))


def test_one_column_is_preferred_until_more_area_is_wanted():
    rules = PageRules(28, 1568, 1568)
    small = fit_style(rules, 9, page_px2=300_000)
    large = fit_style(rules, 9, page_px2=1_200_000)
    assert small.columns == 1
    assert large.columns > 1
    assert large.width_px * large.height_px > 1_000_000


def test_the_last_page_is_balanced_over_as_few_columns_as_cost_allows():
    style = fit_style(PageRules(28, 1568, 1568), 9, page_px2=1_200_000)
    few = paginate([(1, 5)], style)[0]
    assert (few.columns, few.rows) == (1, 5)
    assert few.height_px < 100


def test_a_page_too_small_for_the_type_is_refused():
    with pytest.raises(RenderError, match="too small"):
        fit_style(PageRules(28, 56, 56), 12, page_px2=10_000)


@given(st.floats(4, 30), st.floats(1, 5), st.integers(1, 5))
def test_ladder_falls_from_largest_to_smallest_in_steps_one_can_tell_apart(least, ratio, tiers):
    steps = ladder(least, least * ratio, tiers)
    assert steps[-1] == least
    assert 1 <= len(steps) <= tiers
    if len(steps) > 1:
        assert steps[0] == least * ratio
    for larger, smaller in itertools.pairwise(steps):
        assert larger / smaller >= LADDER_STEP * 0.99


def test_ladder_of_close_limits_is_the_smallest_size_alone():
    assert ladder(9, 11) == (9,)


@given(sizes)
def test_pitch_squeezes_little_and_leaves_little_air(type_px):
    reach = type_px * (ASCENT_EM + DESCENT_EM)
    assert reach <= pitch_for(type_px) * SQUEEZED * (1 + 1e-9)
    assert pitch_for(type_px) < reach + 1


def test_a_turn_without_lines_is_a_mistake():
    style = fit_style(PageRules(28, 1568, 1568), 9, page_px2=300_000)
    with pytest.raises(ValueError, match="#3"):
        paginate([(3, 0)], style)


def test_a_pitch_that_is_given_replaces_the_computed_one():
    rules = PageRules(28, 1568, 1568)
    computed, wide = (fit_style(rules, 9, page_px2=300_000, pitch_px=px) for px in (None, 12))
    assert (computed.pitch_px, wide.pitch_px) == (pitch_for(9), 12)
    assert wide.column_px == computed.column_px
    assert wide.rows < computed.rows
