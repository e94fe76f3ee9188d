"""What is written of a turn: its parts as prose, code and pictures.

Takes a Block and the room a picture may take, gives Paragraphs: text with its
kind, and thumbnails. White space of prose may be folded later; code keeps its
own. Knows nothing of fonts, lines or pages.

Everything sfumato itself says (mark, name, time, arrows of tool calls, notes)
stands in ``lead``, which is drawn bold; remembered text never is.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Literal, TypeAlias

from PIL import Image as Pixels
from PIL import ImageOps

from sfumato.renderers.geometry import Block
from sfumato.turn import ROLES, Image, Part, Text, ToolCall, ToolResult

# Longest name drawn, in characters; longer ones are cut with an ellipsis.
_NAME_CHARACTERS = 24

# Larger images are not decoded: a few bytes can claim any size.
_MOST_PIXELS = 64_000_000
_KEPT_THUMBNAILS = 512
_TAB = 4
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")

_FENCE = re.compile(r"\s*(```|~~~)")
_INDENTED = re.compile(r"(?:\t| {2,})(?![-*+•] |\d+[.)] )\S")
_ALIGNED = re.compile(r"\S(?: {2,}|\t+)\S")
_BAR = re.compile(r"\s*\|")
# Text without any of these has no code in it and needs no closer look.
_CODE_HINT = re.compile(r"  |\t|```|~~~|^\s*\|", re.MULTILINE)
_JSON_SPACE = re.compile(r'("(?:\\.|[^"\\])*")|\s+')


@dataclass(frozen=True, slots=True)
class Picture:
    """A greyscale thumbnail: 8-bit ``pixels``, row by row."""

    width_px: int
    height_px: int
    pixels: bytes


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line of text of one kind, after a bold ``lead`` of ours. Pictures have no text.

    Tables are code whose columns must stay aligned.
    ``indent`` is how many spaces prose begins with: they show how lists nest.
    """

    kind: Literal["prose", "code", "table", "picture"]
    text: str
    lead: str = ""
    picture: Picture | None = None
    indent: int = 0


@dataclass(frozen=True, slots=True)
class PictureRoom:
    """The most a thumbnail may take; its height is a multiple of ``pitch_px``."""

    width_px: int
    height_px: int
    pitch_px: int


def paragraphs(block: Block, room: PictureRoom) -> list[Paragraph]:
    """A turn as paragraphs; the first one's lead is the turn's header."""
    header = _header(block)
    if block.note is not None:
        return [Paragraph("prose", "", f"{header} [{' '.join(block.note.split())}]")]
    body = [paragraph for part in block.parts for paragraph in _part(part, room)]
    if body and body[0].kind == "prose":
        first = body[0]
        return [Paragraph("prose", first.text, f"{header} {first.lead}".rstrip()), *body[1:]]
    return [Paragraph("prose", "", header), *body]


def _header(block: Block) -> str:
    words = [f"#{block.mark}", _speaker(block.role, block.name)]
    if block.show_time and block.time is not None:
        words.append(block.time.isoformat(" ", "minutes")[:16])
    return " ".join(words)


def _speaker(role: str, name: str | None) -> str:
    role = _label(role)
    shown = _label(name or "")
    if not shown:
        return role
    # A name that is a role's would speak for someone else.
    return f"{role} ({shown})" if shown.casefold() in ROLES else shown


def _label(text: str) -> str:
    """A name on one line that holds no mark and cannot crowd out the text."""
    text = " ".join(text.replace("#", " ").split())
    return text if len(text) <= _NAME_CHARACTERS else text[: _NAME_CHARACTERS - 1] + "…"


