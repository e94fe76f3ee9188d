"""Views made by hand, for models too small to read what a memory would draw for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vision_families import Family, page, picture

from sfumato.hosts import host
from sfumato.turn import Image, Text, Turn
from sfumato.view import View, ViewPart


def view(
    pages: Sequence[bytes] = (),
    turns: Sequence[Turn | str] = ("Which page says it?",),
    *,
    note: str = "Earlier turns, as pages:",
    thread: str = "alice",
) -> View:
    """A view of these pages and recent turns; texts are said by user and assistant in turn."""
    parts: list[ViewPart] = []
    if pages:
        parts.append(ViewPart("note", 4, text=note))
    parts += [ViewPart("page", 9, 1, 2, png=png, width=64, height=64) for png in pages]
    if pages:
        parts.append(ViewPart("facts", 4, text="Exact strings: LH1174"))
    for number, said in enumerate(turns):
        role = "user" if number % 2 == 0 else "assistant"
        turn = Turn(role, (Text(said),)) if isinstance(said, str) else said
        parts.append(ViewPart("text", 5, role=turn.role, turn=turn))
    return View(
        thread=thread,
        host=host("qwen3-vl"),
        layout="by hand",
        budget=4096,
        tokens=100,
        overhead_tokens=0,
        text_tokens=1000,
        turns_in_view=len(turns),
        archived=None,
        parts=tuple(parts),
    )


def pages_of(made: Family, count: int, first: int = 0) -> list[bytes]:
    """Pages of the sizes a family is tried with."""
    return [page(first + at, made.sizes[at % len(made.sizes)]) for at in range(count)]


def turn_with(png: bytes, text: str) -> Turn:
    """A user's turn with an image of its own."""
    return Turn("user", (Text(text), Image(png, media_type="image/png")))


def from_pixels(made: Family, prompts: Sequence[str], pages: Sequence[Sequence[bytes]]) -> Any:
    """Model arguments as the family's own processor makes them."""
    nested = [[picture(png) for png in own] for own in pages]
    images = [each for own in nested for each in own] if made.name == "got_ocr2" else nested
    return made.processor(
        text=list(prompts), images=images, padding=len(prompts) > 1, return_tensors="pt"
    )
