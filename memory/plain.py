"""Turns as plain text: labelled lines, bodies and skeletons.

Used wherever a remembered turn stands inside one of our own messages. Our
lines start flush left with a mark; every further line of a turn's text is
indented, so remembered words can never start a line that looks like ours.
Knows nothing of hosts or storage.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sfumato.turn import Image, Part, Text, ToolCall, ToolResult, Turn, Unknown

INDENT = "  "
FORGOTTEN = "[forgotten]"


def speaker(turn: Turn) -> str:
    """Who speaks: the name if there is one, else the role; safe inside a label."""
    name = " ".join((turn.name or "").replace("#", " ").replace(":", " ").split())
    printable = "".join(c for c in name if c.isprintable())
    return printable[:40] or turn.role


def body(turn: Turn) -> str:
    """All that the turn says, parts in order, as text."""
    return "\n".join(part_text(part) for part in turn.parts)


def part_text(part: Part) -> str:
    """One part as text; images become their caption, unknown parts their JSON."""
    match part:
        case Text():
            return part.text
        case ToolCall():
            return f"→ {part.name}({part.arguments})"
        case ToolResult():
            said = "\n".join(part_text(inner) for inner in part.content)
            kind = "error" if part.is_error else "result"
            return f"← {part.name or kind}: {said}"
        case Image():
            link = None if (part.url or "").startswith("data:") else part.url
            return f"[image: {part.caption or link or part.media_type or 'no caption'}]"
        case Unknown():
            raw = json.dumps(part.raw, ensure_ascii=False, separators=(",", ":"))
            return f"[{part.format} part: {raw}]"


def labelled(mark: int, turn: Turn) -> str:
    """The turn as lines of ours: mark, speaker, time, then its indented body."""
    when = f" ({turn.time:%Y-%m-%d %H:%M})" if turn.time else ""
    lines = body(turn).splitlines() or [""]
    return f"#{mark} {speaker(turn)}{when}: " + f"\n{INDENT}".join(lines)


def copy_of(mark: int, turn: Turn) -> str:
    """The turn as a verbatim copy of one that has faded."""
    return f"Copy of {labelled(mark, turn)}"


def skeleton(mark: int, turn: Turn) -> Turn:
    """The turn with its content replaced by a line that says where it went.

    Tool calls keep id and name, tool results their call id, so that the
    conversation around them stays valid.
    """
    size = len(body(turn))
    line = f"[#{mark}: {size:,} characters, drawn on the pages above; recall #{mark} for the text]"
    return Turn(turn.role, _hollow(turn.parts, line), turn.name, turn.time, turn.id, turn.metadata)


def _hollow(parts: Sequence[Part], line: str) -> tuple[Part, ...]:
    kept: list[Part] = []
    said = False
    for part in parts:
        if isinstance(part, ToolCall):
            kept.append(ToolCall(part.id, part.name, "{}"))
        elif isinstance(part, ToolResult):
            kept.append(ToolResult(part.call_id, (Text(line),), part.name, part.is_error))
            said = True
    if not said:
        kept.insert(0, Text(line))
    return tuple(kept)
