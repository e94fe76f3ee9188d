"""Content: headers nobody can forge, code that keeps its white space, thumbnails."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pixels

from sfumato.renderers.content import PictureRoom, compact_json, paragraphs, split
from sfumato.turn import Image, Text, ToolCall, ToolResult, Unknown

ROOM = PictureRoom(width_px=200, height_px=60, pitch_px=10)


def kinds(text: str) -> list[str]:
    return [paragraph.kind for paragraph in split(text)]


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    out = BytesIO()
    Pixels.new(mode, (width, height)).save(out, "PNG")
    return out.getvalue()


def test_the_header_names_mark_speaker_and_time(block):
    first = paragraphs(block("Hi", mark=417, name="Caroline", show_time=True), ROOM)[0]
    assert first.lead == "#417 Caroline 2023-05-08 13:56"
    assert first.text == "Hi"


def test_a_turn_without_a_name_is_headed_by_its_role(block):
    assert paragraphs(block("Hi", role="assistant"), ROOM)[0].lead == "#1 assistant"


@given(st.text(st.characters(exclude_categories=())))
def test_a_name_cannot_hold_a_mark_or_a_line_break(block, name):
    lead = paragraphs(block("x", name=name), ROOM)[0].lead
    assert lead.count("#") == 1
    assert "\n" not in lead
    assert len(lead) < 40


@pytest.mark.parametrize("name", ["assistant", "System", " tool "])
def test_a_name_cannot_pass_for_a_role(block, name):
    assert paragraphs(block("x", name=name), ROOM)[0].lead == f"#1 user ({name.strip()})"


def test_a_note_stands_instead_of_the_parts(block):
    (only,) = paragraphs(block("secret", note="forgotten"), ROOM)
    assert (only.lead, only.text) == ("#1 user [forgotten]", "")


def test_new_lines_survive_as_paragraphs():
    assert [p.text for p in split("one\ntwo\r\n\n\nthree\n")] == ["one", "two", "three"]


def test_fenced_code_keeps_every_line_as_it_is():
    text = "See:\n```py\ndef f():\n\n\treturn  1\n```\nDone"
    found = split(text)
    assert [p.kind for p in found] == ["prose"] + ["code"] * 5 + ["prose"]
    assert [p.text for p in found] == text.split("\n")


def test_a_fence_that_never_ends_runs_to_the_end():
    assert kinds("```\na\nb") == ["code"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    return 1",
        '{\n  "a": 1\n}',
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "NAME   AGE\nweb-1  3d",
        "\tx = 1",
    ],
)
def test_text_that_is_evidently_code_or_a_table_is_code(text):
    assert set(kinds(text)) <= {"code", "table"}


@pytest.mark.parametrize(
    "text",
    [
        "Two  spaces. After  stops.",
        "- one\n  - two\n  - three",
        "a\nb\nc",
        "x | y",
        "Fine.\n\nThanks!",
    ],
)
def test_prose_with_some_white_space_stays_prose(text):
    assert set(kinds(text)) == {"prose"}


def test_blank_lines_between_pieces_of_code_survive():
    assert [p.text for p in split("a:\n    b\n\n\nc:\n    d")] == [
        "a:",
        "    b",
        "",
        "",
        "c:",
        "    d",
    ]


def test_a_tool_call_is_compact_and_keeps_its_strings(block):
    call = ToolCall("1", "read", '{ "path": "a  b",\n "n": 1.0 }')
    found = paragraphs(block(call, role="assistant"), ROOM)
    assert found[0].lead == "#1 assistant → read"
    assert "".join(p.text for p in found) == '({"path":"a  b","n":1.0})'


def test_a_failed_tool_result_says_so(block):
    result = ToolResult("1", (Text("no such file"),), "read", is_error=True)
    first = paragraphs(block(result, role="tool"), ROOM)[0]
    assert (first.lead, first.text) == ("#1 tool ← read error:", "no such file")


def test_an_unknown_part_is_drawn_as_json(block):
    first = paragraphs(block(Unknown("openai", {"b": [1], "a": "é"})), ROOM)[0]
    assert (first.lead, first.text) == ("#1 user [openai]", '{"a":"é","b":[1]}')


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_compacting_json_changes_nothing_but_white_space(value):

    spaced = json.dumps([value], indent=3)
    assert json.loads(compact_json(spaced)) == [value]


def test_text_that_is_not_json_is_left_alone():
    assert compact_json("{ not json }") == "{ not json }"


def test_an_image_becomes_a_thumbnail_of_whole_lines_and_a_caption(block):
    image = Image(png(640, 480), None, "image/png", "a boat")
    _, picture, caption = paragraphs(block(image), ROOM)
    assert picture.picture is not None
    assert picture.picture.height_px == 60
    assert picture.picture.width_px == 80
    assert (caption.lead, caption.text) == ("[image]", "a boat image/png 640x480")


@pytest.mark.parametrize(
    ("image", "caption"),
    [
        (Image(None, "https://a.b/c.png", None, "remote"), "remote https://a.b/c.png"),
        (Image(b"not an image", None, "image/png"), "image/png"),
        (Image(None, "data:image/png;base64,AAAA", "image/png"), "image/png"),
    ],
)
def test_an_image_that_cannot_be_drawn_leaves_its_caption(block, image, caption):
    (first,) = paragraphs(block(image), ROOM)
    assert (first.kind, first.text) == ("prose", caption)


def test_no_room_for_pictures_leaves_captions(block):
    none = PictureRoom(200, 0, 10)
    (first,) = paragraphs(block(Image(png(64, 48), None, "image/png")), none)
    assert first.text == "image/png 64x48"


@given(
    st.integers(1, 400), st.integers(1, 400), st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA"])
)
def test_thumbnails_fit_their_room(block, width, height, mode):
    pictures = [
        p.picture for p in paragraphs(block(Image(png(width, height, mode))), ROOM) if p.picture
    ]
    for picture in pictures:
        assert picture.width_px <= ROOM.width_px
        assert picture.height_px <= ROOM.height_px
        assert picture.height_px % ROOM.pitch_px == 0
        assert len(picture.pixels) == picture.width_px * picture.height_px
