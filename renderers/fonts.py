"""Fonts: which font draws which character, from font packages only.

Takes text and a face (prose, bold or mono), gives runs of text per font and
loaded fonts at a size. A character that no font can draw, or that has no shape
of its own (controls, NUL, lone surrogates, bidi controls, zero-width
characters), is given as its code point, such as ``⟨U+200B⟩``, so that nothing
is ever drawn as a box or a gap. Knows nothing of lines, pages or turns.

The fonts come from installed packages, in this order:
prose and bold   IBM Plex Sans (fontpkg-ibm-plex-sans), then Noto Sans (fontpkg-noto-sans)
mono             Inconsolata (fontpkg-inconsolata), then Cascadia Mono
any face         Noto Sans Math, Symbols 2 and Symbols, FiraGO (pymupdf-fonts),
                 Noto Sans CJK (noto-cjk-sans-jp-regular),
                 and every other installed fontpkg-noto-sans-* family, by name
"""

from __future__ import annotations

import hashlib
import importlib
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Literal

import fontpkg  # pyright: ignore[reportMissingTypeStubs]
from PIL import Image, ImageDraw, ImageFont, features

from sfumato.errors import RenderError

Face = Literal["prose", "bold", "mono"]

# Of the faces tried, IBM Plex Sans is read at the most characters per pixel: its I, l, 1
# and ! differ. Wide letters on close lines are read better than narrow ones on far lines
# (benchmarks/legibility.py).
PROSE_WEIGHT = 500
BOLD_WEIGHT = 700

# Size at which fonts are asked whether they have a character, and a
# noncharacter: what a font draws for it is what it draws for all it lacks.
_PROBE_PX = 24
_NONCHARACTER = "\uffff"
# Fonts kept open at some size; the one not used for longest is closed first.
_OPEN_FONTS = 256
# Characters of one cluster; further marks stand alone, as code points, for a
# higher stack could not be read.
_LONGEST_CLUSTER = 8
_MOST_MARKS = 4

_JOINERS = "\u200c\u200d"
_PRESENTATION = "\ufe0e\ufe0f"
_INVISIBLE = frozenset(_JOINERS + _PRESENTATION)
# Thai and Lao AM: letters by name, but drawn over the one before.
_AM = "\u0e33\u0eb3"
# What a presentation selector may follow: symbols, and digits of keycaps.
_SELECTABLE = ("So", "Sm", "Sk", "Po", "Nd")


