"""Turns arranged so that a provider takes them as messages.

Takes turns in the order they were said and the rules of a wire; gives turns
that keep them: every call answered directly after, no result without its call,
images only where they may stand, first the user. What has no place is moved or
said in words, never dropped. Pure; knows the rules only as flags and no wire
format's fields.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TypeAlias, TypeVar

from sfumato.adapters.wire import described, media_type, spelled_out, stamped
from sfumato.turn import Image, Part, Text, ToolCall, ToolResult, Turn, Unknown

COMMON_MEDIA = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Image types that OpenAI and Anthropic read (their vision guides, November 2026)."""

_Place: TypeAlias = tuple[int, int]
"""Where a part stands: index of its turn, index in the turn."""

AnyPart = TypeVar("AnyPart", bound=Part)

_EMPTY = Text("[empty message]")
_START = Turn("user", (Text("[The conversation begins with the assistant.]"),))
_SYSTEM = "[System message] "


@dataclass(frozen=True, slots=True)
class Wire:
    """The rules of a wire format on one host.

    ``format`` names the format whose Unknown parts and stamps it understands.
    ``images`` is whether the host sees at all, ``result_images`` whether a tool
    result may hold them. ``late_system``: system messages may stand anywhere.
    ``merged``: neighbours of one role become one message; ``results_in_user``:
    tool results are part of a user message. ``calls_last``: calls end their
    message. ``blank_text``: text of nothing but white space is taken.
    """

    format: str
    images: bool = True
    result_images: bool = False
    media_types: frozenset[str] = COMMON_MEDIA
    late_system: bool = False
    merged: bool = False
    results_in_user: bool = False
    names: bool = False
    calls_last: bool = False
    blank_text: bool = True
    dotted_names: bool = False


def arrange(turns: Iterable[Turn], wire: Wire) -> list[Turn]:
    """The turns as ``wire`` takes them, leading system turns first."""
    given = list(turns)
    leading = list(takewhile(lambda turn: turn.role == "system", given))
    system, pictures = _system_texts(leading, wire)
    said = [_placed(turn, wire) for turn in (*pictures, *given[len(leading) :])]
    answered = _answered([_worded(turn, wire) for turn in said], wire)
    spoken = [_nonempty(turn, wire) for turn in answered]
    if wire.merged:
        spoken = _merged(spoken, wire)
        if spoken and spoken[0].role == "assistant":
            spoken.insert(0, _START)
    if not wire.blank_text and spoken:
        spoken[-1] = _trimmed(spoken[-1])
    return [*system, *spoken]


# -- one turn at a time -------------------------------------------------------


def _system_texts(turns: Sequence[Turn], wire: Wire) -> tuple[list[Turn], list[Turn]]:
    """System turns with text alone, and a user turn with the images they held."""
    texts: list[Turn] = []
    images: list[Part] = []
    for turn in turns:
        kept = [p if isinstance(p, Text) else described(p) for p in turn.parts]
        held = [p for part in turn.parts for p in (part, *spelled_out(part))]
        images += [p for p in held if isinstance(p, Image)]
        if not wire.blank_text:
            kept = [p for p in kept if p.text.strip()]
        if kept:
            texts.append(replace(turn, parts=tuple(kept), name=_name(turn, wire)))
    if not images:
        return texts, []
    return texts, [Turn("user", (Text("[Images of the system message:]"), *images))]


def _placed(turn: Turn, wire: Wire) -> Turn:
    """A late system turn as a user's, where the wire takes none so late."""
    if turn.role != "system" or (wire.late_system and not _holds_images(turn)):
        return turn
    first, *rest = turn.parts or (Text(""),)
    if isinstance(first, Text):
        return Turn("user", (replace(first, text=_SYSTEM + first.text), *rest), id=turn.id)
    return Turn("user", (Text(_SYSTEM.strip()), *turn.parts), id=turn.id)


def _holds_images(turn: Turn) -> bool:
    return any(isinstance(part, Image) for part in turn.parts)


