"""Files of every format, good and bad, as conversations."""

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import ImportFileError, InputError
from sfumato.export import export_jsonl
from sfumato.importers import FORMATS, read_conversations
from sfumato.turn import Image, Text, ToolCall, ToolResult, Turn, Unknown, encode

HELLO = {"role": "user", "content": "Καλημέρα, hello\u2028there"}
ANSWER = {"role": "assistant", "content": "Dobrý deň"}


@pytest.fixture
def write(tmp_path):
    """Write a file: text as it is, bytes as they are, lists as JSON Lines or JSON."""

    def write(content, name="talk.json", *, lines=False, encoding="utf-8"):
        if lines:
            content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content)
        elif not isinstance(content, str | bytes):
            content = json.dumps(content, ensure_ascii=False, indent=1)
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def failure(path, format=None):
    with pytest.raises(ImportFileError) as caught:
        read_conversations(path, format)
    assert caught.value.path == str(path)
    assert "Nothing was imported" in str(caught.value)
    return caught.value


def only(path, format=None):
    (conversation,) = read_conversations(path, format)
    return conversation


# Files and their encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_unicode_encoding_reads_the_same(write, encoding):
    plain = write([HELLO, ANSWER], "plain.jsonl", lines=True)
    text = plain.read_text("utf-8")
    assert only(write(text, encoding=encoding)) == only(plain)


def test_windows_line_ends_and_blank_lines_change_nothing(write):
    plain = write([HELLO, ANSWER], "plain.jsonl", lines=True)
    text = "\n" + plain.read_text("utf-8").replace("\n", "\r\n\r\n")
    assert only(write(text)) == only(plain)


def test_a_line_separator_inside_a_string_does_not_end_the_line(write):
    conversation = only(write([HELLO, ANSWER], lines=True))
    assert conversation.turns[0].text == HELLO["content"]


def test_a_lone_surrogate_and_a_nul_survive(write):
    path = write('{"role": "user", "content": "half \\ud83d of a smile \\u0000"}')
    assert only(path).turns[0].text == "half \ud83d of a smile \0"


def test_a_line_of_megabytes_is_read_whole(write):
    long = "thread " * 300_000
    assert only(write([{"role": "user", "content": long}], lines=True)).turns[0].text == long


