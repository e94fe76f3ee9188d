"""The quick ways to a word's pixels give what the slow one gives."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pixels

from sfumato.renderers.cells import Cells
from sfumato.renderers.fonts import Face, FontSet
from sfumato.renderers.glyphs import Letters
from sfumato.renderers.stamps import SUPERSAMPLING, Glyph, Stamper, from_large

SIZES = st.sampled_from([(6.0, 7), (7.5, 8), (8.2, 9), (8.5, 9), (9.0, 9), (9.0, 11), (10.0, 12)])
# Ink that is tall, that hangs deep, that fills its cell, and letters that are no glyph.
CHARACTERS = st.sampled_from("aegjlmpqtyWMQ0189_|()[]{}@%#$.,:;'\"/\\=+-*~^`ÀçÅ€→█☃中")
WORDS = st.text(CHARACTERS | st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@cache
def letters(type_px: float, pitch_px: int) -> Letters:
    return Letters(FontSet(), type_px, pitch_px)


def glyphs_of(word: str, size: tuple[float, int], face: Face) -> list[Glyph] | None:
    found = [letters(*size).glyph(character, face) for character in word]
    whole = [glyph for glyph in found if glyph is not None]
    return whole if len(whole) == len(found) else None


@given(WORDS, SIZES, st.sampled_from(["prose", "bold", "mono"]))
def test_glyphs_side_by_side_are_the_word_drawn_large(word, size, face):
    glyphs = glyphs_of(word, size, face)
    found = Stamper(size[1]).side_by_side(glyphs, 5) if glyphs else None
    if not glyphs or not found:
        return
    line = size[1] * SUPERSAMPLING
    width = sum(glyph.left + glyph.width + round(glyph.advance) for glyph in glyphs)
    margin = 4 * SUPERSAMPLING
    large = Pixels.new("L", (width + 2 * margin, 3 * line), 0)
    pen = 0.0
    for glyph in glyphs:
        large.paste(255, (margin + round(pen) + glyph.left, glyph.top), glyph.mask)
        pen += glyph.advance
    assert found == from_large(large, margin, 5, size[1])


@given(WORDS, SIZES)
def test_words_from_parts_are_their_glyphs_side_by_side(word, size):
    cells = cells_of(size)
    found = cells.stamp(word, 7)
    if found:
        glyphs = glyphs_of(word, size, "mono")
        assert glyphs
        assert found == Stamper(size[1]).side_by_side(glyphs, 7)


def test_words_of_code_are_put_together_from_parts():
    cells = cells_of((9.0, 9))
    assert cells.stamp("self.assertEqual(first,", 7)
    assert {"se", "lf", ".a"} <= set(cells)
    assert all(len(part) <= 2 for part in cells)


def test_letters_that_are_no_cell_wide_make_no_part():
    assert cells_of((9.0, 9)).stamp("a中b", 7) is None
    assert cells_of((8.2, 9)).stamp("width", 7) is None


def cells_of(size: tuple[float, int]) -> Cells:
    mono = letters(*size)
    return Cells(
        Stamper(size[1]), lambda word: glyphs_of(word, size, "mono"), mono.cell_px * SUPERSAMPLING
    )
