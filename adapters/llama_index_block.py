"""Memory as a block of LlamaIndex's own ``Memory``.

Memory keeps the recent messages and hands over what it flushes; the block keeps
all of that, and gives a view of it before the recent messages. Knows nothing of
how turns fade.

Written against llama-index-core 0.14.25 (November 2026).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.memory import BaseMemoryBlock
from pydantic import Field

from sfumato.adapters.llama_index_messages import turns_from_llama_index
from sfumato.adapters.llama_index_settings import ThreadSettings
from sfumato.adapters.llama_index_view import llama_index_request
from sfumato.errors import BudgetError, InputError, NotFoundError
from sfumato.memory import Memory

SESSION = "session_id"
"""Where Memory notes its session on every message it flushes."""
IMAGE_TOKENS = 256
"""What Memory counts for an image unless told otherwise (llama-index-core 0.14.25)."""


class SfumatoMemoryBlock(ThreadSettings, BaseMemoryBlock[list[ChatMessage]]):
    """What ``Memory`` flushes fades into pages instead of being dropped.

    Give it the share of the token limit that Memory leaves for blocks (by
    default 30 %) as ``budget``. Pages cost what the host bills, Memory counts
    every image as ``image_token_size_estimate``: set that to a page's tokens
    where its limit has to be exact. With a ``priority`` other than 0 a block
    that does not fit is shown in a smaller view.

    ``thread`` names the conversation; without it, it is the session of the
    Memory that asks, so that one block may serve several.

        block = SfumatoMemoryBlock(budget=9_000)
        memory = Memory.from_defaults("alice", token_limit=30_000, memory_blocks=[block])
        agent = FunctionAgent(tools=[recall_tool(lambda: block.memory("alice"))], llm=llm)
    """

    name: str = Field(default="sfumato", description="Name of the block.")
    thread: str | None = Field(
        default=None, description="Name of the conversation; that of the session by default."
    )

    def memory(self, session_id: str | None = None) -> Memory:
        """The memory of what a session flushed: to recall, pin, forget or verify."""
        thread = self.thread or session_id
        if thread is None:
            raise InputError(
                f"memory block {self.name!r} has no thread and was asked outside a session: "
                "give the block a thread, or pass the session's id"
            )
        return self.opened(thread)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        said = [_without_session(message) for message in messages]
        session = next((s for _, s in said if s is not None), None)
        turns = turns_from_llama_index([message for message, _ in said])
        await asyncio.to_thread(lambda: self.memory(session).extend(turns))

    async def _aget(
        self,
        messages: list[ChatMessage] | None = None,
        session_id: str | None = None,
        **block_kwargs: Any,
    ) -> list[ChatMessage]:
        return await asyncio.to_thread(self._view, session_id, self.budget)

    async def atruncate(
        self, content: list[ChatMessage], tokens_to_truncate: int
    ) -> list[ChatMessage] | None:
        """A view that is smaller by at least so many of Memory's tokens; None if there is none."""
        session = content.session if isinstance(content, _Viewed) else None
        limit = _estimate(content) - tokens_to_truncate
        return await asyncio.to_thread(self._view_within, session, limit)

    def _view(self, session_id: str | None, budget: int) -> list[ChatMessage]:
        try:
            view = self.memory(session_id).view(budget)
        except NotFoundError:
            return []
        return _Viewed(llama_index_request(view), session_id)

    def _view_within(self, session_id: str | None, limit: int) -> list[ChatMessage] | None:
        budget = self.budget
        try:
            while (budget := budget // 2) > 0:
                smaller = self._view(session_id, budget)
                if _estimate(smaller) <= limit:
                    return smaller
        except BudgetError:
            pass
        return None


class _Viewed(list[ChatMessage]):
    """Messages of a view, and the session they are of, which Memory does not tell again."""

    def __init__(self, messages: Sequence[ChatMessage], session: str | None) -> None:
        super().__init__(messages)
        self.session = session


def _without_session(message: ChatMessage) -> tuple[ChatMessage, str | None]:
    """The message as it was said, and the session that Memory wrote on it."""
    kwargs = {key: v for key, v in message.additional_kwargs.items() if key != SESSION}
    said = message.model_copy(update={"additional_kwargs": kwargs})
    return said, message.additional_kwargs.get(SESSION)


def _estimate(messages: Sequence[ChatMessage]) -> int:
    """Tokens of messages as Memory counts them."""
    tokenizer = Settings.tokenizer
    tokens = 0
    for message in messages:
        if message.additional_kwargs:
            tokens += len(tokenizer(str(message.additional_kwargs)))
        for block in message.blocks:
            if isinstance(block, TextBlock):
                tokens += len(tokenizer(block.text))
            elif isinstance(block, ImageBlock):
                tokens += IMAGE_TOKENS
    return tokens
