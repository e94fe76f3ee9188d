"""Echoes: tool results that only repeat what recall returned.

They are kept like any turn, but left out of search and drawn as the marks they
repeat, so that an echo never outranks or crowds out its source. Pure functions
of turns; knows nothing of storage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sfumato.turn import ToolCall, ToolResult, Turn

TOOL_NAME = "recall_memory"
"""The recall tool's name, by which its results are known."""


def echo_test(turns: Sequence[Turn]) -> Callable[[Turn], bool]:
    """A test for those of ``turns`` that only repeat what recall returned.

    Such echoes are kept like any turn but left out of search, so that they
    never outrank their source. ``turns`` are in order: not every wire format
    repeats the tool's name in the result, and not every model gives each call
    an id of its own, so the last call of that id before the result counts.
    """
    names: dict[str, str] = {}
    echoes: dict[int, Turn] = {}
    for turn in turns:
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        if results and all((part.name or names.get(part.call_id)) == TOOL_NAME for part in results):
            echoes[id(turn)] = turn
        names |= {part.id: part.name for part in turn.parts if isinstance(part, ToolCall)}
    return lambda turn: echoes.get(id(turn)) is turn


def echoed_marks(turn: Turn) -> tuple[int, ...]:
    """The marks of the turns an echo repeats, in its order."""
    return tuple(int(mark) for mark in re.findall(r"^#(\d+) ", turn.text, re.MULTILINE))
