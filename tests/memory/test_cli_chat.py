"""The command chat with a server: what is sent, what is journaled, what is said of errors."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from trip import TURNS, messages


class Model(BaseHTTPRequestHandler):
    """A chat completions server that recalls once, then answers with what it got."""

    requests: list[dict]
    answers: list[object]

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        answer = self.server.answers.pop(0)
        status, content = answer if isinstance(answer, tuple) else (200, answer)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(content if isinstance(content, bytes) else json.dumps(content).encode())

    def log_message(self, *_):
        pass


def completion(**message) -> dict:
    return {"choices": [{"message": {"role": "assistant", "content": None} | message}]}


def call(name: str, arguments: str) -> dict:
    function = {"name": name, "arguments": arguments}
    return completion(tool_calls=[{"id": "c1", "type": "function", "function": function}])


@pytest.fixture
def model():
    server = HTTPServer(("127.0.0.1", 0), Model)
    server.requests, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def chat(model, *more: str) -> tuple[str, ...]:
    url = f"http://127.0.0.1:{model.server_port}/v1/"
    return ("chat", "trip", "--base-url", url, "--model", "tiny", "--host", "qwen3-vl", *more)


def test_chat_sends_the_view_and_answers_the_models_recall(store, sfumato, model, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    model.answers = [
        call("recall_memory", '{"query": "guide number 130", "k": 1, "around": 0}'),
        completion(content="It was day 10."),
    ]
    command = chat(model, "--message", "When did guide 130 speak?", "--key-env", "MY_KEY", "--json")
    result = sfumato(*command)
    assert result.code == 0, result.err
    assert json.loads(result.out) == {
        "turn": TURNS + 4, "role": "assistant", "text": "It was day 10.",
    }  # fmt: skip
    (path, headers, first), (_, _, second) = model.requests
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert first["model"] == "tiny"
    assert first["tools"][0]["function"]["name"] == "recall_memory"
    assert first["messages"][-1]["content"] == "When did guide 130 speak?"
    answered = second["messages"][-1]
    assert answered["role"] == "tool"
    assert messages()[9]["content"] in answered["content"]
    assert sfumato("verify").code == 0


def test_chat_reads_lines_until_the_end_of_input(store, sfumato, model, monkeypatch):
    lines = iter(["hello\n", "\n", "bye\n", ""])
    monkeypatch.setattr(
        sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: next(lines))
    )
    model.answers = [(503, b"busy"), completion(content="Good-bye.")]
    result = sfumato(*chat(model))
    assert result.code == 0
    assert result.out.strip() == "Good-bye."
    assert "503" in result.err
    assert len(json.loads(sfumato("export", "trip", "--json").out)) == TURNS + 3


def test_chat_tells_the_model_of_bad_calls_and_stops_a_model_that_never_answers(
    store, sfumato, model
):
    model.answers = [call("launch", "{}"), *[call("recall_memory", "{") for _ in range(7)]]
    result = sfumato(*chat(model, "-m", "go"))
    assert result.code == 2
    assert "no answer" in result.err
    told = [request[2]["messages"][-1]["content"] for request in model.requests]
    assert "no tool 'launch'" in told[1]
    assert "not JSON" in told[2]
    assert model.requests[-1][2]["tool_choice"] == "none"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, b"bad key"), "401"),
        (b"<html>", "no chat completion"),
        ({"error": "x"}, "no chat completion"),
        (completion(role="wizard"), "no known form"),
    ],
)
def test_chat_says_what_a_server_got_wrong(store, sfumato, model, answer, said):
    model.answers = [answer]
    result = sfumato(*chat(model, "-m", "go"))
    assert result.code == 2
    assert said in result.err


def test_chat_needs_a_web_address_and_a_budget_in_tokens(store, sfumato, model):
    command = ("chat", "trip", "--model", "m", "-m", "x", "--base-url")
    assert "web address" in sfumato(*command, "file:///etc").err
    assert "cannot be reached" in sfumato(*command, "http://127.0.0.1:9").err
    assert "budget in tokens" in sfumato(*chat(model, "--budget", "20%", "-m", "x")).err
