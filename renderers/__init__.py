"""Renderers: turns drawn as dense page images that a vision model reads.

geometry   page sizes and tiers' type sizes, as pure arithmetic
pagination which turns stand on which page, as pure arithmetic
fonts      which font draws which character
content    turns as prose, code and pictures
glyphs     words to pixels, by their fonts
stamps     large ink to the pixels of a word
cells      words of code from parts seen before
typeset    text to lines
place      where the words of a line stand
sheet      lines to one page
png        grey pixels to PNG bytes
page       blocks to pages: Renderer

Takes value types only; knows nothing of storage, hosts, tokens or aging.
"""

from sfumato.renderers.geometry import (
    Block,
    PageRules,
    Style,
    fit_style,
    ladder,
)
from sfumato.renderers.page import Renderer
from sfumato.renderers.pagination import Height, PagePlan, paginate
from sfumato.renderers.sheet import Box, Page

__all__ = [
    "Block",
    "Box",
    "Height",
    "Page",
    "PagePlan",
    "PageRules",
    "Renderer",
    "Style",
    "fit_style",
    "ladder",
    "paginate",
]
