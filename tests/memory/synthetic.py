"""Threads made of numbers: turn sizes without text, for testing the plan alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from sfumato.aging import PageBox, TurnAdded

START = datetime(2026, 1, 1, tzinfo=UTC)
LABEL, NOTE, PAGE_TOKENS = 6, 40, 60


@dataclass(frozen=True)
class Numbers:
    """``aging.Sizes`` over a list of turns, answering from arithmetic."""

    turns: Sequence[TurnAdded]
    tokens: Sequence[int]
    densities: Sequence[float] = (1.4, 2.5, 5.0)
    fact_share: int = 0
    gone: frozenset[int] = frozenset()
    max_pages: int = 1_000

    @property
    def tiers(self) -> int:
        return len(self.densities)

    def text(self, mark: int) -> int:
        return self.tokens[mark - 1]

    def labelled(self, mark: int) -> int:
        return self.tokens[mark - 1] + LABEL

    def copy(self, mark: int) -> int:
        return self.tokens[mark - 1] + LABEL

    def skeleton(self, mark: int) -> int:
        return min(20, self.tokens[mark - 1])

    def pages(self, tier: int, marks: Sequence[int]) -> tuple[PageBox, ...]:
        boxes: list[PageBox] = []
        run: list[int] = []
        for mark in marks:
            if run and self._cost(tier, [*run, mark]) > PAGE_TOKENS:
                boxes.append(self._box(tier, run, len(boxes)))
                run = []
            run.append(mark)
        if run:
            boxes.append(self._box(tier, run, len(boxes)))
        return tuple(boxes)

    def _cost(self, tier: int, marks: Sequence[int]) -> int:
        return 4 + int(sum(self.text(m) for m in marks) / self.densities[tier - 1])

    def _box(self, tier: int, marks: Sequence[int], index: int) -> PageBox:
        cost = self._cost(tier, marks)
        return PageBox(marks[0], marks[-1], 32, 32 * cost, cost, index)

    def facts(self, marks: Sequence[int], limit: int) -> int:
        return min(limit, self.fact_share * len(marks))

    def front(self, archived: tuple[int, int] | None, pages: int) -> int:
        return NOTE if archived or pages else 0

    def within(self, pages: int, area_px: int) -> bool:
        return pages <= self.max_pages

    def marks(self, first: int, last: int) -> tuple[int, ...]:
        return tuple(
            t.mark
            for t in self.turns[first - 1 : last]
            if t.mark not in self.gone and t.role != "system"
        )

    def added(self, mark: int) -> TurnAdded:
        return self.turns[mark - 1]


@st.composite
def threads(draw: st.DrawFn, max_exchanges: int = 60) -> tuple[list[TurnAdded], list[int]]:
    """Conversations with tool calls (answered, parallel, orphaned) and system turns."""
    turns: list[TurnAdded] = []
    tokens: list[int] = []
    time = START

    def add(
        role: str, size: int, opens: tuple[str, ...] = (), closes: tuple[str, ...] = ()
    ) -> None:
        nonlocal time
        time += timedelta(seconds=draw(st.integers(1, 4_000)))
        turns.append(TurnAdded(len(turns) + 1, role, time, opens, closes))
        tokens.append(size)

    size = st.integers(3, 60)
    if draw(st.booleans()):
        add("system", draw(size))
    for number in range(draw(st.integers(1, max_exchanges))):
        add("user", draw(size))
        for step in range(draw(st.integers(0, 2))):
            calls = tuple(f"c{number}.{step}.{i}" for i in range(draw(st.integers(1, 3))))
            add("assistant", draw(size), opens=calls)
            answered = calls if draw(st.integers(0, 9)) else calls[1:]
            for call in answered:
                add("tool", draw(st.integers(3, 200)), closes=(call,))
        if draw(st.booleans()):
            add("assistant", draw(size))
    return turns, tokens
