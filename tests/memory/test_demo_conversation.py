"""The demo conversation is what its README says."""

import json
import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest

from sfumato.export import export_jsonl
from sfumato.importers import read_conversations
from sfumato.journal import Journal

DEMO = Path(__file__).parents[2] / "benchmarks" / "demo"


@pytest.fixture(scope="module")
def messages():
    lines = (DEMO / "conversation.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def questions():
    return json.loads((DEMO / "questions.json").read_text("utf-8"))


def test_it_imports_with_its_ids_and_times(messages):
    (conversation,) = read_conversations(DEMO / "conversation.jsonl")
    assert len(conversation.turns) == len(messages) == 473
    assert [turn.id for turn in conversation.turns] == [m["id"] for m in messages]
    times = [turn.time for turn in conversation.turns]
    assert times == sorted(times)
    assert (times[-1] - times[0]).days > 40


def test_importing_it_twice_adds_nothing(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path / 'demo.db'}")
    for _ in range(2):
        (conversation,) = read_conversations(DEMO / "conversation.jsonl")
        journal.append("demo", conversation.turns)
    assert journal.state("demo").last_seq == 473
    lines = "".join(line + "\n" for line in export_jsonl(journal.entries("demo")))
    journal.close()
    (tmp_path / "demo.jsonl").write_text(lines, "ascii")
    assert read_conversations(tmp_path / "demo.jsonl")[0].turns == conversation.turns


def test_every_tool_call_is_answered_before_anyone_speaks_again(messages):
    open_calls = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] == open_calls.pop(0)
            json.loads(message["content"])
            continue
        assert not open_calls
        for call in message.get("tool_calls", []):
            json.loads(call["function"]["arguments"])
            open_calls.append(call["id"])
    assert not open_calls


def test_the_assistant_never_speaks_twice_in_a_row(messages):
    roles = [message["role"] for message in messages]
    assert roles[0] == "system"
    assert roles.count("system") == 1
    assert ("assistant", "assistant") not in list(pairwise(roles))


def test_it_is_written_in_many_scripts(messages):
    text = "".join(message["content"] or "" for message in messages)
    scripts = {unicodedata.name(c, "").split(" ")[0] for c in text if c.isalpha()}
    assert scripts >= {
        "LATIN", "GREEK", "CYRILLIC", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "ARABIC",
        "HEBREW", "DEVANAGARI",
    }  # fmt: skip


def test_every_answer_stands_in_its_turn_and_no_question_gives_it_away(messages, questions):
    assert len(questions) >= 25
    for entry in questions:
        assert entry["answer"] in messages[entry["turn"] - 1]["content"]
        assert entry["answer"].lower() not in entry["question"].lower()
        assert not re.search(r"#\d", entry["question"])
    assert len({entry["question"] for entry in questions}) == len(questions)
