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
    """A test for turns that only repeat what recall returned.

    Such echoes are kept like any turn but left out of search, so that they
    never outrank their source. ``turns`` are searched for the calls' names,
    since not every wire format repeats them in the result.
    """
    names = {
        part.id: part.name for turn in turns for part in turn.parts if isinstance(part, ToolCall)
    }

    def is_echo(turn: Turn) -> bool:
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        return bool(results) and all(
            (part.name or names.get(part.call_id)) == TOOL_NAME for part in results
        )

    return is_echo


def echoed_marks(turn: Turn) -> tuple[int, ...]:
    """The marks of the turns an echo repeats, in its order."""
    return tuple(int(mark) for mark in re.findall(r"^#(\d+) ", turn.text, re.MULTILINE))