def _worded(turn: Turn, wire: Wire) -> Turn:
    """The turn with what the wire has no form for in words."""
    parts = [_part(part, turn, wire) for part in turn.parts]
    if turn.role == "user" and turn.name and not wire.names:
        parts = _signed(parts, turn.name)
    return replace(turn, parts=tuple(parts), name=_name(turn, wire))


def _part(part: Part, turn: Turn, wire: Wire) -> Part:
    match part:
        case Unknown() if part.format != wire.format:
            return described(part)
        case Image() if not _seen(part, wire):
            return described(part)
        case ToolCall() if turn.role != "assistant":
            return described(part)
        case ToolResult():
            content = tuple(
                described(p)
                if (isinstance(p, Unknown) and p.format != wire.format)
                or (isinstance(p, Image) and not _seen(p, wire))
                else p
                for p in part.content
                if wire.blank_text or not _blank(p)
            )
            if wire.blank_text and not content:
                content = (Text(""),)
            return replace(part, content=content)
        case _:
            return part


def _seen(image: Image, wire: Wire) -> bool:
    """Whether the host can see the image: its kind, and where it is, are in the wire's reach."""
    media = media_type(image)
    url = image.url or ""
    reachable = image.data is not None or url.startswith(("http:", "https:", "data:"))
    return (
        wire.images
        and (reachable or bool(stamped(image, wire.format)))
        and (media is None or media in wire.media_types)
    )


def _signed(parts: list[Part], name: str) -> list[Part]:
    match parts:
        case [Text() as first, *rest]:
            return [replace(first, text=f"{name}: {first.text}"), *rest]
        case _:
            return [Text(f"{name}:"), *parts]


def _name(turn: Turn, wire: Wire) -> str | None:
    """The name in the characters that OpenAI takes (API reference, November 2026)."""
    if not wire.names or turn.name is None:
        return None
    return re.sub(r"[\s<|\\/>]+", "_", turn.name)[:64] or None


def _blank(part: Part) -> bool:
    return isinstance(part, Text) and not part.text.strip()


def _nonempty(turn: Turn, wire: Wire) -> Turn:
    parts = turn.parts
    if not wire.blank_text:
        parts = tuple(part for part in parts if not _blank(part))
    return replace(turn, parts=parts or (_EMPTY,))


def _trimmed(turn: Turn) -> Turn:
    """A last assistant turn without the white space at its end, which Anthropic refuses."""
    match turn:
        case Turn(role="assistant", parts=(*rest, Text() as last)):
            return replace(turn, parts=(*rest, replace(last, text=last.text.rstrip())))
        case _:
            return turn


# -- calls and results --------------------------------------------------------


def _answered(turns: Sequence[Turn], wire: Wire) -> list[Turn]:
    """Each call followed by its results; images that may not stay moved behind them."""
    answers = _answers(turns)
    moved = set(answers.values())
    open_from = _open_from(turns, moved)
    ids = _Ids()
    arranged: list[Turn] = []
    for index, turn in enumerate(turns):
        kept: list[Part] = []
        results: list[ToolResult] = []
        for place, part in enumerate(turn.parts):
            if isinstance(part, ToolResult):
                if (index, place) not in moved:
                    kept += spelled_out(part)
            elif isinstance(part, ToolCall):
                answer = answers.get((index, place))
                if answer is None and index != open_from:
                    kept.append(described(part))
                    continue
                call = replace(part, id=ids.next(part.id), name=_tool_name(part.name, wire))
                kept.append(call)
                if answer is not None:
                    result = turns[answer[0]].parts[answer[1]]
                    assert isinstance(result, ToolResult)
                    results.append(replace(result, call_id=call.id, name=call.name))
            else:
                kept.append(part)
        if turn.parts and not kept and not results:
            continue
        role = "user" if turn.role == "tool" else turn.role
        said = replace(turn, role=role, parts=tuple(kept))
        arranged += _with_pictures(said, results, wire, still_open=index == open_from)
    return arranged


