"""OpenAI and Anthropic message files as drafts.

Takes records that are either messages (``{"role": …}``, together one
conversation) or conversations (``{"messages": […]}`` or a bare list of
messages), gives drafts. The messages themselves are translated by the
adapters; this module adds ids, times and places.

Knows nothing about what is inside a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from sfumato.errors import TurnError
from sfumato.import_draft import Draft, Placed
from sfumato.import_source import TIME_FIELDS, Node, first_time, is_list
from sfumato.turn import Turn

Translate: TypeAlias = Callable[[Sequence[dict[str, Any]]], list[Turn]]

_NAME_FIELDS = ("thread", "name", "title")
_OWN_FIELDS = {"id", *TIME_FIELDS}


def read_openai(records: Sequence[Node]) -> list[Draft]:
    """Chat Completions messages: fine-tuning files, message logs, request bodies."""
    return _read(records, _translator("openai"))


def read_anthropic(records: Sequence[Node]) -> list[Draft]:
    """Messages API requests; a ``system`` prompt becomes the first turn."""
    return _read(records, _translator("anthropic"))


def _translator(format: Literal["openai", "anthropic"]) -> Translate:
    # Imported late: adapters stand above the core and import it.
    if format == "openai":
        from sfumato.adapters.openai import turns_from_openai

        return turns_from_openai
    from sfumato.adapters.anthropic import turns_from_anthropic

    return turns_from_anthropic


def _read(records: Sequence[Node], translate: Translate) -> list[Draft]:
    if "role" in records[0]:
        return [Draft([placed for record in records for placed in _turns(record, translate)])]
    return [_conversation(record, translate) for record in records]


def _conversation(record: Node, translate: Translate) -> Draft:
    if is_list(record.value):
        return Draft([placed for message in record for placed in _turns(message, translate)])
    if "messages" not in record:
        record.misfit('expected an object with "messages"')
    draft = Draft(
        name=next((n for f in _NAME_FIELDS if (n := record[f].string_or_none)), None),
        id=record["id"].identifier,
        started=first_time(record),
    )
    system = record["system"]
    if system.value is not None:
        message = Node({"role": "system", "content": system.value}, system.path, system.line)
        draft.turns += _turns(message, translate)
    for message in record["messages"]:
        draft.turns += _turns(message, translate)
    return draft


def _turns(message: Node, translate: Translate) -> list[Placed]:
    """One message's turns: several where a message both answers tools and speaks."""
    time = first_time(message)
    id = message["id"].identifier
    try:
        turns = translate([{k: v for k, v in message.fields.items() if k not in _OWN_FIELDS}])
    except TurnError as problem:
        message.misfit(str(problem))
    return [
        Placed(replace(turn, time=time, id=_numbered(id, place)), message)
        for place, turn in enumerate(turns, 1)
    ]


def _numbered(id: str | None, place: int) -> str | None:
    return id if id is None or place == 1 else f"{id}.{place}"
