"""The command chat: talk to a model that remembers through sfumato.

Sends views to any server that speaks OpenAI's chat completions, offers it the
recall tool and answers its calls; without a server, a small model on this
machine answers from recent and recalled turns. Every turn said is journaled.
Knows nothing of any provider's own features.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from sfumato.adapters.openai import turns_from_openai
from sfumato.cli_chat_local import LOCAL_BUDGET, LOCAL_HOST, local_talk
from sfumato.cli_session import (
    JsonOption,
    KeyOption,
    ProfileOption,
    Settings,
    StoreOption,
    ThreadArgument,
    say,
    settings,
    show_answer,
    working,
)
from sfumato.cli_views import DEFAULT_BUDGET, DEFAULT_HOST
from sfumato.completions import Server
from sfumato.echoes import TOOL_NAME
from sfumato.errors import InputError, SfumatoError, TurnError
from sfumato.journal import Entry
from sfumato.memory import Memory
from sfumato.recall import TOOL_DESCRIPTION, TOOL_PARAMETERS
from sfumato.turn import JsonObject, Text, ToolCall, ToolResult

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


def chat(
    context: typer.Context,
    thread: ThreadArgument,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="The server, e.g. http://localhost:8000/v1. Without one, a small model on this "
            "machine answers: it reads text alone, and what the question recalls.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model's name on the server.", show_default=False)
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help=f"The host, see 'sfumato hosts' [default: {DEFAULT_HOST}; text-only without a "
            "server]",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help=f"Tokens on that host [default: {DEFAULT_BUDGET}; {LOCAL_BUDGET:,} without a "
            "server]",
            show_default=False,
        ),
    ] = None,
    profile: ProfileOption = "legible",
    message: Annotated[
        str | None,
        typer.Option("--message", "-m", help="Say this and end.", show_default=False),
    ] = None,
    key_env: KeyOption = "OPENAI_API_KEY",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Talk to a model, line by line; it sees the thread's view and may recall."""
    if budget is not None and not budget.isdecimal():
        raise InputError(f"chat takes a budget in tokens, not {budget!r}")
    if (base_url is None) != (model is None):
        raise InputError("--base-url and --model name a server's model together: give both or none")
    if base_url is None and host not in (None, LOCAL_HOST):
        raise InputError(f"the model on this machine reads no pages: leave out --host {host}")
    given = settings(context, store, as_json)
    with given.store(create=True) as opened:
        if base_url is None or model is None:
            talk = local_talk(given, thread, opened, int(budget or LOCAL_BUDGET))
        else:
            tokens = int(budget or DEFAULT_BUDGET)
            memory = Memory(thread, host or DEFAULT_HOST, opened, tokens, profile=profile)
            talk = partial(_talk, given, memory, Server(base_url, model, os.environ.get(key_env)))
        for said in [message] if message is not None else _lines():
            try:
                talk(said)
            except SfumatoError as problem:
                if message is not None or not sys.stdin.isatty():
                    raise
                say(f"error: {problem}")


def _talk(given: Settings, memory: Memory, server: Server, said: str) -> None:
    show_answer(given, reply(memory, server, said))


def reply(memory: Memory, server: Server, said: str) -> Entry:
    """Journal what was said, let the model recall what it wants, journal its answer."""
    memory.add("user", said)
    for left in reversed(range(ROUNDS)):
        messages = memory.view().to_openai()
        with working(f"{server.model} is thinking"):
            choice = {} if left else {"tool_choice": "none"}
            message = server.complete(messages, tools=[RECALL_TOOL], **choice)
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
