"""Calibration: probe pages, how reading is scored, and the command with a model that reads."""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sfumato.calibration import ENOUGH, Calibration, Score, calibration, holds, probes
from sfumato.errors import HostError
from sfumato.hosts import host, hosts
from sfumato.probes import CHARACTERS, conversation, probe
from sfumato.renderers import Renderer

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from readers import PaddleOCR

QWEN = host("qwen3-vl")


# -- probe pages -------------------------------------------------------------------


def test_a_seed_says_the_same_and_its_strings_stand_in_it_alone():
    for seed in range(20):
        said = conversation(seed)
        assert said == conversation(seed)
        assert len({turn.text for turn in said} - {turn.text for turn in conversation(99)}) > 5
        assert sum(len(turn.text) for turn in said) >= CHARACTERS
        strings = [string for turn in said for string in turn.strings]
        assert len(strings) == len(set(strings)) >= 15
        for turn in said:
            assert all(holds(turn.text, string) for string in turn.strings)


class Boxed(Renderer):
    """A renderer that remembers what it drew where."""

    def draw(self, blocks, style, *, boxes=False):
        self.drawn = super().draw(blocks, style, boxes=True)
        return self.drawn


@pytest.mark.parametrize("name", ["qwen3-vl", "deepseek-ocr", "claude-high-res", "unknown"])
@pytest.mark.parametrize("type_px", [8, 20])
def test_every_string_is_drawn_unbroken(name, type_px):
    there = host(name)
    assert there.page_rules is not None
    renderer = Boxed()
    page = probe(there.page_rules, type_px, 1, renderer)
    picture = Image.open(BytesIO(page.png))
    assert picture.size == (page.width_px, page.height_px)
    assert there.image_tokens(*picture.size) > 0
    [sheet] = [each for each in renderer.drawn if each.png == page.png]
    words = [box.text for box in sheet.boxes if box.kind == "text"]
    assert len(page.strings) >= 8
    assert all(any(holds(word, string) for word in words) for string in page.strings)
    assert probe(there.page_rules, type_px, 1, Renderer()) == page


def test_a_host_that_cannot_see_has_no_type_to_calibrate():
    with pytest.raises(HostError, match="cannot see"):
        probes(host("text-only"), [12], 1)


# -- scores ------------------------------------------------------------------------


def test_reading_everything_is_everything_and_reading_nothing_nothing():
    pages = probes(QWEN, [14, 10], 2)
    whole = calibration(QWEN, [(page, " ".join(t.text for t in page.turns)) for page in pages])
    assert [score.type_px for score in whole.scores] == [10, 14]
    assert all(score.exact == score.gist == 1 for score in whole.scores)
    assert all(score.pages == 2 for score in whole.scores)
    nothing = calibration(QWEN, [(page, "I see a page.") for page in pages])
    assert all(score.exact == 0 for score in nothing.scores)
    assert all(score.gist < 0.02 for score in nothing.scores)


def test_a_letter_that_is_wrong_costs_its_string_and_not_the_words():
    [page] = probes(QWEN, [12], 1)
    text = " ".join(turn.text for turn in page.turns)
    wrong = text.replace(page.strings[3], page.strings[3][:-1] + "#")
    [score] = calibration(QWEN, [(page, wrong)]).scores
    assert score.strings_read == score.strings - 1
    assert score.words_read == score.words


def test_a_word_said_twice_counts_no_more_often_than_it_stands_there():
    [page] = probes(QWEN, [12], 1)
    [score] = calibration(QWEN, [(page, "the " * 10_000)]).scores
    assert score.words_read == page.words.count("the")


def read(type_px: float, exact: int, gist: int) -> Score:
    return Score(type_px, 1, 100.0, 100, exact, 100, gist)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=8))
def test_no_size_is_trusted_below_one_that_is_not_read(shares):
    scores = tuple(read(8 + k, *each) for k, each in enumerate(shares))
    found = Calibration(QWEN, scores)
    legible, dense = found.legible_px, found.dense_px
    if legible is None:
        assert scores[-1].exact < ENOUGH
        assert dense is None
        with pytest.raises(HostError, match="larger type"):
            found.entry("mine", "m", "2026-11-27")
        return
    assert all(score.exact >= ENOUGH for score in scores if score.type_px >= legible)
    assert not any(score.exact >= ENOUGH for score in scores if score.type_px == legible - 1)
    assert dense is not None
    assert dense <= legible
    assert all(s.gist >= ENOUGH for s in scores if s.type_px >= dense) or dense == legible


