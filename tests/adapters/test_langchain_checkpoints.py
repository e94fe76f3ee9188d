"""Savers of graph state beside the middleware: what they hold, and that they still work."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from scripted_model import ScriptedModel, human, image_blocks

from sfumato import Store
from sfumato.adapters.langchain import SfumatoMiddleware
from sfumato.adapters.langchain_view import FRONT_ID

FILLER = "We moved the review to Thursday and agreed that the draft needs another pass. " * 3
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "alice"}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/memory.db")
    yield made
    made.close()


def model() -> ScriptedModel:
    return ScriptedModel(script=lambda messages: f"Noted: {human(messages)[:20]}")


def middleware(store: Store) -> SfumatoMiddleware:
    return SfumatoMiddleware("claude-sonnet-5", store, 1_500, profile="dense")


def talk(agent: Any, rounds: int) -> None:
    for number in range(rounds):
        agent.invoke({"messages": [HumanMessage(f"{number} {FILLER}")]}, CONFIG)


def saved_bytes(path: Path, used: list[SfumatoMiddleware]) -> tuple[int, ScriptedModel]:
    asked = model()
    connection = sqlite3.connect(path, check_same_thread=False)
    agent = create_agent(asked, middleware=used, checkpointer=SqliteSaver(connection))
    talk(agent, 20)
    connection.execute("VACUUM")
    connection.close()
    return path.stat().st_size, asked


def test_checkpoints_are_no_larger_than_without_memory(store: Store, tmp_path: Path):
    plain, _ = saved_bytes(tmp_path / "plain.db", [])
    ours, asked = saved_bytes(tmp_path / "ours.db", [middleware(store)])
    assert image_blocks(asked.last[0])
    assert ours < plain * 1.02


def test_no_checkpoint_holds_the_front_and_a_new_process_goes_on(store: Store, tmp_path: Path):
    with SqliteSaver.from_conn_string(str(tmp_path / "state.db")) as saver:
        talk(create_agent(model(), middleware=[middleware(store)], checkpointer=saver), 15)
    with SqliteSaver.from_conn_string(str(tmp_path / "state.db")) as saver:
        asked, used = model(), middleware(store)
        agent = create_agent(asked, middleware=[used], checkpointer=saver)
        talk(agent, 1)
        assert image_blocks(asked.last[0])
        states = [snapshot.values for snapshot in agent.get_state_history(CONFIG)]
        messages: list[BaseMessage] = [m for values in states for m in values.get("messages", [])]
        assert messages
        assert not any(m.id == FRONT_ID or image_blocks(m) for m in messages)
        assert {key for values in states for key in values} <= {"messages"}
        assert store.journal.state("alice").last_seq == 32
        assert used.memory("alice").verify() == []


def test_the_async_saver_works_with_async_runs(store: Store, tmp_path: Path):
    async def run() -> int:
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "state.db")) as saver:
            agent = create_agent(model(), middleware=[middleware(store)], checkpointer=saver)
            for number in range(15):
                await agent.ainvoke({"messages": [HumanMessage(f"{number} {FILLER}")]}, CONFIG)
            snapshot = await agent.aget_state(CONFIG)
            return len(snapshot.values["messages"])

    assert asyncio.run(run()) == 30
    assert store.journal.state("alice").last_seq == 30


def test_the_saver_we_ran_with_still_passes_its_conformance_suite(store: Store, tmp_path: Path):
    @checkpointer_test(name="AsyncSqliteSaver after a run")
    async def used_saver():  # type: ignore[no-untyped-def]
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "state.db")) as saver:
            agent = create_agent(model(), middleware=[middleware(store)], checkpointer=saver)
            await agent.ainvoke({"messages": [HumanMessage(FILLER)]}, CONFIG)
            yield saver

    report = asyncio.run(validate(used_saver))
    assert report.passed_all_base()
