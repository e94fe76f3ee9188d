"""SfumatoMemory in classic chains."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from scripted_model import ScriptedModel, broken_rules, human, image_blocks

from sfumato import InputError, Memory, NotFoundError, Store

pytest.importorskip("langchain_classic")
from langchain_classic.chains import ConversationChain

from sfumato.adapters.langchain_classic import SfumatoMemory

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated", "ignore:.*langchain_classic")

FILLER = "We moved the review to Thursday and agreed that the draft needs another pass. "


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/memory.db")
    yield made
    made.close()


def kept(store: Store, host: str = "claude-sonnet-5") -> Memory:
    return Memory("alice", host, store, 1_500, profile="dense")


def answering() -> ScriptedModel:
    return ScriptedModel(script=lambda messages: f"re {human(messages).split()[0]} {FILLER}")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_chain_sees_pages_of_what_was_said_long_ago(store: Store, is_async: bool):
    model = answering()
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Be brief."), MessagesPlaceholder("history"), ("human", "{input}")]
    )
    chain = ConversationChain(llm=model, prompt=prompt, memory=SfumatoMemory(memory=kept(store)))

    async def run() -> None:
        for number in range(30):
            await chain.ainvoke({"input": f"q{number} {FILLER}"})

    if is_async:
        asyncio.run(run())
    else:
        for number in range(30):
            chain.invoke({"input": f"q{number} {FILLER}"})
    _, front, *_, question = model.last
    assert image_blocks(front)
    assert question.text.startswith("q29")
    assert broken_rules(model.last) == []
    words = [turn.text.split()[0] for turn in kept(store).turns()]
    assert words == [word for number in range(30) for word in (f"q{number}", "re")]


def test_one_string_holds_the_view_of_a_host_that_cannot_see(store: Store):
    memory = SfumatoMemory(memory=kept(store, "text-only"), return_messages=False)
    memory.save_context({"input": "My cat is Biko."}, {"output": "A fine name."})
    assert memory.load_memory_variables({}) == {
        "history": "Human: My cat is Biko.\nAI: A fine name."
    }
    for number in range(40):
        memory.save_context({"input": f"q{number} {FILLER}"}, {"output": FILLER})
    text = memory.load_memory_variables({})["history"]
    assert text.startswith("Human: [Memory of this conversation.")
    assert "q39" in text


def test_one_string_is_refused_where_it_would_lose_the_pages(store: Store):
    with pytest.raises(ValueError, match="text-only"):
        SfumatoMemory(memory=kept(store), return_messages=False)


def test_keys_choose_what_is_kept_and_messages_are_kept_as_messages(store: Store):
    memory = SfumatoMemory(
        memory=kept(store), memory_key="past", input_key="question", output_key="answer"
    )
    asked: dict[str, Any] = {"question": "Why?", "context": "many documents"}
    memory.save_context(asked, {"answer": AIMessage("Because.", id="a1"), "sources": []})
    memory.save_context({"question": [HumanMessage("And?", id="h2")]}, {"answer": "So."})
    assert memory.memory_variables == ["past"]
    past = memory.load_memory_variables({})["past"]
    assert [(m.type, m.text) for m in past] == [
        ("human", "Why?"),
        ("ai", "Because."),
        ("human", "And?"),
        ("ai", "So."),
    ]
    assert past[1].id == "a1"


def test_outputs_that_leave_a_choice_are_an_error_that_names_them(store: Store):
    memory = SfumatoMemory(memory=kept(store))
    with pytest.raises(InputError, match="one, two"):
        memory.save_context({"input": "x"}, {"one": "1", "two": "2"})
    memory.save_context({"input": "x"}, {"output": "y", "two": "2"})
    assert [turn.text for turn in memory.memory.turns()] == ["x", "y"]


def test_clearing_forgets_the_thread(store: Store):
    memory = SfumatoMemory(memory=kept(store))
    memory.clear()
    memory.save_context({"input": "x"}, {"output": "y"})
    asyncio.run(memory.aclear())
    assert memory.load_memory_variables({}) == {"history": []}
    with pytest.raises(NotFoundError):
        store.journal.state("alice")
