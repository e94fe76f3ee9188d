"""An agent's long life: three hundred turns, tools, and everything that happens to a state.

Every model request is held against the providers' rules after the real request
builders have made it (see scripted_model). At the end, facts from the beginning
are asked for.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from planted_facts import FACTS, SUBJECTS
from scripted_model import ScriptedModel, call, human, image_blocks

from sfumato import Store
from sfumato.adapters.langchain import SfumatoMiddleware
from sfumato.adapters.langchain_view import FRONT_ID
from sfumato.echoes import TOOL_NAME

# Coverage's tracer would double the time that these many examples take.
pytestmark = pytest.mark.no_cover

SAYINGS = [
    "Remind me what we still have to decide about the {a} before the {b} comes up again.",
    "I read another article on the {a} today, longer than it was useful, and mostly about the {b}.",
    "Let us leave the {a} for now; the {b} can wait until the weekend as well.",
    "Someone asked me about the {a} and I had nothing new to say, so we talked about the {b}.",
]
SMALL_TALK = [
    "That sounds sensible to me.",
    "Shall we come back to it after lunch?",
    "I would sleep on it for a night or two.",
    "It rarely hurts to ask twice.",
    "The others may see it in another light.",
    "Tell me when you know more.",
]
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "life"}}
PNG_IN_BASE64 = b"iVBORw0KGgo"
TURNS = 150
BUDGET = 2_000


def weather(city: str) -> str:
    """The weather in a city."""
    return f"In {city}: {sum(map(ord, city)) % 30} degrees, light wind, some clouds. " * 3


def stock(item: str) -> str:
    """How many of an item are left."""
    return f"{sum(map(ord, item)) % 97} of {item} are left in the store room."


def approve(what: str) -> str:
    """Ask a person to approve something."""
    return f"The person said: {interrupt(what)}"


class Life:
    """The script of the model: what it answers and which tools it calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, messages: list[BaseMessage]) -> AIMessage | str:
        asked = human(messages)
        if isinstance(messages[-1], ToolMessage):
            return f"That settles it: {messages[-1].text[:60]}"
        if asked.startswith("RECALL "):
            return self._calling((TOOL_NAME, {"query": asked[7:], "k": 5, "around": 0}))
        if asked.startswith("WEATHER"):
            return self._calling(("weather", {"city": asked.split()[1]}))
        if asked.startswith("BOTH"):
            return self._calling(
                ("weather", {"city": asked.split()[1]}), ("stock", {"item": asked.split()[2]})
            )
        if asked.startswith("APPROVE"):
            return self._calling(("approve", {"what": "the order"}))
        dice = random.Random(f"{len(messages)} {asked}")
        return "All right. " + " ".join(dice.choices(SMALL_TALK, k=3))

    def _calling(self, *wanted: tuple[str, dict[str, Any]]) -> AIMessage:
        self.calls += 1
        made = [call(n, f"call-{self.calls}-{i}", **args) for i, (n, args) in enumerate(wanted)]
        return AIMessage("Let me see.", tool_calls=made)  # type: ignore[arg-type]


class Agent:
    """The agent under test and the hands that use it."""

    def __init__(self, store: Store) -> None:
        self.model = ScriptedModel(script=Life())
        self.saver = InMemorySaver()
        self.middleware = SfumatoMiddleware("claude-sonnet-5", store, BUDGET, profile="dense")
        self.graph = create_agent(
            self.model,
            tools=[weather, stock, approve],
            system_prompt="You are a patient friend.",
            middleware=[self.middleware],
            checkpointer=self.saver,
        )

    def say(self, text: str, config: dict[str, Any] = CONFIG) -> list[BaseMessage]:
        return self.graph.invoke({"messages": [HumanMessage(text)]}, config)["messages"]

    @property
    def state(self) -> list[BaseMessage]:
        return self.graph.get_state(CONFIG).values["messages"]


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


