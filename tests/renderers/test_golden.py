"""Golden pages: one turn of every script and kind of content, looked at by eye.

Each row is checked three ways: its words in order, their pixels like pictures
that Pillow draws of them, and all pixels like the golden page. Then the drawing
is broken in three ways, and the check of pixels must notice each, on every row.

After a wanted change: ``python tests/renderers/test_golden.py`` draws the golden
pages anew; look at them before committing (docs/pages.md shows them).
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import ink
import numpy as np
import pytest
from golden_rows import PRIORITIES, ROWS
from PIL import Image as Pixels
from PIL import features

from sfumato.renderers import Block, Page, PageRules, Renderer, fit_style
from sfumato.renderers.fonts import FontSet
from sfumato.renderers.leading import styled

pytestmark = pytest.mark.filterwarnings("ignore:no installed font")

FOLDER = Path(__file__).parent / "golden"
TYPE_PX = 12
LARGE_PX, SMALL_PX = 17, 9
STYLE = fit_style(
    PageRules(1, 420, 800),
    TYPE_PX,
    page_px2=420 * 800,
    thumbnail_px=52,
    large_px=LARGE_PX,
    small_px=SMALL_PX,
)
NAMES = [*ROWS, "priorities"]
DRAWN_WITH = {"freetype2": "2.14.3", "raqm": "0.11.0", "harfbuzz": "14.5.0"}
"""Versions that drew the golden pages; others may place ink by a hair otherwise."""
HAIR = 2.0
"""Mean difference in greys (of 255) that other versions may make."""


def blocks(name: str) -> list[Block]:
    mark = NAMES.index(name) + 1
    turns = [(0, ROWS[name])] if name in ROWS else list(PRIORITIES.items())
    return [
        Block(mark + n, "user", None, None, False, parts, None, priority)
        for n, (priority, parts) in enumerate(turns)
    ]


def drawn(renderer: Renderer, name: str) -> Page:
    (page,) = renderer.draw(blocks(name), STYLE, boxes=True)
    return page


def sizes(name: str) -> set[float]:
    return {TYPE_PX, *(styled(block, STYLE).type_px for block in blocks(name))}


def file_of(name: str) -> Path:
    return FOLDER / f"{name.replace(' ', '-')}.png"


@pytest.fixture(scope="module")
def fonts() -> FontSet:
    return FontSet()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_the_golden_page(renderer, name):
    page = ink.pixels(drawn(renderer, name))
    golden = Pixels.open(file_of(name)).convert("L")
    assert page.size == golden.size
    difference = np.abs(np.asarray(page, dtype=int) - np.asarray(golden, dtype=int))
    same = all(features.version(library) == known for library, known in DRAWN_WITH.items())
    assert difference.mean() <= (0 if same else HAIR)


@pytest.mark.parametrize("name", NAMES)
def test_every_words_pixels_are_like_its_picture(renderer, fonts, name):
    assert ink.unlike(drawn(renderer, name), fonts, *sizes(name)) == []


def clipped(page: Page) -> Pixels.Image:
    """The right half of the largest word is gone."""
    box = max(words(page), key=lambda b: (b.x1 - b.x0) * (b.y1 - b.y0))
    paper = ink.pixels(page)
    paper.paste(255, ((box.x0 + box.x1) // 2, box.y0, box.x1, box.y1))
    return paper


def dropped(page: Page) -> Pixels.Image:
    """The last line with words is gone."""
    last = max(words(page), key=lambda box: box.y0)
    paper = ink.pixels(page)
    paper.paste(255, (STYLE.margin_px + STYLE.flush_px, last.y0, paper.width, last.y1))
    return paper


def reordered(page: Page) -> Pixels.Image:
    """The two most different neighbouring words have changed places."""
    pairs = list(zip(words(page), words(page)[1:], strict=False))
    one, other = max(
        pairs, key=lambda pair: abs((pair[0].x1 - pair[0].x0) - (pair[1].x1 - pair[1].x0))
    )
    paper = ink.pixels(page)
    first, second = (paper.crop((b.x0, b.y0, b.x1, b.y1)) for b in (one, other))
    for box, picture in ((one, second), (other, first)):
        paper.paste(255, (box.x0, box.y0, box.x1, box.y1))
        paper.paste(picture, (box.x0, box.y0))
    return paper


def words(page: Page) -> list:
    return [
        b for b in page.boxes if b.kind in ("text", "lead") and b.y1 - b.y0 > 3 and b.x1 - b.x0 > 3
    ]


@pytest.mark.parametrize("mutation", [clipped, dropped, reordered])
@pytest.mark.parametrize("name", NAMES)
def test_the_pixel_check_notices_a_broken_page(renderer, fonts, name, mutation):
    page = drawn(renderer, name)
    assert ink.unlike(replace(page, png=ink.encoded(mutation(page))), fonts, *sizes(name))


def test_every_golden_page_has_its_row():
    assert {path.name for path in FOLDER.glob("*.png")} == {file_of(name).name for name in NAMES}


def test_the_documentation_shows_every_golden_page():
    shown = (Path(__file__).parents[2] / "docs" / "pages.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"/golden/{file_of(name).name})" not in shown] == []


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    shared = Renderer()
    for row in NAMES:
        file_of(row).write_bytes(drawn(shared, row).png)
    print({library: features.version(library) for library in DRAWN_WITH})
