"""Python packages that draw text as pictures, called as their users would.

Takes a Sample, gives pictures and what of each is read. Their own faults stay
in: what a peer drops or alters is what its reader does not get. Knows nothing
of readers.

To install: ``pip install pixelprompt==0.4.0 un-locc==0.1.9 openai reportlab pypdfium2``.
"""

from __future__ import annotations

import base64
import importlib.util
import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from samples import Sample


class Missing(Exception):
    """A peer cannot run here; the message says what to install."""


@dataclass(frozen=True)
class Drawn:
    """A picture as it would be sent, and the columns of it that are read, one after another.

    Where rows of text touch, ``rows`` are the same cut apart: engines' line finders
    may fail on them, which tells nothing of the type. ``written`` gives what was read
    as the source has it, where the picture says it otherwise.
    """

    png: bytes
    columns: tuple[Image.Image, ...]
    area_px2: int
    rows: tuple[Image.Image, ...] = ()
    written: Callable[[str], str] = str


class Contender(Protocol):
    """Draws text. ``size_px`` is one of ``sizes_px``, smallest first; ``default_px`` is its
    own, and ``dropped`` the share of characters that never get onto a picture of that size."""

    @property
    def name(self) -> str: ...
    def sizes_px(self, kind: str) -> Sequence[float]: ...
    def default_px(self, kind: str) -> float: ...
    def draw(self, sample: Sample, size_px: float) -> list[Drawn]: ...
    def dropped(self, sample: Sample, size_px: float) -> float: ...


def picture(png: bytes) -> Image.Image:
    """Decoded, in grey."""
    return Image.open(io.BytesIO(png)).convert("L")


