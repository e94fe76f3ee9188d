"""Files of every format, good and bad: encodings, our own export, damage."""

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from import_samples import (
    ANSWER,
    CHATGPT,
    HELLO,
    LANGCHAIN,
    LOCOMO,
    failure,
    only,
)

from sfumato.errors import ImportFileError, InputError
from sfumato.export import export_jsonl
from sfumato.importers import FORMATS, read_conversations
from sfumato.turn import Image, Text, ToolCall, ToolResult, Turn, Unknown, encode

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
