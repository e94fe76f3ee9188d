"""LlamaIndex's mock of a function-calling model: answers by script, checks what it is asked.

Every request goes through the message builders of llama-index-llms-openai and
-anthropic where these are installed and work, else through writers of the same
form, and the rules of these providers are held against what comes out.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from copy import deepcopy
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from provider_rules import violations
from pydantic import PrivateAttr

from sfumato.adapters.anthropic import anthropic_from_turns
from sfumato.adapters.llama_index import turns_from_llama_index
from sfumato.adapters.openai import openai_from_turns
from sfumato.echoes import TOOL_NAME

try:
    from llama_index.llms.openai.utils import to_openai_message_dicts
except ImportError:
    to_openai_message_dicts = None
try:
    from llama_index.llms.anthropic.utils import messages_to_anthropic_messages

    messages_to_anthropic_messages([ChatMessage("hello")])
except (ImportError, TypeError):  # 0.12.3 cannot write any message with anthropic 2
    messages_to_anthropic_messages = None

Script = Callable[[list[ChatMessage]], ChatMessage | str]


class ScriptedLLM(MockFunctionCallingLLM):
    """Answers with ``script(messages)``; keeps every request in ``requests``."""

    _requests: list[list[ChatMessage]] = PrivateAttr(default_factory=list)

    @classmethod
    def following(
        cls, script: Script, *, streaming: bool = False, checked: bool = True
    ) -> ScriptedLLM:
        made = cls()

        def answer(messages: Sequence[ChatMessage]) -> ChatMessage:
            request = deepcopy(list(messages))
            made._requests.append(request)
            assert not checked or broken_rules(request) == []
            said = script(request)
            return said if isinstance(said, ChatMessage) else ChatMessage(said, role="assistant")

        async def stream(answered: ChatMessage) -> AsyncGenerator[ChatMessage, None]:
            words = re.findall(r"\S+\s*", answered.content or "")
            for count in range(1, len(words)):
                yield ChatMessage("".join(words[:count]), role="assistant")
            yield answered

        def generate(messages: Sequence[ChatMessage], **_: Any) -> Any:
            answered = answer(messages)
            return stream(answered) if streaming else answered

        made.response_generator = generate
        return made

    @property
    def requests(self) -> list[list[ChatMessage]]:
        return self._requests

    @property
    def last(self) -> list[ChatMessage]:
        return self._requests[-1]


def broken_rules(messages: list[ChatMessage]) -> list[str]:
    """What providers would refuse of these messages."""
    return [
        *violations("openai", openai_payload(deepcopy(messages))),
        *violations("anthropic", anthropic_payload(deepcopy(messages))),
    ]


def openai_payload(messages: list[ChatMessage]) -> list[dict[str, Any]]:
    if to_openai_message_dicts is not None:
        return to_openai_message_dicts(messages)
    return openai_from_turns(turns_from_llama_index(messages))


def anthropic_payload(messages: list[ChatMessage]) -> dict[str, Any]:
    """The system text and messages; neighbours of one role are one message, as in the builder."""
    if messages_to_anthropic_messages is not None:
        said, system = messages_to_anthropic_messages(messages)
        return {"system": system, "messages": said}
    system = "\n".join(m.content or "" for m in messages if m.role == MessageRole.SYSTEM)
    spoken = [message for message in messages if message.role != MessageRole.SYSTEM]
    merged: list[dict[str, Any]] = []
    for message in anthropic_from_turns(turns_from_llama_index(spoken))["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": message["role"], "content": list(blocks)})
    return {"system": system, "messages": merged}


def images(message: ChatMessage) -> list[ImageBlock]:
    return [block for block in message.blocks if isinstance(block, ImageBlock)]


def asked(messages: Sequence[ChatMessage]) -> str:
    """The text of the last user message, without the state that agents write before it."""
    said = next(m.content or "" for m in reversed(messages) if m.role == MessageRole.USER)
    return said.split("Current message:\n")[-1]


def calling(*wanted: tuple[str, str, dict[str, Any]], text: str = "") -> ChatMessage:
    """An assistant's message that calls tools: (call id, tool, arguments)."""
    calls = [
        ToolCallBlock(tool_call_id=id, tool_name=name, tool_kwargs=arguments)
        for id, name, arguments in wanted
    ]
    message = ChatMessage(text, role="assistant") if text else ChatMessage(role="assistant")
    return ChatMessage(role="assistant", blocks=[*message.blocks, *calls])


def weather(city: str) -> str:
    """The weather in a city."""
    return f"In {city}: {sum(map(ord, city)) % 30} degrees, light wind, some clouds. " * 3


def stock(item: str) -> str:
    """How many of an item are left."""
    return f"{sum(map(ord, item)) % 97} of {item} are left in the store room."


class Life:
    """A script: calls the tools that the user's words name, answers else.

    ``made`` holds the ids of all calls.
    """

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, messages: list[ChatMessage]) -> ChatMessage | str:
        words = asked(messages).split()
        if messages[-1].role == MessageRole.TOOL:
            return f"That settles it: {(messages[-1].content or '')[:60]}"
        match words:
            case ["RECALL", *question]:
                query = " ".join(question)
                return self.call((TOOL_NAME, {"query": query, "k": 5, "around": 0}))
            case ["WEATHER", city, *_]:
                return self.call(("weather", {"city": city}))
            case ["BOTH", city, item, *_]:
                return self.call(("weather", {"city": city}), ("stock", {"item": item}))
            case _:
                return f"All right, {len(words)} words. We can come back to it after lunch."

    def call(self, *wanted: tuple[str, dict[str, Any]]) -> ChatMessage:
        ids = [f"call-{len(self.made) + n}" for n in range(len(wanted))]
        self.made += ids
        calls = [(id, name, arguments) for id, (name, arguments) in zip(ids, wanted, strict=True)]
        return calling(*calls, text="Let me see.")
