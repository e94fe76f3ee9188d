"""SfumatoChatMessageHistory: in RunnableWithMessageHistory, and by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory
from scripted_model import ScriptedModel, broken_rules, human, image_blocks

from sfumato import ConflictError, Memory, NotFoundError, Store
from sfumato.adapters.langchain import SfumatoChatMessageHistory
from sfumato.adapters.langchain_view import FRONT_ID

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated")

FILLER = "We moved the review to Thursday and agreed that the draft needs another pass. "


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/memory.db")
    yield made
    made.close()


def memory(store: Store, thread: str = "alice", **options: Any) -> Memory:
    chosen = {"host": "claude-sonnet-5", "budget": 1_500, "profile": "dense"} | options
    return Memory(thread, store=store, **chosen)


def answering() -> ScriptedModel:
    return ScriptedModel(script=lambda messages: f"re {human(messages).split()[0]} {FILLER}")


class Thawed(SfumatoChatMessageHistory):
    """What happens without freezing: a view is made at every reading."""

    @property
    def messages(self) -> list[BaseMessage]:
        self._shown = None
        return super().messages


def talk(history: SfumatoChatMessageHistory, rounds: int, *, is_async: bool = False) -> None:
    chain = RunnableWithMessageHistory(answering(), lambda: history, history_factory_config=[])

    async def run() -> None:
        for number in range(rounds):
            await chain.ainvoke([HumanMessage(f"q{number} {FILLER}")])

    if is_async:
        asyncio.run(run())
        return
    for number in range(rounds):
        chain.invoke([HumanMessage(f"q{number} {FILLER}")])


def expected(rounds: int) -> list[str]:
    words = [[f"q{number}", "re"] for number in range(rounds)]
    return [word for pair in words for word in pair]


def first_words(kept: Memory) -> list[str]:
    return [turn.text.split()[0] for turn in kept.turns()]


class Meddling(SfumatoChatMessageHistory):
    """Another process adds and ages turns between a run's reading and its end."""

    @property
    def messages(self) -> list[BaseMessage]:
        read = super().messages
        other = Memory(self.memory.thread, self.memory.host, self.memory.store)
        other.add("user", f"meanwhile {FILLER}")
        return read


class ThawedMeddling(Meddling, Thawed):
    """The same without freezing."""


@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_said_is_kept_once_and_whole_while_the_view_ages(store: Store, is_async: bool):
    history = SfumatoChatMessageHistory(memory(store))
    talk(history, 30, is_async=is_async)
    assert first_words(history.memory) == expected(30)
    assert image_blocks(history.messages[0])
    assert len(history.messages) < 50
    assert history.memory.verify() == []


@pytest.mark.parametrize("is_async", [False, True])
def test_a_view_that_grows_during_a_run_loses_nothing_because_it_is_frozen(
    store: Store, is_async: bool
):
    frozen = Meddling(memory(store))
    talk(frozen, 12, is_async=is_async)
    said = [word for word in first_words(frozen.memory) if word != "meanwhile"]
    assert said == expected(12)
    thawed = ThawedMeddling(memory(store, "bob"))
    talk(thawed, 12, is_async=is_async)
    lost = [word for word in first_words(thawed.memory) if word != "meanwhile"]
    assert lost != expected(12), "freezing is no longer needed: drop it"


def test_messages_of_the_view_that_come_back_are_not_stored_again(store: Store):
    history = SfumatoChatMessageHistory(memory(store, budget=800))
    talk(history, 20)
    shown = history.messages
    assert image_blocks(shown[0])
    history.memory.add("user", FILLER * 20)
    assert history.messages == shown
    history.add_messages([*shown, HumanMessage("new")])
    assert [turn.text for turn in history.memory.turns()][40:] == [FILLER * 20, "new"]


