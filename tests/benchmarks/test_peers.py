"""The peers' adapters and samples: what they hand over, cut and paint over."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from density import Reading, next_size
from peers import Missing, PixelPrompt, UnLOCC
from peers_published import SpleenGrid, without_red
from peers_sfumato import Sfumato
from PIL import Image
from samples import Sample, samples

WORDS = Sample("prose", "", tuple(f"turn {n} says some words of its own" for n in range(300)))


def made(contender):
    try:
        return contender()
    except Missing as missing:
        pytest.skip(str(missing))


def test_a_part_is_whole_lines_from_the_one_that_holds_its_start():
    sample = Sample("prose", "", ("one\ntwo", "three", "four"))
    assert sample.part(4, 6).turns == ("two", "three")
    assert sample.part(0, 100) == sample


def test_every_kind_of_text_is_there_and_the_invented_are_the_same_each_time():
    first, again = samples(None, 5_000), samples(None, 5_000)
    assert first == again
    assert [sample.kind for sample in first] == ["prose", "code", "logs", "chinese"]
    assert all(5_000 <= len(sample.text) < 8_000 for sample in first)


def test_sizes_go_down_while_they_are_read_and_up_while_they_are_not():
    sizes = (7, 8, 9, 10)
    assert next_size(sizes, 8, {}) == 8
    assert next_size(sizes, 8, {8: True}) == 7
    assert next_size(sizes, 8, {8: True, 7: False}) is None
    assert next_size(sizes, 8, {8: False}) == 9
    assert next_size(sizes, 8, {8: False, 9: True}) is None
    assert next_size(sizes, 8, {8: False, 9: False, 10: False}) is None


def test_the_interval_holds_the_rate():
    reading = Reading("x", "prose", 9, 20.0, 0.0, "pp-ocr", 2, 10, 1_000)
    assert reading.interval[0] < reading.rate < reading.interval[1]
    assert reading.within


def test_what_is_ours_is_painted_over_and_its_area_counts():
    text = Sample("prose", "", ("i",))
    (page,) = Sfumato().draw(text, 9)
    (column,) = page.columns
    assert page.area_px2 > column.width * column.height
    ink = np.argwhere(np.asarray(column) < 255)
    assert np.ptp(ink[:, 1]) < 9  # one thin letter: no tick, mark or name


def test_red_newlines_are_painted_over():
    page = Image.new("RGB", (4, 1), "white")
    page.putpixel((0, 0), (255, 0, 0))
    page.putpixel((1, 0), (90, 90, 90))
    assert list(np.asarray(without_red(page))[0]) == [255, 90, 255, 255]


def test_the_grid_holds_its_columns_and_newlines_are_not_read():
    grid = made(SpleenGrid)
    (page,) = grid.draw(Sample("prose", "", ("ab", "cd")), 8)
    sent = np.asarray(Image.open(BytesIO(page.png)))
    assert sent.shape[1] == 1568
    assert (sent < 255).sum() > sum((np.asarray(row) < 255).sum() for row in page.rows)


def test_pixelprompt_gets_its_preset():
    assert made(PixelPrompt).default_px("code") == 7


def test_un_locc_drops_long_words_and_the_fitting_pieces_lose_none():
    peer = made(UnLOCC)
    long = Sample("prose", "", tuple("abcdefghijklmno pqrstuvwxyzabcdef" for _ in range(300)))
    assert peer.dropped(long, 15) > 0.1
    pieces = peer._fits(long.text, 15)
    assert " ".join(pieces).split() == long.text.split()
    assert all(peer.dropped(Sample("prose", "", (piece,)), 15) == 0 for piece in pieces)
