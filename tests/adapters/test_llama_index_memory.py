"""SfumatoMemory in the place of LlamaIndex's Memory, apart from agents."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import os
import pickle
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import CachePoint, ChatMessage, ImageBlock, TextBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import BaseMemory, InsertMethod, StaticMemoryBlock
from llama_index_llm import broken_rules, calling, images, openai_payload
from provider_rules import violations
from pydantic import ValidationError

from sfumato import BudgetError, InputError, Store, StoreError
from sfumato.adapters.llama_index import SfumatoMemory, recall_tool
from sfumato.adapters.llama_index_settings import one_level
from sfumato.adapters.llama_index_view import begins_with_front, is_front
from sfumato.echoes import TOOL_NAME
from sfumato.hosts import host
from sfumato.recall import TOOL_DESCRIPTION, TOOL_PARAMETERS

Make = Callable[..., SfumatoMemory]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Memories of one store, on a host and budget that age early."""
    usual = {
        "host": "claude-sonnet-5",
        "profile": "dense",
        "store": f"sqlite:///{tmp_path}/memory.db",
    }

    def made(session_id: str | None = "alice", **arguments: Any) -> SfumatoMemory:
        return SfumatoMemory.from_defaults(session_id, **{"token_limit": 2_000} | usual | arguments)

    return made