def test_every_run_with_a_history_of_its_own_keeps_its_messages(store: Store):
    chain = RunnableWithMessageHistory(
        answering(), lambda session_id: SfumatoChatMessageHistory(memory(store, session_id))
    )
    config = {"configurable": {"session_id": "alice"}}
    for number in range(5):
        chain.invoke([HumanMessage(f"before{number} {FILLER}")], config)
    given = [[HumanMessage(f"q{number} {FILLER}")] for number in range(8)]
    chain.batch(given, config)  # type: ignore[arg-type]
    kept = first_words(memory(store))
    assert sorted(kept[10:]) == sorted(expected(8))

    async def run() -> None:
        await asyncio.gather(*(chain.ainvoke(messages, config) for messages in given))

    asyncio.run(run())
    assert sorted(first_words(memory(store))[26:]) == sorted(expected(8))


def test_a_prompt_with_a_placeholder_gets_the_view_behind_its_system_message(store: Store):
    model = answering()
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Be brief."), MessagesPlaceholder("history"), ("human", "{question}")]
    )
    chain = RunnableWithMessageHistory(
        prompt | model,
        lambda session_id: SfumatoChatMessageHistory(memory(store, session_id)),
        input_messages_key="question",
        history_messages_key="history",
    )
    for number in range(30):
        chain.invoke({"question": f"q{number} {FILLER}"}, {"configurable": {"session_id": "alice"}})
    system, front, *_, question = model.last
    assert isinstance(system, SystemMessage)
    assert image_blocks(front)
    assert question.text.startswith("q29")
    assert first_words(memory(store)) == expected(30)
    assert broken_rules(model.last) == []


def test_streamed_answers_are_kept_whole(store: Store):
    history = SfumatoChatMessageHistory(memory(store))
    chain = RunnableWithMessageHistory(answering(), lambda: history, history_factory_config=[])
    for number in range(12):
        list(chain.stream([HumanMessage(f"q{number} {FILLER}")]))
    assert first_words(history.memory) == expected(12)
    assert history.memory.turns()[1].text.strip() == f"re q0 {FILLER}".strip()


def test_messages_come_back_as_they_were_added_while_nothing_has_faded(store: Store):
    history = SfumatoChatMessageHistory(memory(store, budget=8_000))
    assert history.messages == []
    call = {"type": "tool_call", "name": "look", "args": {"at": 1}, "id": "c1"}
    given: list[BaseMessage] = [
        HumanMessage("Look.", id="h"),
        AIMessage("", tool_calls=[call], id="a"),  # type: ignore[list-item]
    ]
    history.add_messages(given)
    assert history.messages == given
    history.add_user_message("And now?")
    history.add_ai_message("Now too.")
    assert [message.text for message in history.messages][-2:] == ["And now?", "Now too."]


def test_system_messages_stand_before_the_front(store: Store):
    history = SfumatoChatMessageHistory(memory(store))
    history.add_messages([HumanMessage("Hi."), SystemMessage("Speak French.")])
    talk(history, 30)
    system, front, *recent = history.messages
    assert system.text == "Speak French."
    assert front.id == FRONT_ID
    assert not any(isinstance(message, SystemMessage) for message in recent)


def test_an_id_that_is_taken_is_an_error_and_nothing_is_stored(store: Store):
    history = SfumatoChatMessageHistory(memory(store))
    history.add_messages([HumanMessage("Hi.", id="h")])
    with pytest.raises(ConflictError):
        history.add_messages([AIMessage("Hello."), HumanMessage("Bye.", id="h")])
    assert [turn.text for turn in history.memory.turns()] == ["Hi."]


def test_clearing_forgets_the_thread_and_clearing_nothing_is_no_error(store: Store):
    history = SfumatoChatMessageHistory(memory(store))
    history.clear()
    history.add_messages([HumanMessage("Hi.")])
    assert len(history.messages) == 1
    history.clear()
    assert history.messages == []
    with pytest.raises(NotFoundError):
        store.journal.state("alice")
    asyncio.run(history.aclear())


def test_async_reading_and_adding_agree_with_the_sync_ones(store: Store):
    async def run(history: SfumatoChatMessageHistory) -> list[BaseMessage]:
        await history.aadd_messages([HumanMessage("Hi."), AIMessage("Hello.")])
        return await history.aget_messages()

    history = SfumatoChatMessageHistory(memory(store))
    assert asyncio.run(run(history)) == history.messages
