"""A long life of agents on one SfumatoMemory: three hundred turns, tools, and a moved context.

Every model request is held against the providers' rules (see llama_index_llm).
At the end, facts from the beginning are asked for.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sqlite3
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from llama_index_llm import Life, ScriptedLLM, asked, images, stock, weather
from planted_facts import FACTS, SUBJECTS

from sfumato.adapters.llama_index import SfumatoMemory, recall_tool
from sfumato.adapters.llama_index_view import is_front

# Coverage's tracer would double the time that these many examples take.
pytestmark = pytest.mark.no_cover

# The workflows library looks at every attribute of an agent, deprecated ones too.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SAYINGS = [
    "Remind me what we still have to decide about the {a} before the {b} comes up again.",
    "I read another article on the {a} today, longer than it was useful, mostly about the {b}.",
    "Let us leave the {a} for now; the {b} can wait until the weekend as well.",
    "Someone asked me about the {a} and I had nothing new to say, so we talked about the {b}.",
]
BUDGET = 2_000
EXCHANGES = 120
MOVED = 60
WORKFLOW = 90


class Talk(Life):
    """Talks, and hands over to another agent when asked to."""

    def __call__(self, messages: list[ChatMessage]) -> ChatMessage | str:
        words = asked(messages).split()
        if messages[-1].role == MessageRole.USER and words[0] == "HANDOFF":
            return self.call(("handoff", {"to_agent": words[1], "reason": "asked for"}))
        return super().__call__(messages)


def sayings(count: int) -> Iterator[str]:
    dice = random.Random(7)
    for number in range(count):
        a, b = dice.sample(SUBJECTS, 2)
        match number % 10:
            case 3:
                yield f"WEATHER {a.title()} please, before we go out."
            case 6:
                yield f"BOTH {a.title()} {b} please, I want to know both."
            case _:
                yield dice.choice(SAYINGS).format(a=a, b=b)


class Lived:
    """What a life leaves: the memory, every model request, and what the user said."""

    def __init__(self, folder: Path) -> None:
        self.memory = SfumatoMemory.from_defaults(
            "life",
            token_limit=BUDGET,
            host="claude-sonnet-5",
            profile="dense",
            store=f"sqlite:///{folder}/memory.db",
        )
        self.said: list[str] = []
        self.talk = Talk()
        self.models = [ScriptedLLM.following(self.talk, streaming=s) for s in (False, True, True)]
        plain, streaming, other = self.models
        self.agent = self._agent("plain", plain, initial_state={"mood": "calm"})
        self.streaming = self._agent("first", streaming, streaming=True)
        agents = [self.streaming, self._agent("second", other, streaming=True)]
        self.workflow = AgentWorkflow(agents=agents, root_agent="first")

    def _agent(self, name: str, model: ScriptedLLM, **settings: Any) -> FunctionAgent:
        tools = [FunctionTool.from_defaults(weather), FunctionTool.from_defaults(stock)]
        return FunctionAgent(
            name=name,
            description="Talks.",
            tools=[*tools, recall_tool(self.memory)],
            llm=model,
            system_prompt="You are a patient friend.",
            **{"streaming": False} | settings,
        )

    @property
    def requests(self) -> list[list[ChatMessage]]:
        return [request for model in self.models for request in model.requests]

    async def live(self) -> None:
        facts = iter(FACTS)
        saying: list[str] = []
        for number, words in enumerate(sayings(EXCHANGES)):
            fact = next(facts, None) if number % 2 else None
            saying += [fact[0], words] if fact else [words]
        ctx = Context(self.agent)
        for number, words in enumerate(saying):
            self.said.append(words)
            if number == MOVED:
                ctx = moved(ctx, self.agent)
                assert await ctx.store.get("memory") is not self.memory
            if number < WORKFLOW:
                await self.agent.run(words, ctx=ctx, memory=self.memory)
            elif number % 2:
                await self.streaming.run(words, memory=self.memory)
            else:
                words = "HANDOFF second please" if number % 10 == 0 else words
                self.said[-1] = words
                await self.workflow.run(words, memory=self.memory)

    async def ask(self, question: str) -> str:
        """What the recall tool gave the model for a question."""
        await self.agent.run(f"RECALL {question}", memory=self.memory)
        return next(m.content or "" for m in reversed(self.models[0].last) if m.role == "tool")


def moved(ctx: Context, agent: FunctionAgent) -> Context:
    """The context after a trip through JSON, as between two processes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = json.dumps(ctx.to_dict())
    return Context.from_dict(agent, json.loads(written))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    made = Lived(tmp_path_factory.mktemp("life"))
    asyncio.run(made.live())
    return made


