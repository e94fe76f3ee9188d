"""What the renderer's tests share: one renderer, and blocks from text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from sfumato.renderers import Block, PageRules, Renderer, Style, fit_style
from sfumato.renderers.geometry import Priority
from sfumato.turn import Part, Text


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture(scope="session")
def style() -> Style:
    return fit_style(PageRules(28, 1568, 1568), 9, page_px2=500 * 784, thumbnail_px=60)


@pytest.fixture(scope="session")
def block() -> Callable[..., Block]:
    def make(
        *parts: str | Part,
        mark: int = 1,
        role: str = "user",
        name: str | None = None,
        priority: Priority = 0,
        **more: object,
    ) -> Block:
        time = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
        whole = tuple(Text(part) if isinstance(part, str) else part for part in parts)
        note = more.get("note")
        return Block(
            mark,
            role,
            name,
            time,
            bool(more.get("show_time")),
            whole,
            note if isinstance(note, str) else None,
            priority,
        )

    return make
