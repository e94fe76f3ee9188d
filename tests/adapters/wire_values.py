"""Values that wire formats are tested with: odd text, JSON, pictures, turns and views."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from sfumato.hosts import Host, host
from sfumato.turn import (
    Image,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    decode,
    encode,
)
from sfumato.view import View, ViewPart

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""

# Lone surrogates and NUL included: both occur in real logs.
texts = st.one_of(
    st.sampled_from(["", " ", "\n", "hello", "naïve — 東京 🌫", "a\x00b", "\ud800", '{"a": 1}']),
    st.text(st.characters(), max_size=12),
)
names = st.sampled_from(["search", "get_weather", "f"])
ids = st.sampled_from(["c1", "c2", "call_9", "toolu_01", "x" * 50, "a.b:c"])
numbers = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
pictures = st.binary(max_size=8).map(lambda tail: PNG + tail)
base64_texts = st.one_of(
    pictures.map(lambda data: base64.b64encode(data).decode()),
    # Not what encoding the bytes again would give: line breaks, padding, not base64 at all.
    st.sampled_from(["aGVs\nbG8=", "aGVsbG8", "iVBORw0KGgp=", "?", ""]),
)
links = st.sampled_from(["https://example.com/a.png", "http://x.y/?q=1#f", "gs://bucket/a.png"])
media_types = st.sampled_from(["image/png", "image/jpeg", "image/webp", "image/tiff"])


def fields(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the given fields, each there or not, and now and then one nobody knows."""
    return st.fixed_dictionaries({}, optional={**optional, "x_unknown": json_values})


def objects(more: st.SearchStrategy[dict[str, Any]], **known: Any) -> st.SearchStrategy[Any]:
    """Objects with the known fields (strategies or values) and some of ``more``."""
    given = {k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in known.items()}
    return st.builds(lambda least, most: most | least, st.fixed_dictionaries(given), more)


def stored(turns: Iterable[Turn]) -> list[Turn]:
    """The turns as they come back from storage."""
    return [decode(encode(turn), id=turn.id, time=turn.time) for turn in turns]


@st.composite
def any_turns(draw: st.DrawFn, longest: int = 8) -> list[Turn]:
    """Turns as no sane conversation has them: orphaned, repeated and misplaced parts."""
    shown = st.one_of(
        texts.map(Text),
        pictures.map(lambda data: Image(data, media_type="image/png")),
        st.builds(Image, url=links, caption=st.none() | texts),
        st.builds(Image, pictures, media_type=media_types),
        st.builds(Unknown, st.just("elsewhere"), json_objects),
    )
    calls = st.builds(ToolCall, ids, names, json_objects.map(json.dumps) | texts)
    results = st.builds(
        ToolResult,
        ids,
        st.lists(shown, max_size=2).map(tuple),
        st.none() | names,
        st.booleans(),
    )
    parts = st.lists(st.one_of(shown, shown, calls, results), max_size=3)
    turns = st.builds(
        Turn,
        st.sampled_from(["system", "user", "assistant", "assistant", "tool"]),
        parts.map(tuple),
        st.none() | st.sampled_from(["Ann", "Ann Lee", "<x>"]),
    )
    return draw(st.lists(turns, min_size=1, max_size=longest))


def view_of(
    turns: Sequence[Turn], on: str | Host = "claude-high-res", *, faded: bool = True
) -> View:
    """A view whose recent turns are ``turns``, behind a front message of every kind of part."""
    system = [turn for turn in turns if turn.role == "system"]
    recent = [turn for turn in turns if turn.role != "system"]
    target = host(on)
    page = {"width": 672, "height": 960} if target.sees else {}
    front = [ViewPart("note", 5, text="[Memory]", role="user")]
    if target.sees:
        front.append(ViewPart("page", 9, 1, 2, 2, 9.0, png=PNG, role="user", **page))
    front.append(ViewPart("text", 3, 3, 3, 1, text="#3 user: short", role="user"))
    if target.sees:
        front.append(ViewPart("page", 9, 4, 5, 1, 12.0, png=PNG + b"2", role="user", **page))
    front.append(ViewPart("facts", 3, text="Facts: LH1174", role="user"))
    front.append(ViewPart("copy", 3, 1, 1, text="Copy of #1 user: LH1174", role="user"))
    parts = [_shown(turn) for turn in system] + (front if faded else [])
    parts += [_shown(turn) for turn in recent]
    return View("t", target, "l", 8000, 100, 0, 900, len(turns), None, tuple(parts))


def _shown(turn: Turn) -> ViewPart:
    return ViewPart("text", 1, 9, 9, 0, text=turn.text, role=turn.role, turn=turn)