def _part(part: Part, room: PictureRoom) -> Iterator[Paragraph]:
    match part:
        case Text():
            yield from split(part.text)
        case Image():
            yield from _image(part, room)
        case ToolCall():
            yield from _call(part)
        case ToolResult():
            yield from _result(part, room)
        case _:
            raw = json.dumps(part.raw, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            yield Paragraph("prose", raw, f"[{_label(part.format)}]")


def _call(part: ToolCall) -> Iterator[Paragraph]:
    lead = f"→ {_label(part.name)}"
    arguments = compact_json(part.arguments)
    if "  " in arguments or "\n" in arguments or "\t" in arguments:
        yield Paragraph("prose", "", lead)
        for line in _lines(f"({arguments})"):
            yield Paragraph("code", line)
    else:
        yield Paragraph("prose", f"({arguments})", lead)


def _result(part: ToolResult, room: PictureRoom) -> Iterator[Paragraph]:
    name = _label(part.name or "result")
    lead = f"← {name} error:" if part.is_error else f"← {name}:"
    inner = [
        paragraph
        for piece in part.content
        for paragraph in (
            split(piece.text, machine=True) if isinstance(piece, Text) else _part(piece, room)
        )
    ]
    if inner and inner[0].kind == "prose" and not inner[0].lead:
        yield Paragraph("prose", inner[0].text, lead)
        inner = inner[1:]
    else:
        yield Paragraph("prose", "", lead)
    yield from inner


def compact_json(text: str) -> str:
    """JSON without white space between its tokens; strings stay as they are."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _JSON_SPACE.sub(lambda found: found[1] or "", text)


def split(text: str, *, machine: bool = False) -> list[Paragraph]:
    """Text cut into lines of prose and of code.

    Fenced blocks are code, and so are neighbouring lines that are evidently
    code or a table by their white space. ``machine`` text (a tool's output) is
    taken for code more readily. Blank lines survive inside code only.
    """
    lines = _lines(text)
    if not _CODE_HINT.search(text):
        return [_prose(line) for line in lines if line.strip(" \t")]
    found: list[Paragraph] = []
    chunk: list[str] = []
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            found.append(Paragraph("code", line))
            if mark and mark[1] == fence:
                fence = ""
        elif mark:
            found += _chunk(chunk, machine)
            chunk = []
            found.append(Paragraph("code", line))
            fence = mark[1]
        else:
            chunk.append(line)
    return found + _chunk(chunk, machine)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")


def _chunk(lines: Sequence[str], machine: bool) -> list[Paragraph]:
    """Unfenced lines: runs between blank lines are code or prose as a whole."""
    found: list[Paragraph] = []
    run: list[str] = []
    blank = 0
    for line in [*lines, ""]:
        if line.strip(" \t"):
            run.append(line)
            continue
        if run:
            kind = _kind(run, machine)
            if kind != "prose" and found and found[-1].kind in ("code", "table"):
                found += [Paragraph("code", "")] * blank
            found += [_prose(line) if kind == "prose" else Paragraph(kind, line) for line in run]
            run, blank = [], 0
        blank += 1
    return found


def _prose(line: str) -> Paragraph:
    text = line.expandtabs(_TAB)
    return Paragraph("prose", line, indent=len(text) - len(text.lstrip(" ")))


def _kind(lines: Sequence[str], machine: bool) -> Literal["prose", "code", "table"]:
    indented = sum(1 for line in lines if _INDENTED.match(line))
    aligned = sum(1 for line in lines if _ALIGNED.search(line.strip()))
    barred = sum(1 for line in lines if _BAR.match(line))
    if len(lines) > 1 and 2 * max(barred, aligned) > len(lines):
        return "table"
    if machine and (indented or aligned > 1):
        return "code"
    if len(lines) == 1:
        code = lines[0].startswith(("\t", "    ")) and indented == 1
    else:
        code = 3 * indented >= len(lines)
    return "code" if code else "prose"


def _image(part: Image, room: PictureRoom) -> Iterator[Paragraph]:
    words = [part.caption or "", part.media_type or "", part.url or ""]
    if part.url is not None and part.url.startswith("data:"):
        words[2] = ""
    picture = None
    if part.data is not None:
        size, picture = _thumbnail(part.data, room)
        if size is not None:
            words.append(f"{size[0]}x{size[1]}")
    if picture is not None:
        yield Paragraph("picture", "", picture=picture)
    yield Paragraph("prose", " ".join(filter(None, words)), "[image]")


_Decoded: TypeAlias = tuple[tuple[int, int] | None, Picture | None]
_decoded: dict[tuple[bytes, PictureRoom], _Decoded] = {}


def _thumbnail(encoded: bytes, room: PictureRoom) -> _Decoded:
    """_decode, remembered by the image's hash (the image itself is not kept)."""
    key = (sha256(encoded).digest(), room)
    found = _decoded.get(key)
    if found is None:
        if len(_decoded) >= _KEPT_THUMBNAILS:
            _decoded.clear()
        found = _decoded[key] = _decode(encoded, room)
    return found


def _decode(encoded: bytes, room: PictureRoom) -> _Decoded:
    """(size of the original, thumbnail); None for what cannot be decoded or is not wanted."""
    size = None
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Pixels.open(BytesIO(encoded), formats=_FORMATS) as image,
        ):
            size = image.size
            if room.height_px < room.pitch_px or size[0] * size[1] > _MOST_PIXELS:
                return size, None
            image.draft("L", (room.width_px * 2, room.height_px * 2))
            grey = _flatten(ImageOps.exif_transpose(image))
            width, height = _fit(grey.size, room)
            small = grey.resize((width, height), Pixels.Resampling.LANCZOS)
            return size, Picture(width, height, small.tobytes())
    except (OSError, ValueError, SyntaxError, MemoryError, Pixels.DecompressionBombError):
        return size, None


def _fit(size: tuple[int, int], room: PictureRoom) -> tuple[int, int]:
    """The largest size in the room, of whole lines, that does not enlarge."""
    width, height = size
    scale = min(1.0, room.height_px / height, room.width_px / width)
    lines = max(1, int(height * scale / room.pitch_px))
    fitted = lines * room.pitch_px
    return min(room.width_px, max(1, round(width * fitted / height))), fitted


def _flatten(image: Pixels.Image) -> Pixels.Image:
    """Greyscale on white paper."""
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Pixels.new("RGBA", layer.size, "white")
        return Pixels.alpha_composite(paper, layer).convert("L")
    return image.convert("L")
