"""Leading: turns whose script needs room between lines get it, in the same area."""

from __future__ import annotations

import pytest
from golden_rows import SCRIPTS
from hypothesis import given
from hypothesis import strategies as st
from page_rules import grids, sizes

from sfumato.errors import RenderError
from sfumato.renderers import Block, PageRules, Style, fit_style
from sfumato.renderers.leading import styled
from sfumato.turn import Part, Text, ToolResult

STYLE = fit_style(PageRules(1, 1000, 1000), 14, page_px2=1_000_000, large_px=18)


def of(*parts: Part, note: str | None = None, priority: int = 0) -> Style:
    return styled(Block(1, "user", None, None, False, parts, note, priority), STYLE)


@pytest.mark.parametrize(
    ("script", "pitch_px"),
    {
        "cyrillic": 13,
        "hebrew": 13,
        "symbols": 13,
        "latin": 14,
        "greek": 14,
        "chinese": 14,
        "japanese": 14,
        "korean": 14,
        "arabic": 15,
        "devanagari": 15,
        "thai": 15,
    }.items(),
)
def test_lines_of_a_script_are_as_far_apart_as_it_needs(script, pitch_px):
    own = of(*SCRIPTS[script])
    assert own.pitch_px == pitch_px
    assert own.type_px == pytest.approx(14 * 13 / pitch_px)


@pytest.mark.parametrize(
    "text",
    [
        "Lines of plain English may touch, and so may these.",
        "Le café d'à côté ferme tôt, mais la boulangère ouvre dès six heures chaque matin.",
        "She wrote नमस्ते on the card and pinned it to the board in the hall for all to see.",
        "The sign read 東京 and nobody in our group could say what that was meant to tell us.",
    ],
)
def test_a_few_such_letters_change_nothing(text):
    assert of(Text(text)) == STYLE


def test_what_a_tool_gave_back_counts_and_a_note_hides_it():
    hindi = ToolResult("c", SCRIPTS["devanagari"])
    assert of(hindi).pitch_px == 15
    assert of(hindi, note="removed") == STYLE


def test_a_turn_that_matters_more_is_opened_from_its_own_type():
    large = of(Text("plain"), priority=1)
    own = of(*SCRIPTS["arabic"], priority=1)
    assert large.type_px == 18
    assert own.pitch_px > large.pitch_px
    assert own.type_px * own.pitch_px == pytest.approx(large.type_px * large.pitch_px)


@given(grids, sizes, st.integers(60_000, 4_000_000), st.floats(0.5, 2))
def test_opened_lines_take_the_same_area_on_the_same_page(rules, type_px, page_px2, ratio):
    try:
        style = fit_style(rules, type_px, page_px2=page_px2)
    except RenderError:
        return
    own = style.opened(ratio)
    assert own.type_px * own.pitch_px == pytest.approx(type_px * style.pitch_px)
    assert own.pitch_px >= style.pitch_px
    assert (own.columns, own.column_px, own.width_px) == (
        style.columns,
        style.column_px,
        style.width_px,
    )
    assert style.rows * style.pitch_px - own.pitch_px < own.rows * own.pitch_px
    assert own.rows * own.pitch_px <= style.rows * style.pitch_px
    if own != style:
        assert own.pitch_px / own.type_px == pytest.approx(ratio, abs=own.pitch_px / own.type_px**2)
