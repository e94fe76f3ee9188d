"""What a turn costs a host as text, in tokens.

Takes a turn, a host and a token counter; gives a count. The words are counted
by the host's tokenizer; the wire around them by constants, since providers do
not publish the framing of a message.
"""

from __future__ import annotations

import io
import json

from PIL import Image as Pictures

from sfumato.hosts import Host
from sfumato.plain import part_text
from sfumato.tokens import Counter
from sfumato.turn import Image, Part, Text, ToolCall, ToolResult, Turn, Unknown

CALL_TOKENS = 12
"""Framing of one tool call (id, type, name and argument keys), an estimate."""
RESULT_TOKENS = 8
"""Framing of one tool result (its call id), an estimate."""
UNSEEN_IMAGE_PX = (1024, 1024)
"""Size taken for an image known only by URL; its pixels are not ours to fetch."""


def text_tokens(turn: Turn, host: Host, count: Counter) -> int:
    """Tokens of a turn as a message of its own on ``host``, images included."""
    named = count(turn.name) if turn.name else 0
    return host.message_overhead + named + sum(_part(p, host, count) for p in turn.parts)


def _part(part: Part, host: Host, count: Counter) -> int:
    match part:
        case Text():
            return count(part.text)
        case ToolCall():
            return CALL_TOKENS + count(part.name) + count(part.arguments)
        case ToolResult():
            return RESULT_TOKENS + sum(_part(inner, host, count) for inner in part.content)
        case Image():
            size = image_size(part)
            return host.image_tokens(*size) if host.sees and size else count(part_text(part))
        case Unknown():
            return count(json.dumps(part.raw, ensure_ascii=False))


def image_size(image: Image) -> tuple[int, int] | None:
    """Width and height in pixels; None for data that is no readable image."""
    if image.data is None:
        return UNSEEN_IMAGE_PX
    try:
        with Pictures.open(io.BytesIO(image.data)) as picture:
            return picture.size
    except (OSError, ValueError):
        return None
