"""Agents on a SfumatoMemory: what they do to a memory, and what must survive it."""

import asyncio
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, HumanResponseEvent, InputRequiredEvent
from llama_index_llm import (
    Life,
    Script,
    ScriptedLLM,
    asked,
    broken_rules,
    calling,
    stock,
    weather,
)

from sfumato import BudgetError
from sfumato.adapters.llama_index import SfumatoMemory, recall_tool
from sfumato.echoes import TOOL_NAME

# The workflows library looks at every attribute of an agent, deprecated ones too.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Make = Callable[..., SfumatoMemory]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(session_id: str = "alice", **arguments: Any) -> SfumatoMemory:
        usual: dict[str, Any] = {
            "token_limit": 1_500,
            "host": "claude-sonnet-5",
            "profile": "dense",
            "store": f"sqlite:///{tmp_path}/memory.db",
        }
        return SfumatoMemory.from_defaults(session_id, **usual | arguments)

    return made


async def approve(ctx: Context, what: str) -> str:
    """Ask a person to approve something."""
    event = await ctx.wait_for_event(
        HumanResponseEvent, waiter_event=InputRequiredEvent(prefix=what)
    )
    return f"The person said: {event.response}"


def direct(word: str) -> str:
    """Say a word."""
    return f"The word is {word}."


def broken(what: str) -> str:
    """A tool that is out of order."""
    raise RuntimeError(f"{what} is out of order")


def agent(memory: SfumatoMemory, script: Script | None = None, **settings: Any) -> FunctionAgent:
    tools = [FunctionTool.from_defaults(fn) for fn in (weather, stock, approve, broken)]
    tools.append(FunctionTool.from_defaults(direct, return_direct=True))
    streaming = settings.get("streaming", False)
    return FunctionAgent(
        tools=[*tools, recall_tool(memory)],
        llm=ScriptedLLM.following(script or Life(), streaming=streaming),
        **{"system_prompt": "You are a patient friend.", "streaming": False} | settings,
    )


def roles(messages: list[ChatMessage]) -> list[str]:
    return [message.role.value for message in messages]


async def talk(memory: SfumatoMemory, count: int) -> None:
    """Fill a memory until turns fade."""
    for number in range(count):
        words = f"Word {number} about gates and fences, " * 4
        await memory.aput_messages([ChatMessage(words), ChatMessage("Noted.", role="assistant")])


