"""Conversations from files.

Takes the path of a JSON or JSON Lines file, gives its conversations as turns.
Reads OpenAI and Anthropic messages, LangChain dumps, ChatGPT data exports,
LoCoMo samples and sfumato's own exports, and tells them apart by their
content. Reading the same file again gives the same turn ids, so importing
twice adds nothing.

Knows nothing about the journal: a file that is wrong anywhere gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from sfumato.errors import ImportFileError, InputError
from sfumato.export import is_export, read_export
from sfumato.import_chatgpt import read_chatgpt
from sfumato.import_draft import Conversation, Draft, finish
from sfumato.import_langchain import is_langchain, read_langchain
from sfumato.import_locomo import read_locomo
from sfumato.import_messages import read_anthropic, read_openai
from sfumato.import_source import Misfit, Node, is_list, is_object, load

__all__ = ["FORMATS", "Conversation", "read_conversations"]

Reader: TypeAlias = Callable[[Sequence[Node]], list[Draft]]

_READERS: dict[str, Reader] = {
    "openai": read_openai,
    "anthropic": read_anthropic,
    "langchain": read_langchain,
    "chatgpt": read_chatgpt,
    "locomo": read_locomo,
    "sfumato": read_export,
}

FORMATS: tuple[str, ...] = tuple(_READERS)
"""Names of the formats, as ``read_conversations`` takes them."""

# Content blocks that only Anthropic's Messages API has.
_ANTHROPIC_BLOCKS = {
    "tool_use", "tool_result", "thinking", "redacted_thinking", "document", "server_tool_use",
}  # fmt: skip


def read_conversations(path: str | Path, format: str | None = None) -> list[Conversation]:
    """The conversations of a file, in its order.

    ``format`` is one of ``FORMATS``; None finds out. Times without a zone are
    taken as UTC. Raises InputError for an unknown format and ImportFileError,
    naming line or place and reason, for a file that cannot be read; nothing is
    returned then.

    >>> [c.name for c in read_conversations("conversations.json")]  # doctest: +SKIP
    ['Trip to Lisbon', 'Budget']
    """
    if format is not None and format not in _READERS:
        raise InputError(f"unknown format {format!r}: use one of {', '.join(FORMATS)}")
    records = load(path)
    try:
        found = format or _format_of(records)
        if found is None:
            raise ImportFileError(str(path), _unrecognised(), records[0].line if records else None)
        conversations = finish(_READERS[found](records) if records else [], found)
    except Misfit as problem:
        raise ImportFileError(str(path), problem.reason, problem.line) from problem
    if not conversations:
        raise ImportFileError(str(path), "the file holds no messages")
    return conversations


def _unrecognised() -> str:
    return f"this is none of the known formats; name it if it is: {', '.join(FORMATS)}"


def _format_of(records: Sequence[Node]) -> str | None:
    """The format that the first record shows; None if it is none of them."""
    if not records:
        return None
    record = records[0]
    if is_object(record.value):
        if "mapping" in record:
            return "chatgpt"
        if "conversation" in record and "speaker_a" in record["conversation"]:
            return "locomo"
        if is_export(record):
            return "sfumato"
    messages = _first_messages(records)
    if any(is_langchain(message) for message in messages[:1]):
        return "langchain"
    if not all("role" in message for message in messages[:1]):
        return None
    if "system" in record or any(_is_anthropic(message) for message in messages):
        return "anthropic"
    return "openai" if messages or "messages" in record else None


def _first_messages(records: Sequence[Node]) -> list[Node]:
    """The messages of the first conversation, wherever this file has them."""
    first = records[0]
    if is_list(first.value):
        return list(first)
    if "messages" in first:
        return list(first["messages"])
    return list(records)


def _is_anthropic(message: Node) -> bool:
    if "content" not in message or not is_list(message["content"].value):
        return False
    return any(
        block["type"].value in _ANTHROPIC_BLOCKS
        or (block["type"].value == "image" and "source" in block)
        for block in message["content"]
        if is_object(block.value)
    )
