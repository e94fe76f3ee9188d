"""Fonts: every character is drawn by a font that has it, or as its code point."""

from __future__ import annotations

import warnings
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.errors import RenderError
from sfumato.renderers import fonts as fonts_module
from sfumato.renderers.fonts import BODY, Body, FontSet, clusters, code_point

pytestmark = pytest.mark.filterwarnings("ignore:no installed font")

anything = st.text(st.characters(exclude_categories=()), max_size=40)


@pytest.fixture(scope="module")
def fonts() -> FontSet:
    return FontSet()


def test_without_raqm_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(fonts_module.features, "check", lambda library: library != "raqm")
    with pytest.raises(RenderError, match="libfribidi0"):
        FontSet()


@given(anything)
def test_runs_keep_the_text_in_order(fonts, text):
    assert "".join(run.text for run in fonts.runs(text, "prose")) == text


@given(anything)
def test_clusters_keep_the_text_in_order(text):
    assert "".join(clusters(text)) == text


@settings(deadline=None)
@given(anything, st.sampled_from(["prose", "bold", "mono"]))
def test_a_character_is_shown_by_a_font_that_has_it_or_as_its_code_point(fonts, text, face):
    tables = pytest.importorskip("fontTools.ttLib")
    for run in fonts.runs(text, face):
        if run.shown == run.text:
            cmap = _cmap(tables, run.font)
            assert all(ord(c) in cmap for c in run.text if c not in "\u200c\u200d\ufe0e\ufe0f")
        else:
            assert run.shown == code_point(run.text)


_cmaps: dict[object, frozenset[int]] = {}


def _cmap(tables, font) -> frozenset[int]:
    if font not in _cmaps:
        _cmaps[font] = frozenset(tables.TTFont(BytesIO(font.read())).getBestCmap())
    return _cmaps[font]


@pytest.mark.parametrize(
    "character",
    [
        "\x00",
        "\x1b",
        "\x7f",
        "\x85",
        "\ud800",
        "\u200b",
        "\u200d",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\u00ad",
        "\u2028",
        "\ue000",
        "\u2800",
        "\u3164",
        "\U000e0041",
        "\U0010ffff",
        "\ufe0f",
        "\u0301",
    ],
)
def test_characters_without_a_shape_of_their_own_are_shown_as_code_points(fonts, character):
    shown = "".join(run.shown for run in fonts.runs(character, "prose"))
    assert shown == f"⟨U+{ord(character):04X}⟩"


@pytest.mark.parametrize(
    "word",
    [
        "naïve",
        "Ελληνικά",
        "Кириллица",
        "→≤∑√½",
        "日本語",
        "한국어",
        "中文",
        "مرحبا",
        "שלום",
        "नमस्ते",
        "สวัสดี",
        "☀❤️",
        "می\u200cخواهم",
        "e\u0301",
    ],
)
def test_scripts_of_the_installed_fonts_show_themselves(fonts, word):
    assert "".join(run.shown for run in fonts.runs(word, "prose")) == word


def test_higher_stacks_of_marks_than_can_be_read_are_shown_as_code_points(fonts):
    shown = "".join(run.shown for run in fonts.runs("a" + "\u0301" * 6, "prose"))
    assert shown == "a" + "\u0301" * 4 + "⟨U+0301⟩" * 2


def test_a_missing_glyph_is_reported_once():
    fonts = FontSet()
    with pytest.warns(UserWarning, match=r"U\+1F9FF"):
        fonts.runs("\U0001f9ff", "prose")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.runs("x\U0001f9ff", "prose")
        fonts.runs("\x00\u200b", "prose")


def test_identity_is_the_same_for_the_same_fonts(fonts):
    assert FontSet().identity == fonts.identity


def test_prose_is_set_in_the_body_asked_for(fonts):
    narrow = FontSet(Body("noto-sans", weight=400, width=75))
    assert narrow.main("prose").axes == (("Weight", 400), ("Width", 75))
    assert narrow.load(narrow.main("prose"), 24).getlength("width") < fonts.load(
        fonts.main("prose"), 24
    ).getlength("width")
    assert narrow.identity != fonts.identity == FontSet(BODY).identity


def test_a_body_that_is_not_installed_is_refused():
    with pytest.raises(RenderError, match="fontpkg-no-such-sans is missing"):
        FontSet(Body("no-such-sans"))
