"""Ways to ink a page: greys as drawn, one bit, other contrasts and colours, hinted glyphs.

Takes a drawn page and gives it in another ink. Knows nothing of cells or readers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO

from peers import picture
from PIL import Image, ImageDraw, ImageOps

from sfumato.renderers import Page, Style
from sfumato.renderers.fonts import FontSet
from sfumato.renderers.geometry import ASCENT_EM, DESCENT_EM

DRAWN = "greys"
"""As the renderer draws: large glyphs averaged down, in greys."""
HINTED = "hinted"
"""Glyphs as FreeType draws them at their size: stems moved to whole pixels, starts too."""
_LARGE = 8


def _one_bit(threshold: int, column: Image.Image) -> Image.Image:
    """Black below ``threshold``, white from it on."""
    return column.point([255 * (grey >= threshold) for grey in range(256)])


def _coloured(ink: str, paper: str, column: Image.Image) -> Image.Image:
    """What was black in ``ink``, what was white in ``paper``, as colours by name."""
    return ImageOps.colorize(column, ink, paper)


INKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "1 bit at 128": partial(_one_bit, 128),
    "1 bit at 160": partial(_one_bit, 160),
    "1 bit at 192": partial(_one_bit, 192),
    "grey on white": partial(_coloured, "gray", "white"),
    "white on black": ImageOps.invert,
    "blue on white": partial(_coloured, "mediumblue", "white"),
    "red on white": partial(_coloured, "red", "white"),
    "black on yellow": partial(_coloured, "black", "khaki"),
}
"""What each ink makes of a column of the page in greys."""


def hinted(page: Page, style: Style, fonts: FontSet) -> Page:
    """The page with each word of prose drawn again, glyph by glyph, at its size."""
    font = fonts.load(fonts.main("prose"), style.type_px)
    large = fonts.load(fonts.main("prose"), style.type_px * _LARGE)
    spare = max(0.0, style.pitch_px - style.type_px * (ASCENT_EM + DESCENT_EM))
    baseline = round(style.type_px * ASCENT_EM + spare / 2)
    image = picture(page.png)
    draw = ImageDraw.Draw(image)
    words = [box for box in page.boxes if box.kind == "text"]
    for box in words:
        image.paste(255, (box.x0, box.y0, box.x1, box.y1))
    for box in words:
        top = box.y0 - (box.y0 - style.bar_px) % style.pitch_px
        start = box.x0 - large.getbbox(box.text, anchor="ls")[0] / _LARGE
        for index, character in enumerate(box.text):
            x = round(start + large.getlength(box.text[:index]) / _LARGE)
            draw.text((x, top + baseline), character, font=font, fill=0, anchor="ls")
    png = BytesIO()
    image.save(png, "PNG")
    return replace(page, png=png.getvalue())