@pytest.mark.parametrize("content", ["", " \n\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused_as_empty(write, content):
    assert failure(write(content)).reason == "the file is empty"


@pytest.mark.parametrize("content", ["[]", '{"messages": []}', '[{"messages": []}]'])
def test_a_file_without_messages_is_refused(write, content):
    failure(write(content))
    failure(write(content), "openai")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "cannot be read" in failure(tmp_path / "nowhere.json").reason
    assert "cannot be read" in failure(tmp_path).reason


def test_bytes_that_are_no_text_are_refused_with_their_line(write):
    error = failure(write(b'{"role": "user", "content": "a"}\n{"role": "user", "content": "\xff"}'))
    assert error.line == 2
    assert "UTF-8" in error.reason


def test_a_broken_line_is_named_by_its_number(write):
    good = json.dumps(HELLO)
    for text, line in [
        (f"{good}\n\n{good[:-5]}\n{good}\n", 3),
        (f"{good[:-5]}\n{good}\n", 1),
        (f"{good}\n{good}\n{good[:7]}", 3),
        (f"{good}\n{good} trailing\n", 2),
        (f'{good}\n{{"role": "user", "content": NaN}}\n', 2),
    ]:
        assert failure(write(text)).line == line


def test_a_syntax_error_in_json_is_named_by_its_line(write):
    error = failure(write('{\n "messages": [\n  {"role": "user" "content": "a"}\n ]\n}'))
    assert error.line == 3
    assert "column" in error.reason


def test_json_nested_without_end_is_refused(write):
    assert failure(write("[" * 200_000)).line == 1


def test_what_is_no_known_format_is_refused_with_the_names_of_those_that_are(write):
    for content in ({"hello": 1}, [1, 2], "text", [{"foo": 1}], [[]]):
        reason = failure(write(content if content != "text" else '"text"')).reason
        assert content == [[]] or all(name in reason for name in FORMATS)


def test_an_unknown_format_name_is_refused(write):
    with pytest.raises(InputError, match="openai"):
        read_conversations(write([HELLO]), "word")


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


# LangChain

LANGCHAIN = [
    {"type": "system", "data": {"content": "Be brief.", "type": "system", "id": None}},
    {"type": "human", "data": {"content": "hi", "type": "human", "id": "h1", "name": "Ana"}},
    {
        "type": "ai",
        "data": {
            "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}],
            "additional_kwargs": {
                "tool_calls": [
                    {
                        "id": "c2",
                        "type": "function",
                        "function": {"name": "g", "arguments": '{"b":  2}'},
                    }
                ],
                "refusal": "no",
            },
            "response_metadata": {},
            "tool_calls": [
                {"name": "f", "args": {"a": 1}, "id": "c1", "type": "tool_call"},
                {"name": "g", "args": {"b": 2}, "id": "c2", "type": "tool_call"},
            ],
            "invalid_tool_calls": [
                {"name": "h", "args": "{broken", "id": "c3", "error": "not JSON"}
            ],
            "id": "run-1",
        },
    },
    {
        "type": "tool",
        "data": {
            "content": "gone",
            "tool_call_id": "c1",
            "status": "error",
            "artifact": {"x": 1},
        },
    },
    {
        "type": "human",
        "data": {
            "content": [
                "look",
                {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
                {"type": "image_url", "image_url": {"url": "data:image/gif;base64,aGk="}},
                {
                    "type": "image_url",
                    "image_url": {"url": "https://a.example", "detail": "low"},
                },
                {"type": "audio", "base64": "aGk="},
            ]
        },
    },
]


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


# ChatGPT


def node(id, parent, role, content, *, time=None, recipient="all", name=None, **metadata):
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    message = {
        "id": id,
        "author": {"role": role, "name": name, "metadata": {}},
        "create_time": time,
        "content": content,
        "recipient": recipient,
        "metadata": metadata,
    }
    return {"id": id, "message": message, "parent": parent, "children": []}


def export_of(*nodes, current, **fields):
    root = {"id": "root", "message": None, "parent": None, "children": []}
    mapping = {each["id"]: each for each in (root, *nodes)}
    for each in nodes:
        mapping[each["parent"]]["children"].append(each["id"])
    fields = {"title": "Trip", "conversation_id": "conv-1", "create_time": 1700000000.5} | fields
    return fields | {"mapping": mapping, "current_node": current}


QUOTE = {"content_type": "tether_quote", "title": "T", "url": "https://a.example", "text": "q"}
THOUGHTS = {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}
CHATGPT = export_of(
    node("s", "root", "system", ""),
    node("c", "s", "user", "secret profile", is_visually_hidden_from_conversation=True),
    node("u", "c", "user", "2+2?", time=1700000001.25),
    node("old", "u", "assistant", "5", time=1700000002),
    node(
        "call",
        "u",
        "assistant",
        {"content_type": "code", "language": "python", "text": "print(2+2)"},
        recipient="python",
    ),
    node(
        "out",
        "call",
        "tool",
        {"content_type": "execution_output", "text": "4"},
        name="python",
    ),
    node(
        "pic",
        "out",
        "tool",
        {
            "content_type": "multimodal_text",
            "parts": [
                {"content_type": "image_asset_pointer", "asset_pointer": "file-service://f1"}
            ],
        },
        name="python",
    ),
    node("new", "pic", "assistant", "It is 4.", time=1700000009),
    node("quote", "new", "tool", QUOTE, name="browser"),
    node("think", "quote", "assistant", THOUGHTS),
    current="think",
)


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


# LoCoMo

LOCOMO = [
    {
        "sample_id": "conv-9",
        "qa": [],
        "conversation": {
            "speaker_a": "Ana",
            "speaker_b": "Bo",
            "session_10_date_time": "12:05 am on 3 June, 2023",
            "session_10": [{"speaker": "Ana", "dia_id": "D10:1", "text": "late"}],
            "session_2_date_time": "1:56 pm on 8 May, 2023",
            "session_2": [
                {"speaker": "Ana", "dia_id": "D2:1", "text": "look"},
                {
                    "speaker": "Bo",
                    "dia_id": "D2:2",
                    "text": "nice",
                    "img_url": ["https://example.org/dog.jpg"],
                    "blip_caption": "a dog",
                    "query": "dog",
                },
                {"speaker": "Bo", "dia_id": "D2:3", "text": "more", "blip_caption": "a cat"},
            ],
            "session_11_date_time": "1:00 pm on 9 June, 2023",
        },
    }
]


def test_a_locomo_sample_is_a_conversation_with_sessions_in_order(write):
    conversation = only(write(LOCOMO))
    assert (conversation.format, conversation.name) == ("locomo", "conv-9")
    assert [(t.id, t.role, t.name) for t in conversation.turns] == [
        ("D2:1@conv-9", "user", "Ana"),
        ("D2:2@conv-9", "assistant", "Bo"),
        ("D2:3@conv-9", "assistant", "Bo"),
        ("D10:1@conv-9", "user", "Ana"),
    ]
    assert conversation.turns[0].time == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert conversation.turns[3].time == datetime(2023, 6, 3, 0, 5, tzinfo=UTC)
    found = {"query": "dog", "img_url": ["https://example.org/dog.jpg"]}
    assert conversation.turns[1].parts == (Text("nice"), Text("[image: a dog]", {"locomo": found}))
    assert conversation.turns[2].text == "more\n[image: a cat]"


def test_a_locomo_speaker_or_date_nobody_knows_is_refused(write):
    for field, value, reason in [
        ("session_10", [{"speaker": "Cy", "text": "x"}], "session_10[0].speaker: 'Cy'"),
        ("session_10_date_time", "25:00 pm on 8 May, 2023", "is not a time"),
        ("session_10_date_time", "1:00 pm on 31 June, 2023", "is not a time"),
        ("session_10_date_time", "soon", "is not a time like"),
    ]:
        conversation = LOCOMO[0]["conversation"] | {field: value}
        assert reason in failure(write([LOCOMO[0] | {"conversation": conversation}])).reason


# sfumato's own export


@dataclass(frozen=True)
class Kept:
    """What an export needs of a journal entry."""

    id: str
    time: datetime
    turn: Turn


texts = st.text(st.characters(exclude_categories=()), max_size=20)
extras = st.dictionaries(texts, st.one_of(st.integers(), texts, st.floats(allow_nan=False,
                         allow_infinity=False), st.none()), max_size=2)  # fmt: skip
parts = st.one_of(
    st.builds(Text, texts, extras),
    st.builds(Image, st.binary(max_size=9), st.none() | texts, st.none() | texts, extra=extras),
    st.builds(ToolCall, texts, texts, texts, extras),
    st.builds(ToolResult, texts, st.tuples(st.builds(Text, texts)), is_error=st.booleans()),
    st.builds(Unknown, texts, extras),
)
times = st.datetimes(
    datetime(1970, 1, 2), datetime(2999, 1, 1), timezones=st.just(UTC)
) | st.datetimes(
    datetime(1970, 1, 2), datetime(2999, 1, 1), timezones=st.just(timezone(timedelta(hours=5.5)))
)
turns = st.builds(
    Turn,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.lists(parts, max_size=3).map(tuple),
    st.none() | texts,
    metadata=extras,
    extra=extras,
)
entries = st.lists(st.builds(Kept, texts.filter(bool), times, turns), min_size=1, max_size=4,
                   unique_by=lambda kept: kept.id)  # fmt: skip


@given(entries)
def test_an_export_comes_back_byte_for_byte(tmp_path_factory, kept):
    path = tmp_path_factory.mktemp("export") / "thread.jsonl"
    path.write_text("".join(line + "\n" for line in export_jsonl(kept)), "ascii")
    conversation = only(path)
    assert conversation.format == "sfumato"
    assert [turn.id for turn in conversation.turns] == [entry.id for entry in kept]
    assert [turn.time for turn in conversation.turns] == [entry.time for entry in kept]
    assert [encode(turn) for turn in conversation.turns] == [encode(e.turn) for e in kept]


def test_a_damaged_export_line_is_named(write):
    good = next(export_jsonl([Kept("a", datetime.now(UTC), Turn("user", (Text("x"),)))]))
    bad = good.replace('"kind":"text"', '"kind":"poem"').replace('"id":"a"', '"id":"b"')
    error = failure(write(f"{good}\n{bad}\n"))
    assert error.line == 2
    assert "poem" in error.reason


# Damage

BLOCKS = {"role": "user", "content": [{"type": "text", "text": "x"}]}
KEPT = Kept("a", datetime(2026, 1, 1, tzinfo=UTC), Turn("user", (Text("x"),)))
GOOD = {
    "openai": {"messages": [HELLO | {"id": "a", "time": 1}, ANSWER]},
    "anthropic": {"system": "s", "messages": [BLOCKS, ANSWER]},
    "langchain": LANGCHAIN,
    "chatgpt": [CHATGPT],
    "locomo": LOCOMO,
    "sfumato": json.loads(next(export_jsonl([KEPT]))),
}
WRONG = [None, 7, "x", [None], {"type": 5}]


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield from places(item, (*path, key))


def replaced(value, path, by):
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_one_wrong_value_anywhere_is_read_or_refused_but_never_a_crash(write, format, wrong):
    for path in places(GOOD[format]):
        file = write(replaced(GOOD[format], path, wrong))
        for named in (None, format):
            with contextlib.suppress(ImportFileError):
                for conversation in read_conversations(file, named):
                    assert all(
                        turn.id and isinstance(turn.text, str) for turn in conversation.turns
                    )
