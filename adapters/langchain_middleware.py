"""Memory for LangChain agents: a middleware for ``create_agent``.

At each model call it follows the conversation in the graph's state and sends
the view of it instead: older turns as pages in one message at the front,
recent ones as they are. The state itself is never touched, so checkpoints
stay small, and edits, regenerations, time travel and removals need nothing
but the state they leave behind. Knows nothing of how turns fade.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langgraph.config import get_config

from sfumato.adapters.langchain_recall import recall_tool
from sfumato.adapters.langchain_request import remember_reply, remembered
from sfumato.aging import Policy
from sfumato.errors import InputError
from sfumato.hosts import Host
from sfumato.hosts import host as find_host
from sfumato.memory import Memory
from sfumato.store import DEFAULT_URL, Store
from sfumato.tokens import Counter, counter


class SfumatoMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Lets an agent's older turns fade into pages instead of being cut or summarised.

    ``host`` is the model that reads, ``store`` a database URL or a Store, and
    ``budget`` the tokens that the conversation's messages may take on that
    host. The system prompt, the tools' schemas, the answer, and messages that
    other middleware adds for one call only come on top of it.

    The thread of the memory is the run's ``configurable.thread_id``; an agent
    that runs inside another graph has one of its own, named after both.
    ``thread`` sets it for all runs instead. It follows the graph's state: what
    is added to it otherwise is shelved at the next call. A turn that is
    forgotten is no longer sent, but stays in the state and its checkpoints
    until it is removed there. ``recall`` adds the tool by which the model
    fetches turns word for word; its results are journaled as echoes.

    Put it last in ``middleware``, so that all others see plain messages. What
    they hide or change in a request is hidden or changed in memory too;
    messages they add for one call are sent but not remembered. It takes the
    place of SummarizationMiddleware and of ``trim_messages``. With ChatOpenAI,
    leave ``use_previous_response_id`` off: it keeps the whole history at the
    provider. Two instances in one agent need different ``name``s; the last
    one's view is what is sent.

    Raises HostError and StoreError when made; BudgetError at a call whose last
    exchange alone passes the budget.

        agent = create_agent(
            "anthropic:claude-sonnet-5",
            tools=[...],
            middleware=[SfumatoMiddleware("claude-sonnet-5", "sqlite:///memory.db", 8_000)],
            checkpointer=InMemorySaver(),
        )
        agent.invoke({"messages": [...]}, {"configurable": {"thread_id": "alice"}})
    """

    def __init__(
        self,
        host: str | Host = "claude-high-res",
        store: str | Store = DEFAULT_URL,
        budget: int = 8_000,
        *,
        thread: str | None = None,
        profile: str = "legible",
        policy: Policy | None = None,
        count: Counter | None = None,
        cache_dir: str | Path | None = None,
        recall: bool = True,
        name: str = "sfumato",
    ) -> None:
        super().__init__()
        self._host = find_host(host)
        self._owns_store = isinstance(store, str)
        self._store = Store(store, cache_dir) if isinstance(store, str) else store
        self._budget = budget
        self._thread = thread
        self._profile = profile
        self._policy = policy
        self._count = count or counter(self._host.tokenizer)
        self._name = name
        self.tools = [recall_tool(self._current_memory)] if recall else []

    @property
    def name(self) -> str:
        """The instance's name, unique within an agent."""
        return self._name

    def memory(self, thread: str) -> Memory:
        """A thread's memory as this middleware reads it: to pin, forget, recall or verify."""
        return Memory(
            thread,
            self._host,
            self._store,
            self._budget,
            profile=self._profile,
            policy=self._policy,
            count=self._count,
        )

    def close(self) -> None:
        """Close the store, unless it was given and is shared."""
        if self._owns_store:
            self._store.close()

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Send the view in place of the whole conversation, and remember the answer."""
        memory = self._current_memory()
        response = handler(remembered(request, memory))
        remember_reply(response, memory)
        return response

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """``wrap_model_call`` without blocking the event loop."""
        memory = self._current_memory()
        response = await handler(await asyncio.to_thread(remembered, request, memory))
        await asyncio.to_thread(remember_reply, response, memory)
        return response

    def _current_memory(self) -> Memory:
        return self.memory(self._thread or current_thread())


def current_thread() -> str:
    """The name of the running graph's conversation.

    That of the run, and for a graph inside another one also its place there,
    since it tells a history of its own. Raises InputError outside a run, or
    in one without a thread id.
    """
    try:
        configurable = get_config().get("configurable", dict[str, Any]())
    except RuntimeError:
        configurable = dict[str, Any]()
    thread = configurable.get("thread_id")
    if thread is None:
        raise InputError(
            "this run has no thread id, so its conversation has no name: invoke the agent with "
            "{'configurable': {'thread_id': ...}}, or give the middleware a thread"
        )
    # "graph:task|node:task": all but the running node.
    graph = str(configurable.get("checkpoint_ns", "")).rpartition("|")[0]
    return f"{thread}/{graph}" if graph else str(thread)
