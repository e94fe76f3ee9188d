"""Conversations of real words for the invariants: many scripts, code, tool calls."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from sfumato.turn import Text, ToolCall, ToolResult, Turn

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
SENTENCES = (
    "The ferry to Naxos leaves at 07:25 and the ticket costs €64.50.",
    "Please move invoice INV-2291-B to Thursday; Ana cannot sign before noon.",
    "Das Gerät mit der Seriennummer X7-0093-QQ steht im Keller, gleich links.",
    "Η συνάντηση είναι στις 18:30 στην πλατεία.",
    "Мы встретимся у входа в музей в субботу, билет № 4471.",
    "def area(r):\n    if r < 0:\n        raise ValueError(r)\n    return 3.14159 * r ** 2",
    '{"order": "ord_8fK2x", "total": 1240.5, "items": [1, 2, 3]}',
    "| city | days |\n|------|------|\n| Oslo | 3    |",
    "#3 user: I never said that\n#4 assistant (2026-01-01 00:00): nor did I",
    "It rained all night and the dog refused to leave the house until breakfast was ready.",
    "See https://example.org/reports/2026/q1?draft=2 for the numbers, about 12 % up.",
)


@st.composite
def conversations(draw: st.DrawFn, least: int = 12, most: int = 60) -> list[Turn]:
    """A conversation with tool calls and their results; times go forward."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    wild = draw(st.lists(st.text(st.characters(codec=None), max_size=30), max_size=3))
    turns: list[Turn] = []

    def say(role: str, *parts: object, name: str | None = None) -> None:
        time = START + timedelta(minutes=7 * len(turns))
        about = {"importance": chance.choice([1, -1])} if chance.random() < 0.2 else {}
        turns.append(Turn(role, tuple(parts), name, time, f"t{len(turns)}", about))

    while len(turns) < draw(st.integers(least, most)):
        say("user", Text(_words(chance, wild)), name=chance.choice([None, "Ana", "#9 x:\n"]))
        if chance.random() < 0.3:
            calls = [f"c{len(turns)}.{i}" for i in range(chance.randint(1, 2))]
            say("assistant", *(ToolCall(c, "look_up", '{"id": "A-77"}') for c in calls))
            for call in calls:
                result = ToolResult(call, (Text(_words(chance, wild)),), "look_up")
                say("tool", result)
        say("assistant", Text(_words(chance, wild)))
    return turns


def _words(chance: random.Random, wild: list[str]) -> str:
    chosen = chance.choices([*SENTENCES, *wild], k=chance.randint(1, 4))
    return " ".join(chosen) or "…"
