"""OpenAI and Anthropic message files as drafts.

Takes records that are either messages (``{"role": …}``, together one
conversation) or conversations (``{"messages": […]}`` or a bare list of
messages), gives drafts. The messages themselves are translated by the
adapters, one turn each; this module adds ids, times and places.

Knows nothing about what is inside a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from sfumato.errors import TurnError
from sfumato.import_draft import Draft, Placed
from sfumato.import_source import TIME_FIELDS, Misfit, Node, first_time, is_list
from sfumato.turn import Turn

Translate: TypeAlias = Callable[[Sequence[dict[str, Any]]], list[Turn]]

_NAME_FIELDS = ("thread", "name", "title")
_OWN_FIELDS = {"id", *TIME_FIELDS}

# How the adapters name a place: `messages[3].content: expected a list, found int`.
_COMPLAINT = re.compile(r"messages\[(?P<index>\d+)\](?P<path>[^:]*): (?P<reason>.*)", re.DOTALL)


def read_openai(records: Sequence[Node]) -> list[Draft]:
    """Chat Completions messages: fine-tuning files, message logs, request bodies."""
    # Imported late: adapters stand above the core and import it.
    from sfumato.adapters.openai import turns_from_openai

    return _read(records, turns_from_openai)


def read_anthropic(records: Sequence[Node]) -> list[Draft]:
    """Messages API requests; a ``system`` prompt becomes the first turn."""
    from sfumato.adapters.anthropic import turns_from_anthropic

    drafts = _read(records, turns_from_anthropic)
    for record, draft in zip(records, drafts, strict=False):
        system = record["system"] if not is_list(record.value) else Node(None)
        if system.value is None:
            continue
        try:
            turns = turns_from_anthropic({"system": system.value, "messages": []})
        except TurnError as problem:
            raise Misfit(Node(None, line=record.line), str(problem)) from problem
        draft.turns[:0] = [Placed(turn, system) for turn in turns]
    return drafts


def _read(records: Sequence[Node], translate: Translate) -> list[Draft]:
    if "role" in records[0]:
        return [Draft(_placed(records, translate))]
    return [_conversation(record, translate) for record in records]


def _conversation(record: Node, translate: Translate) -> Draft:
    if is_list(record.value):
        return Draft(_placed(list(record), translate))
    if "messages" not in record:
        record.misfit('expected an object with "messages"')
    return Draft(
        _placed(list(record["messages"]), translate),
        name=next((n for f in _NAME_FIELDS if (n := record[f].string_or_none)), None),
        id=record["id"].identifier,
        started=first_time(record),
    )


def _placed(messages: Sequence[Node], translate: Translate) -> list[Placed]:
    given = [{k: v for k, v in m.fields.items() if k not in _OWN_FIELDS} for m in messages]
    try:
        turns = translate(given)
    except TurnError as problem:
        raise _located(problem, messages) from problem
    return [
        Placed(replace(turn, time=first_time(message), id=message["id"].identifier), message)
        for turn, message in zip(turns, messages, strict=True)
    ]


def _located(problem: TurnError, messages: Sequence[Node]) -> Misfit:
    """The adapter's complaint with the message's place in the file."""
    found = _COMPLAINT.fullmatch(str(problem))
    if found is None:
        return Misfit(Node(None), str(problem))
    message = messages[int(found["index"])]
    path = (message.path + found["path"]).removeprefix(".")
    return Misfit(Node(None, path, message.line), found["reason"])
