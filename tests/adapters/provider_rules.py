"""What providers refuse: an independent check of requests against their documented rules.

``violations(provider, request)`` lists every breach as a sentence; an empty list
means the request would pass. Knows nothing of sfumato. Where a provider is lax
today but documents a rule, the rule counts.

Sources (all read November 2026):
- OpenAI chat and Responses: API reference (platform.openai.com/docs/api-reference),
  function calling guide, images guide; lengths and patterns from the API's own error
  messages ("Expected a string with maximum length 40", "Expected a string that matches
  the pattern '^[^\\s<|\\\\/>]+$'", "[] is too short").
- Anthropic: Messages API reference and tool use guide (docs.claude.com): results right
  after their calls and first in the message, non-empty text, base64 images of four kinds,
  four cache breakpoints, longer TTL first; id pattern from the API's error message.
- Gemini: API reference and function calling guide (ai.google.dev): as many function
  responses as calls, call turns right after user turns, no empty parts; thought
  signatures guide; media resolution guide.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from typing import Any

CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
SPEAKER = re.compile(r"[^\s<|\\/>]{1,64}")
DATA_URL = re.compile(r"data:image/(png|jpeg|gif|webp);base64,(.+)", re.DOTALL)
IMAGE_KINDS = ("image/png", "image/jpeg", "image/gif", "image/webp")
GEMINI_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")
DETAILS = ("auto", "low", "high", "original")
LEVELS = tuple(f"MEDIA_RESOLUTION_{level}" for level in ("LOW", "MEDIUM", "HIGH", "ULTRA_HIGH"))


def violations(provider: str, request: Any, *, open_calls: bool = False) -> list[str]:
    """Breaches of the provider's rules: "openai", "openai-responses", "anthropic" or "gemini".

    ``open_calls`` lets calls of the last model message wait for results.
    """
    check = {
        "openai": _chat,
        "openai-responses": _responses,
        "anthropic": _anthropic,
        "gemini": _gemini,
    }[provider]
    found: list[str] = []
    check(request, open_calls, found)
    return found


# -- OpenAI chat completions --------------------------------------------------

CHAT_PARTS = {
    "system": ("text",),
    "developer": ("text",),
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
    "tool": ("text",),
    "function": (),
}


def _chat(messages: Any, open_calls: bool, found: list[str]) -> None:
    if not isinstance(messages, list) or not messages:
        found.append("messages must be a non-empty list")
        return
    waiting: list[str] = []
    used: set[str] = set()
    legacy: str | None = None
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        role = message.get("role")
        if role not in CHAT_PARTS:
            found.append(f"{at}: unknown role {role!r}")
            continue
        if role == "tool":
            if message.get("tool_call_id") in waiting:
                waiting.remove(message["tool_call_id"])
            else:
                found.append(f"{at}: a tool message without a preceding call of its id")
        elif waiting:
            found.append(f"{at}: calls {waiting} are not answered directly")
            waiting = []
        if role == "function" and (legacy is None or message.get("name") != legacy):
            found.append(f"{at}: a function message without a preceding function_call")
        legacy = (message.get("function_call") or {}).get("name")
        _chat_content(message, role, at, found)
        name = message.get("name")
        if name is not None and not SPEAKER.fullmatch(name):
            found.append(f"{at}: name {name!r} does not match the pattern")
        if "tool_calls" in message:
            waiting = _chat_calls(message, role, at, used, found)
    if waiting and not open_calls:
        found.append(f"calls {waiting} are not answered")


def _chat_content(message: dict[str, Any], role: str, at: str, found: list[str]) -> None:
    content = message.get("content")
    if content is None:
        spoken = ("tool_calls", "function_call", "refusal", "audio")
        if role != "assistant" or not any(message.get(key) for key in spoken):
            found.append(f"{at}: content is missing")
        return
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        found.append(f"{at}: content must be a string or a non-empty list")
        return
    for part in content:
        kind = part.get("type")
        if kind not in CHAT_PARTS[role]:
            found.append(f"{at}: a {role} message may not hold {kind!r}")
        elif kind == "text" and not isinstance(part.get("text"), str):
            found.append(f"{at}: a text part without text")
        elif kind == "image_url":
            image = part.get("image_url")
            if not isinstance(image, dict) or not _is_link(image.get("url")):
                found.append(f"{at}: image_url must be a link or a data URL of an image")
            elif image.get("detail", "auto") not in DETAILS:
                found.append(f"{at}: unknown detail {image['detail']!r}")


def _chat_calls(
    message: dict[str, Any], role: str, at: str, used: set[str], found: list[str]
) -> list[str]:
    calls = message["tool_calls"]
    if role != "assistant":
        found.append(f"{at}: only an assistant may call tools")
    if not calls:
        found.append(f"{at}: tool_calls may not be empty")
        return []
    ids: list[str] = []
    for call in calls:
        id, kind = call.get("id"), call.get("type")
        if kind not in ("function", "custom"):
            found.append(f"{at}: unknown call type {kind!r}")
            continue
        called = call.get(kind) or {}
        _call_identity(id, called.get("name"), at, used, found)
        argument = called.get("arguments" if kind == "function" else "input")
        if not isinstance(argument, str):
            found.append(f"{at}: arguments must be a string")
        ids.append(id)
    return ids


def _call_identity(id: Any, name: Any, at: str, used: set[str], found: list[str]) -> None:
    if not isinstance(id, str) or not CALL_ID.fullmatch(id):
        found.append(f"{at}: call id {id!r} does not match the pattern")
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        found.append(f"{at}: tool name {name!r} does not match the pattern")
    if id in used:
        found.append(f"{at}: call id {id!r} is used twice")
    used.add(id)


def _is_link(url: Any) -> bool:
    if not isinstance(url, str):
        return False
    if match := DATA_URL.fullmatch(url):
        return _is_base64(match[2])
    return url.startswith(("http://", "https://"))


def _is_base64(data: Any) -> bool:
    try:
        return isinstance(data, str) and bool(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return False


# -- OpenAI Responses ---------------------------------------------------------

CALL_ITEMS = {"function_call": "arguments", "custom_tool_call": "input"}


def _responses(items: Any, open_calls: bool, found: list[str]) -> None:
    if not isinstance(items, list) or not items:
        found.append("input must be a non-empty list")
        return
    waiting: list[str] = []
    used: set[str] = set()
    last = max((i for i, item in enumerate(items) if item.get("type") in CALL_ITEMS), default=-1)
    for index, item in enumerate(items):
        at = f"input[{index}]"
        kind = item.get("type", "message")
        if kind == "message":
            _responses_message(item, at, found)
            if waiting and item.get("role") != "assistant":
                found.append(f"{at}: calls {waiting} are not answered before it")
                waiting = []
        elif kind in CALL_ITEMS:
            _call_identity(item.get("call_id"), item.get("name"), at, used, found)
            if not isinstance(item.get(CALL_ITEMS[kind]), str):
                found.append(f"{at}: arguments must be a string")
            waiting.append(item.get("call_id"))
        elif not isinstance(kind, str):
            found.append(f"{at}: unknown type {kind!r}")
        elif kind.removesuffix("_output") in CALL_ITEMS:
            if item.get("call_id") in waiting:
                waiting.remove(item["call_id"])
            else:
                found.append(f"{at}: an output without a preceding call of its id")
            _responses_content(item.get("output"), "user", at, found)
    speakers = {item.get("role", "assistant") for item in items[last + 1 :]}
    if waiting and not (open_calls and speakers <= {"assistant"}):
        found.append(f"calls {waiting} are not answered")


def _responses_message(item: dict[str, Any], at: str, found: list[str]) -> None:
    role = item.get("role")
    if role not in ("system", "developer", "user", "assistant"):
        found.append(f"{at}: unknown role {role!r}")
    else:
        _responses_content(item.get("content"), role, at, found)


def _responses_content(content: Any, role: str, at: str, found: list[str]) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        found.append(f"{at}: content must be a string or a non-empty list")
        return
    allowed = {
        "assistant": ("output_text", "refusal"),
        "user": ("input_text", "input_image", "input_file", "input_audio"),
    }.get(role, ("input_text",))
    for part in content:
        kind = part.get("type")
        if kind not in allowed:
            found.append(f"{at}: a {role} message may not hold {kind!r}")
        elif kind.endswith("_text") and not isinstance(part.get("text"), str):
            found.append(f"{at}: a text part without text")
        elif kind == "input_image":
            if not part.get("file_id") and not _is_link(part.get("image_url")):
                found.append(f"{at}: image_url must be a link or a data URL of an image")
            if part.get("detail") not in DETAILS:
                found.append(f"{at}: unknown detail {part.get('detail')!r}")


# -- Anthropic ----------------------------------------------------------------


def _anthropic(request: Any, open_calls: bool, found: list[str]) -> None:
    system, messages = request.get("system"), request.get("messages")
    if isinstance(system, list):
        for block in system:
            if block.get("type") != "text" or not block.get("text", "").strip():
                found.append("system: only blocks of text that is not blank")
    elif system is not None and not isinstance(system, str):
        found.append("system must be a string or a list of text blocks")
    if not isinstance(messages, list) or not messages:
        found.append("messages must be a non-empty list")
        return
    used: set[str] = set()
    waiting: list[str] = []
    expected = "user"
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        role = message.get("role")
        if role != expected:
            found.append(f"{at}: expected {expected}, found {role!r}: user first, then in turns")
        expected = "assistant" if role == "user" else "user"
        blocks = _anthropic_blocks(message.get("content"), at, found)
        if waiting and role != "user":
            found.append(f"{at}: calls {waiting} have no result in the next message")
        called = _anthropic_turn(blocks, role, waiting, used, at, found)
        half = open_calls and index == len(messages) - 1
        if waiting and role == "user" and not half:
            found.append(f"{at}: calls {waiting} have no result in the next message")
        waiting = called
    if waiting and not open_calls:
        found.append(f"calls {waiting} have no result")
    _final_text(messages[-1], found)
    _breakpoints(request, found)


def _anthropic_blocks(content: Any, at: str, found: list[str]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list) or not content:
        found.append(f"{at}: content must be a string or a non-empty list")
        return []
    return content


def _anthropic_turn(
    blocks: list[dict[str, Any]],
    role: Any,
    waiting: list[str],
    used: set[str],
    at: str,
    found: list[str],
) -> list[str]:
    """Check one message against the calls ``waiting`` for results, which it takes out.

    Gives the calls it makes itself.
    """
    called: list[str] = []
    others = False
    for block in blocks:
        kind = block.get("type")
        if kind == "tool_result":
            if role != "user":
                found.append(f"{at}: tool_result outside a user message")
            if others:
                found.append(f"{at}: tool_result blocks come first in their message")
            if block.get("tool_use_id") in waiting:
                waiting.remove(block["tool_use_id"])
            else:
                found.append(f"{at}: tool_result without a call in the message before")
            inner = block.get("content", "")
            for part in [] if isinstance(inner, str) else inner:
                _anthropic_block(part, "user", at, found)
            continue
        others = True
        if kind == "tool_use":
            if role != "assistant":
                found.append(f"{at}: tool_use outside an assistant message")
            _call_identity(block.get("id"), block.get("name"), at, used, found)
            if not isinstance(block.get("input"), dict):
                found.append(f"{at}: input must be an object")
            called.append(block.get("id", ""))
        else:
            if called:
                found.append(f"{at}: {kind} after tool_use: calls end their message")
            _anthropic_block(block, role, at, found)
    return called


def _anthropic_block(block: dict[str, Any], role: Any, at: str, found: list[str]) -> None:
    match block.get("type"):
        case "text":
            if not isinstance(block.get("text"), str) or not block["text"].strip():
                found.append(f"{at}: a text block may not be blank")
        case "image":
            if role != "user":
                found.append(f"{at}: an image outside a user message")
            source = block.get("source", {})
            inline = source.get("media_type") in IMAGE_KINDS and _is_base64(source.get("data"))
            link = str(source.get("url", "")).startswith(("http://", "https://"))
            if not {"base64": inline, "url": link, "file": True}.get(source.get("type"), False):
                found.append(f"{at}: an image needs base64 of a known kind, a link or a file")
        case "thinking":
            if role != "assistant" or not isinstance(block.get("signature"), str):
                found.append(f"{at}: thinking needs its signature, in an assistant message")
        case None:
            found.append(f"{at}: a block without a type")
        case _:
            pass


def _final_text(message: dict[str, Any], found: list[str]) -> None:
    content = message.get("content")
    last = content if isinstance(content, str) else (content or [{}])[-1].get("text", "")
    if message.get("role") == "assistant" and last != last.rstrip():
        found.append("the final assistant text may not end with white space")


def _breakpoints(request: dict[str, Any], found: list[str]) -> None:
    marks: list[str] = []

    def walk(content: Any) -> None:
        for block in content if isinstance(content, list) else []:
            walk(block.get("content"))
            if block.get("cache_control"):
                marks.append(block["cache_control"].get("ttl", "5m"))

    walk(request.get("system"))
    for message in request["messages"]:
        walk(message.get("content"))
    if len(marks) > 4:
        found.append(f"{len(marks)} cache breakpoints: at most 4")
    if "5m" in marks and "1h" in marks[marks.index("5m") :]:
        found.append("a 1h cache breakpoint after a 5m one")


# -- Gemini -------------------------------------------------------------------

GEMINI_DATA = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)


def _gemini(request: Any, open_calls: bool, found: list[str]) -> None:
    system, contents = request.get("system_instruction"), request.get("contents")
    if system is not None and not isinstance(system, str):
        for part in system.get("parts", [{}]):
            if not part.get("text"):
                found.append("system_instruction: only parts of text that is not empty")
    if not isinstance(contents, list) or not contents:
        found.append("contents must be a non-empty list")
        return
    expected = "user"
    waiting: list[tuple[str, Any]] = []
    for index, content in enumerate(contents):
        at = f"contents[{index}]"
        role = content.get("role")
        if role != expected:
            found.append(f"{at}: expected {expected}, found {role!r}: user first, then in turns")
        expected = "model" if role == "user" else "user"
        parts = content.get("parts")
        if not isinstance(parts, list) or not parts:
            found.append(f"{at}: parts may not be empty")
            continue
        for part in parts:
            _gemini_part(part, role, at, found)
        calls = _named(parts, "functionCall")
        responses = _named(parts, "functionResponse")
        half = open_calls and index == len(contents) - 1 and Counter(responses) <= Counter(waiting)
        if Counter(responses) != Counter(waiting) and not half:
            found.append(f"{at}: responses {responses} do not match the calls {waiting}")
        waiting = calls
    if waiting and not open_calls:
        found.append(f"calls {waiting} have no response")


def _named(parts: list[dict[str, Any]], key: str) -> list[tuple[str, Any]]:
    return [(p[key].get("name", ""), p[key].get("id")) for p in parts if key in p]


def _gemini_part(part: dict[str, Any], role: Any, at: str, found: list[str]) -> None:
    kinds = [key for key in GEMINI_DATA if key in part]
    if len(kinds) != 1:
        found.append(f"{at}: a part needs exactly one kind of data, found {kinds}")
        return
    data = part[kinds[0]]
    match kinds[0]:
        case "text":
            if not isinstance(data, str) or (not data and "thoughtSignature" not in part):
                found.append(f"{at}: text may not be empty")
        case "functionCall":
            if role != "model" or not isinstance(data.get("args", {}), dict):
                found.append(f"{at}: functionCall needs an object of args, in a model turn")
            if not data.get("name"):
                found.append(f"{at}: functionCall without a name")
        case "functionResponse":
            if role != "user" or not isinstance(data.get("response"), dict):
                found.append(f"{at}: functionResponse needs an object, in a user turn")
        case "inlineData":
            media = str(data.get("mimeType"))
            if not _is_base64(data.get("data")) or (
                media.startswith("image/") and media not in GEMINI_IMAGES
            ):
                found.append(f"{at}: inlineData needs base64 of a known kind")
        case "fileData":
            if not data.get("fileUri"):
                found.append(f"{at}: fileData without a URI")
        case _:
            pass
    level = part.get("mediaResolution", {}).get("level", LEVELS[0])
    if level not in LEVELS:
        found.append(f"{at}: unknown media resolution {level!r}")
