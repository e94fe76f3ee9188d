"""Memory as a LangChain chat message history.

For ``RunnableWithMessageHistory`` and whatever else reads ``messages`` and
calls ``add_messages``. What is read is the view; what is added is kept whole.
Knows nothing of how turns fade.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage

from sfumato.adapters.langchain_messages import turns_from_langchain
from sfumato.adapters.langchain_view import view_messages
from sfumato.errors import NotFoundError
from sfumato.memory import Memory


class SfumatoChatMessageHistory(BaseChatMessageHistory):
    """A thread's view as ``messages``; everything added stays recallable.

    RunnableWithMessageHistory reads ``messages`` before the call and again
    after it, and takes what comes behind that many messages for new. So a
    view, once read, stays as it is until messages are added. That holds for
    one run at a time: give each run a history of its own, as a factory does.
    Runs that share one and overlap can lose what they add.

    Messages of the view that come back to ``add_messages`` are not stored
    again.

        store = Store("sqlite:///memory.db")
        chain = RunnableWithMessageHistory(
            model, lambda session: SfumatoChatMessageHistory(Memory(session, store=store))
        )
    """

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory
        self._shown: list[BaseMessage] | None = None
        self._lock = threading.RLock()

    @property
    def messages(self) -> list[BaseMessage]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The view as messages, the same until something is added. Raises as ``Memory.view``."""
        with self._lock:
            if self._shown is None:
                self._shown = viewed(self.memory)
            return list(self._shown)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store messages, all or none. Raises TurnError, ConflictError for an id that is taken."""
        with self._lock:
            ours = {message.id for message in self._shown or ()}
            new = [message for message in messages if not message.id or message.id not in ours]
            self.memory.extend(turns_from_langchain(new))
            self._shown = None

    def clear(self) -> None:
        """Forget the thread for good."""
        with self._lock:
            self._shown = None
            try:
                self.memory.forget()
            except NotFoundError:
                return

    async def aget_messages(self) -> list[BaseMessage]:
        """``messages`` without blocking the event loop."""
        return await asyncio.to_thread(lambda: self.messages)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """``add_messages`` without blocking the event loop."""
        await asyncio.to_thread(self.add_messages, messages)

    async def aclear(self) -> None:
        """``clear`` without blocking the event loop."""
        await asyncio.to_thread(self.clear)


def viewed(memory: Memory) -> list[BaseMessage]:
    """The thread's view as messages; none for a thread that holds nothing yet."""
    try:
        return view_messages(memory.view())
    except NotFoundError:
        return []
