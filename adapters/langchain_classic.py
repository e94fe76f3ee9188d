"""Memory for classic LangChain chains (the ``langchain-classic`` package).

Takes a chain's inputs and outputs, gives its prompt the view of the thread.
Classic memory knows no tool calls; agents want ``SfumatoMiddleware``.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self, cast

from langchain_classic.base_memory import BaseMemory
from langchain_classic.memory.utils import get_prompt_input_key
from langchain_core.messages import BaseMessage, get_buffer_string
from pydantic import model_validator

from sfumato.adapters.langchain_history import viewed
from sfumato.adapters.langchain_messages import turns_from_langchain
from sfumato.errors import InputError, NotFoundError
from sfumato.memory import Memory
from sfumato.turn import Turn, turn


class SfumatoMemory(BaseMemory):
    """A thread's view under ``memory_key`` of a chain's inputs.

    With ``return_messages`` a list of messages, for a ``MessagesPlaceholder``.
    Without, one string, which cannot hold pages: it takes a memory whose host
    cannot see, such as "text-only". ``input_key`` and ``output_key`` say what to
    keep of a chain that has several; without them the only one, or "output".

        memory = SfumatoMemory(memory=Memory("alice", store="sqlite:///memory.db"))
        ConversationChain(llm=model, prompt=prompt, memory=memory)
    """

    memory: Memory
    memory_key: str = "history"
    input_key: str | None = None
    output_key: str | None = None
    return_messages: bool = True
    human_prefix: str = "Human"
    ai_prefix: str = "AI"

    @model_validator(mode="after")
    def _strings_hold_no_pages(self) -> Self:
        if not self.return_messages and self.memory.host.sees:
            raise InputError(
                f"return_messages=False makes one string of the view, and the pages that "
                f"{self.memory.host.name} reads would be lost: leave it True, or give the memory "
                "the host 'text-only'"
            )
        return self

    @property
    def memory_variables(self) -> list[str]:
        """The one key that is added to a chain's inputs."""
        return [self.memory_key]

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The view, as messages or as text. Raises as ``Memory.view``."""
        messages = viewed(self.memory)
        if self.return_messages:
            return {self.memory_key: messages}
        text = get_buffer_string(messages, self.human_prefix, self.ai_prefix)
        return {self.memory_key: text}

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Store what was asked and what was answered."""
        asked = inputs[self.input_key or get_prompt_input_key(inputs, self.memory_variables)]
        answered = outputs[self.output_key or _only_key(outputs)]
        self.memory.extend([*_turns("user", asked), *_turns("assistant", answered)])

    def clear(self) -> None:
        """Forget the thread for good."""
        try:
            self.memory.forget()
        except NotFoundError:
            return

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """``load_memory_variables`` without blocking the event loop."""
        return await asyncio.to_thread(self.load_memory_variables, inputs)

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """``save_context`` without blocking the event loop."""
        await asyncio.to_thread(self.save_context, inputs, outputs)

    async def aclear(self) -> None:
        """``clear`` without blocking the event loop."""
        await asyncio.to_thread(self.clear)


def _only_key(outputs: dict[str, Any]) -> str:
    if len(outputs) == 1:
        return next(iter(outputs))
    if "output" in outputs:
        return "output"
    raise InputError(f"the chain gave {', '.join(outputs)}: say which to keep with output_key")


def _turns(role: str, said: Any) -> list[Turn]:
    if isinstance(said, BaseMessage):
        return turns_from_langchain([said])
    if isinstance(said, list):
        return turns_from_langchain(cast("list[BaseMessage]", said))
    return [turn(role, str(said))]
