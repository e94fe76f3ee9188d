"""LlamaIndex: memory for agents and chat engines, and messages to turns and back.

``SfumatoMemory`` takes the place of ``Memory``, ``SfumatoMemoryBlock`` adds to
one that stays, and ``recall_tool`` lets the model fetch what faded. Translates
only: knows nothing of how turns fade.

Written against llama-index-core 0.14.25 (November 2026).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemory
from pydantic import Field, model_validator
from sqlalchemy.engine import make_url

from sfumato.adapters.llama_index_block import SfumatoMemoryBlock
from sfumato.adapters.llama_index_messages import llama_index_from_turns, turns_from_llama_index
from sfumato.adapters.llama_index_recall import recall_tool
from sfumato.adapters.llama_index_settings import HostTokens, ThreadSettings, Tokenizer
from sfumato.adapters.llama_index_view import begins_with_front, is_opening, llama_index_request
from sfumato.errors import BudgetError, InputError, NotFoundError
from sfumato.hosts import host as find_host
from sfumato.memory import Memory
from sfumato.turn import new_id

__all__ = [
    "SfumatoMemory",
    "SfumatoMemoryBlock",
    "llama_index_from_turns",
    "llama_index_request",
    "recall_tool",
    "turns_from_llama_index",
]

TOKEN_LIMIT = 30_000
"""What ``Memory`` takes for ``token_limit`` when none is given (llama-index-core 0.14.25)."""

OWN_STORE = ("chat_store", "table_name", "async_engine", "db_schema")
"""Arguments of Memory that say where it keeps messages."""
QUEUE_SETTINGS = (
    "chat_history_token_ratio",
    "token_flush_size",
    "memory_blocks_template",
    "insert_method",
    "image_token_size_estimate",
    "audio_token_size_estimate",
    "video_token_size_estimate",
)
"""Arguments of Memory that tune its queue and how blocks are put in."""
STEPS = 8
"""How many budgets there are for what callers add; see ``_room``."""


class SfumatoMemory(ThreadSettings, BaseMemory):
    """Chat memory whose older turns fade into pages instead of being dropped.

    Takes the place of ``Memory`` in agents, workflows and chat engines. ``get``
    gives system messages, one user message with pages of older turns, and the
    recent turns; ``put`` keeps every message for good, recallable word for word
    through ``recall_tool(memory)``.

    ``thread`` names the conversation. Objects of the same thread and store are
    the same memory, in any process. ``budget`` is what a view may take on
    ``host``; the system prompt, tools' schemas, and what an agent does between
    a question and its answer come on top. ``tokenizer_fn`` counts text in place
    of the host's counter; like that of ``Memory`` it is not serialised.
    ``cache_point`` ends the pages with a CachePoint block, so that Anthropic and
    Bedrock cache them; OpenAI's integration refuses such a block.

    Runs at the same time on one thread share it as they would share a
    ``Memory``: each sees what the others have put so far.

        memory = SfumatoMemory.from_defaults(session_id="alice", token_limit=8_000)
        agent = FunctionAgent(tools=[recall_tool(memory)], llm=llm)
        await agent.run("Which flight did I book?", memory=memory)
    """

    thread: str = Field(default_factory=new_id, description="Name of the conversation.")
    cache_point: bool = Field(
        default=False, description="Whether the pages end with a CachePoint block."
    )
    # A tokenizer of the host's is made where none is given.
    tokenizer_fn: Tokenizer = Field(default=HostTokens(""), exclude=True)

    @model_validator(mode="after")
    def _host_tokens(self) -> Self:
        if isinstance(self.tokenizer_fn, HostTokens):
            self.tokenizer_fn = HostTokens(find_host(self.host).tokenizer)
        return self

    @classmethod
    def class_name(cls) -> str:
        """The name by which serialised components are known."""
        return "SfumatoMemory"

    @classmethod
    def from_defaults(
        cls,
        session_id: str | None = None,
        chat_history: list[ChatMessage] | None = None,
        token_limit: int = TOKEN_LIMIT,
        memory_blocks: Sequence[Any] | None = None,
        tokenizer_fn: Tokenizer | None = None,
        async_database_uri: str | None = None,
        **settings: Any,
    ) -> Self:
        """A memory made with the arguments of ``Memory.from_defaults``, and with our own.

        ``session_id`` is the thread, ``token_limit`` the whole budget.
        ``chat_history`` becomes the thread's conversation, as with ``set``.
        ``async_database_uri`` names the store if ``store`` does not. Ignored is
        what tunes the queue that Memory keeps: its ratio, flush size, size
        estimates, and how its blocks are put in. Raises InputError for memory
        blocks, for a chat store, and for arguments that nobody knows.
        """
        if memory_blocks:
            raise InputError(
                "SfumatoMemory takes no memory_blocks: it holds the whole conversation itself. "
                "To combine blocks, keep Memory and add a SfumatoMemoryBlock to it."
            )
        if refused := [name for name in OWN_STORE if settings.get(name) is not None]:
            raise InputError(
                f"{', '.join(refused)}: SfumatoMemory keeps turns in a store of its own: "
                "pass store='sqlite:///memory.db' or a postgresql URL"
            )
        own = {name: v for name, v in settings.items() if name in cls.model_fields}
        if unknown := settings.keys() - own.keys() - {*OWN_STORE, *QUEUE_SETTINGS}:
            raise InputError(f"SfumatoMemory.from_defaults knows no {', '.join(sorted(unknown))}")
        if async_database_uri is not None:
            own.setdefault("store", _synchronous(async_database_uri))
        if session_id is not None:
            own["thread"] = session_id
        if tokenizer_fn is not None:
            own["tokenizer_fn"] = tokenizer_fn
        own.setdefault("budget", token_limit)
        made = cls(**own)
        if chat_history is not None:
            made.set(chat_history)
        return made

    @property
    def memory(self) -> Memory:
        """The thread's memory: to pin, forget, recall, verify or view it."""
        counted = self.tokenizer_fn
        return self.opened(self.thread, None if isinstance(counted, HostTokens) else counted)

    # -- reading -----------------------------------------------------------

    def get(
        self, input: str | ChatMessage | None = None, initial_token_count: int = 0, **kwargs: Any
    ) -> list[ChatMessage]:
        """The view as messages; none for a thread that holds nothing yet.

        ``initial_token_count`` tokens are left free for what the caller adds.
        Raises BudgetError when what must stay text does not fit.
        """
        try:
            view = self.memory.view(self._room(initial_token_count))
        except NotFoundError:
            return []
        return llama_index_request(view, cache_point=self.cache_point)

    def get_all(self) -> list[ChatMessage]:
        """The whole conversation as it was put, oldest first."""
        try:
            return llama_index_from_turns(self.memory.turns())
        except NotFoundError:
            return []

    # -- writing -----------------------------------------------------------

    def put(self, message: ChatMessage) -> None:
        """Add one message; it is durable when this returns."""
        self.put_messages([message])

    def put_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Add messages, all or none. Raises TurnError for one that cannot be stored."""
        self.memory.extend(turns_from_llama_index(messages))

    def set(self, messages: Sequence[ChatMessage]) -> None:
        """Make these messages the conversation.

        Messages that are there stay, new ones are added, others leave the
        conversation but are kept in the store. What ``get`` gave may come back,
        with new messages behind it. Raises InputError for a view of some other
        moment: its pages stand for turns it does not name.
        """
        if not begins_with_front(messages):
            said = [message for message in messages if not is_opening(message)]
            self.memory.reconcile(turns_from_llama_index(said))
            return
        shown = self.get()
        if list(messages[: len(shown)]) != shown:
            raise InputError(
                f"thread {self.thread!r}: these messages begin with pages of another moment or "
                "thread, which cannot be turned back into messages: set those of get_all()"
            )
        self.put_messages(messages[len(shown) :])

    def reset(self) -> None:
        """Forget the conversation for good: nothing of it can be recalled afterwards."""
        with suppress(NotFoundError):
            self.memory.forget()

    def _room(self, taken: int) -> int:
        """The budget without ``taken`` tokens, in steps.

        Each budget has a layout of its own; what a chat engine retrieves differs
        at every question, and must not have all pages drawn anew.
        """
        step = max(1, self.budget // STEPS)
        room = self.budget - step * -(-max(0, taken) // step)
        if room < 1:
            raise BudgetError(
                f"thread {self.thread!r}: {taken:,} tokens are taken before memory and the "
                f"budget is {self.budget:,}: give a larger token_limit"
            )
        return room


def _synchronous(uri: str) -> str:
    """A database URI without its async driver, which sfumato does without."""
    made = make_url(uri)
    return made.set(drivername=made.get_backend_name()).render_as_string(hide_password=False)
