"""SfumatoMiddleware in real agents: what the model is sent, and what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from provider_rules import violations
from pydantic import BaseModel
from scripted_model import (
    ANTHROPIC,
    ScriptedModel,
    anthropic_payload,
    broken_rules,
    call,
    human,
    image_blocks,
    openai_payload,
)
from small_memory import CONFIG, FILLER, noted, pages, state, talk

from sfumato import BudgetError, ConflictError, InputError, Store
from sfumato.echoes import TOOL_NAME


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/memory.db")
    yield made
    made.close()


# -- what is sent -------------------------------------------------------------


def test_old_turns_fade_into_pages_and_recent_messages_are_the_originals(store: Store):
    model = ScriptedModel(script=noted)
    middleware = pages(store)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    talk(agent, 30)
    front, *recent = model.last
    assert image_blocks(front)
    assert not any(image_blocks(message) for message in recent)
    assert recent == state(agent)[-1 - len(recent) : -1]
    memory = middleware.memory("alice")
    assert [t.id for t in memory.turns()] == [m.id for m in state(agent)]
    assert memory.verify() == []


def test_the_front_stays_the_same_between_aging_steps(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(
        model, middleware=[pages(store, budget=3_000)], checkpointer=InMemorySaver()
    )
    talk(agent, 40)
    fronts = [str(request[0].content) for request in model.requests[15:]]
    assert len(set(fronts)) < len(fronts) / 3


def test_async_runs_send_and_keep_the_same(store: Store):
    async def run(agent: Any) -> None:
        for number in range(20):
            message = HumanMessage(f"Entry {number}. {FILLER * 2}", id=f"h{number}")
            await agent.ainvoke({"messages": [message]}, CONFIG)

    model = ScriptedModel(script=noted)
    middleware = pages(store)
    asyncio.run(run(create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())))
    assert image_blocks(model.last[0])
    assert len(middleware.memory("alice").turns()) == 40


def test_streams_carry_the_answer_and_nothing_of_the_front(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(model, middleware=[pages(store)], checkpointer=InMemorySaver())
    talk(agent, 15)
    given = {"messages": [HumanMessage("One more.")]}
    chunks = [chunk for chunk, _ in agent.stream(given, CONFIG, stream_mode="messages")]
    assert image_blocks(model.last[0])
    assert "".join(chunk.text for chunk in chunks) == "Noted: One more."
    assert len(chunks) > 1

    async def collect() -> list[BaseMessage]:
        stream = agent.astream(given, CONFIG, stream_mode="messages")
        return [chunk async for chunk, _ in stream]

    assert "".join(chunk.text for chunk in asyncio.run(collect())) == "Noted: One more."


def test_openai_pages_keep_their_detail_through_the_real_builder(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(model, middleware=[pages(store, "gpt-5.2")], checkpointer=InMemorySaver())
    talk(agent, 30)
    images = image_blocks(HumanMessage(openai_payload(model.last)["messages"][0]["content"]))
    assert images
    assert all(image["image_url"]["detail"] == "high" for image in images)


def test_anthropic_pages_end_in_a_cache_breakpoint_through_the_real_builder(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(model, middleware=[pages(store)], checkpointer=InMemorySaver())
    talk(agent, 30)
    blocks = anthropic_payload(model.last)["messages"][0]["content"]
    images = [block for block in blocks if block["type"] == "image"]
    assert [("cache_control" in image) for image in images] == [False] * (len(images) - 1) + [True]


def test_the_models_own_cache_breakpoint_leaves_the_pages_theirs(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(model, middleware=[pages(store)], checkpointer=InMemorySaver())
    talk(agent, 30)
    cached = {"cache_control": {"type": "ephemeral"}}
    request = ANTHROPIC._get_request_payload(model.last, **cached)
    assert violations("anthropic", request) == []
    assert str(request["messages"]).count("cache_control") >= 1


def test_gemini_pages_ask_for_the_resolution_they_were_drawn_for(store: Store):
    model = ScriptedModel(script=noted)
    middleware = pages(store, "gemini-3", budget=3_000)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    talk(agent, 40)
    levels = {image["media_resolution"] for image in image_blocks(model.last[0])}
    assert levels
    assert all(level.startswith("MEDIA_RESOLUTION_") for level in levels)


def test_hosts_that_want_alternation_get_the_front_merged_with_the_next_human_message(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(model, middleware=[pages(store, "pixtral")], checkpointer=InMemorySaver())
    talk(agent, 30)
    merged = [request for request in model.requests if image_blocks(request[0])]
    assert merged
    for request in merged:
        types = [message.type for message in request]
        assert all(a != b for a, b in pairwise(types))


def test_a_host_that_cannot_see_gets_no_images(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(
        model, middleware=[pages(store, "text-only")], checkpointer=InMemorySaver()
    )
    talk(agent, 30)
    assert not any(image_blocks(message) for request in model.requests for message in request)
    assert len(model.last) < 50


def test_system_messages_of_the_conversation_join_the_system_prompt(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(
        model, system_prompt="Be brief.", middleware=[pages(store)], checkpointer=InMemorySaver()
    )
    talk(agent, 3)
    agent.invoke({"messages": [SystemMessage("Speak French."), HumanMessage("Hello")]}, CONFIG)
    talk(agent, 10, start=3)
    system, *others = model.last
    assert isinstance(system, SystemMessage)
    assert system.text == "Be brief.\n\nSpeak French."
    assert not any(isinstance(message, SystemMessage) for message in others)


def test_what_cannot_fit_is_an_error_that_says_what_would(store: Store):
    model = ScriptedModel(script=noted)
    middleware = pages(store, "text-only", budget=300)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    with pytest.raises(BudgetError, match="budget"):
        agent.invoke({"messages": [HumanMessage(FILLER * 60)]}, CONFIG)
    assert model.requests == []


# -- threads ------------------------------------------------------------------


def test_without_a_thread_id_the_error_says_what_to_do(store: Store):
    agent = create_agent(ScriptedModel(script=noted), middleware=[pages(store)])
    with pytest.raises(InputError, match="thread_id"):
        agent.invoke({"messages": [HumanMessage("Hi")]})


def test_a_fixed_thread_needs_no_checkpointer_and_follows_what_is_passed_in(store: Store):
    middleware = pages(store, thread="diary")
    agent = create_agent(ScriptedModel(script=noted), middleware=[middleware])
    messages: list[BaseMessage] = []
    for number in range(12):
        messages = agent.invoke({"messages": [*messages, HumanMessage(f"{number} {FILLER}")]})[
            "messages"
        ]
    turns = middleware.memory("diary").turns()
    assert [turn.id for turn in turns] == [message.id for message in messages]


def test_a_history_sent_again_without_ids_is_not_stored_again(store: Store):
    middleware = pages(store, thread="diary")
    agent = create_agent(ScriptedModel(script=noted), middleware=[middleware])
    history: list[dict[str, str]] = []
    for number in range(8):
        history.append({"role": "user", "content": f"{number} {FILLER}"})
        answer = agent.invoke({"messages": history})["messages"][-1]
        history.append({"role": "assistant", "content": answer.text})
    memory = middleware.memory("diary")
    assert [turn.text for turn in memory.turns()] == [message["content"] for message in history]
    # Answers come back bare, without the metadata they had: those differ once.
    assert memory.journal.state("diary").last_seq <= len(history) + 8


def test_an_agent_inside_a_graph_tells_a_story_of_its_own(store: Store):
    inner_model = ScriptedModel(script=lambda messages: f"inner {human(messages)[:9]}")
    inner = create_agent(inner_model, middleware=[pages(store, name="inner")])

    def ask(question: str) -> str:
        """Ask the expert."""
        return inner.invoke({"messages": [HumanMessage(question)]})["messages"][-1].text

    def script(messages: list[BaseMessage]) -> AIMessage | str:
        if isinstance(messages[-1], ToolMessage):
            return messages[-1].text
        number = len(messages)
        calls = [call("ask", f"c{number}-{n}", question=f"question {n}") for n in range(2)]
        return AIMessage("", tool_calls=calls)

    outer = pages(store)
    agent = create_agent(
        ScriptedModel(script=script), tools=[ask], middleware=[outer], checkpointer=InMemorySaver()
    )
    talk(agent, 2)
    assert [turn.id for turn in outer.memory("alice").turns()] == [m.id for m in state(agent)]
    names = [state.thread for state in store.journal.threads() if state.thread != "alice"]
    assert len(names) == 4
    assert all(name.startswith("alice/tools:") for name in names)
    assert all(len(request) == 1 for request in inner_model.requests)


def test_an_agent_as_a_node_of_a_graph_recalls_from_its_own_thread(store: Store):
    def script(messages: list[BaseMessage]) -> AIMessage | str:
        if isinstance(messages[-1], ToolMessage):
            return messages[-1].text
        arguments = {"query": "parrot name", "around": 0}
        return AIMessage("", tool_calls=[call(TOOL_NAME, f"c{len(messages)}", **arguments)])

    agent = create_agent(ScriptedModel(script=script), middleware=[pages(store)])
    graph = StateGraph(MessagesState)
    graph.add_node("helper", agent)
    graph.add_edge(START, "helper")
    graph.add_edge("helper", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    said = [HumanMessage("My parrot has the name Biko."), AIMessage("A fine bird.")]
    result = compiled.invoke({"messages": [*said, HumanMessage("What do I call it?")]}, CONFIG)
    assert "Biko" in result["messages"][-1].text
    [thread] = [s.thread for s in store.journal.threads()]
    assert thread.startswith("alice/helper:")


def test_runs_of_many_threads_at_once_do_not_mix(store: Store):
    model = ScriptedModel(script=lambda messages: f"Noted: {human(messages).split()[0]}")
    middleware = pages(store)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())

    def run(name: str) -> None:
        for number in range(10):
            message = HumanMessage(f"{name} {number} {FILLER}")
            agent.invoke({"messages": [message]}, {"configurable": {"thread_id": name}})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, ["ann", "bob", "cid", "dee"]))
    for name in ("ann", "bob", "cid", "dee"):
        turns = middleware.memory(name).turns()
        assert len(turns) == 20
        assert all(name in turn.text for turn in turns)
        assert middleware.memory(name).verify() == []


def test_two_runs_of_one_thread_never_see_each_others_turns(store: Store):
    """Two tabs tell one thread different stories; each is sent its own or an error."""

    def script(messages: list[BaseMessage]) -> str:
        name = human(messages).split()[0]
        other = {"left": "right", "right": "left"}[name]
        assert not any(other in message.text for message in messages)
        return f"Noted: {name}"

    model = ScriptedModel(script=script)
    agent = create_agent(model, middleware=[pages(store, "text-only", thread="shared")])

    def run(name: str) -> None:
        messages: list[BaseMessage] = []
        for number in range(12):
            given = [*messages, HumanMessage(f"{name} {number} {FILLER}")]
            with suppress(ConflictError):
                messages = agent.invoke({"messages": given})["messages"]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ["left", "right"]))


# -- beside other middleware --------------------------------------------------


class Onlooker(AgentMiddleware[Any, Any, Any]):
    """Sees what outer middleware sees, and adds a message for one call."""

    def __init__(self, added: BaseMessage | None = None) -> None:
        super().__init__()
        self.added = added
        self.seen: list[list[BaseMessage]] = []

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        self.seen.append(list(request.messages))
        if self.added:
            request = request.override(messages=[*request.messages, self.added])
        return handler(request)


def test_outer_middleware_sees_the_plain_conversation(store: Store):
    onlooker = Onlooker()
    agent = create_agent(
        ScriptedModel(script=noted),
        middleware=[onlooker, pages(store)],
        checkpointer=InMemorySaver(),
    )
    talk(agent, 30)
    assert onlooker.seen[-1] == state(agent)[:-1]


def test_messages_added_for_one_call_are_sent_and_not_remembered(store: Store):
    model = ScriptedModel(script=lambda messages: "Noted.")
    middleware = pages(store)
    agent = create_agent(
        model,
        middleware=[Onlooker(HumanMessage("Today is Monday.")), middleware],
        checkpointer=InMemorySaver(),
    )
    talk(agent, 20)
    assert all(request[-1].text == "Today is Monday." for request in model.requests)
    memory = middleware.memory("alice")
    assert not any("Monday" in turn.text for turn in memory.turns())
    assert memory.journal.state("alice").last_seq == 40


def test_two_instances_in_one_agent_need_two_names_and_the_last_view_is_sent(store: Store):
    with pytest.raises(AssertionError, match="duplicate"):
        create_agent(ScriptedModel(script=noted), middleware=[pages(store), pages(store)])
    model = ScriptedModel(script=noted)
    first = pages(store, "text-only", name="first")
    second = pages(store, name="second", recall=False)
    agent = create_agent(model, middleware=[first, second], checkpointer=InMemorySaver())
    talk(agent, 30)
    assert image_blocks(model.last[0])
    assert not any(image_blocks(message) for message in model.last[1:])
    assert [turn.id for turn in second.memory("alice").turns()] == [m.id for m in state(agent)]
    assert store.journal.state("alice").last_seq == 60
    assert [tool["function"]["name"] for tool in model.tools[-1]] == [TOOL_NAME]


def test_an_answer_that_is_asked_for_again_is_kept_once(store: Store):
    class Again(AgentMiddleware[Any, Any, Any]):
        """Throws the first answer away."""

        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            handler(request)
            return handler(request)

    model = ScriptedModel(script=noted)
    middleware = pages(store)
    agent = create_agent(model, middleware=[Again(), middleware], checkpointer=InMemorySaver())
    talk(agent, 10)
    agent.invoke({"messages": [HumanMessage("Bye.")]}, CONFIG)
    memory = middleware.memory("alice")
    assert [turn.id for turn in memory.turns()[:21]] == [m.id for m in state(agent)[:21]]
    assert memory.verify() == []


def test_a_call_that_fails_keeps_the_question_and_no_answer(store: Store):
    def script(messages: list[BaseMessage]) -> str:
        if human(messages) == "Fail.":
            raise TimeoutError("the provider is away")
        return "Noted."

    middleware = pages(store)
    agent = create_agent(
        ScriptedModel(script=script), middleware=[middleware], checkpointer=InMemorySaver()
    )
    with pytest.raises(TimeoutError):
        agent.invoke({"messages": [HumanMessage("Fail.")]}, CONFIG)
    agent.invoke({"messages": [HumanMessage("Again.")]}, CONFIG)
    texts = [turn.text for turn in middleware.memory("alice").turns()]
    assert texts == ["Fail.", "Again.", "Noted."]


def test_structured_answers_work_and_their_tool_messages_are_kept_once(store: Store):
    class Mood(BaseModel):
        """How the user feels."""

        word: str

    def script(messages: list[BaseMessage]) -> AIMessage:
        return AIMessage("", tool_calls=[call("Mood", f"m{human(messages)[:5]}", word="calm")])

    model = ScriptedModel(script=script)
    middleware = pages(store)
    agent = create_agent(
        model,
        middleware=[middleware],
        response_format=ToolStrategy(Mood),
        checkpointer=InMemorySaver(),
    )
    for number in range(12):
        given = {"messages": [HumanMessage(f"{number:05} {FILLER}")]}
        assert agent.invoke(given, CONFIG)["structured_response"] == Mood(word="calm")
    assert len(state(agent)) == 36
    agent.invoke({"messages": [HumanMessage("final words")]}, CONFIG)
    assert store.journal.state("alice").last_seq == 38
    assert broken_rules(model.last) == []
