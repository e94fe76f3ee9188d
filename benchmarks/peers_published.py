"""Two published ways to draw text as pictures, drawn here by their recipes.

Takes a Sample, gives pictures and what of each is read: newline marks painted
over, since they are no part of the text. Knows nothing of readers.

Their fonts are Debian's ``fonts-dejavu-core`` and ``fonts-spleen``.
"""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from peers import Drawn, Missing, png_bytes, register, require
from PIL import Image, ImageChops, ImageDraw, ImageFont
from samples import Sample

DEJAVU = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
SPLEEN = Path("/usr/share/fonts/X11/misc/spleen-5x8.pcf.gz")


class Glyph:
    """Glyph's published configuration and the steps of its renderer.

    A4 at 72 dpi, 9 pt on 10 pt lines, margins of 10 pt, newlines as a red ``\\n``
    within one flowing paragraph, width and last page cropped. Verdana is not free:
    DejaVu Sans, as wide a design, stands in; for Chinese, sfumato's CJK font.
    pypdfium2 turns the PDF into pixels.
    """

    name = "Glyph"
    _NEWLINE = '<font color="#FF0000"> \\n </font>'
    _PAGE, _MARGIN, _LEADING = (595, 842), 10, 10

    def __init__(self) -> None:
        for package in ("reportlab", "pypdfium2"):
            require(package)
        if not DEJAVU.exists():
            raise Missing("Glyph's stand-in font is missing: apt-get install fonts-dejavu-core")
        register("glyph", DEJAVU)

    def sizes_px(self, kind: str) -> Sequence[float]:
        return (9,)

    def default_px(self, kind: str) -> float:
        return 9

    def draw(self, sample: Sample, size_px: float) -> list[Drawn]:
        pages = self._chinese(sample) if sample.kind == "chinese" else self._latin(sample)
        pages = [self._cropped(page, last=page is pages[-1]) for page in pages]
        return [
            Drawn(png_bytes(page), (without_red(page),), page.width * page.height) for page in pages
        ]

    def dropped(self, sample: Sample, size_px: float) -> float:
        """Nothing that does not fit."""
        return 0.0

    def _latin(self, sample: Sample) -> list[Image.Image]:
        """One flowing paragraph by reportlab."""
        import pypdfium2
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.platypus import Paragraph, SimpleDocTemplate

        text = re.sub(" {2,}", lambda found: "&nbsp;" * len(found[0]), escape(sample.text))
        text = text.replace("\t", "&nbsp;" * 4).replace("\n", self._NEWLINE)
        style = ParagraphStyle("glyph", fontName="glyph", fontSize=9, leading=self._LEADING)
        out = io.BytesIO()
        sides = ("leftMargin", "rightMargin", "topMargin", "bottomMargin")
        document = SimpleDocTemplate(out, pagesize=self._PAGE, **dict.fromkeys(sides, self._MARGIN))
        document.build([Paragraph(text, style)])
        pages = pypdfium2.PdfDocument(out.getvalue())
        return [page.render(scale=1).to_pil().convert("RGB") for page in pages]

    def _chinese(self, sample: Sample) -> list[Image.Image]:
        """The same page by Pillow: reportlab takes no fonts of that kind."""
        font = ImageFont.truetype(str(chinese_font()), 9)
        width, height = self._PAGE
        # reportlab's frames have a padding of 6 on each side.
        left = self._MARGIN + 6
        pages: list[Image.Image] = []
        x, y = width, height
        for character in sample.text:
            shown = " \\n " if character == "\n" else character
            advance = font.getlength(shown)
            if x + advance > width - left:
                x, y = float(left), y + self._LEADING
            if y + self._LEADING > height - left:
                pages.append(Image.new("RGB", (width, height), "white"))
                draw = ImageDraw.Draw(pages[-1])
                y = left
            ink = "red" if character == "\n" else "black"
            draw.text((x, y + 8), shown, font=font, fill=ink, anchor="ls")
            x += advance
        return pages

    def _cropped(self, page: Image.Image, *, last: bool) -> Image.Image:
        box = ImageChops.invert(page.convert("L")).getbbox() or (0, 0, page.width, page.height)
        right = min(page.width, box[2] + self._MARGIN // 2)
        bottom = min(page.height, box[3] + self._MARGIN // 2) if last else page.height
        return page.crop((0, 0, right, bottom))


class SpleenGrid:
    """The grid pxpipe draws for Claude: Spleen 5x8 on 1568x728, 312 columns, ↵ for newlines.

    The font has ASCII only; what it lacks is left blank. Pages are cropped to
    their last row.
    """

    name = "Spleen 5x8"
    _COLUMNS, _ROWS, _CELL = 312, 90, (5, 8)
    _LEFT, _TOP = 4, 4
    _RETURN = ("00001", "00001", "00101", "01001", "11111", "01000", "00100", "00000")

    def __init__(self) -> None:
        if not SPLEEN.exists():
            raise Missing("Spleen is missing: apt-get install fonts-spleen")
        self._font = ImageFont.truetype(str(SPLEEN), 8)
        self._return = Image.fromarray(
            np.array([[255 * int(bit) for bit in row] for row in self._RETURN], np.uint8)
        )

    def sizes_px(self, kind: str) -> Sequence[float]:
        return (8,)

    def default_px(self, kind: str) -> float:
        return 8

    def draw(self, sample: Sample, size_px: float) -> list[Drawn]:
        text = re.sub(r"[ \t]+", " ", re.sub(r"\s*\n\s*", "↵", sample.text))
        cells = self._COLUMNS * self._ROWS
        return [self._page(text[at : at + cells]) for at in range(0, len(text), cells)]

    def dropped(self, sample: Sample, size_px: float) -> float:
        """Nothing that does not fit."""
        return 0.0

    def _page(self, text: str) -> Drawn:
        rows = [text[at : at + self._COLUMNS] for at in range(0, len(text), self._COLUMNS)]
        wide, high = self._CELL
        page = Image.new("L", (1568, len(rows) * high + 2 * self._TOP), 255)
        draw = ImageDraw.Draw(page)
        draw.fontmode = "1"
        for number, row in enumerate(rows):
            shown = "".join(c if " " <= c <= "~" else " " for c in row)
            draw.text((self._LEFT, self._TOP + number * high), shown, font=self._font, fill=0)
        read = page.copy()
        for at in (found.start() for found in re.finditer("↵", text)):
            place = (
                self._LEFT + at % self._COLUMNS * wide,
                self._TOP + at // self._COLUMNS * high,
            )
            page.paste(0, place, self._return)
        tops = range(self._TOP, self._TOP + len(rows) * high, high)
        cut = tuple(read.crop((0, y, read.width, y + high)) for y in tops)
        return Drawn(png_bytes(page), (read,), page.width * page.height, cut)


def without_red(page: Image.Image) -> Image.Image:
    """The page in grey with everything reddish painted over."""
    pixels = np.asarray(page).astype(int)
    red = pixels[:, :, 0] - pixels[:, :, 2] > 8
    return Image.fromarray(np.where(red, 255, np.asarray(page.convert("L"))).astype(np.uint8))


def chinese_font() -> Path:
    """The CJK font that sfumato draws with."""
    spec = importlib.util.find_spec("noto_cjk_sans_jp_regular")
    if spec is None or spec.origin is None:
        raise Missing("pip install noto-cjk-sans-jp-regular")
    return next(
        path
        for path in Path(spec.origin).parent.rglob("*")
        if path.suffix in (".otf", ".ttf", ".ttc")
    )
