"""The checker of provider rules catches a breach of each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from provider_rules import violations

PNG = "iVBORw0KGgo="
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "s"},
    {
        "role": "user",
        "name": "Ann",
        "content": [
            {"type": "text", "text": "look"},
            {
                "type": "image_url",
                "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "high"},
            },
        ],
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "42"},
    {"role": "assistant", "content": "done"},
]
ITEMS: list[dict[str, Any]] = [
    {"role": "system", "content": "s"},
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "look"},
            {
                "type": "input_image",
                "image_url": f"data:image/png;base64,{PNG}",
                "detail": "high",
            },
        ],
    },
    {"type": "reasoning", "id": "rs", "summary": []},
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "42"},
    {"role": "assistant", "content": "done"},
]
ANTHROPIC: dict[str, Any] = {
    "system": [{"type": "text", "text": "s"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                    "cache_control": {"type": "ephemeral"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "42"},
                {"type": "text", "text": "go on"},
            ],
        },
        {"role": "assistant", "content": "done"},
    ],
}
GEMINI: dict[str, Any] = {
    "system_instruction": {"parts": [{"text": "s"}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "look"},
                {
                    "inlineData": {"mimeType": "image/png", "data": PNG},
                    "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"},
                },
            ],
        },
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "f", "response": {"output": "42"}}}],
        },
        {"role": "model", "parts": [{"text": "done"}]},
    ],
}
VALID = {"openai": CHAT, "openai-responses": ITEMS, "anthropic": ANTHROPIC, "gemini": GEMINI}

Breach = Callable[[Any], Any]


def _set(*path: Any) -> Breach:
    """Set the value at a path: all but the last item; the last item is the value."""
    *keys, last, value = path

    def breach(request: Any) -> None:
        for key in keys:
            request = request[key]
        request[last] = value

    return breach


def _drop(*path: Any) -> Breach:
    *keys, last = path

    def breach(request: Any) -> None:
        for key in keys:
            request = request[key]
        del request[last]

    return breach


def _insert(*path: Any) -> Breach:
    *keys, index, value = path

    def breach(request: Any) -> None:
        for key in keys:
            request = request[key]
        request.insert(index, value)

    return breach


IMAGE = CHAT[1]["content"][1]
BREACHES: list[tuple[str, Breach, str]] = [
    ("openai", _set(0, "role", "narrator"), "unknown role"),
    ("openai", _drop(0, "content"), "content is missing"),
    ("openai", _set(4, "content", None), "content is missing"),
    ("openai", _set(1, "content", []), "non-empty list"),
    ("openai", _set(0, "content", [IMAGE]), "a system message may not hold"),
    ("openai", _set(3, "content", [IMAGE]), "a tool message may not hold"),
    ("openai", _set(4, "content", [IMAGE]), "a assistant message may not hold"),
    ("openai", _set(1, "content", 0, "text", None), "without text"),
    ("openai", _set(1, "content", 1, "image_url", "url", "gs://x"), "must be a link"),
    ("openai", _set(1, "content", 1, "image_url", "url", "data:image/png;base64,@"), "be a link"),
    ("openai", _set(1, "content", 1, "image_url", "detail", "huge"), "unknown detail"),
    ("openai", _set(1, "name", "two words"), "does not match the pattern"),
    ("openai", _set(2, "tool_calls", []), "may not be empty"),
    ("openai", _set(1, "tool_calls", [CALL]), "only an assistant"),
    ("openai", _set(2, "tool_calls", 0, "type", "magic"), "unknown call type"),
    ("openai", _set(2, "tool_calls", 0, "id", "x" * 41), "call id"),
    ("openai", _set(2, "tool_calls", 0, "function", "name", "a b"), "tool name"),
    ("openai", _set(2, "tool_calls", 0, "function", "arguments", {}), "must be a string"),
    ("openai", _set(2, "tool_calls", [CALL, CALL]), "used twice"),
    ("openai", _drop(3), "not answered directly"),
    ("openai", _insert(3, {"role": "user", "content": "wait"}), "not answered directly"),
    ("openai", _set(3, "tool_call_id", "c2"), "without a preceding call"),
    ("openai", _insert(4, CHAT[3]), "without a preceding call"),
    ("openai", _insert(5, CHAT[2]), "not answered"),
    ("openai", _set(0, {"role": "function", "name": "f", "content": "1"}), "function_call"),
    ("openai-responses", _set(0, "role", "tool"), "unknown role"),
    ("openai-responses", _set(0, "content", []), "non-empty list"),
    ("openai-responses", _set(0, "content", [ITEMS[1]["content"][1]]), "may not hold"),
    ("openai-responses", _set(5, "content", [ITEMS[1]["content"][1]]), "may not hold"),
    ("openai-responses", _set(1, "content", 0, "text", 1), "without text"),
    ("openai-responses", _drop(1, "content", 1, "detail"), "unknown detail"),
    ("openai-responses", _set(1, "content", 1, "image_url", "x"), "must be a link"),
    ("openai-responses", _set(3, "call_id", ""), "call id"),
    ("openai-responses", _set(3, "name", "a.b"), "tool name"),
    ("openai-responses", _set(3, "arguments", {}), "must be a string"),
    ("openai-responses", _insert(4, ITEMS[3]), "used twice"),
    ("openai-responses", _drop(4), "not answered"),
    ("openai-responses", _drop(3), "without a preceding call"),
    ("openai-responses", _insert(4, {"role": "user", "content": "wait"}), "not answered before"),
    ("openai-responses", _set(2, "type", 7), "unknown type"),
    ("anthropic", _set("system", 0, "text", " "), "not blank"),
    ("anthropic", _set("system", 7), "string or a list"),
    ("anthropic", _set("messages", []), "non-empty list"),
    ("anthropic", _drop("messages", 0), "user first"),
    ("anthropic", _insert("messages", 0, {"role": "user", "content": "hi"}), "in turns"),
    ("anthropic", _insert("messages", 0, {"role": "system", "content": "hi"}), "in turns"),
    ("anthropic", _set("messages", 0, "content", []), "non-empty list"),
    ("anthropic", _set("messages", 0, "content", "\n"), "blank"),
    ("anthropic", _set("messages", 0, "content", 0, "text", ""), "blank"),
    (
        "anthropic",
        _set("messages", 2, "content", 0, "content", [{"type": "text", "text": ""}]),
        "blank",
    ),
    (
        "anthropic",
        _set("messages", 0, "content", 1, "source", "media_type", "image/tiff"),
        "known kind",
    ),
    (
        "anthropic",
        _set("messages", 3, "content", [ANTHROPIC["messages"][0]["content"][1]]),
        "image outside a user",
    ),
    ("anthropic", _drop("messages", 1, "content", 0, "signature"), "signature"),
    ("anthropic", _drop("messages", 0, "content", 0, "type"), "without a type"),
    ("anthropic", _set("messages", 1, "content", 1, "id", "a.b"), "call id"),
    ("anthropic", _set("messages", 1, "content", 1, "input", "{}"), "must be an object"),
    (
        "anthropic",
        _insert("messages", 1, "content", 2, {"type": "text", "text": "so"}),
        "calls end",
    ),
    (
        "anthropic",
        _insert("messages", 1, "content", 2, ANTHROPIC["messages"][1]["content"][1]),
        "used twice",
    ),
    ("anthropic", _drop("messages", 2, "content", 0), "no result in the next"),
    ("anthropic", _set("messages", 2, "content", 0, "tool_use_id", "c2"), "without a call"),
    (
        "anthropic",
        _insert("messages", 2, "content", 0, {"type": "text", "text": "so"}),
        "come first",
    ),
    (
        "anthropic",
        _insert("messages", 0, "content", 0, ANTHROPIC["messages"][1]["content"][1]),
        "tool_use outside",
    ),
    (
        "anthropic",
        _set("messages", 3, "content", [ANTHROPIC["messages"][2]["content"][0]]),
        "tool_result outside",
    ),
    ("anthropic", _set("messages", 3, "content", "done "), "white space"),
    ("anthropic", _set("messages", 3, ANTHROPIC["messages"][1]), "have no result"),
    (
        "anthropic",
        _set(
            "system",
            [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}] * 4,
        ),
        "at most 4",
    ),
    (
        "anthropic",
        _set("messages", 2, "content", 1, "cache_control", {"type": "ephemeral", "ttl": "1h"}),
        "after a 5m",
    ),
    ("gemini", _set("system_instruction", "parts", 0, "text", ""), "system_instruction"),
    ("gemini", _set("contents", []), "non-empty list"),
    ("gemini", _drop("contents", 0), "user first"),
    ("gemini", _set("contents", 0, "role", "system"), "in turns"),
    ("gemini", _set("contents", 0, "parts", []), "may not be empty"),
    ("gemini", _set("contents", 0, "parts", 0, "text", ""), "may not be empty"),
    ("gemini", _set("contents", 0, "parts", 0, {}), "exactly one kind"),
    ("gemini", _set("contents", 0, "parts", 1, "text", "x"), "exactly one kind"),
    (
        "gemini",
        _set("contents", 0, "parts", 1, "inlineData", "mimeType", "image/gif"),
        "known kind",
    ),
    ("gemini", _set("contents", 0, "parts", 1, "inlineData", "data", "@"), "known kind"),
    (
        "gemini",
        _set("contents", 0, "parts", 1, "mediaResolution", "level", "HIGH"),
        "media resolution",
    ),
    ("gemini", _set("contents", 1, "parts", 0, "functionCall", "args", "{}"), "object of args"),
    ("gemini", _set("contents", 1, "parts", 0, "functionCall", "name", ""), "without a name"),
    (
        "gemini",
        _set("contents", 2, "parts", 0, "functionResponse", "response", "42"),
        "needs an object",
    ),
    ("gemini", _set("contents", 2, "parts", [{"text": "42"}]), "do not match the calls"),
    (
        "gemini",
        _insert("contents", 2, "parts", 0, GEMINI["contents"][2]["parts"][0]),
        "do not match the calls",
    ),
    ("gemini", _set("contents", 3, GEMINI["contents"][1]), "have no response"),
    ("gemini", _set("contents", 0, "parts", 0, {"fileData": {}}), "without a URI"),
]


@pytest.mark.parametrize("provider", VALID)
def test_a_request_that_keeps_the_rules_has_no_violations(provider: str):
    assert violations(provider, VALID[provider]) == []


@pytest.mark.parametrize(("provider", "breach", "said"), BREACHES)
def test_each_breach_is_caught(provider: str, breach: Breach, said: str):
    request = copy.deepcopy(VALID[provider])
    breach(request)
    assert any(said in found for found in violations(provider, request))


@pytest.mark.parametrize("provider", VALID)
def test_an_empty_request_is_a_violation(provider: str):
    empty: Any = {"messages": [], "contents": []} if provider in ("anthropic", "gemini") else []
    assert violations(provider, empty)


@pytest.mark.parametrize("provider", VALID)
def test_calls_of_the_last_message_may_wait_if_asked(provider: str):
    request: Any = copy.deepcopy(VALID[provider])
    if isinstance(request, list):
        del request[4 if provider == "openai-responses" else 3 :]
    else:
        del request["messages" if provider == "anthropic" else "contents"][2:]
    assert violations(provider, request)
    assert violations(provider, request, open_calls=True) == []
