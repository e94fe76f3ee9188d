"""Is what was drawn what should have been? Looks at pixels only.

Draws each word of a page again, whole and plainly by Pillow, and compares the
picture with the page's pixels at the place where the word is said to stand. The
renderer's own ways (glyph by glyph, cached, squeezed) are not used, only its
choice of fonts.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pixels
from PIL import ImageDraw

from sfumato.renderers import Box, Page
from sfumato.renderers.fonts import Face, FontSet

LARGE = 4
STACKED_SCALE = 0.88
"""Indic and Thai letters are set so much smaller."""
LIKE = 0.9
"""Least likeness of a word's pixels and its picture; words that differ are below 0.7."""
PLAIN = ("-kern", "-liga", "-calt", "-clig", "-ccmp", "-dlig")
"""How letters that need no shaping are set: side by side."""
SMALL_PX = 12
"""Boxes of fewer pixels (a full stop, a quote) need only hold ink."""


def pixels(page: Page) -> Pixels.Image:
    return Pixels.open(BytesIO(page.png)).convert("L")


def unlike(page: Page, fonts: FontSet, *sizes_px: float) -> list[tuple[Box, float]]:
    """The words whose pixels are like their picture in none of these sizes, and how much so."""
    paper = pixels(page)
    found: list[tuple[Box, float]] = []
    for box in page.boxes:
        if box.kind not in ("text", "lead"):
            continue
        ink = _darkness(paper.crop((box.x0, box.y0, box.x1, box.y1)))
        if ink.size < SMALL_PX:
            likeness = 1.0 if ink.max() > 30 else 0.0
        else:
            likeness = max(_likeness(ink, box, fonts, size) for size in sizes_px)
        if likeness < LIKE:
            found.append((box, likeness))
    return found


def _likeness(ink: NDArray[np.float64], box: Box, fonts: FontSet, type_px: float) -> float:
    """The likeness to the picture that comes closest; whatever is LIKE enough will do."""
    best = 0.0
    for face in ("bold",) if box.kind == "lead" else ("prose", "mono"):
        for scale in (1.0, STACKED_SCALE):
            for rtl in (False, True):
                for features in (PLAIN, None):
                    picture = _picture(box.text, fonts, face, type_px * scale, rtl, features)
                    best = max(best, _fit(ink, picture))
                    if best >= LIKE:
                        return best
    return best


@cache
def _picture(
    text: str,
    fonts: FontSet,
    face: Face,
    type_px: float,
    rtl: bool,
    features: tuple[str, ...] | None,
) -> Pixels.Image:
    """The ink of a word, LARGE times its size, white on black."""
    runs = fonts.runs(text, face)
    runs = runs[::-1] if rtl else runs
    size = type_px * LARGE
    width = round(size * (4 + sum(len(run.shown) for run in runs)))
    paper = Pixels.new("L", (width, round(6 * size)), 0)
    draw, pen = ImageDraw.Draw(paper), 2 * size
    direction = "rtl" if rtl else "ltr"
    off = list(features) if features else None
    for run in runs:
        font = fonts.load(run.font, size)
        at = (pen, 3 * size)
        draw.text(at, run.shown, 255, font, anchor="ls", direction=direction, features=off)
        pen += font.getlength(run.shown, direction=direction, features=off)
    return paper.crop(paper.getbbox())


def _fit(ink: NDArray[np.float64], picture: Pixels.Image) -> float:
    """How like they are, wherever in its first pixels the picture starts."""
    height, width = ink.shape[0] * LARGE, ink.shape[1] * LARGE
    if picture.height > height or picture.width > width:
        size = (min(width, picture.width), min(height, picture.height))
        picture = picture.resize(size, Pixels.Resampling.BOX)
    spare_x, spare_y = width - picture.width, height - picture.height
    if max(spare_x, spare_y) > 3 * LARGE:
        return 0.0
    best = 0.0
    for x in range(spare_x + 1):
        for y in range(spare_y + 1):
            paper = Pixels.new("L", (width, height), 0)
            paper.paste(picture, (x, y))
            reduced = np.asarray(paper.reduce(LARGE), dtype=np.float64)
            best = max(best, _cosine(ink, reduced))
            if best >= LIKE:
                return best
    return best


def _darkness(picture: Pixels.Image) -> NDArray[np.float64]:
    return 255.0 - np.asarray(picture, dtype=np.float64)


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / lengths if lengths else 0.0


def encoded(picture: Pixels.Image) -> bytes:
    """A picture as PNG."""
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
