"""Agents with a memory so small that turns soon fade, and hands to talk to them."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from scripted_model import human

from sfumato import Store
from sfumato.adapters.langchain import SfumatoMiddleware

FILLER = (
    "We went over the plan for the week, moved the review to Thursday, and agreed that the "
    "draft needs another pass before anyone else sees it. "
)
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "alice"}}


def noted(messages: list[BaseMessage]) -> str:
    return f"Noted: {human(messages)[:20]}"


def pages(store: Store, host: str = "claude-sonnet-5", **options: Any) -> SfumatoMiddleware:
    """A middleware with a budget so small that turns soon fade."""
    return SfumatoMiddleware(host, store, **{"budget": 1_500, "profile": "dense"} | options)


def talk(agent: Any, rounds: int, config: dict[str, Any] = CONFIG, start: int = 0) -> None:
    for number in range(start, start + rounds):
        agent.invoke({"messages": [HumanMessage(f"Entry {number}. {FILLER * 2}")]}, config)


def state(agent: Any, config: dict[str, Any] = CONFIG) -> list[BaseMessage]:
    return agent.get_state(config).values["messages"]
