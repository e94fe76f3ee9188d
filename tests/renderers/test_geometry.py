"""Geometry: page sizes are arithmetic that holds for all inputs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from page_rules import grids, sizes

from sfumato.errors import RenderError
from sfumato.renderers.geometry import (
    ASCENT_EM,
    DESCENT_EM,
    LADDER_STEP,
    SQUEEZED,
    PageRules,
    Style,
    fit_style,
    ladder,
    pitch_for,
)


def style_or_skip(rules: PageRules, type_px: float, page_px2: int) -> Style:
    try:
        return fit_style(rules, type_px, page_px2=page_px2)
    except RenderError:
        assume(False)
        raise


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


def test_one_column_is_preferred_until_more_area_is_wanted():
    rules = PageRules(28, 1568, 1568)
    small = fit_style(rules, 9, page_px2=300_000)
    large = fit_style(rules, 9, page_px2=1_200_000)
    assert small.columns == 1
    assert large.columns > 1
    assert large.width_px * large.height_px > 1_000_000


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


def test_a_pitch_that_is_given_replaces_the_computed_one():
    rules = PageRules(28, 1568, 1568)
    computed, wide = (fit_style(rules, 9, page_px2=300_000, pitch_px=px) for px in (None, 12))
    assert (computed.pitch_px, wide.pitch_px) == (pitch_for(9), 12)
    assert wide.column_px == computed.column_px
    assert wide.rows < computed.rows
