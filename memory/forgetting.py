"""What forgetting a turn takes with it, and what stays in its place.

A tombstone keeps the role and the ids of tool calls and results, so that calls
and results still pair; every word is gone. What goes along is decided by pure
functions on turns; ``forgotten_with`` asks them about the turns in the store.
Knows nothing of erasing bytes: that is ``database``'s work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from sfumato import entries as rows
from sfumato.turn import Part, Text, ToolCall, ToolResult, Turn

# Shorter texts ("yes", "thanks") are said by others too: quoting them means nothing.
_SHORTEST_QUOTE = 16


def forgotten_with(connection: Connection, thread: Row[Any], seq: int) -> set[int]:
    """Marks of all turns that are forgotten when ``seq`` is, itself included.

    They are the other turns of its tool calls, shelved versions of all these
    (same id or same content), and echoes that quote one of them.
    """
    group: set[int] = set()
    fresh = rows.numbered(connection, thread, [seq])
    shelved = rows.shelved(connection, thread)
    while fresh:
        related = [(each.seq, each.turn) for each in rows.sharing_calls(connection, thread, fresh)]
        for each in fresh:
            group.update(partners(each.seq, related))
        members = rows.numbered(connection, thread, group)
        ids, digests = {each.id for each in members}, {each.digest for each in members}
        fresh = [
            each
            for each in shelved
            if each.seq not in group and (each.id in ids or each.digest in digests)
        ]
    sources = [each.turn for each in rows.numbered(connection, thread, group)]
    echoes = rows.echoes(connection, thread)
    return group | {each.seq for each in echoes if quotes(each.turn, sources)}


def tombstone(turn: Turn) -> Turn:
    """What is left of a forgotten turn: role, id, time and the ids of its pairs."""
    return Turn(turn.role, tuple(_pairing(turn.parts)), time=turn.time, id=turn.id)


def partners(seq: int, neighbours: Sequence[tuple[int, Turn]]) -> list[int]:
    """Marks of the turns that call or answer the turn ``seq``, it included.

    ``neighbours`` are all turns, by mark, that share a tool call id with one
    another. Where ids are used again, a result belongs to the last call before
    it. Partners of partners count too: several results of one turn of calls
    are one exchange.
    """
    exchanges: dict[int, set[int]] = {}
    caller: dict[str, int] = {}
    for mark, turn in sorted(neighbours, key=lambda pair: pair[0]):
        mine = exchanges.setdefault(mark, {mark})
        for call_id in turn.result_ids:
            if call_id in caller and exchanges[caller[call_id]] is not mine:
                joined = exchanges[caller[call_id]] | mine
                for member in joined:
                    exchanges[member] = joined
                mine = joined
        caller |= dict.fromkeys(turn.call_ids, mark)
    return sorted(exchanges.get(seq, {seq}))


def quotes(turn: Turn, forgotten: Iterable[Turn]) -> bool:
    """Whether a turn repeats a text of the forgotten ones, plainly or inside JSON."""
    body = "\n".join(_words(turn.parts))
    for source in forgotten:
        for text in _words(source.parts):
            if len(text) >= _SHORTEST_QUOTE and any(form in body for form in _forms(text)):
                return True
    return False


def _forms(text: str) -> tuple[str, ...]:
    return text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]


def _pairing(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, ToolCall):
            # Providers refuse a call without a name.
            yield ToolCall(part.id, "forgotten")
        elif isinstance(part, ToolResult):
            yield ToolResult(part.call_id)


def _words(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case Text():
                yield part.text.strip()
            case ToolCall():
                yield part.arguments.strip()
            case ToolResult():
                yield from _words(part.content)
            case _:
                pass
