"""Recall: from a question, a mark or a time back to the verbatim turns.

Takes the journal and a query; gives turns exactly as they were added. Also
describes recall as a tool, for models that call functions. Knows nothing of
pages, hosts or budgets: what faded is found as easily as what did not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sfumato.echoes import TOOL_NAME
from sfumato.errors import InputError
from sfumato.journal import Entry, Journal
from sfumato.measures import shown
from sfumato.plain import body, labelled
from sfumato.turn import Turn

TOOL_DESCRIPTION = (
    "Fetch earlier turns of this conversation word for word. Use it whenever the answer may "
    "lie in a turn that is only shown on a page image, is archived, or is not shown, and always "
    "before quoting exact figures, names, ids, code or dates from a page. Ask with a question or "
    "keywords in `query`, or give the turn numbers (the marks, such as 12 for #12) in `marks`."
)
TOOL_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "description": "What to look for: a question or keywords, in any language.",
        },
        "marks": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "Turn numbers to fetch, e.g. [12, 13].",
        },
        "k": {
            "type": "integer",
            "minimum": 1,
            "maximum": 50,
            "default": 5,
            "description": "How many turns to return for a query.",
        },
        "around": {
            "type": "integer",
            "minimum": 0,
            "maximum": 10,
            "default": 1,
            "description": "How many neighbouring turns to return on each side of a hit.",
        },
    },
    "additionalProperties": False,
}
"""JSON schema (2020-12) of the tool's arguments."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A turn that came back.

    ``turn`` is its mark, ``score`` its rank's weight (0 for a neighbour or a
    turn asked for by mark or time), ``content`` the turn exactly as added.
    """

    turn: int
    score: float
    role: str
    time: datetime
    text: str
    content: Turn

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "turn": self.turn,
            "score": round(self.score, 4),
            "role": self.role,
            "time": self.time.isoformat(),
            "text": self.text,
        }


def search(
    journal: Journal,
    thread: str,
    query: str,
    k: int = 5,
    around: int = 0,
    before: int | None = None,
) -> list[Recalled]:
    """The ``k`` turns that answer ``query`` best, best first.

    With ``around``, each is followed by that many neighbours on either side,
    in order, that are not already there. ``before`` leaves out the turns from
    that mark on. Raises InputError for k < 1 or around < 0, NotFoundError for
    an unknown thread.
    """
    if k < 1 or around < 0:
        raise InputError(f"recall needs k >= 1 and around >= 0, not k={k}, around={around}")
    hits = journal.search(thread, query, k, before)
    scores = {hit.seq: hit.score for hit in hits}
    wanted: dict[int, None] = {}
    for mark in scores:
        wanted[mark] = None
        if around:
            near = journal.entries(thread, max(1, mark - around), mark + around)
            wanted.update((entry.seq, None) for entry in near)
    found = {entry.seq: entry for entry in journal.get(thread, wanted)} if wanted else {}
    return [recalled(found[mark], scores.get(mark, 0.0)) for mark in wanted]


def by_marks(
    journal: Journal, thread: str, marks: Sequence[int], around: int = 0
) -> list[Recalled]:
    """The turns with these marks, in order, with ``around`` neighbours on either side.

    Raises NotFoundError naming the first mark that does not exist.
    """
    wanted = {entry.seq: entry for entry in journal.get(thread, marks)}
    for mark in marks if around else ():
        for entry in journal.entries(thread, max(1, mark - around), mark + around):
            wanted.setdefault(entry.seq, entry)
    return [recalled(wanted[mark]) for mark in sorted(wanted)]


def between(
    journal: Journal, thread: str, since: datetime | None, until: datetime | None, limit: int = 50
) -> list[Recalled]:
    """Live turns from ``since`` up to ``until`` (aware times), oldest first."""
    return [recalled(entry) for entry in journal.between(thread, since, until, limit)]


def recalled(entry: Entry, score: float = 0.0) -> Recalled:
    """A journal entry as recall gives it."""
    said = shown(entry)
    return Recalled(entry.seq, score, said.role, entry.time, body(said), said)


def tool_schema(provider: str = "openai") -> dict[str, Any]:
    """The recall tool as an entry of a request's ``tools``.

    ``provider`` is "openai" (chat completions), "openai-responses",
    "anthropic" or "gemini" (a function declaration). Answer the model's call
    with ``Memory.recall_tool(arguments)``. Raises InputError for others.

    >>> tool_schema("anthropic")["name"]
    'recall_memory'
    """
    named: dict[str, Any] = {"name": TOOL_NAME, "description": TOOL_DESCRIPTION}
    parameters = deepcopy(TOOL_PARAMETERS)
    match provider:
        case "openai":
            return {"type": "function", "function": named | {"parameters": parameters}}
        case "openai-responses":
            return {"type": "function", **named, "parameters": parameters}
        case "anthropic":
            return named | {"input_schema": parameters}
        case "gemini":
            return named | {"parameters_json_schema": parameters}
        case _:
            raise InputError(
                f"no tool schema for provider {provider!r}: use openai, openai-responses, "
                "anthropic or gemini"
            )


def tool_answer(found: Sequence[Recalled]) -> str:
    """What the recall tool says to the model: labelled turns, oldest first."""
    if not found:
        return "No turn of this conversation matches. Try other words."
    ordered = sorted(found, key=lambda item: item.turn)
    return "\n".join(labelled(item.turn, item.content) for item in ordered)


def tool_query(arguments: str | dict[str, Any]) -> dict[str, Any]:
    """Checked arguments of a call of the recall tool.

    Raises InputError, worded for the model, when they make no sense.
    """
    try:
        given: Any = json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError as problem:
        raise InputError(f"the arguments are not JSON: {problem}") from problem
    if not isinstance(given, dict):
        raise InputError("the arguments must be a JSON object with query or marks")
    asked = cast("dict[str, Any]", given)
    query, marks = asked.get("query"), cast("list[Any]", asked.get("marks") or [])
    if not query and not marks:
        raise InputError("give a query or marks")
    try:
        return {
            "query": str(query) if query else None,
            "marks": [int(str(mark).lstrip("#")) for mark in marks],
            "k": min(max(int(asked.get("k") or 5), 1), 50),
            "around": min(max(int(asked.get("around", 1) or 0), 0), 10),
        }
    except (TypeError, ValueError) as problem:
        raise InputError(f"marks, k and around must be whole numbers: {problem}") from problem