def _answers(turns: Sequence[Turn]) -> dict[_Place, _Place]:
    """Where each answered call's result stands, by where the call does."""
    waiting: dict[str, list[_Place]] = {}
    answers: dict[_Place, _Place] = {}
    for index, turn in enumerate(turns):
        for place, part in enumerate(turn.parts):
            if isinstance(part, ToolCall):
                waiting.setdefault(part.id, []).append((index, place))
            elif isinstance(part, ToolResult) and (calls := waiting.get(part.call_id)):
                # The first call of the latest turn that made one of this id.
                call = min(c for c in calls if c[0] == calls[-1][0])
                calls.remove(call)
                answers[call] = (index, place)
    return answers


def _open_from(turns: Sequence[Turn], moved: Set[_Place]) -> int | None:
    """The last turn that calls, if its calls may still wait: only results came after it."""
    last = max((index for index, turn in enumerate(turns) if turn.call_ids), default=None)
    if last is None:
        return None
    for index, turn in enumerate(turns[last + 1 :], start=last + 1):
        if not turn.parts or any((index, place) not in moved for place in range(len(turn.parts))):
            return None
    return last


def _tool_name(name: str, wire: Wire) -> str:
    return name if wire.dotted_names else re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "_"


class _Ids:
    """Call ids as providers take them, each given out once.

    Anthropic takes letters, digits, _ and - only; OpenAI at most 40 characters
    (both by their error messages, November 2026); neither takes an id twice.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()

    def next(self, wanted: str) -> str:
        stem = re.sub(r"[^a-zA-Z0-9_-]", "_", wanted) or "call"
        if len(stem) > 40:
            stem = f"{stem[:23]}-{hashlib.sha256(wanted.encode(errors='replace')).hexdigest()[:12]}"
        name, count = stem, 1
        while name in self._used:
            count += 1
            name = f"{stem}-{count}"
        self._used.add(name)
        return name


def _with_pictures(
    turn: Turn, results: Sequence[ToolResult], wire: Wire, *, still_open: bool
) -> list[Turn]:
    """The turn and its results, then a user turn with the images neither may hold.

    Calls that still wait for results must stay last: then the images go first.
    """
    pictures: list[Part] = []
    if turn.role == "assistant":
        turn = replace(turn, parts=tuple(_taken(turn.parts, "the assistant's message", pictures)))
    answers: list[ToolResult] = []
    for result in results:
        content = result.content
        if not wire.result_images:
            content = tuple(_taken(content, f"the result of {result.name}", pictures))
        answers.append(replace(result, content=content))
    group = [turn] + ([Turn("tool", tuple(answers))] if answers else [])
    shown = [Turn("user", tuple(pictures))] if pictures else []
    waiting = still_open and len(answers) < len(turn.call_ids)
    return [*shown, *group] if waiting else [*group, *shown]


def _taken(parts: Sequence[AnyPart], source: str, pictures: list[Part]) -> list[AnyPart | Text]:
    """The parts with images in words; the images go to ``pictures``, each with a label."""
    kept: list[AnyPart | Text] = []
    for part in parts:
        if isinstance(part, Image):
            pictures += [Text(f"[Image from {source}:]"), part]
            kept.append(described(part))
        else:
            kept.append(part)
    return kept


# -- neighbours ---------------------------------------------------------------


def _merged(turns: Sequence[Turn], wire: Wire) -> list[Turn]:
    merged: list[Turn] = []
    for turn in turns:
        role = "user" if wire.results_in_user and turn.role == "tool" else turn.role
        if merged and merged[-1].role == role != "tool":
            before = merged[-1]
            merged[-1] = Turn(role, before.parts + turn.parts, id=before.id)
        else:
            merged.append(replace(turn, role=role))
    return [_calls_last(turn) if wire.calls_last else turn for turn in merged]


def _calls_last(turn: Turn) -> Turn:
    if turn.role != "assistant" or not turn.call_ids:
        return turn
    return replace(turn, parts=tuple(sorted(turn.parts, key=lambda p: isinstance(p, ToolCall))))