def png_bytes(image: Image.Image) -> bytes:
    """As Pillow writes it by default."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def whole(png: bytes) -> Drawn:
    """A picture that is one column and read as it is."""
    image = picture(png)
    return Drawn(png, (image,), image.width * image.height)


class PixelPrompt:
    """pixelprompt 0.4.0 with its preset for the kind of text."""

    name = "pixelprompt"
    _PRESETS = {"prose": "prose", "code": "code", "logs": "json", "chinese": "prose"}  # noqa: RUF012

    def __init__(self) -> None:
        require("pixelprompt", "0.4.0")
        self._drawers: dict[tuple[str, float], Any] = {}

    def sizes_px(self, kind: str) -> Sequence[float]:
        return sorted({self.default_px(kind), 9, 11, 13})

    def default_px(self, kind: str) -> float:
        from pixelprompt import CONTENT_PRESETS

        return CONTENT_PRESETS[self._PRESETS[kind]]["font_size"]

    def pngs(self, sample: Sample, size_px: float) -> list[bytes]:
        """What it would send."""
        drawer = self._drawer(sample, size_px)
        return [image.png_bytes() for image in drawer.render(sample.text)]

    def _drawer(self, sample: Sample, size_px: float) -> Any:
        from pixelprompt import PixelPrompt, RenderConfig

        key = (sample.kind, size_px)
        if key not in self._drawers:
            preset = RenderConfig.for_content(self._PRESETS[sample.kind])
            self._drawers[key] = PixelPrompt(replace(preset, font_size=int(size_px)))
        return self._drawers[key]

    def dropped(self, sample: Sample, size_px: float) -> float:
        """It alters text but drops nothing that does not fit."""
        return 0.0

    def draw(self, sample: Sample, size_px: float) -> list[Drawn]:
        drawer = self._drawer(sample, size_px)
        pitch, padding = drawer._line_height, drawer.config.padding
        # The reach of the font's letters below the top of a row.
        _, top, _, bottom = drawer._font.getbbox("bdfj(|")
        drawn: list[Drawn] = []
        for png in self.pngs(sample, size_px):
            page = picture(png)
            tops = range(padding, page.height - padding, pitch)
            rows = [page.crop((0, y + top, page.width, y + bottom)) for y in tops]
            drawn.append(replace(whole(png), rows=tuple(rows)))
        return drawn


class UnLOCC:
    """un-locc 0.1.9. Its image generator needs no client, so none is made.

    It drops words that do not fit on a picture. ``fitting`` hands it only as many
    lines of text at once as it keeps; without, it gets everything, as its users do.
    """

    name = "un-locc"

    def __init__(self, *, fitting: bool = True) -> None:
        require("un_locc", "0.1.9", "openai", "reportlab", "pypdfium2")
        from un_locc import UnLOCC

        self._maker: Any = UnLOCC.__new__(UnLOCC)
        home = Path(importlib.util.find_spec("un_locc").origin or "").parent
        self._settings = {
            "font_path": str(home / "AtkinsonHyperlegible-Regular.ttf"),
            "max_width": 864,
            "max_height": 864,
            "padding": 20,
        }
        self._fitting = fitting

    def sizes_px(self, kind: str) -> Sequence[float]:
        return (9, 10, 12, 15, 18)

    def default_px(self, kind: str) -> float:
        return 15

    def pngs(self, sample: Sample, size_px: float) -> list[bytes]:
        """What it would send."""
        texts = self._fits(sample.text, size_px) if self._fitting else [sample.text]
        settings = self._settings | {"font_size": size_px}
        with redirect_stdout(io.StringIO()):
            urls = [url for text in texts for url in self._maker._generate_images(text, **settings)]
        return [base64.b64decode(url.partition(",")[2]) for url in urls]

    def draw(self, sample: Sample, size_px: float) -> list[Drawn]:
        return [whole(png) for png in self.pngs(sample, size_px)]

    def dropped(self, sample: Sample, size_px: float) -> float:
        """The share of a text's characters that are on none of its pictures, by default."""
        words = sample.text.split()
        lost = 0
        for chunk in self._chunks(words, size_px):
            lines = self._lines(chunk, size_px)[self._most(size_px) :]
            lost += sum(len(word) for line in lines for word in line.split())
        return lost / max(1, sum(map(len, words)))

    def _fits(self, text: str, size_px: float) -> list[str]:
        """The text in pieces, each of which it draws whole on one picture."""
        pieces: list[str] = []
        words = text.split()
        while words:
            take = len(self._chunks(words, size_px)[0])
            while take > 1 and len(self._lines(words[:take], size_px)) > self._most(size_px):
                take = take * 9 // 10
            pieces.append(" ".join(words[:take]))
            words = words[take:]
        return pieces

    def _chunks(self, words: list[str], size_px: float) -> list[list[str]]:
        """The words of each picture, by its own estimate."""
        room = self._settings["max_width"] - 2 * self._settings["padding"]
        most = int(max(50, room * self._most(size_px) // 8 // 5.5))
        return [words[start : start + most] for start in range(0, len(words), most)]

    def _most(self, size_px: float) -> int:
        room = self._settings["max_height"] - 2 * self._settings["padding"]
        return int(room // (size_px + 2))

    def _lines(self, words: list[str], size_px: float) -> list[str]:
        font = f"CustomFont_{size_px}"
        register(font, Path(self._settings["font_path"]))
        room = self._settings["max_width"] - 2 * self._settings["padding"]
        return self._maker._split_text_into_lines(" ".join(words), font, size_px, room)


def require(package: str, exact: str | None = None, *others: str) -> None:
    """Raises Missing unless a package is there in the right version, and ``others`` at all."""
    name = package.replace("_", "-")
    for each in (package, *others):
        if importlib.util.find_spec(each) is None:
            raise Missing(f"{each} is not installed: pip install {each.replace('_', '-')}")
    try:
        found = version(name)
    except PackageNotFoundError as problem:
        raise Missing(f"{name} is not installed: pip install {name}") from problem
    if exact not in (None, found):
        raise Missing(f"{name} {found} is installed: pip install {name}=={exact}")


@cache
def register(name: str, path: Path) -> None:
    """Makes a TrueType font known to reportlab."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    pdfmetrics.registerFont(TTFont(name, str(path)))
