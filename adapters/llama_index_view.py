"""A view as LlamaIndex chat messages.

Takes a View; gives its system turns, one user message with the pages, and the
recent turns as messages. Every message is new, so that frameworks may edit what
they are given. Images stand in user messages only: no other role takes them
everywhere. Knows nothing of memory classes, agents or storage.

Written against llama-index-core 0.14.25, and the request builders of
llama-index-llms-openai 0.8.3, -anthropic 0.12.3 and -google-genai 0.11.3
(November 2026).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock

from sfumato.adapters.arrange import Wire, arrange
from sfumato.adapters.front import front_parts
from sfumato.adapters.llama_index_messages import FORMAT, llama_index_from_turns
from sfumato.adapters.wire import stamp
from sfumato.hosts import Host
from sfumato.measures import note
from sfumato.turn import JsonObject, ToolResult, Turn, Unknown
from sfumato.view import View

_CACHE_POINT = {"block_type": "cache", "cache_control": {"type": "ephemeral", "ttl": "5m"}}
_STRICT_FAMILIES = ("claude", "gemini")
"""Families whose builders send images in results, and blank text, which these hosts refuse."""


OPENING = "[The conversation begins with the assistant.]"
"""What a user is made to say where the assistant spoke first and the host wants a user to."""


def llama_index_request(view: View, *, cache_point: bool = False) -> list[ChatMessage]:
    """The whole view as messages.

    ``cache_point`` ends the front message with a CachePoint block, for the
    providers whose integrations know it. Raises InputError for a view whose
    pages were not drawn.
    """
    parts = front_parts(view, _page)
    if parts and cache_point:
        parts.append(Unknown(FORMAT, _CACHE_POINT))
    front = [Turn("user", tuple(parts))] if parts else []
    turns = arrange([*view.system, *front, *view.recent], _wire(view.host))
    messages = llama_index_from_turns(turns)
    _unname_results(messages, view.recent)
    for message in messages:
        # Anthropic refuses words after calls.
        message.blocks.sort(key=lambda block: isinstance(block, ToolCallBlock))
    if view.host.alternation or view.host.family in _STRICT_FAMILIES:
        messages = _opened(messages)
    return _alternating(messages) if view.host.alternation else messages


def is_opening(message: ChatMessage) -> bool:
    """Whether a message is one that no user said, before an assistant's first."""
    return message.role == MessageRole.USER and message.content == OPENING


def is_front(message: ChatMessage) -> bool:
    """Whether a message is the front of a view, pages and all."""
    blocks = message.blocks
    first = blocks[0] if blocks else None
    opening = note(None).removesuffix("]")
    return isinstance(first, TextBlock) and first.text.startswith(opening)


def begins_with_front(messages: Sequence[ChatMessage]) -> bool:
    """Whether messages are a view, or began as one."""
    said = (message for message in messages if message.role != MessageRole.SYSTEM)
    first = next(said, None)
    return first is not None and is_front(first)


def _page(detail: str | None, _is_last: bool) -> JsonObject:
    return stamp(FORMAT, {} if detail is None else {"detail": detail})


def _wire(host: Host) -> Wire:
    strict = host.family in _STRICT_FAMILIES
    return Wire(
        FORMAT,
        images=host.sees,
        result_images=strict,
        late_system=True,
        names=True,
        blank_text=not strict,
    )


def _unname_results(messages: Sequence[ChatMessage], said: Sequence[Turn]) -> None:
    """Take the names off results that came without one, so that they stay as they were put."""
    named = {
        part.call_id
        for turn in said
        for part in turn.parts
        if isinstance(part, ToolResult) and part.name
    }
    for message in messages:
        kwargs = message.additional_kwargs
        if message.role == MessageRole.TOOL and kwargs.get("tool_call_id") not in named:
            kwargs.pop("name", None)


def _opened(messages: list[ChatMessage]) -> list[ChatMessage]:
    """The messages with a user's before an assistant that speaks first."""
    said = (n for n, message in enumerate(messages) if message.role != MessageRole.SYSTEM)
    first = next(said, None)
    if first is None or messages[first].role != MessageRole.ASSISTANT:
        return messages
    return [*messages[:first], ChatMessage(OPENING, role=MessageRole.USER), *messages[first:]]


def _alternating(messages: list[ChatMessage]) -> list[ChatMessage]:
    """The front as one message with a user message behind it."""
    for index, (message, following) in enumerate(pairwise(messages)):
        if is_front(message) and following.role == MessageRole.USER:
            blocks = [*message.blocks, *following.blocks]
            merged = ChatMessage(
                role=MessageRole.USER,
                blocks=blocks,
                additional_kwargs=following.additional_kwargs,
            )
            return [*messages[:index], merged, *messages[index + 2 :]]
    return messages