def user(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


def assistant(text: str) -> ChatMessage:
    return ChatMessage(role="assistant", content=text)


def chatter(count: int) -> list[ChatMessage]:
    """A conversation long enough to fade."""
    return [
        ChatMessage(
            role="assistant" if number % 2 else "user",
            content=f"Number {number} of many words about gardens, fences and gates, "
            f"of which none matters more than the {number * 31 % 17} before it did." * 2,
        )
        for number in range(count)
    ]


# -- in the place of Memory -----------------------------------------------------


def test_what_is_put_comes_back_equal(make: Make):
    memory = make()
    said = [
        user("What is 1 + 2?"),
        calling(("c1", "add", {"a": 1, "b": 2}), text="Let me see."),
        ChatMessage("3", role="tool", additional_kwargs={"tool_call_id": "c1"}),
        ChatMessage("It is 3.", role="assistant", additional_kwargs={"tokens": 4}),
    ]
    memory.put(said[0])
    memory.put_messages(said[1:])
    assert memory.get() == said
    assert memory.get_all() == said


def test_a_thread_of_nothing_is_empty(make: Make):
    memory = make()
    assert memory.get() == []
    assert memory.get_all() == []
    memory.reset()
    memory.set([])
    assert memory.get() == []


def test_an_empty_memory_is_true_so_that_no_agent_replaces_it(make: Make):
    memory = make()
    assert bool(memory)
    assert not hasattr(memory, "__len__")


def test_long_conversations_are_pages_and_recent_messages_within_the_budget(make: Make):
    memory = make(chat_history=chatter(200))
    front, *recent = memory.get()
    assert is_front(front)
    assert len(images(front)) > 1
    assert front.role == "user"
    assert recent == chatter(200)[-len(recent) :]
    assert memory.memory.view().tokens <= 2_000
    assert memory.get_all() == chatter(200)
    assert broken_rules([*memory.get(), user("And now?")]) == []


def test_pages_are_png_bytes_that_survive_json(make: Make):
    front = make(chat_history=chatter(200)).get()[0]
    again = ChatMessage.model_validate_json(front.model_dump_json())
    assert again == front
    [page, *_] = images(again)
    assert page.image_mimetype == "image/png"
    assert page.resolve_image().read().startswith(b"\x89PNG")


def test_a_session_of_its_own_is_made_where_none_is_named(make: Make):
    assert make(None).thread != make(None).thread


def test_an_image_that_is_put_by_path_is_kept_after_the_file_is_gone(make: Make, tmp_path: Path):
    page = images(make(chat_history=chatter(200)).get()[0])[0].resolve_image().read()
    path = tmp_path / "picture.png"
    path.write_bytes(page)
    memory = make("bob")
    memory.put(ChatMessage(role="user", blocks=[TextBlock(text="See."), ImageBlock(path=path)]))
    path.unlink()
    [message] = memory.get()
    assert images(message)[0].resolve_image().read() == page


def test_arguments_that_only_tune_memorys_queue_are_ignored(make: Make):
    memory = make(
        chat_history_token_ratio=0.5,
        token_flush_size=500,
        image_token_size_estimate=100,
        insert_method=InsertMethod.USER,
        memory_blocks=[],
    )
    assert memory.budget == 2_000


@pytest.mark.parametrize(
    "arguments",
    [
        {"memory_blocks": [StaticMemoryBlock(static_content="I")]},
        {"table_name": "mine"},
        {"chat_store": object()},
        {"async_engine": object()},
        {"token_limits": 3},
        {"store": "sqlite://"},
        {"store": "no url"},
    ],
)
def test_arguments_that_cannot_be_honoured_say_what_to_do(make: Make, arguments: dict[str, Any]):
    with pytest.raises((ValueError, StoreError), match=r"Sfumato|sqlite:///"):
        make(**arguments).get()


def test_an_unknown_host_and_an_empty_budget_are_refused_when_made(make: Make):
    with pytest.raises(ValidationError, match="did you mean"):
        make(host="claude-sonnet-55")
    with pytest.raises(ValidationError, match="budget"):
        make(token_limit=0)


def test_an_async_database_uri_names_the_store(make: Make, tmp_path: Path):
    uri = f"sqlite+aiosqlite:///{tmp_path}/other.db"
    SfumatoMemory.from_defaults("alice", [user("hello")], async_database_uri=uri)
    assert make(store=f"sqlite:///{tmp_path}/other.db").get() == [user("hello")]


# -- history that is set -----------------------------------------------------------


def test_setting_the_same_history_again_stores_nothing(make: Make):
    memory = make(chat_history=chatter(20))
    memory.set(chatter(20))
    make(chat_history=chatter(20))
    assert memory.memory.journal.state("alice").last_seq == 20


def test_setting_a_longer_history_adds_only_what_is_new(make: Make):
    memory = make(chat_history=chatter(20))
    memory.set([*chatter(20), user("new")])
    assert memory.memory.journal.state("alice").last_seq == 21
    assert memory.get_all()[-1] == user("new")


def test_messages_that_history_lost_leave_the_conversation_and_stay_in_the_store(make: Make):
    memory = make(chat_history=[user("a"), assistant("b"), user("c"), assistant("d")])
    memory.set([user("a"), assistant("b")])
    assert memory.get_all() == [user("a"), assistant("b")]
    states = [e.state for e in memory.memory.journal.entries("alice", live_only=False)]
    assert states == ["live", "live", "shelved", "shelved"]


def test_a_view_may_be_set_again_and_its_pages_are_never_said(make: Make):
    memory = make(chat_history=chatter(200))
    shown = memory.get()
    memory.set(shown)
    memory.set([*shown, user("And now?"), assistant("This.")])
    assert memory.get_all() == [*chatter(200), user("And now?"), assistant("This.")]
    assert memory.memory.journal.state("alice").last_seq == 202


def test_words_that_look_like_the_note_before_our_pages_are_not_lost(make: Make):
    quoted = user((make("bob", chat_history=chatter(200)).get()[0].blocks[0]).text)  # type: ignore[union-attr]
    memory = make(chat_history=[user("What is this?"), quoted])
    memory.put(quoted)
    memory.set([user("What is this?"), quoted, quoted, assistant("A note.")])
    assert memory.get_all() == [user("What is this?"), quoted, quoted, assistant("A note.")]


def test_a_view_of_another_moment_is_refused_and_changes_nothing(make: Make):
    memory = make(chat_history=chatter(200))
    shown = memory.get()
    memory.put(user("meanwhile"))
    with pytest.raises(InputError, match="get_all"):
        memory.set([*shown[:-2], user("And now?")])
    assert memory.get_all() == [*chatter(200), user("meanwhile")]


def test_reset_forgets_the_thread_for_good(make: Make, tmp_path: Path):
    memory = make(chat_history=[user("the code is quokka-71")])
    memory.get()
    memory.reset()
    assert memory.get() == memory.get_all() == []
    assert b"quokka-71" not in (tmp_path / "memory.db").read_bytes()
    memory.put(user("hello"))
    assert memory.get_all() == [user("hello")]


# -- what frameworks do to a memory ---------------------------------------------------


def test_edits_in_what_was_given_out_do_not_reach_the_store(make: Make):
    memory = make(chat_history=[*chatter(60), user("hello")])
    for shown in (memory.get(), memory.get_all()):
        block = shown[-1].blocks[-1]
        assert isinstance(block, TextBlock)
        block.text = "Current state: {'mood': 'bad'}. " + block.text
        shown[0].additional_kwargs["session_id"] = "x"
    assert memory.get()[-1] == user("hello")
    assert memory.get_all() == [*chatter(60), user("hello")]


def test_edits_of_a_message_after_it_was_put_do_not_reach_the_store(make: Make):
    memory = make()
    message = user("hello")
    memory.put(message)
    message.blocks[0].text = "other"  # type: ignore[union-attr]
    message.additional_kwargs["x"] = 1
    assert memory.get_all() == [user("hello")]


COPIES: dict[str, Callable[[SfumatoMemory], SfumatoMemory]] = {
    "shallow": copy.copy,
    "deep": copy.deepcopy,
    "model": lambda memory: memory.model_copy(deep=True),
    "pickle": lambda memory: pickle.loads(pickle.dumps(memory)),
    "dict": lambda memory: SfumatoMemory.from_dict(memory.to_dict()),
    "json": lambda memory: SfumatoMemory.from_json(memory.to_json()),
}


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_is_the_same_memory(make: Make, copied: str):
    memory = make(chat_history=chatter(60))
    shown = memory.get()
    other = COPIES[copied](memory)
    assert other.get() == shown
    other.put(user("hello"))
    assert memory.get_all()[-1] == user("hello")
    assert json.loads(json.dumps(other.to_dict())) == memory.to_dict()


def test_copies_share_one_open_store_which_closes_with_the_last(make: Make):
    memory = make(chat_history=[user("a")])
    other = SfumatoMemory.from_dict(memory.to_dict())
    opened = weakref.ref(memory.memory.store)
    assert opened() is other.memory.store
    del memory
    gc.collect()
    assert opened() is other.memory.store
    assert other.get() == [user("a")]
    del other
    gc.collect()
    assert opened() is None


def test_memory_made_again_in_another_directory_is_of_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    memory = SfumatoMemory(thread="alice", store="sqlite:///memory.db")
    memory.put(user("hello"))
    written = memory.to_dict()
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    assert SfumatoMemory.from_dict(written).get() == [user("hello")]


def test_the_default_store_is_absolute_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert SfumatoMemory().store == f"sqlite:///{tmp_path}/sfumato.db"


async def test_async_methods_do_the_same_in_other_threads(make: Make):
    memory = make()
    here = threading.get_ident()
    seen: set[int] = set()

    class Watching(SfumatoMemory):
        @property
        def memory(self) -> Any:
            seen.add(threading.get_ident())
            return super().memory

    watched = Watching(**memory.to_dict() | {"class_name": "Watching"})
    await watched.aput(user("a"))
    await watched.aput_messages([assistant("b"), user("c")])
    assert (
        await watched.aget() == await watched.aget_all() == [user("a"), assistant("b"), user("c")]
    )
    await watched.aset([user("a"), assistant("b")])
    assert await watched.aget_all() == [user("a"), assistant("b")]
    await watched.areset()
    assert await watched.aget() == []
    assert seen
    assert here not in seen


async def test_messages_put_at_the_same_time_are_all_kept_once(make: Make):
    memories = [make() for _ in range(3)]
    said = [user(f"{who} says {n}") for who in range(3) for n in range(15)]
    await asyncio.gather(*(memories[i // 15].aput(m) for i, m in enumerate(said)))
    kept = memories[0].get_all()
    assert sorted(m.content or "" for m in kept) == sorted(m.content or "" for m in said)


# -- tokens ---------------------------------------------------------------------------


def test_the_tokenizer_counts_as_the_host_does_unless_one_is_given(make: Make):
    text = "Twelve words of text, give or take."
    assert len(make().tokenizer_fn(text)) == make().memory.desk.count(text)
    short = make(tokenizer_fn=str.split)
    assert short.tokenizer_fn("a b c") == ["a", "b", "c"]
    assert short.memory.desk.count("a b c") == 3


def test_a_tokenizer_of_the_users_decides_what_fits(make: Make):
    history = chatter(100)
    by_character = make(tokenizer_fn=list, token_limit=8_000, host="text-only")
    by_word = make("bob", tokenizer_fn=str.split, token_limit=8_000, host="text-only")
    by_character.set(history)
    by_word.set(history)
    assert len(by_character.get()) < len(by_word.get()) == 100


def test_tokens_that_a_caller_adds_are_left_free_in_steps(make: Make):
    memory = make(chat_history=chatter(200), token_limit=4_000)
    texts = [memory.get(initial_token_count=taken) for taken in (1, 100, 499)]
    assert texts[0] == texts[1] == texts[2]
    assert memory.memory.view(3_500).tokens <= 3_500
    assert memory.get(initial_token_count=0) == memory.get()
    assert len(memory.memory.journal.layouts("alice")) == 2
    with pytest.raises(BudgetError, match="4,000"):
        memory.get(initial_token_count=4_001)


def test_what_cannot_fit_is_an_error_that_names_the_budget_needed(make: Make):
    memory = make(token_limit=300)
    memory.put(ChatMessage("Mind the greenhouse. " * 200, role="system"))
    memory.put(user("hello"))
    with pytest.raises(BudgetError) as caught:
        memory.get()
    assert caught.value.needed is not None
    assert caught.value.needed > 300
    memory.budget = caught.value.needed
    assert len(memory.get()) == 2


def test_chat_engines_read_and_write_it(make: Make):
    memory = make(chat_history=chatter(200))
    engine = SimpleChatEngine.from_defaults(
        llm=MockLLM(), memory=memory, system_prompt="You are a patient friend."
    )
    answer = engine.chat("And what now?")
    assert "And what now?" in str(answer)
    assert [m.role.value for m in memory.get_all()[-2:]] == ["user", "assistant"]
    assert len(engine.chat_history) == 202
    engine.reset()
    assert memory.get_all() == []


# -- hosts ---------------------------------------------------------------------------


def test_pages_name_the_detail_that_openais_price_rests_on(make: Make):
    front = make(chat_history=chatter(200), host="gpt-5.2", token_limit=6_000).get()[0]
    assert {block.detail for block in images(front)} == {"high"}
    content = openai_payload([front])[0]["content"]
    urls = [part["image_url"] for part in content if part["type"] == "image_url"]
    assert urls
    assert all(url["detail"] == "high" for url in urls)


def test_on_gemini_all_pages_are_made_for_the_level_that_messages_cannot_change(make: Make):
    memory = make(chat_history=chatter(400), host="gemini-3", token_limit=8_000)
    [page, *_] = memory.memory.view().pages
    assert {(p.tokens, p.width, p.height) for p in memory.memory.view().pages} == {
        (page.tokens, page.width, page.height)
    }
    fixed = one_level(host("gemini-3"))
    assert page.width is not None
    assert page.height is not None
    assert fixed.image_tokens(page.width, page.height) == page.tokens
    assert fixed.image_detail(page.width, page.height) is None
    assert one_level(host("gpt-4o")) is host("gpt-4o")


@pytest.mark.parametrize("count", [199, 200])
def test_a_host_that_wants_alternation_gets_pages_and_a_question_in_one_message(
    make: Make, count: int
):
    memory = make(chat_history=chatter(count), host="pixtral")
    shown = memory.get()
    assert is_front(shown[0])
    assert images(shown[0])
    roles = [message.role.value for message in shown]
    assert roles == [("user", "assistant")[n % 2] for n in range(len(roles))]
    memory.set([*shown, user("And now?")])
    assert memory.get_all() == [*chatter(count), user("And now?")]


@pytest.mark.parametrize("name", ["claude-sonnet-5", "gpt-4o", "pixtral"])
def test_an_assistant_that_speaks_first_is_introduced_where_the_host_wants_it(
    make: Make, name: str
):
    said = [ChatMessage("Be kind.", role="system"), assistant("How can I help?"), user("Thus.")]
    memory = make(chat_history=said, host=name)
    shown = memory.get()
    assert (shown == said) == (name == "gpt-4o")
    assert name == "gpt-4o" or broken_rules(shown) == []
    memory.set(shown)
    assert memory.get_all() == said
    assert memory.memory.journal.state("alice").last_seq == 3


def test_a_host_that_cannot_see_gets_text_alone(make: Make):
    memory = make(chat_history=chatter(200), host="text-only")
    assert not any(map(images, memory.get()))
    assert broken_rules(memory.get()) == []


def test_a_cache_point_ends_the_pages_where_one_is_wanted(make: Make):
    memory = make(chat_history=chatter(200), cache_point=True)
    front = memory.get()[0]
    assert isinstance(front.blocks[-1], CachePoint)
    assert SfumatoMemory.from_json(memory.to_json()).get()[0] == front
    assert not any(isinstance(b, CachePoint) for b in make().get()[0].blocks)


@pytest.mark.parametrize("name", ["claude-sonnet-5", "gpt-4o"])
def test_messages_that_providers_refuse_are_mended_in_the_view_only(make: Make, name: str):
    memory = make(host=name)
    said = [
        user("Look it up."),
        calling(("c1", "find", {"q": "x"}), ("c2", "find", {"q": "y"})),
        ChatMessage("found", role="tool", additional_kwargs={"tool_call_id": "c1"}),
        assistant("One failed."),
        ChatMessage("late", role="tool", additional_kwargs={"tool_call_id": "gone"}),
        user("Again."),
        ChatMessage(role="assistant", blocks=[]),
        user("Hello?"),
    ]
    memory.put_messages(said)
    assert broken_rules(said) != []
    assert broken_rules(memory.get()) == []
    assert memory.get_all() == said
    assert "late" in json.dumps([m.content for m in memory.get()])


def test_a_result_that_another_run_came_before_stands_next_to_its_call(make: Make):
    memory = make()
    result = ChatMessage("3", role="tool", additional_kwargs={"tool_call_id": "c1"})
    memory.put_messages([user("1 + 2?"), calling(("c1", "add", {"a": 1, "b": 2}))])
    make().put(user("Someone else asks this."))
    memory.put(result)
    shown = memory.get()
    assert broken_rules(shown) == []
    assert shown[2] == result
    assert len(memory.get_all()) == 4


def test_a_picture_in_a_tools_result_is_shown_where_openai_takes_it(make: Make):
    png = images(make("pages", chat_history=chatter(200)).get()[0])[0]
    said = [
        user("Show me."),
        calling(("c1", "draw", {})),
        ChatMessage(role="tool", blocks=[png], additional_kwargs={"tool_call_id": "c1"}),
        assistant("There."),
    ]
    memory = make(chat_history=said, host="gpt-4o")
    by_role = {message.role.value: images(message) for message in memory.get()[1:]}
    assert by_role["tool"] == []
    assert by_role["user"][0].resolve_image().read() == png.resolve_image().read()
    assert memory.get_all() == said


SENTENCE = "The gate of the garden stays shut until the fence is mended by the gardener. "


@st.composite
def conversations(draw: st.DrawFn) -> list[list[ChatMessage]]:
    """Batches of messages; calls may have all, some or no results, and results no call."""
    batches: list[list[ChatMessage]] = []
    for number in range(draw(st.integers(1, 15))):
        length = draw(st.integers(0, 12))
        batch: list[ChatMessage] = []
        ids = [f"call-{number}-{n}" for n in range(draw(st.integers(0, 3)))]
        if ids:
            batch.append(calling(*((id, "look", {"at": number}) for id in ids)))
        answered = draw(st.lists(st.sampled_from([*ids, f"lost-{number}"]), unique=True))
        batch += [
            ChatMessage(SENTENCE * length, role="tool", additional_kwargs={"tool_call_id": id})
            for id in answered
        ]
        batch += [assistant(draw(st.sampled_from(["", "Yes.", "  "])))] * draw(st.integers(0, 2))
        batches.append([*batch, user(f"{number}: {SENTENCE * length}")])
    return batches


@settings(max_examples=12)
@given(conversations(), st.sampled_from(["claude-sonnet-5", "gpt-5.2", "pixtral", "text-only"]))
def test_whatever_is_put_all_is_kept_and_the_view_is_a_request_within_budget(
    batches: list[list[ChatMessage]], name: str
):
    with tempfile.TemporaryDirectory() as folder:
        memory = SfumatoMemory(
            thread="any", host=name, profile="dense", budget=1_500, store=f"sqlite:///{folder}/m.db"
        )
        said: list[ChatMessage] = []
        for batch in batches:
            memory.put_messages(batch)
            said += batch
            try:
                view = memory.memory.view()
            except BudgetError:
                continue
            assert view.tokens <= 1_500
            shown = memory.get()
            assert violations("openai", openai_payload(shown)) == []
            assert name != "claude-sonnet-5" or broken_rules(shown) == []
            memory.set(shown if begins_with_front(shown) else memory.get_all())
        assert memory.get_all() == said
        assert memory.memory.journal.state("any").last_seq == len(said)
        assert memory.memory.verify() == []


# -- recall --------------------------------------------------------------------------


def test_the_recall_tool_has_our_name_and_schema(make: Make):
    metadata = recall_tool(make()).metadata
    assert metadata.name == TOOL_NAME
    assert metadata.description == TOOL_DESCRIPTION
    assert metadata.get_parameters_dict()["properties"] == TOOL_PARAMETERS["properties"]
    metadata.to_openai_tool()


@pytest.mark.parametrize("through", ["memory", "core", "function"])
async def test_the_recall_tool_answers_word_for_word(make: Make, through: str):
    memory = make(chat_history=[user("The boat is called Marigold."), *chatter(60)])
    tool = recall_tool(
        {"memory": memory, "core": memory.memory, "function": lambda: memory.memory}[through]
    )
    assert "Marigold" in tool.call(query="What is the boat called?").content
    answer = await tool.acall(query="What is the boat called?", k=1, around=0)
    assert "Marigold" in answer.content
    assert "Marigold" in tool.call(marks=[1]).content
    assert "#999" in tool.call(marks=[999]).content


def test_arguments_of_the_recall_tool_that_make_no_sense_say_so(make: Make):
    with pytest.raises(InputError, match="query or marks"):
        recall_tool(make(chat_history=[user("a")])).call()


def test_what_recall_said_is_kept_and_never_found(make: Make):
    memory = make(chat_history=[user("The boat is called Marigold."), assistant("Nice.")])
    said = recall_tool(memory).call(query="boat").content
    memory.put(user("Which boat?"))
    memory.put_messages(
        [
            calling(("c1", TOOL_NAME, {"query": "boat"})),
            ChatMessage(said, role="tool", additional_kwargs={"tool_call_id": "c1"}),
            assistant("The one you know."),
        ]
    )
    memory.put(user("Sure?"))
    echo = memory.memory.journal.get("alice", [5])[0]
    assert echo.echo
    assert echo.turn.text == said
    found = memory.memory.recall("Marigold boat", k=10)
    assert found[0].turn == 1
    assert 5 not in [item.turn for item in found]


def test_it_is_a_base_memory(make: Make):
    assert isinstance(make(), BaseMemory)
    assert SfumatoMemory.class_name() == "SfumatoMemory"
    assert isinstance(make().memory.store, Store)
