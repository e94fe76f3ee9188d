"""The view as a value: pairs mended, files written."""

from __future__ import annotations

import json

from hypothesis import given
from synthetic import threads

from sfumato.hosts import host
from sfumato.turn import Image, Text, ToolCall, ToolResult, Turn, turn
from sfumato.view import View, ViewPart, mend_pairs


def said(thread) -> list[Turn]:
    steps, _ = thread
    return [
        Turn(
            step.role,
            tuple(ToolCall(c, "f") for c in step.opens)
            + tuple(ToolResult(c, (Text("r"),)) for c in step.closes)
            or (Text("x"),),
        )
        for step in steps
    ]


@given(threads(20))
def test_mended_turns_hold_no_orphans(thread):
    turns = said(thread)
    for start in range(0, len(turns), 3):
        mended = mend_pairs(turns[start:])
        calls = {c: i for i, t in enumerate(mended) for c in t.call_ids}
        results = {c: i for i, t in enumerate(mended) for c in t.result_ids}
        assert all(call in calls and calls[call] < at for call, at in results.items())
        open_calls = set(calls) - set(results)
        callers = [i for i, t in enumerate(mended) if t.call_ids]
        assert not open_calls or {calls[c] for c in open_calls} == {callers[-1]}
        assert len(mended) == len(turns[start:])


def test_mending_says_what_was_called_rather_than_dropping_it():
    turns = [
        turn("assistant", [ToolCall("c1", "search", '{"q":"x"}')]),
        turn("user", "never mind"),
    ]
    assert 'search({"q":"x"})' in mend_pairs(turns)[0].text
    lone = mend_pairs([turn("tool", [ToolResult("gone", (Text("42"),))])])[0]
    assert lone.role == "user"
    assert "42" in lone.text


def test_an_orphaned_result_keeps_its_pictures():
    picture = Image(b"png", media_type="image/png")
    lone = mend_pairs([turn("tool", [ToolResult("gone", (Text("42"), picture))])])[0]
    assert picture in lone.parts
    assert "42" in lone.text


def test_whole_pairs_and_open_last_calls_are_left_alone():
    turns = [
        turn("user", "go"),
        turn("assistant", [ToolCall("a", "f"), ToolCall("b", "g")]),
        turn("tool", [ToolResult("a", (Text("1"),))]),
    ]
    assert mend_pairs(turns) == turns


def view_of(*parts: ViewPart) -> View:
    tokens = sum(p.tokens for p in parts)
    return View("t", host("qwen3-vl"), "l", 100, tokens, 0, 50, 1, None, parts)


def test_writing_a_view_replaces_only_its_own_files(tmp_path):
    mine = tmp_path / "page-notes.png"
    mine.write_bytes(b"keep")
    page = ViewPart("page", 5, 1, 2, 1, 9.0, png=b"PNG", width=32, height=32, role="user")
    view_of(page, page).write(tmp_path)
    written = view_of(page).write(tmp_path)
    assert [path.name for path in written] == ["page-0001.png", "view.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "page-0001.png",
        "page-notes.png",
        "view.json",
    ]
    body = json.loads((tmp_path / "view.json").read_text())
    assert body["parts"][0]["file"] == "page-0001.png"
    assert body["tokens"] == 5
    assert view_of(page).saved == 0.9
