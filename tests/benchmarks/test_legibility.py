"""What the legibility study varies and counts: inks, words, exact strings, scripts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from demo.scoring import Line
from legibility_inks import HINTED, INKS, hinted
from peers import picture
from peers_sfumato import PAGES, blocks
from readers import magnified
from samples import Sample
from samples_scripts import LANGUAGES, script_samples
from shares import exact_read, words_read

from sfumato.renderers import Renderer, fit_style
from sfumato.renderers.fonts import FontSet


def line(drawn: str, read: str) -> Line:
    return Line(0, 0, 1, drawn, read, True)


def test_a_word_counts_as_often_as_it_was_read():
    share = words_read([line("one two two", "two\none twa"), line("three", "three four")])
    assert (share.found, share.total) == (3, 4)
    assert share.low <= share.rate <= share.high


def test_exact_strings_are_right_to_the_character_wherever_lines_end():
    drawn = "order 7f3a9c21e4 for $1,204.50"
    assert exact_read([line(drawn, "order 7f3a9\nc21e4 for $1,204.50")]).rate == 1
    assert exact_read([line(drawn, "order 7f3a9c2le4 for $1,204.50")]).found == 1


def test_hinted_words_stand_where_the_drawn_ones_did():
    sample = Sample("prose", "", ("Some words that are to be drawn twice, in two ways.",) * 9)
    style = fit_style(PAGES, 9, page_px2=200_000, running=True)
    (page,) = Renderer().draw(blocks(sample), style, boxes=True)
    again = hinted(page, style, FontSet())
    before, after = (255 - np.asarray(picture(p.png), np.int32) for p in (page, again))
    assert (before != after).mean() > 0.02
    for box in page.boxes:
        if box.kind == "text" and box.text.isalpha():
            inks = [int(ink[box.y0 : box.y1, box.x0 : box.x1].sum()) for ink in (before, after)]
            assert inks[1] == pytest.approx(inks[0], rel=0.5)


def test_an_ink_keeps_dark_and_light_apart():
    column = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8))
    for name, ink in INKS.items():
        grey = np.asarray(ink(column).convert("L"), np.int32)
        assert abs(grey[0, 0] - grey[0, 1]) > 90, name
        paper = magnified(ink(Image.new("L", (9, 9), 255)), 2)
        assert len(paper.getcolors()) == 1, name
    assert HINTED not in INKS


def test_every_language_is_given_at_length():
    texts = script_samples(3_000)
    assert [sample.kind for sample in texts] == list(LANGUAGES)
    for sample in texts:
        assert len(sample.text) >= 3_000
        assert len(set(sample.turns)) > len(sample.turns) * 0.8
