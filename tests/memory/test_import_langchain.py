"""What LangChain dumps, as conversations."""

import pytest
from import_samples import LANGCHAIN, failure, only

from sfumato.importers import read_conversations
from sfumato.turn import Image, Text, ToolCall, ToolResult, Unknown


def test_a_langchain_dump_keeps_calls_images_and_unknown_fields(write):
    conversation = only(write(LANGCHAIN))
    assert conversation.format == "langchain"
    system, human, ai, tool, picture = conversation.turns
    assert (system.role, human.role, human.id, human.name) == ("system", "user", "h1", "Ana")
    assert ai.parts == (
        ToolCall("c1", "f", '{"a": 1}'),
        ToolCall("c2", "g", '{"b":  2}'),
        ToolCall("c3", "h", "{broken", {"langchain": {"error": "not JSON"}}),
    )
    assert ai.extra == {"langchain": {"additional_kwargs": {"refusal": "no"}}}
    assert tool.parts == (ToolResult("c1", (Text("gone"),), is_error=True),)
    assert tool.extra == {"langchain": {"artifact": {"x": 1}}}
    assert picture.parts == (
        Text("look"),
        Image(b"hi", media_type="image/png"),
        Image(b"hi", media_type="image/gif"),
        Image(url="https://a.example", extra={"langchain": {"detail": "low"}}),
        Unknown("langchain", {"type": "audio", "base64": "aGk="}),
    )


def test_both_dumps_of_langchain_itself_read_the_same(write):
    messages_module = pytest.importorskip("langchain_core.messages")
    load = pytest.importorskip("langchain_core.load")
    messages = messages_module.messages_from_dict(LANGCHAIN)
    dumped = write(load.dumps(messages), "lc.json")
    as_dicts = write(messages_module.messages_to_dict(messages), "dicts.json")
    assert only(dumped) == only(as_dicts)
    assert [t.parts for t in only(dumped).turns] == [t.parts for t in only(write(LANGCHAIN)).turns]


def test_langchain_messages_are_found_under_messages_and_in_lists_of_lists(write):
    assert only(write({"messages": LANGCHAIN}, "a.json")).turns == only(write(LANGCHAIN)).turns
    assert len(read_conversations(write([LANGCHAIN, LANGCHAIN], "b.json"))) == 2


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"type": "remove", "data": {"content": "", "id": "x"}}, "'remove' cannot be imported"),
        ({"lc": 1, "type": "not_implemented", "id": ["a"]}, "'not_implemented' object"),
        ({"lc": 1, "type": "constructor", "id": ["a", "OpenAI"], "kwargs": {}}, "'OpenAI'"),
        ({"type": "human", "data": {"content": 5}}, "data.content: expected a list"),
    ],
)
def test_a_langchain_record_that_is_no_message_is_refused(write, record, reason):
    assert reason in failure(write([record]), "langchain").reason
