"""Messages as OpenAI and Anthropic write them, as conversations."""

from datetime import UTC, datetime

from import_samples import ANSWER, HELLO, failure, only

from sfumato.importers import read_conversations
from sfumato.turn import ToolCall

# OpenAI


def test_one_message_per_line_is_one_conversation_with_its_ids_and_times(write):
    path = write(
        [
            HELLO | {"id": "m1", "time": "2026-03-02T09:00:00+01:00"},
            ANSWER | {"id": "m2", "created": 1772438500},
            HELLO | {"id": 3},
        ],
        lines=True,
    )
    conversation = only(path)
    assert conversation.format == "openai"
    assert [turn.id for turn in conversation.turns] == ["m1", "m2", "3"]
    assert conversation.turns[0].time == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert conversation.turns[0].time.tzinfo is UTC
    assert conversation.turns[1].time == datetime.fromtimestamp(1772438500, UTC)
    assert conversation.turns[2].time == conversation.turns[1].time
    assert not any(turn.extra for turn in conversation.turns)


def test_one_conversation_per_line_gives_as_many(write):
    path = write(
        [{"messages": [HELLO, ANSWER]}, {"messages": [HELLO], "name": "second"}], lines=True
    )
    first, second = read_conversations(path)
    assert (first.name, first.id, len(first.turns)) == (None, "1", 2)
    assert (second.name, second.id, len(second.turns)) == ("second", "2", 1)


def test_json_lines_and_a_json_list_of_the_same_messages_read_the_same(write):
    lines = only(write([HELLO, ANSWER], "a.jsonl", lines=True))
    assert only(write([HELLO, ANSWER], "b.json")) == lines
    assert only(write({"messages": [HELLO, ANSWER]}, "c.json")) == lines
    assert only(write([[HELLO, ANSWER]], "d.json")) == lines


def test_a_tool_call_and_its_answer_keep_their_exact_text(write):
    arguments = '{"city":  "Суфли"}'
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    path = write(
        [
            HELLO,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": '{"ok":  true}'},
        ],
        lines=True,
    )
    turns = only(path).turns
    assert turns[1].parts == (ToolCall("c1", "f", arguments),)
    assert turns[2].result_ids == ("c1",)
    assert turns[2].text == '{"ok":  true}'


def test_conversations_of_the_same_name_are_told_apart(write):
    path = write([{"messages": [HELLO], "name": n} for n in ("a", "a (2)", "a", "a")])
    names = [c.name for c in read_conversations(path)]
    assert names == ["a", "a (2)", "a (3)", "a (4)"]


def test_a_message_that_is_wrong_is_named_by_line_or_path(write):
    lines = failure(write([HELLO, {"role": "narrator", "content": "x"}], lines=True))
    assert lines.line == 2
    nested = failure(write({"messages": [HELLO, HELLO | {"time": "yesterday"}]}))
    assert nested.line is None
    assert nested.reason.startswith("messages[1].time: 'yesterday' is not a time")
    deeper = failure(write([{"messages": [HELLO]}, {"messages": [HELLO, 5]}]))
    assert deeper.reason.startswith("[1].messages[1]: expected an object, found a number")


def test_one_bad_line_among_good_ones_returns_nothing(write):
    assert failure(write([HELLO] * 50 + [{"role": "user", "content": {"a": 1}}], lines=True)).line


def test_an_id_used_for_two_different_turns_is_refused(write):
    error = failure(write([HELLO | {"id": "x"}, ANSWER | {"id": "x"}], lines=True))
    assert error.line == 2
    assert "'x'" in error.reason
    assert "line 1" in error.reason


def test_a_record_repeated_with_its_id_is_taken_once(write):
    path = write([HELLO | {"id": "x"}, ANSWER, HELLO | {"id": "x"}], lines=True)
    assert len(only(path).turns) == 2


def test_the_same_words_said_twice_are_two_turns(write):
    turns = only(write([HELLO, ANSWER, HELLO], lines=True)).turns
    assert len({turn.id for turn in turns}) == 3


def test_reading_twice_gives_the_same_turns_and_a_longer_file_keeps_the_ids(write):
    first = only(write([HELLO, ANSWER], lines=True))
    assert only(write([HELLO, ANSWER], lines=True)) == first
    longer = only(write([HELLO, ANSWER, HELLO, ANSWER], lines=True))
    assert longer.turns[:2] == first.turns


# Anthropic


def test_an_anthropic_request_begins_with_its_system_prompt(write):
    conversation = only(write({"system": "Be brief.", "messages": [HELLO, ANSWER]}))
    assert conversation.format == "anthropic"
    assert [turn.role for turn in conversation.turns] == ["system", "user", "assistant"]


def test_anthropic_tool_use_and_results_become_calls_and_answers(write):
    request = {
        "messages": [
            HELLO | {"id": "m1"},
            {
                "role": "assistant",
                "id": "m2",
                "content": [
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "t1", "name": "find", "input": {"q": "Łódź"}},
                ],
            },
            {
                "role": "user",
                "id": "m3",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "found"},
                    {"type": "text", "text": "and now?"},
                ],
            },
        ]
    }
    conversation = only(write([request]))
    assert conversation.format == "anthropic"
    calls = [id for turn in conversation.turns for id in turn.call_ids]
    results = [id for turn in conversation.turns for id in turn.result_ids]
    assert calls == results == ["t1"]
    assert len({turn.id for turn in conversation.turns}) == len(conversation.turns)
    assert "and now?" in conversation.turns[-1].text


def test_an_anthropic_list_gives_a_conversation_each(write):
    request = {"system": [{"type": "text", "text": "s"}], "messages": [HELLO]}
    assert [c.id for c in read_conversations(write([request, request]))] == ["1", "2"]
