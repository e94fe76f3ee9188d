"""A chat model that answers by script, and checks what it is asked.

Every request goes through the request builders of langchain-openai and
langchain-anthropic, which need no network, and the rules of these providers
are held against what they build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI
from provider_rules import violations
from pydantic import PrivateAttr

OPENAI = ChatOpenAI(model="gpt-5.2", api_key="none", base_url="http://localhost")
RESPONSES = ChatOpenAI(
    model="gpt-5.2", api_key="none", base_url="http://localhost", use_responses_api=True
)
ANTHROPIC = ChatAnthropic(model_name="claude-sonnet-5", api_key="none")

Script = Callable[[list[BaseMessage]], AIMessage | str]


class ScriptedModel(BaseChatModel):
    """Answers with ``script(messages)``; keeps every request in ``requests``."""

    script: Script
    checked: bool = True
    _requests: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _tools: list[list[dict[str, Any]]] = PrivateAttr(default_factory=list)

    @property
    def requests(self) -> list[list[BaseMessage]]:
        return self._requests

    @property
    def tools(self) -> list[list[dict[str, Any]]]:
        return self._tools

    @property
    def last(self) -> list[BaseMessage]:
        return self._requests[-1]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages, **kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._answer(messages, **kwargs)
        words = re.findall(r"\S+\s*", str(answer.content))
        chunks = [AIMessageChunk(content=word) for word in words]
        chunks.append(
            AIMessageChunk(
                content="",
                tool_call_chunks=[
                    {"name": c["name"], "args": json.dumps(c["args"]), "id": c["id"], "index": n}
                    for n, c in enumerate(answer.tool_calls)
                ],
            )
        )
        for chunk in chunks:
            made = ChatGenerationChunk(message=chunk)
            if run_manager:
                run_manager.on_llm_new_token(str(chunk.content), chunk=made)
            yield made

    def _answer(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        self._requests.append(list(messages))
        self._tools.append(kwargs.get("tools", []))
        if self.checked:
            assert broken_rules(messages) == []
        answer = self.script(messages)
        return AIMessage(answer) if isinstance(answer, str) else answer


def broken_rules(messages: list[BaseMessage]) -> list[str]:
    """What providers would refuse of these messages."""
    responses = RESPONSES._get_request_payload(messages)["input"]
    return [
        *violations("openai", openai_payload(messages)["messages"]),
        *violations("anthropic", anthropic_payload(messages)),
        # Without a level of detail the API takes "auto"; only gpt hosts are priced by it.
        *(v for v in violations("openai-responses", responses) if "unknown detail None" not in v),
    ]


def openai_payload(messages: list[BaseMessage]) -> dict[str, Any]:
    return OPENAI._get_request_payload(messages)


def anthropic_payload(messages: list[BaseMessage]) -> dict[str, Any]:
    return ANTHROPIC._get_request_payload(messages)


def image_blocks(message: BaseMessage) -> list[dict[str, Any]]:
    """The images among a message's blocks, in whatever form."""
    content = message.content if isinstance(message.content, list) else []
    return [
        block
        for block in content
        if isinstance(block, dict) and block.get("type") in ("image", "image_url")
    ]


def human(messages: list[BaseMessage]) -> str:
    """The text of the last human message."""
    return next(m.text for m in reversed(messages) if isinstance(m, HumanMessage))


def call(name: str, id: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "name": name, "args": arguments, "id": id}
