"""Following a framework's history: the view is of exactly that, whoever else writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sfumato import ConflictError, Memory, Turn, turn


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory("t", "text-only", f"sqlite:///{tmp_path}/m.db") as made:
        yield made


def told(*texts: str) -> list[Turn]:
    return [turn("assistant" if n % 2 else "user", text, id=text) for n, text in enumerate(texts)]


def shown(memory: Memory, history: list[Turn]) -> list[str]:
    followed = memory.follow(history)
    assert [entry.id for entry in followed.entries] == [each.id for each in history]
    return [each.text for each in followed.view.recent]


def test_the_view_is_of_the_history_told(memory: Memory):
    assert shown(memory, told("a", "b", "c")) == ["a", "b", "c"]
    assert shown(memory, told("a", "b", "c", "d")) == ["a", "b", "c", "d"]
    assert shown(memory, told("a", "x")) == ["a", "x"]
    assert shown(memory, told("a", "b", "c")) == ["a", "b", "c"]


@pytest.mark.parametrize("others", [told("a", "b", "z"), told("z"), []])
def test_what_another_writer_does_in_between_is_not_in_the_view(
    memory: Memory, others: list[Turn], monkeypatch: pytest.MonkeyPatch
):
    """Another run rewrites the thread once before and once after our reconciling."""
    meddled: list[str] = []
    reconcile, view = memory.reconcile, memory.view

    def after_reconciling(turns: list[Turn]):
        made = reconcile(turns)
        if len(meddled) < 2:
            meddled.append("reconcile")
            memory.journal.reconcile("t", others)
        return made

    def before_viewing():
        if len(meddled) == 2:
            meddled.append("view")
            memory.journal.append("t", [turn("user", "meanwhile")])
        return view()

    monkeypatch.setattr(memory, "reconcile", after_reconciling)
    monkeypatch.setattr(memory, "view", before_viewing)
    assert shown(memory, told("a", "b", "c")) == ["a", "b", "c"]
    assert meddled == ["reconcile", "reconcile", "view"]


def test_a_thread_that_another_run_keeps_rewriting_is_an_error_that_says_so(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
):
    view = memory.view

    def meddled():
        memory.journal.append("t", [turn("user", "again")])
        return view()

    monkeypatch.setattr(memory, "view", meddled)
    with pytest.raises(ConflictError, match="own thread"):
        memory.follow(told("a", "b"))


async def test_following_has_an_async_twin(memory: Memory):
    followed = await memory.afollow(told("a", "b"))
    assert [each.text for each in followed.view.recent] == ["a", "b"]
