"""A ChatGPT export, as conversations."""

from datetime import UTC, datetime

from import_samples import CHATGPT, export_of, failure, node, only

from sfumato.importers import read_conversations
from sfumato.turn import Image, Text, ToolCall, ToolResult, Unknown


def test_a_chatgpt_export_follows_the_branch_that_was_read_last(write):
    conversation = only(write([CHATGPT]))
    assert (conversation.format, conversation.name, conversation.id) == (
        "chatgpt",
        "Trip",
        "conv-1",
    )
    assert [turn.id for turn in conversation.turns] == ["u", "call", "out", "new", "quote", "think"]
    assert "5" not in [turn.text for turn in conversation.turns]
    assert conversation.turns[0].time == datetime.fromtimestamp(1700000001.25, UTC)
    assert conversation.turns[1].time == conversation.turns[0].time


def test_chatgpt_tool_messages_answer_the_call_before_them(write):
    _, call, answer, _, quote, think = only(write([CHATGPT])).turns
    assert call.parts == (
        ToolCall("call", "python", '{"input": "print(2+2)"}', {"chatgpt": {"language": "python"}}),
    )
    assert answer.parts == (
        ToolResult("call", (Text("4"), Image(url="file-service://f1")), "python"),
    )
    assert (quote.role, quote.text) == ("assistant", "T\nhttps://a.example\nq")
    assert isinstance(think.parts[0], Unknown)


def test_a_chatgpt_call_that_nothing_answered_stays_text(write):
    asked = node("u", "root", "user", "go")
    call = node("c", "u", "assistant", {"content_type": "code", "text": "x"}, recipient="python")
    assert only(write([export_of(asked, call, current="c")])).turns[1].parts == (Text("x"),)


def test_a_chatgpt_export_without_a_current_node_takes_the_newest_branch(write):
    nodes = (
        node("u", "root", "user", "q"),
        node("b", "u", "assistant", "newer", time=20),
        node("a", "u", "assistant", "older", time=10),
    )
    assert [t.text for t in only(write([export_of(*nodes, current=None)])).turns] == ["q", "newer"]


def test_damaged_chatgpt_trees_are_refused(write):
    asked = node("u", "root", "user", "q")
    assert "'gone' is missing" in failure(write([export_of(asked, current="gone")])).reason
    looped = export_of(asked, current="u")
    looped["mapping"]["u"]["parent"] = "u"
    assert "its own ancestor" in failure(write([looped])).reason


def test_chatgpt_conversations_of_one_title_are_told_apart_and_empty_ones_left_out(write):
    asked = node("u", "root", "user", "q")
    several = [
        export_of(asked, current="u", conversation_id="1"),
        export_of(current="root", conversation_id="2"),
        export_of(asked, current="u", conversation_id="3"),
    ]
    found = read_conversations(write(several))
    assert [(c.name, c.id) for c in found] == [("Trip", "1"), ("Trip (2)", "3")]
