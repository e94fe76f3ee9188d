"""The command chat: talk to a model that remembers through sfumato.

Sends views to any server that speaks OpenAI's chat completions, offers it the
recall tool and answers its calls; every turn said is journaled. Knows nothing
of streaming or of any provider's own features.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.text import Text as Shown

from sfumato.adapters.openai import turns_from_openai
from sfumato.cli_session import (
    HostOption,
    JsonOption,
    ProfileOption,
    Settings,
    StoreOption,
    ThreadArgument,
    readable,
    say,
    settings,
    working,
)
from sfumato.cli_views import DEFAULT_BUDGET, DEFAULT_HOST, BudgetOption
from sfumato.echoes import TOOL_NAME
from sfumato.errors import InputError, SfumatoError, TurnError
from sfumato.journal import Entry
from sfumato.memory import Memory
from sfumato.recall import TOOL_DESCRIPTION, TOOL_PARAMETERS
from sfumato.turn import JsonObject, Text, ToolCall, ToolResult

TIMEOUT_S = 300
ROUNDS = 8
"""Rounds of recall before the model must answer."""
RECALL_TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": TOOL_NAME,
        "description": TOOL_DESCRIPTION,
        "parameters": TOOL_PARAMETERS,
    },
}


@dataclass(frozen=True)
class Server:
    """A chat completions server. ``key`` is sent as a bearer token; None sends none."""

    base_url: str
    model: str
    key: str | None

    def complete(self, messages: list[JsonObject], *, may_recall: bool) -> JsonObject:
        """The model's message. Raises InputError saying what the server answered."""
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{self.base_url!r} is no web address: use e.g. https://host/v1")
        body: JsonObject = {"model": self.model, "messages": messages, "tools": [RECALL_TOOL]}
        if not may_recall:
            body["tool_choice"] = "none"
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                answer: Any = json.load(response)
            message: JsonObject = answer["choices"][0]["message"]
        except urllib.error.HTTPError as problem:
            said = problem.read().decode(errors="replace")[:500]
            raise InputError(f"{url} answered {problem.code} {problem.reason}: {said}") from problem
        except OSError as problem:
            raise InputError(f"{url} cannot be reached: {problem}") from problem
        except (ValueError, LookupError, TypeError) as problem:
            raise InputError(f"{url} gave no chat completion: {problem!r}") from problem
        return message


def chat(
    context: typer.Context,
    thread: ThreadArgument,
    base_url: Annotated[
        str, typer.Option(help="The server, e.g. http://localhost:8000/v1.", show_default=False)
    ],
    model: Annotated[str, typer.Option(help="The model's name there.", show_default=False)],
    host: HostOption = DEFAULT_HOST,
    budget: BudgetOption = DEFAULT_BUDGET,
    profile: ProfileOption = "legible",
    message: Annotated[
        str | None,
        typer.Option("--message", "-m", help="Say this and end.", show_default=False),
    ] = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Talk to a model, line by line; it sees the thread's view and may recall."""
    if not budget.isdecimal():
        raise InputError(f"chat takes a budget in tokens, not {budget!r}")
    given = settings(context, store, as_json)
    server = Server(base_url, model, os.environ.get(key_env))
    with given.store(create=True) as opened:
        memory = Memory(thread, host, opened, int(budget), profile=profile)
        for said in [message] if message is not None else _lines():
            try:
                _show(given, reply(memory, server, said))
            except SfumatoError as problem:
                if message is not None or not sys.stdin.isatty():
                    raise
                say(f"error: {problem}")


def reply(memory: Memory, server: Server, said: str) -> Entry:
    """Journal what was said, let the model recall what it wants, journal its answer."""
    memory.add("user", said)
    for left in reversed(range(ROUNDS)):
        messages = memory.view().to_openai()
        with working(f"{server.model} is thinking"):
            message = server.complete(messages, may_recall=left > 0)
        try:
            [answer] = memory.extend(turns_from_openai([message]))
        except TurnError as problem:
            raise InputError(f"{server.model} gave a message of no known form: {problem}") from None
        calls = [part for part in answer.turn.parts if isinstance(part, ToolCall)]
        if not calls:
            return answer
        for call in calls:
            memory.add("tool", [ToolResult(call.id, (Text(_answer(memory, call)),), call.name)])
    raise InputError(f"{server.model} called tools {ROUNDS} times and gave no answer")


def _answer(memory: Memory, call: ToolCall) -> str:
    if call.name != TOOL_NAME:
        return f"There is no tool {call.name!r}; use {TOOL_NAME}."
    try:
        return memory.recall_tool(call.arguments)
    except InputError as problem:
        return str(problem)


def _lines() -> Iterator[str]:
    """What the user types, until the end of input; empty lines are skipped."""
    while True:
        if sys.stdin.isatty():
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _show(given: Settings, answer: Entry) -> None:
    text = answer.turn.text
    given.show({"turn": answer.seq, "role": answer.turn.role, "text": text}, Shown(readable(text)))
