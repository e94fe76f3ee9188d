"""SfumatoMiddleware over time: edits, forks, interrupts, forgetting and recall."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from scripted_model import (
    OPENAI,
    ScriptedModel,
    broken_rules,
    call,
    human,
)
from small_memory import CONFIG, noted, pages, state, talk

from sfumato import Store
from sfumato.echoes import TOOL_NAME
from sfumato.recall import TOOL_PARAMETERS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/memory.db")
    yield made
    made.close()


# -- what happens to the state ------------------------------------------------


def test_an_edit_a_removal_and_a_fork_of_the_state_are_followed(store: Store):
    model = ScriptedModel(script=noted)
    middleware = pages(store, "text-only", budget=8_000)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    talk(agent, 6)
    fork_at = agent.get_state(CONFIG).config
    texts = [message.text for message in state(agent)]
    edited = HumanMessage("Entry 1, corrected.", id=state(agent)[2].id)
    agent.update_state(CONFIG, {"messages": [edited]})
    gone = [RemoveMessage(id=message.id or "") for message in state(agent)[4:6]]
    agent.update_state(CONFIG, {"messages": gone})
    talk(agent, 1, start=6)
    sent = [message.text for message in model.last]
    assert sent[2] == "Entry 1, corrected."
    assert texts[4] not in sent
    memory = middleware.memory("alice")
    assert [turn.text for turn in memory.turns()] == [m.text for m in state(agent)]
    assert memory.journal.revisions("alice", 3)[0].text == texts[2]
    talk(agent, 1, fork_at, start=99)
    assert [message.text for message in model.last][:12] == texts
    assert [turn.text for turn in memory.turns()] == [m.text for m in state(agent)]
    assert memory.verify() == []


def test_a_regenerated_answer_replaces_the_former_one(store: Store):
    answers = iter(["First try.", "Second try.", "Thanks."])
    model = ScriptedModel(script=lambda messages: next(answers))
    middleware = pages(store)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("Tell me a joke.")]}, CONFIG)
    before = next(s for s in agent.get_state_history(CONFIG) if s.next == ("model",))
    agent.invoke(None, before.config)
    agent.invoke({"messages": [HumanMessage("Better.")]}, CONFIG)
    texts = [turn.text for turn in middleware.memory("alice").turns()]
    assert texts == ["Tell me a joke.", "Second try.", "Better.", "Thanks."]
    found = middleware.memory("alice").recall("first try")
    assert not any("First" in item.text for item in found)


def test_a_call_that_an_interrupt_left_open_is_never_sent_as_an_orphan(store: Store):
    def approve(what: str) -> str:
        """Ask a person."""
        return f"approved: {interrupt(what)}"

    def script(messages: list[BaseMessage]) -> AIMessage | str:
        if "please" in human(messages) and not isinstance(messages[-1], ToolMessage):
            return AIMessage("", tool_calls=[call("approve", f"a{len(messages)}", what="it")])
        return "Done."

    model = ScriptedModel(script=script)
    middleware = pages(store)
    agent = create_agent(
        model, tools=[approve], middleware=[middleware], checkpointer=InMemorySaver()
    )
    talk(agent, 3)
    agent.invoke({"messages": [HumanMessage("Do it, please.")]}, CONFIG)
    assert agent.get_state(CONFIG).interrupts
    talk(agent, 20, start=3)
    assert len(middleware.memory("alice").turns()) == len(state(agent))


def test_a_result_whose_call_was_removed_is_said_in_words(store: Store):
    def look(at: str) -> str:
        """Look at something."""
        return f"{at} is blue"

    def script(messages: list[BaseMessage]) -> AIMessage | str:
        if "look" in human(messages) and not isinstance(messages[-1], ToolMessage):
            return AIMessage("", tool_calls=[call("look", "l1", at="the sky")])
        return "Noted."

    model = ScriptedModel(script=script)
    agent = create_agent(
        model, tools=[look], middleware=[pages(store)], checkpointer=InMemorySaver()
    )
    agent.invoke({"messages": [HumanMessage("look up")]}, CONFIG)
    agent.update_state(CONFIG, {"messages": [RemoveMessage(id=state(agent)[1].id or "")]})
    talk(agent, 1)
    assert any("the sky is blue" in message.text for message in model.last)
    assert broken_rules(model.last) == []


def test_calls_the_model_garbled_are_answered_and_kept_in_order(store: Store):
    broken = AIMessage(
        "",
        id="broken",
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "name": "look",
                "args": "{oops",
                "id": "b1",
                "error": "bad JSON",
            }
        ],
    )
    model = ScriptedModel(script=lambda m: broken if "look" in human(m) else noted(m))
    middleware = pages(store)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("look it up")]}, CONFIG)
    talk(agent, 20)
    turns = middleware.memory("alice").turns()
    assert len(turns) == len(state(agent))
    assert [turn.role for turn in turns[:4]] == ["user", "assistant", "tool", "user"]
    assert turns[2].result_ids == ("b1",)


def test_forgotten_words_are_not_sent_though_the_state_still_holds_them(store: Store):
    model = ScriptedModel(script=noted)
    middleware = pages(store, "text-only", budget=4_000)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("My secret is xyzzy.")]}, CONFIG)
    talk(agent, 1)
    middleware.memory("alice").forget(1)
    talk(agent, 1, start=1)
    assert not any("xyzzy" in message.text for message in model.last if message.type == "human")
    assert "xyzzy" in state(agent)[0].text


# -- recall -------------------------------------------------------------------


def recalling(**arguments: Any) -> Any:
    def script(messages: list[BaseMessage]) -> AIMessage | str:
        if "remember" not in human(messages):
            return "Noted."
        if isinstance(messages[-1], ToolMessage):
            return messages[-1].text
        return AIMessage("", tool_calls=[call(TOOL_NAME, f"r{len(messages)}", **arguments)])

    return script


@pytest.mark.parametrize("is_async", [False, True])
def test_the_model_recalls_what_faded_and_the_echo_is_not_found_again(store: Store, is_async: bool):
    model = ScriptedModel(script=recalling(query="locker combination", k=1, around=0))
    middleware = pages(store)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("The locker combination is 31-4-15.")]}, CONFIG)
    talk(agent, 15)
    given = {"messages": [HumanMessage("Do you remember how to open it?")]}
    run = agent.ainvoke(given, CONFIG) if is_async else None
    answer = (asyncio.run(run) if run else agent.invoke(given, CONFIG))["messages"][-1]
    assert answer.text.startswith("#1 user")
    assert "31-4-15" in answer.text
    talk(agent, 1, start=15)
    entries = middleware.memory("alice").journal.entries("alice")
    assert [e.turn.role for e in entries if e.echo] == ["tool"]


def test_arguments_that_make_no_sense_come_back_as_an_error_for_the_model(store: Store):
    model = ScriptedModel(script=recalling(k=3))
    agent = create_agent(model, middleware=[pages(store)], checkpointer=InMemorySaver())
    answer = agent.invoke({"messages": [HumanMessage("Do you remember?")]}, CONFIG)["messages"]
    assert isinstance(answer[2], ToolMessage)
    assert answer[2].status == "error"
    assert "query" in answer[2].text


def test_marks_are_recalled_and_unknown_ones_are_said_to_be_unknown(store: Store):
    model = ScriptedModel(script=recalling(marks=[1], around=0))
    agent = create_agent(model, middleware=[pages(store)], checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("Tea, no sugar.")]}, CONFIG)
    answer = agent.invoke({"messages": [HumanMessage("remember #1?")]}, CONFIG)["messages"][-1]
    assert "Tea, no sugar." in answer.text
    model.script = recalling(marks=[999])
    answer = agent.invoke({"messages": [HumanMessage("remember #999?")]}, CONFIG)["messages"][-1]
    assert "999" in answer.text


def test_the_recall_tool_can_be_left_out(store: Store):
    model = ScriptedModel(script=noted)
    agent = create_agent(
        model, middleware=[pages(store, recall=False)], checkpointer=InMemorySaver()
    )
    talk(agent, 1)
    assert model.tools == [[]]


def test_binding_strictly_leaves_the_tools_schema_as_it_is(store: Store):
    before = deepcopy(TOOL_PARAMETERS)
    [tool] = pages(store).tools
    OPENAI.bind_tools([tool], strict=True)
    assert before == TOOL_PARAMETERS