@dataclass(frozen=True, slots=True)
class Font:
    """One font file of an installed package.

    ``axes`` are variation settings by axis name. ``module`` names the module
    whose ``fontbuffer`` holds the font, where it is not a plain file.
    """

    name: str
    package: str
    file: Path
    axes: tuple[tuple[str, float], ...] = ()
    module: str | None = None

    def read(self) -> bytes:
        """The font's bytes."""
        if self.module is None:
            return self.file.read_bytes()
        return bytes(importlib.import_module(self.module).fontbuffer)


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring characters that one font draws.

    ``shown`` is what is drawn: ``text`` itself, or the code point of it.
    """

    text: str
    shown: str
    font: Font


def code_point(character: str) -> str:
    """How a character without a shape is drawn.

    >>> code_point("\\u200b")
    '⟨U+200B⟩'
    """
    return f"⟨U+{ord(character):04X}⟩"


@dataclass(frozen=True, slots=True)
class Body:
    """What prose is set in: an installed fontpkg family, by its slug, at a weight and width.

    ``width`` is in percent of the family's normal one; families have limits to both.
    Bold words are of the same family and width.
    """

    slug: str = "ibm-plex-sans"
    weight: float = PROSE_WEIGHT
    width: float = 100


BODY = Body()


class FontSet:
    """The installed fonts. ``identity`` changes whenever any of them does.

    Raises RenderError if a needed font package, or Pillow's Raqm, is missing. Thread-safe.
    """

    def __init__(self, body: Body = BODY) -> None:
        if not features.check("raqm"):
            # Pillow's wheels hold Raqm, but take FriBiDi from the system.
            raise RenderError(
                "Pillow finds no Raqm, which sets letters in their order: install FriBiDi "
                "(Debian: libfribidi0, Fedora: fribidi, macOS: brew install fribidi)"
            )
        prose, bold, mono, shared = _installed(body)
        self._chains: dict[Face, tuple[Font, ...]] = {
            "prose": (*prose, *shared),
            "bold": (*bold, *prose, *shared),
            "mono": (*mono, *prose, *shared),
        }
        self._lock = threading.RLock()
        self._sizes: dict[tuple[Font, float], ImageFont.FreeTypeFont] = {}
        self._probes: dict[Font, tuple[ImageFont.FreeTypeFont, bytes]] = {}
        self._chosen: dict[tuple[Face, str], Font | None] = {}
        self._reported: set[str] = set()
        self.identity = _identity([*prose, *bold, *mono, *shared])

    def load(self, font: Font, size_px: float) -> ImageFont.FreeTypeFont:
        """A font at a size, kept for next time."""
        with self._lock:
            opened = self._sizes.pop((font, size_px), None)
            if opened is None:
                opened = self._open(font, size_px, None)
                if len(self._sizes) >= _OPEN_FONTS:
                    del self._sizes[next(iter(self._sizes))]
            self._sizes[font, size_px] = opened
            return opened

    def main(self, face: Face) -> Font:
        """The face's own font, which has the basic alphabet."""
        return self._chains[face][0]

    def runs(self, text: str, face: Face) -> list[Run]:
        """The text as runs of one font each, in the text's own order."""
        if text.isascii() and text.isprintable():
            return [Run(text, text, self.main(face))]
        found: list[Run] = []
        for cluster in clusters(text):
            for run in self._draw_as(cluster, face):
                last = found[-1] if found else run
                if last is not run and last.font == run.font and _shows_itself(last, run):
                    found[-1] = Run(last.text + run.text, last.shown + run.shown, run.font)
                else:
                    found.append(run)
        return found

    def _draw_as(self, cluster: str, face: Face) -> Iterator[Run]:
        font = self._font_for(cluster, face)
        if font is not None:
            yield Run(cluster, cluster, font)
            return
        if len(cluster) > 1 and (font := self._font_for(cluster[0], face)) is not None:
            yield Run(cluster[0], cluster[0], font)
            cluster = cluster[1:]
        for character in cluster:
            if _has_shape(character) and self._font_for(character, face) is None:
                self._report(character)
            shown = code_point(character)
            bracket = self._font_for(shown[0], face)
            if bracket is None:
                raise RenderError(f"no installed font draws {shown[0]!r}: reinstall sfumato")
            yield Run(character, shown, bracket)

    def _font_for(self, cluster: str, face: Face) -> Font | None:
        """The first font that has the whole cluster."""
        key = (face, cluster)
        if key not in self._chosen:
            drawn = [c for c in cluster if c not in _INVISIBLE]
            font = None
            # A mark without a base would be drawn over its neighbour.
            if drawn and not _is_mark(cluster[0]) and all(map(_has_shape, drawn)):
                chain = self._chains[face]
                font = next((f for f in chain if all(self._has(f, c) for c in drawn)), None)
            self._chosen[key] = font
        return self._chosen[key]

    def _has(self, font: Font, character: str) -> bool:
        """Whether the font has ink for a character, other than its stand-in for none."""
        with self._lock:
            if font not in self._probes:
                probe = self._open(font, _PROBE_PX, ImageFont.Layout.BASIC)
                self._probes[font] = (probe, _drawn(probe, _NONCHARACTER))
            probe, stand_in = self._probes[font]
            pixels = _drawn(probe, character)
        return any(pixels) and pixels != stand_in

    def _open(
        self, font: Font, size_px: float, engine: ImageFont.Layout | None
    ) -> ImageFont.FreeTypeFont:
        try:
            # Files are mapped and shared; modules' bytes are copied for every size.
            source = str(font.file) if font.module is None else BytesIO(font.read())
            opened = ImageFont.truetype(source, size_px, layout_engine=engine)
            if font.axes:
                settings = dict(font.axes)
                axes = opened.get_variation_axes()
                opened.set_variation_by_axes(
                    [settings.get(_axis_name(a), a.get("default") or 0) for a in axes]
                )
        except OSError as problem:
            raise RenderError(
                f"font {font.name} of {font.package} cannot be opened ({problem}): "
                "reinstall that package"
            ) from problem
        return opened

    def _report(self, character: str) -> None:
        if character not in self._reported:
            self._reported.add(character)
            warnings.warn(
                f"no installed font draws {code_point(character)}; it is drawn as its code "
                "point. For scripts, install their fontpkg-noto-sans-* package.",
                stacklevel=2,
            )


def clusters(text: str) -> list[str]:
    """The text cut so that marks, selectors and joiners stay with their base.

    Joiners stay only where scripts use them (Arabic, Indic, pictographs);
    anywhere else they stand alone and are drawn as code points.
    """
    if text.isascii():
        return list(text)
    found: list[str] = []
    for index, character in enumerate(text):
        if found and _attaches(character, found[-1], text[index + 1 : index + 2]):
            found[-1] += character
        else:
            found.append(character)
    return found