async def test_an_empty_memory_is_used_and_not_replaced(make: Make):
    memory = make()
    await agent(memory).run("Hello there", memory=memory)
    assert roles(memory.get_all()) == ["user", "assistant"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_calls_in_flight_are_stored_once_when_the_run_ends(make: Make, streaming: bool):
    memory = make()
    await talk(memory, 40)
    before = len(memory.get_all())
    runner = agent(memory, streaming=streaming)
    answer = await runner.run("BOTH Oslo pears", memory=memory)
    said = memory.get_all()[before:]
    assert roles(said) == ["user", "assistant", "tool", "tool", "assistant"]
    assert said[-1].content == str(answer)
    llm = runner.llm
    assert isinstance(llm, ScriptedLLM)
    first, second = llm.requests
    assert second[: len(first)] == first
    assert roles(second[len(first) :]) == ["assistant", "tool", "tool"]


async def test_a_context_written_as_json_between_two_runs_keeps_the_memory(make: Make):
    memory = make()
    runner = agent(memory)
    ctx = Context(runner)
    await runner.run("Remember the word marigold.", ctx=ctx, memory=memory)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = json.dumps(ctx.to_dict())
    again = agent(memory)
    restored = Context.from_dict(again, json.loads(written))
    await again.run("And now?", ctx=restored)
    assert len(memory.get_all()) == 4
    llm = again.llm
    assert isinstance(llm, ScriptedLLM)
    assert "marigold" in (llm.last[1].content or "")


async def test_a_context_written_while_a_person_is_asked_goes_on_elsewhere(make: Make):
    memory = make()
    await talk(memory, 40)

    def script(messages: list[ChatMessage]) -> ChatMessage | str:
        if messages[-1].role == MessageRole.TOOL:
            return f"Good: {messages[-1].content}"
        return calling(("c1", "approve", {"what": "the order"}))

    runner = agent(memory, script)
    handler = runner.run("Please order it.", memory=memory)
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            break
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = json.dumps(handler.ctx.to_dict())
    await handler.cancel_run()
    assert roles(memory.get_all())[-1] == "user"

    again = agent(memory, script)
    resumed = again.run(ctx=Context.from_dict(again, json.loads(written)))
    resumed.ctx.send_event(HumanResponseEvent(response="yes"))
    assert str(await resumed) == "Good: The person said: yes"
    assert roles(memory.get_all())[80:] == ["user", "assistant", "tool", "assistant"]


async def test_runs_at_the_same_time_share_a_thread_and_store_everything_once(make: Make):
    life = Life()
    runners = [agent(make(), life, streaming=bool(n % 2)) for n in range(4)]
    said = [f"{verb} City{n} pears {n}." for n, verb in enumerate(["WEATHER", "BOTH", "Hi"] * 4)]

    async def run(which: int) -> None:
        for words in said[which::4]:
            await runners[which].run(words, memory=make())

    await asyncio.gather(*map(run, range(4)))
    kept = make().get_all()
    assert sorted(m.content or "" for m in kept if m.role == MessageRole.USER) == sorted(said)
    calls = [b.tool_call_id for m in kept for b in m.blocks if b.block_type == "tool_call"]
    results = [m.additional_kwargs["tool_call_id"] for m in kept if m.role == MessageRole.TOOL]
    assert sorted(calls) == sorted(results) == sorted(life.made)
    assert broken_rules(make().get()) == []
    assert make().memory.verify() == []


async def test_a_tool_that_answers_directly_leaves_no_open_calls(make: Make):
    memory = make()

    def script(messages: list[ChatMessage]) -> ChatMessage | str:
        if "word" in asked(messages):
            return calling(
                ("c1", "direct", {"word": "marigold"}),
                ("c2", "weather", {"city": "Oslo"}),
                ("c3", "stock", {"item": "pears"}),
            )
        return "Yes."

    runner = agent(memory, script)
    await runner.run("Which word?", memory=memory)
    assert broken_rules(memory.get()) == []
    await runner.run("Sure?", memory=memory)
    assert memory.get_all()[-1].content == "Yes."


async def test_tools_that_fail_and_calls_that_make_no_sense_reach_the_model(make: Make):
    memory = make()
    wanted = iter(
        [
            ("c1", "broken", {"what": "The lift"}),
            ("c2", TOOL_NAME, {}),
            ("c3", "no_such_tool", {}),
        ]
    )

    def script(messages: list[ChatMessage]) -> ChatMessage | str:
        call = next(wanted, None)
        return calling(call) if call else "I give up."

    await agent(memory, script).run("Try.", memory=memory)
    results = [m.content or "" for m in memory.get_all() if m.role == MessageRole.TOOL]
    assert "out of order" in results[0]
    assert "query or marks" in results[1]
    assert "not found" in results[2]


async def test_a_run_that_is_stopped_early_keeps_what_it_said(make: Make):
    memory = make()

    def script(messages: list[ChatMessage]) -> ChatMessage | str:
        if messages[-1].role == MessageRole.SYSTEM:
            return "That is all I know."
        return calling((f"c{len(messages)}", "weather", {"city": "Oslo"}))

    runner = agent(memory, script)
    answer = await runner.run(
        "Look until you know.", memory=memory, max_iterations=3, early_stopping_method="generate"
    )
    assert str(answer) == memory.get_all()[-1].content == "That is all I know."
    assert broken_rules(memory.get()) == []


async def test_a_run_that_fails_leaves_a_memory_that_goes_on(make: Make):
    memory = make()

    def failing(messages: list[ChatMessage]) -> ChatMessage | str:
        if messages[-1].role == MessageRole.TOOL:
            raise ConnectionError("the model is away")
        return calling(("c1", "weather", {"city": "Oslo"}))

    with pytest.raises(Exception, match="the model is away"):
        await agent(memory, failing).run("WEATHER Oslo", memory=memory)
    await agent(memory).run("WEATHER Oslo", memory=memory)
    said = ["user", "user", "assistant", "tool", "assistant"]
    assert roles(memory.get_all()) == said


async def test_a_history_that_is_given_to_each_run_is_stored_once(make: Make):
    memory = make()
    runner = agent(memory)
    history: list[ChatMessage] = []
    for number in range(30):
        words = f"Word {number} about gates and fences, " * 4
        answer = await runner.run(words, chat_history=history, memory=memory)
        history += [ChatMessage(words), answer.response]
    assert memory.get_all() == history
    assert memory.memory.journal.state("alice").last_seq == 60


async def test_a_view_that_is_given_as_history_is_not_taken_for_words(make: Make):
    memory = make()
    await talk(memory, 40)
    await agent(memory).run("And now?", chat_history=memory.get(), memory=memory)
    assert len(memory.get_all()) == 82
    assert memory.memory.journal.state("alice").last_seq == 82


async def test_a_model_that_gives_every_call_the_same_id_is_understood(make: Make):
    memory = make(chat_history=[ChatMessage("The boat is called Marigold.")])
    wanted = iter(
        [("weather", {"city": "Oslo"}), (TOOL_NAME, {"query": "boat"}), ("stock", {"item": "tea"})]
    )

    def script(messages: list[ChatMessage]) -> ChatMessage | str:
        if call := next(wanted, None):
            return calling(("call_0", *call))
        return "Done."

    runner = agent(memory)
    runner.llm = ScriptedLLM.following(script, checked=False)
    await runner.run("Three things, please.", memory=memory)
    echoes = [entry.seq for entry in memory.memory.journal.entries("alice") if entry.echo]
    assert echoes == [6]
    assert broken_rules(memory.get()) == []
    await runner.run("And now?", memory=memory)
    assert memory.get_all()[-1].content == "Done."


async def test_an_exchange_larger_than_the_budget_stops_the_run_and_says_why(make: Make):
    memory = make(token_limit=300)
    await memory.aput(ChatMessage("Mind the greenhouse and the gate. " * 200, role="system"))
    with pytest.raises(BudgetError, match="Give a budget of at least"):
        await agent(memory).run("Hello", memory=memory)


async def test_agents_that_call_tools_in_words_work_too(make: Make):
    memory = make()
    await talk(memory, 40)

    def script(messages: list[ChatMessage]) -> ChatMessage | str:
        if "Observation" in (messages[-1].content or ""):
            return "Thought: I can answer without using any more tools.\nAnswer: It is mild."
        return 'Thought: I need a tool.\nAction: weather\nAction Input: {"city": "Oslo"}'

    runner = ReActAgent(
        tools=[FunctionTool.from_defaults(weather)],
        llm=ScriptedLLM.following(script),
        streaming=False,
    )
    answer = await runner.run("How is Oslo?", memory=memory)
    assert "mild" in str(answer)
    assert roles(memory.get_all())[80:] == ["user", "assistant"]
