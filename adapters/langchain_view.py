"""A view as LangChain messages.

Takes a View, gives a front HumanMessage with text and image blocks, and the
recent turns as messages. Images stand in human messages only: no other role
takes them everywhere. The blocks are LangChain's standard ones where these
say all that the host's price depends on, else the provider's own. Knows
nothing of agents, chains or storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from sfumato.adapters.front import front_parts
from sfumato.adapters.langchain_messages import langchain_from_turns
from sfumato.adapters.wire import encoded, image_url
from sfumato.hosts import Host
from sfumato.plain import part_text
from sfumato.turn import Image, Part
from sfumato.view import View

FRONT_ID = "sfumato-front"
"""Id of the front message, by which one that comes back is known."""


def view_messages(view: View) -> list[BaseMessage]:
    """The whole view: system turns, the front message if any, the recent turns."""
    recent = list(langchain_from_turns(view.recent))
    return [*langchain_from_turns(view.system), *with_front(front_message(view), recent, view.host)]


def front_message(view: View) -> HumanMessage | None:
    """Note, pages, older text, factsheet and copies as one message; None while nothing faded.

    Raises InputError for a view whose pages were not drawn.
    """
    parts = front_parts(view, lambda detail, is_last: {"detail": detail, "is_last": is_last})
    if not parts:
        return None
    return HumanMessage(content=[_block(part, view.host) for part in parts], id=FRONT_ID)


def is_front(message: BaseMessage) -> bool:
    """Whether a message is a front message of ours that came back."""
    return message.id == FRONT_ID


def with_front(
    front: HumanMessage | None, recent: Sequence[BaseMessage], host: Host
) -> list[BaseMessage]:
    """The recent messages behind the front one.

    Where the host wants user and assistant messages to alternate, a human
    message that comes next is merged into it.
    """
    if front is None:
        return list(recent)
    following = recent[0] if recent else None
    if not host.alternation or not isinstance(following, HumanMessage):
        return [front, *recent]
    merged = HumanMessage(content=[*content_blocks(front), *content_blocks(following)], id=FRONT_ID)
    return [merged, *recent[1:]]


def merged_system(
    prompt: SystemMessage | None, turns: Sequence[BaseMessage]
) -> SystemMessage | None:
    """The system prompt with the conversation's own system messages after it.

    One message at the head: some providers refuse, and some silently drop,
    any other.
    """
    messages = [prompt, *turns] if prompt else list(turns)
    if len(messages) < 2:
        return prompt if prompt or not messages else SystemMessage(content=messages[0].content)
    if all(isinstance(message.content, str) for message in messages):
        return SystemMessage(content="\n\n".join(str(message.content) for message in messages))
    return SystemMessage(content=[b for message in messages for b in content_blocks(message)])


def content_blocks(message: BaseMessage) -> list[str | dict[str, Any]]:
    """A message's content as a list of blocks, as it stands."""
    content = message.content
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content)


def _block(part: Part, host: Host) -> str | dict[str, Any]:
    if not isinstance(part, Image):
        return {"type": "text", "text": part_text(part)}
    detail: str | None = part.extra["detail"]
    if host.family.startswith("gpt") and detail:
        # The standard block loses the level of detail, and with it the price.
        url = {"url": image_url(part), "detail": detail}
        return {"type": "image_url", "image_url": url}
    block: dict[str, Any] = {
        "type": "image",
        "base64": encoded(part.data or b""),
        "mime_type": part.media_type,
    }
    if host.family == "gemini" and detail:
        block["media_resolution"] = f"MEDIA_RESOLUTION_{detail.upper()}"
    if host.family == "claude" and part.extra["is_last"]:
        block["extras"] = {"cache_control": {"type": "ephemeral"}}
    return block
