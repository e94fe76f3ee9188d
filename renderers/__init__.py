"""Renderers: turns drawn as dense page images that a vision model reads.

geometry   page sizes, tiers' type sizes and pagination, as pure arithmetic
fonts      which font draws which character
content    turns as prose, code and pictures
glyphs     words to pixels, by their fonts
stamps     large ink to the pixels of a word
typeset    text to lines
place      where the words of a line stand
sheet      lines to one PNG page
page       blocks to pages: Renderer

Takes value types only; knows nothing of storage, hosts, tokens or aging.
"""

from sfumato.renderers.geometry import (
    Block,
    PagePlan,
    PageRules,
    Style,
    fit_style,
    ladder,
    paginate,
)
from sfumato.renderers.page import Renderer
from sfumato.renderers.sheet import Box, Page

__all__ = [
    "Block",
    "Box",
    "Page",
    "PagePlan",
    "PageRules",
    "Renderer",
    "Style",
    "fit_style",
    "ladder",
    "paginate",
]