def live(agent: Agent) -> None:
    """A hundred and fifty exchanges with facts early on, and mishaps on the way."""
    facts = iter(FACTS)
    for number, saying in enumerate(sayings(TURNS)):
        fact = next(facts, None) if number % 2 else None
        if fact:
            agent.say(fact[0])
        match number:
            case 60:
                facts_said = {said for said, _, _ in FACTS}
                humans = [m for m in agent.state if m.type == "human"]
                said = next(m for m in humans[40:] if m.text not in facts_said)
                edited = HumanMessage("I take that back.", id=said.id)
                agent.graph.update_state(CONFIG, {"messages": [edited]})
            case 70:  # another answer to the last message
                snapshots = agent.graph.get_state_history(CONFIG, limit=20)
                before = next(s for s in snapshots if s.next == ("model",))
                agent.graph.invoke(None, before.config)
            case 80:  # back to where we were some exchanges ago, and on from there
                snapshots = agent.graph.get_state_history(CONFIG, limit=40)
                finished = [s for s in snapshots if not s.next]
                agent.say("Forget the last three.", finished[3].config)
            case 90:
                last = agent.state[-2:]
                removed = [RemoveMessage(id=m.id or "") for m in last]
                agent.graph.update_state(CONFIG, {"messages": removed})
            case 100:
                agent.say("APPROVE the order")
                assert agent.graph.get_state(CONFIG).interrupts
                agent.graph.invoke(Command(resume="yes"), CONFIG)
            case 110:  # never answered: the user talks on
                agent.say("APPROVE the order")
            case _:
                agent.say(saying)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('life')}/memory.db")
    yield made
    made.close()


@pytest.fixture(scope="module")
def lived(store: Store) -> Agent:
    agent = Agent(store)
    live(agent)
    return agent


def test_three_hundred_turns_keep_the_providers_rules_and_nothing_twice(lived: Agent):
    memory = lived.middleware.memory("life")
    turns = memory.turns()
    assert len(turns) > 300
    assert [turn.id for turn in turns] == [message.id for message in lived.state]
    assert len({turn.id for turn in turns}) == len(turns)
    entries = memory.journal.entries("life", live_only=False)
    shelved = [entry for entry in entries if entry.state == "shelved"]
    assert len(entries) == len(turns) + len(shelved)
    assert len(shelved) < 20
    assert len({(entry.id, entry.digest) for entry in entries}) == len(entries)
    assert memory.verify() == []


def test_every_request_was_within_the_budget_and_its_front_was_never_stored(
    lived: Agent,
):
    fronts = [request[1] for request in lived.model.requests]
    assert sum(front.id == FRONT_ID and bool(image_blocks(front)) for front in fronts) > 100
    saved = b"".join(blob for _, blob in lived.saver.blobs.values())
    assert FACTS[0][0].encode() in saved
    assert FRONT_ID.encode() not in saved
    assert PNG_IN_BASE64 not in saved
    view = lived.middleware.memory("life").view()
    assert view.tokens <= BUDGET
    assert len(view.pages) > 3


def test_facts_from_the_beginning_come_back_as_often_as_plain_search_finds_them(
    lived: Agent, capsys: pytest.CaptureFixture[str]
):
    for _, question, answer in FACTS:
        assert answer.lower() not in question.lower()
        assert "#" not in question
    ours = plain = 0
    for _, question, answer in FACTS:
        plain += answer in "\n".join(plain_search(lived.state, question, 5))
        messages = lived.say(f"RECALL {question}")
        echoes = [m for m in messages if isinstance(m, ToolMessage) and m.name == TOOL_NAME]
        ours += answer in echoes[-1].text
    with capsys.disabled():
        print(f"\nrecall@5 over {len(FACTS)} facts: sfumato {ours}, plain BM25 {plain}")
    assert ours >= plain
    assert ours >= 0.9 * len(FACTS)


def plain_search(messages: list[BaseMessage], question: str, k: int) -> list[str]:
    """The messages that SQLite's own BM25 ranks first for the question's words."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE said USING fts5(text)")
        connection.executemany(
            "INSERT INTO said VALUES (?)", [(message.text,) for message in messages]
        )
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question))
        query = "SELECT text FROM said WHERE said MATCH ? ORDER BY bm25(said) LIMIT ?"
        return [text for (text,) in connection.execute(query, (words, k))]
