"""The README's quick starts, run as they stand against a model server on this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from provider_rules import violations

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ANSWER = "You are on LH1174."
STARTS = dict(
    re.findall(r"<!-- quick start: ([\w-]+) -->\n```python\n(.*?)```", README, flags=re.DOTALL)
)


class Model(BaseHTTPRequestHandler):
    """Answers chat completions and messages requests, and keeps what it was sent."""

    requests: ClassVar[list[tuple[str, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append((self.path, body))
        if self.path.endswith("/messages"):
            reply = {
                "id": "m1",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": [{"type": "text", "text": ANSWER}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
            self._send("application/json", json.dumps(reply))
        elif body.get("stream"):
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            delta = {"index": 0, "delta": {"role": "assistant", "content": ANSWER}}
            last = {"index": 0, "delta": {}, "finish_reason": "stop"}
            events = [chunk | {"choices": [choice]} for choice in (delta, last)]
            lines = [f"data: {json.dumps(event)}\n\n" for event in events]
            self._send("text/event-stream", "".join(lines) + "data: [DONE]\n\n")
        else:
            message = {"role": "assistant", "content": ANSWER}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            reply = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
            self._send(
                "application/json", json.dumps(reply | {"choices": [choice], "usage": usage})
            )

    def _send(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def model() -> Iterator[str]:
    """The address of a model server on the loopback; its requests are in ``Model.requests``."""
    Model.requests.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_there_are_four_quick_starts_of_about_ten_lines():
    assert set(STARTS) == {"langchain", "llama-index", "openai", "anthropic"}
    lines = [[line for line in code.splitlines() if line] for code in STARTS.values()]
    assert max(map(len, lines)) <= 12


@pytest.mark.parametrize("name", sorted(STARTS))
def test_a_quick_start_runs_as_it_stands(name, model, tmp_path, monkeypatch):
    needed = {"langchain": "langchain_openai", "llama-index": "llama_index.llms.openai"}
    pytest.importorskip(needed.get(name, name))
    for variable in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.setenv(variable, f"{model}/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", model)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", STARTS[name]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if name != "anthropic":
        assert "LH1174" in done.stdout
    for path, body in Model.requests:
        if path.endswith("/messages"):
            assert violations("anthropic", body) == []
        else:
            assert violations("openai", body["messages"]) == []
    assert "My flight is LH1174" in json.dumps(Model.requests[-1][1])


def test_every_command_line_in_the_readme_exists():
    commands = set(re.findall(r"^sfumato (\w+)|; sfumato (\w+)", README, flags=re.MULTILINE))
    listed = subprocess.run(
        [sys.executable, "-m", "sfumato.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for first, later in commands:
        assert (first or later) in listed
