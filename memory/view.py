"""The view: what a host's model gets of a thread.

A value: parts in order, their tokens, and what they leave out. System turns
come first, then one front message (archive note, pages and text spans oldest
to newest, factsheet, copies), then the recent turns as messages of their own.
Knows nothing of storage, planning or drawing; wire formats are in
``sfumato.adapters``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sfumato.errors import InputError
from sfumato.hosts import Host
from sfumato.plain import part_text
from sfumato.turn import Part, Text, ToolCall, ToolResult, Turn

VIEW_FILE = "view.json"
_PAGE_FILE = re.compile(r"page-\d{4,}\.png")

PartKind = Literal["note", "page", "facts", "copy", "text"]


@dataclass(frozen=True, slots=True)
class ViewPart:
    """One part of a view.

    ``text`` is set for everything but pages; ``png``, ``width`` and ``height``
    (pixels) for pages (``png`` is None in a dry run). A ``text`` part holds one
    turn: of tier 0, as its own message (``turn`` is what to send); of a higher
    tier, as labelled text inside the front message.
    """

    kind: PartKind
    tokens: int
    first_turn: int | None = None
    last_turn: int | None = None
    tier: int | None = None
    type_px: float | None = None
    text: str | None = None
    png: bytes | None = None
    width: int | None = None
    height: int | None = None
    role: str | None = None
    turn: Turn | None = None

    @property
    def in_front(self) -> bool:
        """Whether the part stands in the front message rather than on its own."""
        return self.turn is None


@dataclass(frozen=True, slots=True)
class View:
    """A thread as ``host`` gets it.

    ``tokens`` is the sum of the parts' tokens and ``overhead_tokens`` and is at
    most ``budget``. ``text_tokens`` is the whole thread as text on that host;
    ``archived`` the first and last mark that are in no part. ``echoes`` are
    marks of turns that only repeat what recall returned.
    """

    thread: str
    host: Host
    layout: str
    budget: int
    tokens: int
    overhead_tokens: int
    text_tokens: int
    turns_in_view: int
    archived: tuple[int, int] | None
    parts: tuple[ViewPart, ...]

    @property
    def saved(self) -> float:
        """Share of the whole thread's text tokens this view does without (0 to 1)."""
        return 1 - self.tokens / self.text_tokens if self.text_tokens else 0.0

    @property
    def front(self) -> tuple[ViewPart, ...]:
        """The parts of the front message, in order; empty while nothing has faded."""
        return tuple(part for part in self.parts if part.in_front)

    @property
    def system(self) -> tuple[Turn, ...]:
        """System turns, in order."""
        return tuple(p.turn for p in self.parts if p.turn and p.turn.role == "system")

    @property
    def recent(self) -> tuple[Turn, ...]:
        """The recent turns that are messages of their own, in order."""
        return tuple(p.turn for p in self.parts if p.turn and p.turn.role != "system")

    @property
    def pages(self) -> tuple[ViewPart, ...]:
        """The page parts, oldest first."""
        return tuple(part for part in self.parts if part.kind == "page")

    def to_openai(self) -> list[dict[str, Any]]:
        """Messages for OpenAI chat completions and servers that speak it."""
        from sfumato.adapters.openai import chat_request

        return chat_request(self)

    def to_openai_responses(self) -> list[dict[str, Any]]:
        """Input items for the OpenAI Responses API."""
        from sfumato.adapters.openai import responses_request

        return responses_request(self)

    def to_anthropic(self) -> dict[str, Any]:
        """``system`` and ``messages`` for the Anthropic Messages API."""
        from sfumato.adapters.anthropic import anthropic_request

        return anthropic_request(self)

    def to_gemini(self) -> dict[str, Any]:
        """``system_instruction`` and ``contents`` for the Gemini API."""
        from sfumato.adapters.gemini import gemini_request

        return gemini_request(self)

    def to_json(self) -> dict[str, Any]:
        """The view without its pictures, as ``view.json`` holds it."""
        numbers = iter(range(1, len(self.pages) + 1))
        return {
            "thread": self.thread,
            "host": self.host.name,
            "layout": self.layout,
            "budget": self.budget,
            "tokens": self.tokens,
            "overhead_tokens": self.overhead_tokens,
            "text_tokens": self.text_tokens,
            "turns_in_view": self.turns_in_view,
            "archived": list(self.archived) if self.archived else None,
            "parts": [
                {
                    "kind": part.kind,
                    "tokens": part.tokens,
                    "first_turn": part.first_turn,
                    "last_turn": part.last_turn,
                    "tier": part.tier,
                    "type_px": part.type_px,
                    "file": page_file(next(numbers)) if part.kind == "page" else None,
                    "width": part.width,
                    "height": part.height,
                    "role": part.role,
                    "text": part.text,
                }
                for part in self.parts
            ],
        }

    def write(self, directory: str | Path) -> list[Path]:
        """Write ``view.json`` and the pages; replaces only what an earlier view wrote there.

        Returns the paths written, pages first. Raises InputError, and writes
        nothing, where files of the same names are not a view's.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        listing = folder / VIEW_FILE
        pages = [folder / page_file(number) for number in range(1, len(self.pages) + 1)]
        mine = _listed(listing)
        for path in pages:
            if path.name not in mine and path.exists():
                raise InputError(
                    f"{path} was not written by a view that {listing} lists: move it away, or "
                    "write to another folder. Nothing was written."
                )
        for name in mine.difference(path.name for path in pages):
            (folder / name).unlink(missing_ok=True)
        # The list comes before the pages: what it names may be missing, never a stranger's.
        unfinished = listing.with_suffix(".json.new")
        unfinished.write_text(json.dumps(self.to_json(), indent=1), encoding="ascii")
        unfinished.replace(listing)
        for path, page in zip(pages, self.pages, strict=True):
            path.write_bytes(page.png or b"")
        return [*pages, listing]


def _listed(listing: Path) -> set[str]:
    """Names of the pages an earlier view wrote. InputError if the file is not a view's."""
    if not listing.exists():
        return set()
    try:
        parts = json.loads(listing.read_bytes())["parts"]
        names = {str(part["file"]) for part in parts if part["file"] is not None}
    except (ValueError, LookupError, TypeError) as problem:
        raise InputError(
            f"{listing} is not a view's: move it away, or write to another folder. "
            "Nothing was written."
        ) from problem
    return {name for name in names if _PAGE_FILE.fullmatch(name)}