def test_three_hundred_turns_are_stored_once_and_in_order(lived: Lived):
    kept = lived.memory.get_all()
    assert len(kept) > 300
    assert [m.content for m in kept if m.role == MessageRole.USER] == lived.said
    calls = [call for m in kept for call in turns_calls(m)]
    results = [m.additional_kwargs["tool_call_id"] for m in kept if m.role == MessageRole.TOOL]
    assert calls == results == lived.talk.made
    memory = lived.memory.memory
    assert memory.journal.state("life").last_seq == len(kept)
    assert memory.verify() == []


def turns_calls(message: ChatMessage) -> list[str]:
    return [block.tool_call_id for block in message.blocks if block.block_type == "tool_call"]


def test_every_request_had_its_pages_in_front_and_none_was_stored(lived: Lived):
    assert len(lived.requests) > 150
    assert all(model.requests for model in lived.models)
    fronts = [request[1] for request in lived.requests if is_front(request[1])]
    assert len(fronts) > 100
    assert sum(bool(images(front)) for front in fronts) > 80
    kept = lived.memory.get_all()
    assert not any(is_front(m) or images(m) for m in kept)
    view = lived.memory.memory.view()
    assert view.tokens <= BUDGET
    assert len(view.pages) > 2


def test_the_agents_state_was_said_to_the_model_and_never_stored(lived: Lived):
    last_words = [request[-1].content or "" for request in lived.models[0].requests]
    assert any("Current state" in words for words in last_words)
    assert not any("Current state" in (m.content or "") for m in lived.memory.get_all())


def test_between_aging_steps_the_view_only_grows_at_its_end(lived: Lived):
    requests = [r for r in lived.models[0].requests if is_front(r[1])]
    same = sum(earlier[1] == later[1] for earlier, later in pairwise(requests))
    assert same > 0.5 * len(requests)


def test_facts_from_the_beginning_come_back_as_often_as_plain_search_finds_them(
    lived: Lived, capsys: pytest.CaptureFixture[str]
):
    ours = plain = 0
    for _, question, answer in FACTS:
        assert answer.lower() not in question.lower()
        assert "#" not in question
        plain += answer in "\n".join(plain_search(lived.memory.get_all(), question, 5))
        ours += answer in asyncio.run(lived.ask(question))
    with capsys.disabled():
        print(f"\nrecall@5 over {len(FACTS)} facts: sfumato {ours}, plain BM25 {plain}")
    assert ours >= plain
    assert ours >= 0.9 * len(FACTS)
    entries = lived.memory.memory.journal.entries("life")
    assert sum(entry.echo for entry in entries) == len(FACTS)
    assert all(entry.turn.role == "tool" for entry in entries if entry.echo)


def plain_search(messages: list[ChatMessage], question: str, k: int) -> list[str]:
    """The messages that SQLite's own BM25 ranks first for the question's words."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE said USING fts5(text)")
        texts = [(message.content or "",) for message in messages]
        connection.executemany("INSERT INTO said VALUES (?)", texts)
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question))
        query = "SELECT text FROM said WHERE said MATCH ? ORDER BY bm25(said) LIMIT ?"
        return [text for (text,) in connection.execute(query, (words, k))]
