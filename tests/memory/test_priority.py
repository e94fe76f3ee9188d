"""Turns that matter are drawn larger than others, turns that do not are drawn smaller."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from sfumato import Memory, Store
from sfumato.tiers import Tier, tiers_for
from sfumato.turn import Turn, turn

BUDGET = 3_000
SAID = 9 * "The ferry to Naxos leaves at seven and nobody has bought the tickets yet, has she? "


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path}/memory.db", tmp_path / "cache")
    yield opened
    opened.close()


def talk(importance: dict[int, object], turns: int = 60) -> list[Turn]:
    return [
        turn(
            ("user", "assistant")[n % 2],
            f"{SAID}{n}",
            id=f"t{n}",
            metadata={"importance": importance[n]} if n in importance else {},
        )
        for n in range(turns)
    ]


def memory(store: Store, thread: str, importance: dict[int, object], profile: str) -> Memory:
    opened = Memory(thread, "qwen3-vl", store, BUDGET, profile=profile)
    opened.extend(talk(importance))
    return opened


def heights(opened: Memory, mark: int) -> list[int]:
    """The heights of pages that hold one turn alone, tier by tier."""
    measures = opened.desk.measures(opened.thread, tiers(opened))
    return [measures.pages(tier, [mark])[0].height_px for tier in range(1, measures.tiers + 1)]


def tiers(opened: Memory) -> tuple[Tier, ...]:
    desk = opened.desk
    return tiers_for(desk.host, desk.profile, BUDGET, desk.policy)


def test_in_dense_tiers_a_turn_that_matters_keeps_the_size_of_exact_reading(store):
    opened = memory(store, "a", {0: 1, 1: 0.2, 2: -1, 3: "high", 4: True}, "dense")
    legible = Memory("a", "qwen3-vl", store, BUDGET, profile="legible")
    exact = tiers(legible)[0].type_px
    assert {tier.style.of(1).type_px for tier in tiers(opened)} == {exact}
    usual = heights(opened, 6)
    for mark, larger in ((1, True), (2, True), (3, False), (4, False), (5, True)):
        taller = [own > other for own, other in zip(heights(opened, mark), usual, strict=True)]
        assert taller == [larger] * len(usual), mark


def test_in_legible_tiers_a_turn_that_does_not_matter_takes_the_dense_size(store):
    opened = memory(store, "a", {0: -1}, "legible")
    smallest = opened.host.profiles["dense"].min_px
    assert {tier.style.of(-1).type_px for tier in tiers(opened)} == {smallest}
    usual = heights(opened, 2)
    assert all(own < other for own, other in zip(heights(opened, 1), usual, strict=True))


@pytest.mark.parametrize("profile", ["dense", "legible"])
def test_views_of_mixed_sizes_keep_their_promises(store, profile):
    opened = memory(store, "a", {n: (1, -1)[n % 2] for n in range(5, 60, 3)}, profile)
    view = opened.view()
    shown = [range(page.first_turn, page.last_turn + 1) for page in view.pages]
    assert any(mark % 3 == 0 and mark - 1 >= 5 for marks in shown for mark in marks)
    assert view.tokens <= BUDGET
    assert view.pages
    for page in view.pages:
        assert page.png is not None
        assert Image.open(BytesIO(page.png)).size == (page.width, page.height)
    assert opened.verify() == []


def test_a_turn_whose_importance_is_edited_is_drawn_anew(store):
    opened = memory(store, "a", {}, "dense")
    before = opened.view()
    mark = before.pages[0].first_turn
    opened.reconcile(talk({mark - 1: 1}))
    after = opened.view()
    assert after.pages[0].png != before.pages[0].png
    assert opened.verify() == []


def test_a_long_turn_that_matters_still_fits_its_view(store):
    for importance in (0, 1):
        opened = Memory(f"thread {importance}", "qwen3-vl", store, 4_000, profile="dense")
        opened.add("user", 400 * f"{SAID[:80]} ", metadata={"importance": importance})
        opened.add("assistant", "So many.")
        assert opened.view().tokens <= 4_000
        assert opened.verify() == []
