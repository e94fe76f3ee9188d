"""Invariants 1 to 5: what a view holds, and what it costs. On the real store and renderer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_rules import violations
from spoken import conversations

from sfumato import BudgetError, Memory, View
from sfumato.layouts import budget_class

# Coverage's tracer would double the time that these many examples take.
pytestmark = pytest.mark.no_cover

HOSTS = ["qwen3-vl", "claude-high-res", "deepseek-ocr"]
hosts = st.sampled_from([*HOSTS, "text-only", "gpt-patch", "gemini-3", "smolvlm"])
budgets = st.integers(700, 2_500)


def marks_of(view: View) -> list[int]:
    """Every mark of the view in order, archive first; copies do not count."""
    ranges = [view.archived] if view.archived else []
    ranges += [
        (part.first_turn, part.last_turn) for part in view.parts if part.kind in ("page", "text")
    ]
    return [mark for first, last in ranges for mark in range(first, last + 1)]


def seen(memory: Memory) -> View | None:
    """The view, or None where the last exchange alone is too large for the budget."""
    try:
        return memory.view()
    except BudgetError:
        return None


@settings(max_examples=40)
@given(conversations(), hosts, budgets)
def test_1_every_live_turn_is_in_the_view_or_the_archive_exactly_once(opened, turns, host, budget):
    with opened(host, budget) as memory:
        memory.extend(turns)
        view = seen(memory)
        if view and not memory.desk.journal.layouts("thread"):
            assert marks_of(view) == list(range(1, len(turns) + 1))
        elif view:
            # A turn drawn at once while in flight stands as skeleton and as page.
            assert list(dict.fromkeys(sorted(marks_of(view)))) == list(range(1, len(turns) + 1))
            assert view.turns_in_view + len(marks_of_archive(view)) == len(turns)
        assert memory.verify() == []


def marks_of_archive(view: View) -> range:
    return range(view.archived[0], view.archived[1] + 1) if view.archived else range(0)


@settings(max_examples=25)
@given(conversations(), hosts, budgets, st.integers(1, 12))
def test_2_no_request_breaks_a_providers_rules(opened, turns, host, budget, step):
    with opened(host, budget) as memory:
        for start in range(0, len(turns), step):
            memory.extend(turns[start : start + step])
            said = turns[: start + step]
            waiting = {c for t in said for c in t.call_ids} - {
                r for t in said for r in t.result_ids
            }
            view = seen(memory)
            if view and not waiting:  # a model is asked only when its calls are answered
                wires = {
                    "openai": view.to_openai(),
                    "openai-responses": view.to_openai_responses(),
                    "anthropic": view.to_anthropic(),
                    "gemini": view.to_gemini(),
                }
                for provider, request in wires.items():
                    assert violations(provider, request) == []


@settings(max_examples=15)
@given(conversations(), hosts, budgets)
def test_3_until_a_step_is_due_earlier_parts_are_byte_identical(opened, turns, host, budget):
    with opened(host, budget) as memory:
        before = None
        for turn in turns:
            memory.extend([turn])
            after = seen(memory)
            if before and after and after.parts[: len(before.parts)] != before.parts:
                grown = before.tokens + after.parts[-1].tokens
                assert grown > budget_class(budget), "parts changed though no step was due"
            before = after


@settings(max_examples=40)
@given(conversations(), hosts, budgets)
def test_4_the_view_keeps_its_budget_by_the_hosts_own_formula(opened, turns, host, budget):
    with opened(host, budget) as memory:
        memory.extend(turns)
        view = seen(memory)
        if view is None:
            return
        count = memory.desk.count
        tokens = view.overhead_tokens
        for part in view.parts:
            if part.kind == "page":
                tokens += view.host.image_tokens(part.width, part.height)
            elif part.turn:
                tokens += memory.desk.measures("thread", ()).turn_tokens(part.turn)
            else:
                tokens += max(part.tokens, count(part.text))
        assert tokens == view.tokens <= budget
        assert len(view.pages) <= view.host.max_images
        limit = view.host.max_request_bytes
        assert limit is None or sum(len(page.png) for page in view.pages) * 4 / 3 < limit
        assert all(max(p.width, p.height) <= view.host.max_edge_px for p in view.pages)


def test_4_a_budget_that_cannot_be_met_says_what_would_do(opened):
    with opened("text-only", 300) as memory:
        memory.add("user", "word " * 2_000)
        with pytest.raises(BudgetError, match=r"needs [\d,]+ tokens") as caught:
            memory.view()
        assert memory.view(budget=caught.value.needed).tokens <= caught.value.needed


@pytest.mark.parametrize("host", [*HOSTS, "text-only", "gemini-3"])
def test_4_ordinary_talk_fits_after_every_turn(opened, host):
    with opened(host, 900) as memory:
        for said in long_talk(160):
            memory.extend([said])
            assert memory.view().tokens <= 900


@settings(max_examples=40)
@given(conversations(), hosts, budgets)
def test_5_no_page_stands_where_its_text_would_cost_no_more(opened, turns, host, budget):
    with opened(host, budget) as memory:
        memory.extend(turns)
        view = seen(memory)
        if view is None:
            return
        measures = memory.desk.measures("thread", ())
        if host == "text-only":
            assert view.pages == ()
        tiers = {part.tier for part in view.pages}
        for tier in tiers:
            pages = [part for part in view.pages if part.tier == tier]
            marks = {m for p in pages for m in range(p.first_turn, p.last_turn + 1)}
            assert sum(p.tokens for p in pages) < sum(measures.text(m) for m in marks)


@pytest.mark.parametrize("host", HOSTS)
def test_a_warm_view_reads_no_old_turn_and_draws_nothing(opened, host):
    with opened(host, 1_500) as memory:
        memory.extend(long_talk(300))
        first = memory.view()
        assert first.pages
        oldest_text = min(p.first_turn for p in first.parts if p.turn)
        journal, renderer = memory.journal, memory.desk.renderer
        asked: list[int] = []
        entries, get, draw = journal.entries, journal.get, renderer.draw

        def watched_entries(thread, first=1, last=None, **options):
            asked.append(first)
            return entries(thread, first, last, **options)

        def watched_get(thread, seqs):
            asked.extend(seqs := list(seqs))
            return get(thread, seqs)

        def no_drawing(*_):
            raise AssertionError("a warm view drew a page")

        journal.entries, journal.get, renderer.draw = watched_entries, watched_get, no_drawing
        try:
            assert memory.view() == first
        finally:
            renderer.draw = draw
        assert min(asked) >= oldest_text


def long_talk(count: int):
    from sfumato import turn

    return [
        turn("user" if n % 2 else "assistant", f"Remark {n} about the plan for station {n % 17}.")
        for n in range(1, count + 1)
    ]
