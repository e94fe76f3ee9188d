"""Renderers: turns drawn as dense page images that a vision model reads.

geometry   page sizes, tiers' type sizes and pagination, as pure arithmetic
fonts      which font draws which character
content    turns as prose, code and pictures
glyphs     words to pixels
typeset    text to lines
page       lines to PNG pages: Renderer

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
from sfumato.renderers.page import Box, Page, Renderer

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