def page_file(number: int) -> str:
    """The file name of the view's n-th page, 1-based."""
    return f"page-{number:04d}.png"


def mend_pairs(turns: list[Turn]) -> list[Turn]:
    """Turns in which every tool call is answered and every result was called for.

    A call without a result (interrupted, or its result was removed) and a
    result without its call become plain text, since providers refuse either.
    Calls of the last assistant turn may still be open: their results are what
    the framework is about to add.
    """
    called: dict[str, int] = {}
    answered: set[str] = set()
    for index, turn in enumerate(turns):
        for call in turn.call_ids:
            called[call] = index
        answered.update(r for r in turn.result_ids if called.get(r, index) < index)
    last_caller = max(called.values(), default=-1)
    pending = all(turn.role == "tool" for turn in turns[last_caller + 1 :])
    mended: list[Turn] = []
    for index, turn in enumerate(turns):
        calls = {
            call for call in turn.call_ids if call in answered or (pending and index == last_caller)
        }
        results = {r for r in turn.result_ids if r in answered}
        mended.append(_without_orphans(turn, calls, results))
    return mended


def _without_orphans(turn: Turn, calls: set[str], results: set[str]) -> Turn:
    kept: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ToolCall) and part.id not in calls:
            kept.append(Text(part_text(part)))
        elif isinstance(part, ToolResult) and part.call_id not in results:
            # The words become text; pictures and unknown parts stay what they are.
            said = tuple(inner for inner in part.content if isinstance(inner, Text))
            kept.append(Text(part_text(replace(part, content=said))))
            kept += [inner for inner in part.content if not isinstance(inner, Text)]
        else:
            kept.append(part)
    if tuple(kept) == turn.parts:
        return turn
    role = "user" if turn.role == "tool" and not results else turn.role
    return replace(turn, parts=tuple(kept), role=role)
