"""ChatGPT data exports (``conversations.json``) as drafts.

Takes conversations as trees of messages (``mapping``), gives the branch that
ends at ``current_node``: what the reader last saw. Regenerated answers and
edited questions on other branches are left out, and so are the empty and
hidden messages the tree is padded with. A message to a tool and the tool
messages that follow it become a call and its result.

Knows nothing about files. The format has no public description; field names
are those of exports made between 2023 and 2026.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from sfumato.import_draft import Draft, Placed
from sfumato.import_source import Node, is_object, kept, without
from sfumato.turn import Image, Part, Role, Text, ToolCall, ToolResult, Turn, Unknown

_ROLES: dict[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
}

# Where the words are in content types that keep them elsewhere than in `text`.
_SHOWN_FIELDS = {
    "tether_quote": ("title", "url", "text"),
    "tether_browsing_display": ("summary", "result"),
    "user_editable_context": ("user_profile", "user_instructions"),
}


def read_chatgpt(records: Sequence[Node]) -> list[Draft]:
    """One conversation per record, named by its title."""
    return [_conversation(record) for record in records]


def _conversation(record: Node) -> Draft:
    return Draft(
        list(_turns([m for m in _branch(record) if _is_shown(m)])),
        name=record["title"].string_or_none or None,
        id=record["conversation_id"].identifier or record["id"].identifier,
        started=record["create_time"].time,
    )


def _branch(record: Node) -> list[Node]:
    """The messages from the root to the current node."""
    mapping = record["mapping"]
    id = record["current_node"].string_or_none or _newest_leaf(mapping)
    visited: dict[str, Node] = {}
    while id is not None:
        if id in visited:
            mapping.misfit(f"node {id!r} is its own ancestor")
        if id not in mapping:
            mapping.misfit(f"node {id!r} is missing")
        visited[id] = mapping[id]
        id = visited[id]["parent"].string_or_none
    messages = [node["message"] for node in reversed(visited.values())]
    return [message for message in messages if message.value is not None]


def _newest_leaf(mapping: Node) -> str | None:
    """Where no current node is named: the end of the youngest branch."""
    leaves = [mapping[id] for id in mapping.fields if not mapping[id]["children"].value]
    if not leaves:
        return None

    def age(leaf: Node) -> float:
        message = leaf["message"]
        time = message["create_time"].time if message.value is not None else None
        return time.timestamp() if time else 0.0

    newest = max(leaves, key=age)
    return next(id for id in mapping.fields if mapping.fields[id] is newest.value)


def _is_shown(message: Node) -> bool:
    metadata = message["metadata"].value
    hidden = is_object(metadata) and metadata.get("is_visually_hidden_from_conversation") is True
    return not hidden and any(_parts(message["content"]))


def _turns(messages: Sequence[Node]) -> Iterator[Placed]:
    """Messages as turns; a run of tool messages answers the call just before it."""
    call: Node | None = None
    for is_tool, run in groupby(messages, key=lambda m: m["author"]["role"].value == "tool"):
        group = list(run)
        if is_tool:
            yield _answer(call, group)
            continue
        for place, message in enumerate(group):
            answered = place == len(group) - 1 and message is not messages[-1]
            yield _said(message, calls=answered and _is_call(message))
        call = group[-1] if _is_call(group[-1]) else None


def _is_call(message: Node) -> bool:
    to = message["recipient"].string_or_none
    return to not in (None, "", "all") and message["author"]["role"].value == "assistant"


def _said(message: Node, *, calls: bool) -> Placed:
    role = _ROLES.get(message["author"]["role"].string)
    if role is None:
        message["author"]["role"].misfit(f"unknown role {message['author']['role'].value!r}")
    parts = tuple(_parts(message["content"]))
    if calls:
        parts = (_call(message, parts),)
    return _placed(message, role, parts)


def _placed(message: Node, role: Role, parts: tuple[Part, ...]) -> Placed:
    turn = Turn(
        role,
        parts,
        name=message["author"]["name"].string_or_none,
        time=message["create_time"].time,
        id=message["id"].identifier,
    )
    return Placed(turn, message)


def _call(message: Node, parts: Sequence[Part]) -> ToolCall:
    """A message to a tool as a call; its JSON as it stands, other text as ``input``."""
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    content = message["content"].fields
    return ToolCall(
        id=_call_id(message),
        name=message["recipient"].string,
        arguments=text if _is_json_object(text) else _wrapped(text),
        extra=kept("chatgpt", without({"language": content.get("language")})),
    )


def _call_id(message: Node) -> str:
    return message["id"].identifier or message.path


def _is_json_object(text: str) -> bool:
    try:
        return is_object(json.loads(text))
    except (ValueError, RecursionError):
        return False


def _wrapped(text: str) -> str:
    return json.dumps({"input": text}, ensure_ascii=False)


def _answer(call: Node | None, messages: Sequence[Node]) -> Placed:
    """A run of tool messages as one result; without a call, as the assistant's own words."""
    first = messages[0]
    parts = tuple(part for message in messages for part in _parts(message["content"]))
    if call is None:
        return _placed(first, "assistant", parts)
    name = first["author"]["name"].string_or_none
    failed = any(m["content"]["content_type"].value == "system_error" for m in messages)
    return _placed(first, "tool", (ToolResult(_call_id(call), parts, name, failed),))


def _parts(content: Node) -> Iterator[Text | Image | Unknown]:
    """What a message shows, whatever its content type; empty content shows nothing."""
    if content.value is None:
        return
    kind = content["content_type"].string
    if kind in ("text", "multimodal_text"):
        for part in content["parts"] if content["parts"].value is not None else ():
            yield from _part(part)
        return
    shown = [content.fields.get(field) for field in _SHOWN_FIELDS.get(kind, ("text",))]
    if any(isinstance(text, str) for text in shown):
        yield from _text("\n".join(text for text in shown if isinstance(text, str) and text))
    elif any(value for field, value in content.fields.items() if field != "content_type"):
        yield Unknown("chatgpt", content.value)


def _text(text: str) -> Iterator[Text]:
    if text:
        yield Text(text)


def _part(part: Node) -> Iterator[Text | Image | Unknown]:
    if isinstance(part.value, str):
        yield from _text(part.value)
        return
    match part["content_type"].value:
        case "image_asset_pointer":
            pointer = part["asset_pointer"].string
            rest = without(part.fields, "content_type", "asset_pointer")
            yield Image(url=pointer, extra=kept("chatgpt", rest))
        case "audio_transcription":
            yield from _text(part["text"].string)
        case _:
            yield Unknown("chatgpt", part.value)