def _attaches(character: str, cluster: str, following: str) -> bool:
    base = cluster[0]
    if not _has_shape(base) or _is_mark(base) or len(cluster) >= _LONGEST_CLUSTER:
        return False
    if character in _JOINERS:
        return bool(following) and _joins(base) and _joins(following)
    if character in _PRESENTATION:
        return unicodedata.category(base) in _SELECTABLE
    if cluster[-1] in _JOINERS:
        return True
    if character in _AM:
        return unicodedata.category(base) == "Lo"
    if not (_is_mark(character) and _has_shape(character)):
        return False
    return sum(map(_is_mark, cluster[-_MOST_MARKS:])) < _MOST_MARKS


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


@lru_cache(maxsize=65536)
def _has_shape(character: str) -> bool:
    """Whether a character is something to see (and not merely an instruction)."""
    category = unicodedata.category(character)
    if category[0] in "CZ":
        return False
    return not (category == "Mn" and 0xFE00 <= ord(character) <= 0xFE0F)


def _joins(character: str) -> bool:
    """Whether joiners have a meaning beside this character."""
    # Arabic to Sinhala; Myanmar; pictographs are symbols (So) or skin tones (Sk).
    code = ord(character)
    if 0x0600 <= code <= 0x0DFF or 0x1000 <= code <= 0x109F:
        return _has_shape(character)
    return code > 0x2000 and unicodedata.category(character) in ("So", "Sk", "Sm")


def _shows_itself(last: Run, run: Run) -> bool:
    return last.text == last.shown and run.text == run.shown


def _drawn(font: ImageFont.FreeTypeFont, character: str) -> bytes:
    """The pixels of a character on a cell large enough for any."""
    cell = Image.new("L", (4 * _PROBE_PX, 3 * _PROBE_PX), 0)
    ImageDraw.Draw(cell).text((_PROBE_PX, 2 * _PROBE_PX), character, 255, font, anchor="ls")
    return cell.tobytes()


def _axis_name(axis: ImageFont.Axis) -> str:
    name = axis.get("name") or b""
    return name.decode("ascii", "replace")


def _installed(body: Body) -> tuple[list[Font], list[Font], list[Font], list[Font]]:
    """The prose fonts, the bold fonts, the mono fonts and everyone's fallbacks."""
    families = fontpkg.families()
    for slug in (body.slug, "noto-sans", "inconsolata"):
        if slug not in families:
            raise RenderError(f"font package fontpkg-{slug} is missing: pip install fontpkg-{slug}")
    prose, bold = (
        [
            _family(slug, (("Weight", weight), ("Width", width)))
            for slug, width in ((body.slug, body.width), ("noto-sans", 100))
        ]
        for weight in (body.weight, BOLD_WEIGHT)
    )
    mono = [_family("inconsolata", (("Weight", 400), ("Width", 100))), *_bundled("CascadiaMono")]
    shared = [
        *_bundled("NotoSansMath", "NotoSansSymbols2", "NotoSansSymbols", "FiraGO"),
        *_cjk(),
        *(_family(slug, ()) for slug in sorted(families) if slug.startswith("noto-sans-")),
    ]
    return prose, bold, mono, shared


def _family(slug: str, axes: tuple[tuple[str, float], ...]) -> Font:
    file = Path(fontpkg.path(slug))
    return Font(file.name, f"fontpkg-{slug}", file, axes)


def _bundled(*names: str) -> Iterator[Font]:
    """Fonts of pymupdf-fonts, which are modules; none if it is not installed."""
    home = _home("pymupdf_fonts")
    for name in names:
        if home is not None:
            module = f"{name}_Regular"
            file = home / f"{module}.py"
            yield Font(name, "pymupdf-fonts", file, (), f"pymupdf_fonts.{module}")


def _cjk() -> Iterator[Font]:
    home = _home("noto_cjk_sans_jp_regular")
    if home is not None:
        file = home / "NotoSansCJKjp-Regular.otf"
        yield Font(file.name, "noto-cjk-sans-jp-regular", file)


def _home(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _identity(fonts: list[Font]) -> str:
    """Hash of every font's name, package version, settings and bytes."""
    whole = hashlib.sha256()
    for font in fonts:
        content = hashlib.sha256(font.file.read_bytes()).hexdigest()
        whole.update(repr((font.name, version(font.package), font.axes, content)).encode())
    return whole.hexdigest()
