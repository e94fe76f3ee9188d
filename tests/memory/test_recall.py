"""Recall: by question, mark and time, and as a tool."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sfumato import InputError, Memory, NotFoundError, Text, ToolCall, ToolResult, turn
from sfumato.recall import TOOL_NAME, tool_query, tool_schema

START = datetime(2026, 3, 1, tzinfo=UTC)
SAID = [
    ("user", "My flight to Lisbon is LH1174 on the 7th."),
    ("assistant", "Noted. Shall I book a taxi?"),
    ("user", "Yes, from Hauptstraße 12, and my allergy is peanuts."),
    ("assistant", "Booked for 05:40."),
    ("user", "我的猫叫小黑，今年三岁。"),
    ("assistant", "小黑 is a lovely name."),
]


@pytest.fixture
def memory(tmp_path):
    with Memory("t", "text-only", f"sqlite:///{tmp_path / 'm.db'}") as memory:
        for number, (role, text) in enumerate(SAID):
            memory.add(role, text, time=START + timedelta(hours=number))
        yield memory


def test_a_question_finds_the_turn_that_answers_it(memory):
    assert memory.recall("which flight am I taking?", k=1)[0].turn == 1
    assert memory.recall("what food must I avoid, any allergies?", k=1)[0].turn == 3
    assert memory.recall("小黑", k=1)[0].turn in (5, 6)


def test_neighbours_follow_their_hit_without_a_score(memory):
    found = memory.recall("LH1174", k=1, around=1)
    assert [item.turn for item in found] == [1, 2]
    assert found[0].score > 0
    assert found[1].score == 0


def test_marks_and_times_find_turns_verbatim(memory):
    assert [item.text for item in memory.recall_marks([3])] == [SAID[2][1]]
    assert [item.turn for item in memory.recall_marks([3], around=1)] == [2, 3, 4]
    stretch = memory.recall_between(START + timedelta(hours=1), START + timedelta(hours=3))
    assert [item.turn for item in stretch] == [2, 3]


def test_a_mark_that_does_not_exist_is_named(memory):
    with pytest.raises(NotFoundError, match="99"):
        memory.recall_marks([99])
    assert "99" in memory.recall_tool({"marks": [99]})


@pytest.mark.parametrize("wrong", [{"k": 0}, {"around": -1}])
def test_senseless_numbers_are_refused(memory, wrong):
    with pytest.raises(InputError):
        memory.recall("x", **wrong)


def test_the_tool_answers_with_labelled_turns_oldest_first(memory):
    said = memory.recall_tool('{"query": "flight Lisbon", "k": 1, "around": 1}')
    assert said.splitlines()[0].startswith("#1 user")
    assert SAID[0][1] in said
    assert memory.recall_tool({"query": "zyzzyva"}).startswith("No turn")
    assert memory.recall_tool({"marks": ["#3"]}).startswith("#2 ")


@pytest.mark.parametrize(
    "wrong", ["not json", "{}", "[]", '{"marks": ["x"]}', '{"query": 1, "k": "many"}', "3", "null"]
)
def test_bad_tool_arguments_are_refused_in_words_for_the_model(wrong):
    with pytest.raises(InputError):
        tool_query(wrong)


def test_the_tools_schema_speaks_every_providers_dialect():
    assert tool_schema()["function"]["name"] == TOOL_NAME
    assert tool_schema("openai-responses")["name"] == TOOL_NAME
    assert "query" in tool_schema("anthropic")["input_schema"]["properties"]
    assert tool_schema("gemini")["name"] == TOOL_NAME
    with pytest.raises(InputError, match="openai"):
        tool_schema("acme")


def test_what_recall_returned_never_outranks_its_source(memory):
    said = memory.recall_tool({"query": "which flight", "around": 0})
    call = ToolCall("r1", TOOL_NAME, '{"query": "which flight"}')
    memory.extend([turn("assistant", [call])])
    entry = memory.extend([turn("tool", [ToolResult("r1", (Text(said),))])])[0]
    assert entry.echo
    assert entry.seq not in {item.turn for item in memory.recall("LH1174 flight Lisbon", k=10)}
    block = memory.desk.measures("t", ()).block(entry.seq)
    assert block.note == "recalled #1"


def test_a_forgotten_turn_recalls_as_forgotten(memory):
    memory.forget(3)
    assert memory.recall_marks([3])[0].text == "[forgotten]"
    assert 3 not in {item.turn for item in memory.recall("peanuts allergy", k=10)}


async def test_async_twins_do_the_same(memory):
    found = await memory.arecall("which flight?", k=1)
    assert found[0].turn == 1
    assert (await memory.arecall_tool({"marks": [1]})).startswith("#1")
    entry = await memory.aadd("user", "bye")
    assert entry.seq == 7
    assert len(await memory.aturns()) == 7


def test_the_tool_looks_past_the_exchange_that_asks(memory):
    memory.add("user", "Which flight to Lisbon is it, which flight?")
    call = ToolCall("c1", TOOL_NAME, '{"query": "which flight to Lisbon"}')
    memory.add("assistant", [call])
    said = memory.recall_tool({"query": "which flight to Lisbon", "k": 1, "around": 0})
    assert said.startswith("#1 user")
    assert "#8" in memory.recall_tool({"query": TOOL_NAME, "k": 1, "around": 0})