def test_the_entry_is_a_host_with_its_evidence(tmp_path):
    scores = (read(8, 50, 96), read(10, 96, 100), read(30, 100, 100))
    entry = Calibration(QWEN, scores).entry('a "b".c', "maker/a", "2026-11-27")
    file = tmp_path / "hosts.toml"
    file.write_text(entry)
    made = hosts(file)['a "b".c']
    assert made.profiles["legible"].min_px == 10
    assert made.profiles["dense"].min_px == 8
    assert "96 of 100 exact strings" in made.profiles["legible"].evidence
    assert "96 of 100 words" in made.profiles["dense"].evidence
    assert made.image_tokens(640, 640) == QWEN.image_tokens(640, 640)
    large = Calibration(QWEN, (read(40, 100, 100),)).entry("big", "m", "2026-11-27")
    file.write_text(large)
    assert hosts(file)["big"].profiles["legible"].max_px == 40


# -- the command ---------------------------------------------------------------------


class Reading(BaseHTTPRequestHandler):
    """A chat completions server whose model is PP-OCR, or blind."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        [image, _] = body["messages"][0]["content"]
        png = base64.b64decode(image["image_url"]["url"].partition(",")[2])
        answer = {"content": None}
        if body["model"] == "maker/ocr":
            lines = PaddleOCR().read(Image.open(BytesIO(png)), 1.5)
            answer = {"role": "assistant", "content": "\n".join(lines)}
        self.send_response(503 if body["model"] == "busy" else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": answer}]}).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = HTTPServer(("127.0.0.1", 0), Reading)
    made.requests = []
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def command(server, model: str, *more: str) -> tuple[str, ...]:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    return ("calibrate", model, "--base-url", url, "--host", "qwen3-vl", *more)


def test_a_model_that_reads_becomes_a_host_with_the_sizes_it_reads(
    sfumato, server, tmp_path, monkeypatch
):
    file = tmp_path / "hosts.toml"
    file.write_text('[other]\nbase = "unknown"')
    probing = ("--sizes", "12,5", "--pages", "2", "--out", str(file))
    result = sfumato(*command(server, "maker/ocr", *probing, "--json"))
    assert result.code == 0, result.err
    small, large = json.loads(result.out)["scores"]
    assert (small["type_px"], large["type_px"]) == (5, 12)
    assert small["strings_read"] < small["strings"] / 2
    assert len(server.requests) == 4
    asked = server.requests[0]["messages"][0]["content"]
    assert asked[0]["image_url"]["detail"] == "high"
    assert "Transcribe" in asked[1]["text"]
    assert "tools" not in server.requests[0]
    known = hosts(file)
    assert known["ocr"].profiles["legible"].min_px == 12
    assert known["ocr"].source == "sfumato calibrate: maker/ocr on probe pages"
    assert "other" in known
    assert [each.name for each in tmp_path.iterdir()] == ["hosts.toml"]
    monkeypatch.setenv("SFUMATO_HOSTS", str(file))
    assert "ocr" in [each["name"] for each in json.loads(sfumato("hosts", "--json").out)]
    before = file.read_text()
    again = sfumato(*command(server, "maker/ocr", *probing))
    assert again.code == 2
    assert "--name" in again.err
    assert len(server.requests) == 4
    assert file.read_text() == before


def test_a_model_that_reads_nothing_becomes_no_host(sfumato, server, tmp_path):
    file = tmp_path / "hosts.toml"
    result = sfumato(*command(server, "blind", "--sizes", "12", "--pages", "1", "--out", str(file)))
    assert result.code == 1
    assert "0 of" in result.out
    assert "larger type" in result.err
    assert not file.exists()


def test_without_a_file_the_entry_is_printed(sfumato, server):
    result = sfumato(
        *command(server, "maker/ocr", "--sizes", "12", "--pages", "1", "--name", "mine")
    )
    assert result.code == 0, result.err
    assert re.search(r'^\["mine"\]$', result.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        ("busy", ("--sizes", "12"), "503"),
        ("blind", ("--sizes", "1,2"), "4 to 96"),
        ("blind", ("--sizes", "small"), "4 to 96"),
        ("blind", ("--host", "text-only"), "cannot see"),
        ("blind", ("--host", "qwen4"), "qwen3-vl"),
        ("blind", ("--pages", "0"), "--pages"),
    ],
)
def test_what_is_wrong_is_said(sfumato, server, model, more, said):
    result = sfumato(*command(server, model, *more))
    assert result.code == 2
    assert result.out == ""
    assert said in result.err


def test_a_base_from_another_file_is_said_before_anything_is_asked(
    sfumato, server, tmp_path, monkeypatch
):
    (tmp_path / "mine.toml").write_text('[mine]\nbase = "unknown"')
    monkeypatch.setenv("SFUMATO_HOSTS", str(tmp_path / "mine.toml"))
    out = str(tmp_path / "new.toml")
    result = sfumato(*command(server, "blind", "--host", "mine", "--out", out))
    assert result.code == 2
    assert "'mine' is not a host to inherit from" in result.err
    assert server.requests == []
