"""SfumatoMemoryBlock in LlamaIndex's own Memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.memory import InsertMethod, Memory, StaticMemoryBlock
from llama_index.core.tools import FunctionTool
from llama_index_llm import Life, ScriptedLLM, broken_rules, calling, images, weather

from sfumato import InputError
from sfumato.adapters.llama_index import SfumatoMemoryBlock, recall_tool
from sfumato.adapters.llama_index_view import is_front
from sfumato.echoes import TOOL_NAME

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Make = Callable[..., SfumatoMemoryBlock]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(**settings: Any) -> SfumatoMemoryBlock:
        usual: dict[str, Any] = {
            "host": "claude-sonnet-5",
            "profile": "dense",
            "budget": 1_500,
            "store": f"sqlite:///{tmp_path}/memory.db",
        }
        return SfumatoMemoryBlock(**usual | settings)

    return made


def in_memory(block: SfumatoMemoryBlock, session: str = "alice", **settings: Any) -> Memory:
    usual: dict[str, Any] = {
        "token_limit": 2_000,
        "chat_history_token_ratio": 0.5,
        "token_flush_size": 300,
    }
    return Memory.from_defaults(session, memory_blocks=[block], **usual | settings)


async def talk(memory: Memory, count: int) -> list[ChatMessage]:
    said: list[ChatMessage] = []
    for number in range(count):
        words = f"Word {number} about gates and fences, of which none matters more. " * 3
        exchange = [
            ChatMessage(words),
            calling((f"c{number}", "count", {"of": number})),
            ChatMessage("3", role="tool", additional_kwargs={"tool_call_id": f"c{number}"}),
            ChatMessage("There are three.", role="assistant"),
        ]
        for message in exchange:
            await memory.aput(message)
        said += exchange
    return said


async def test_what_memory_flushes_is_shown_before_what_it_keeps(make: Make):
    block = make()
    memory = in_memory(block)
    said = await talk(memory, 50)
    front, *recent = await memory.aget()
    assert is_front(front)
    assert images(front)
    assert recent == said[-len(recent) :]
    assert broken_rules([front, *recent]) == []
    flushed = [turn.text for turn in block.memory("alice").turns()]
    kept = await memory.sql_store.get_messages("alice")
    assert len(flushed) + len(kept) == len(said)
    assert flushed + [m.content or "" for m in kept] == [m.content or "" for m in said]


async def test_the_note_of_the_session_is_not_part_of_what_was_said(make: Make):
    block = make()
    await talk(in_memory(block), 20)
    core = block.memory("alice")
    assert not any("alice" in repr((turn.extra, turn.metadata)) for turn in core.turns())
    assert core.verify() == []


async def test_sessions_of_one_block_do_not_mix_unless_it_has_a_thread(make: Make):
    block = make()
    alice, bob = in_memory(block), in_memory(block, "bob")
    await talk(alice, 20)
    assert not is_front((await bob.aget() or [ChatMessage("")])[0])
    assert block.memory("alice").turns()
    shared = make(thread="both")
    await talk(in_memory(shared, "x"), 20)
    await talk(in_memory(shared, "y"), 20)
    assert shared.memory().thread == "both"
    assert shared.memory("x").turns() == shared.memory("y").turns() == shared.memory().turns()


async def test_a_block_without_thread_and_session_says_what_it_needs(make: Make):
    with pytest.raises(InputError, match="give the block a thread"):
        make().memory()
    with pytest.raises(InputError, match="give the block a thread"):
        await make().aput([ChatMessage("hello")])


async def test_messages_may_be_put_into_the_block_itself(make: Make):
    block = make(thread="alice")
    message = ChatMessage("hello", additional_kwargs={"session_id": "x", "mood": 1})
    await block.aput([message])
    assert message.additional_kwargs == {"session_id": "x", "mood": 1}
    [shown] = await block.aget()
    assert shown == ChatMessage("hello", additional_kwargs={"mood": 1})
    await make(thread="alice", accept_short_term_memory=False).aput(
        [ChatMessage("more")], from_short_term_memory=True
    )
    assert len(await block.aget()) == 1


async def test_a_block_that_has_not_got_anything_gives_nothing(make: Make):
    assert await make(thread="alice").aget() == []
    memory = in_memory(make())
    await memory.aput(ChatMessage("hello"))
    assert await memory.aget() == [ChatMessage("hello")]


async def test_images_are_kept_with_other_blocks_however_these_are_inserted(make: Make):
    other = StaticMemoryBlock(name="facts", static_content="My name is Alice.")
    for method in InsertMethod:
        block = make(thread=method.value)
        memory = Memory.from_defaults(
            "alice",
            token_limit=2_000,
            chat_history_token_ratio=0.5,
            token_flush_size=300,
            memory_blocks=[block, other],
            insert_method=method,
        )
        await talk(memory, 40)
        await memory.aput(ChatMessage("And now?"))
        shown = await memory.aget()
        pages = [page for message in shown for page in images(message)]
        assert len(pages) == len(block.memory().view().pages) > 0
        assert any("My name is Alice." in (m.content or "") for m in shown)
        assert broken_rules(shown) == []


@pytest.mark.parametrize("priority", [0, 1])
async def test_a_block_of_no_priority_stays_whole_and_one_with_priority_shrinks(
    make: Make, priority: int
):
    block = make(priority=priority)
    memory = in_memory(block)
    await talk(memory, 40)
    memory.token_limit = 10_000
    whole = await memory.aget()
    memory.token_limit = memory._estimate_token_count(whole) - 200
    shown = await memory.aget()
    assert is_front(shown[0])
    assert broken_rules(shown) == []
    assert (memory._estimate_token_count(shown) <= memory.token_limit) == bool(priority)
    assert (shown == whole) != bool(priority)


async def test_a_smaller_view_is_smaller_by_what_was_asked_or_nothing(make: Make):
    block = make()
    memory = in_memory(block)
    await talk(memory, 40)
    content = await block.aget(session_id="alice")
    tokens = memory._estimate_token_count(content)
    for asked in (1, tokens // 3, tokens // 2):
        smaller = await block.atruncate(content, asked)
        assert smaller is not None
        assert memory._estimate_token_count(smaller) <= tokens - asked
        assert is_front(smaller[0])
    assert await block.atruncate(content, tokens) is None


async def test_an_agent_finds_what_was_flushed(make: Make):
    block = make()
    memory = in_memory(block)
    await memory.aput(ChatMessage("The boat is called Marigold."))
    await talk(memory, 30)
    llm = ScriptedLLM.following(Life())
    agent = FunctionAgent(
        tools=[FunctionTool.from_defaults(weather), recall_tool(lambda: block.memory("alice"))],
        llm=llm,
        streaming=False,
    )
    await agent.run("RECALL What is the boat called?", memory=memory)
    results = [m.content or "" for m in llm.last if m.role == MessageRole.TOOL]
    assert "Marigold" in results[-1]
    for number in range(20):
        await agent.run(f"Word {number} about gates and fences, " * 8, memory=memory)
    entries = block.memory("alice").journal.entries("alice")
    assert sum(entry.echo for entry in entries) == 1
    [echo] = [entry.turn for entry in entries if entry.echo]
    assert "Marigold" in echo.text
    assert any(TOOL_NAME in repr(entry.turn.parts) for entry in entries)
