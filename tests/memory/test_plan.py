"""The plan of aging, on threads made of numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import START, Numbers, threads

from sfumato.aging import Event, Layout, Policy, TurnAdded
from sfumato.plan import Plan

# Coverage's tracer would double the time that these many examples take.
pytestmark = pytest.mark.no_cover

CAPACITIES = st.integers(900, 4_000)


def places(layout: Layout, sizes: Numbers) -> list[int]:
    """Every mark of the layout, in order: archive, spans, tail."""
    archived = sizes.marks(*layout.archived) if layout.archived else ()
    spans = [m for s in layout.spans for m in sizes.marks(s.shown_first, s.last)]
    return [*archived, *spans, *layout.tail]


@given(threads(), CAPACITIES)
def test_every_turn_is_in_exactly_one_place_and_in_order(thread, capacity):
    turns, tokens = thread
    sizes = Numbers(turns, tokens)
    layout = Plan(Policy(), capacity, sizes).fold(Layout(), turns)
    assert places(layout, sizes) == [t.mark for t in turns if t.role != "system"]
    assert layout.system == tuple(t.mark for t in turns if t.role == "system")


@given(threads(), CAPACITIES)
def test_pages_of_a_span_hold_each_of_its_turns_once(thread, capacity):
    turns, tokens = thread
    sizes = Numbers(turns, tokens)
    layout = Plan(Policy(), capacity, sizes).fold(Layout(), turns)
    for span in layout.spans:
        if span.kind == "page":
            shown = [m for box in span.pages for m in sizes.marks(box.first, box.last)]
            assert shown == list(sizes.marks(span.shown_first, span.last))
            assert span.turns == len(shown)


@given(threads(), CAPACITIES)
def test_a_call_and_its_results_are_never_on_two_sides_of_the_boundary(thread, capacity):
    turns, tokens = thread
    sizes = Numbers(turns, tokens)
    plan = Plan(Policy(), capacity, sizes)
    layout = Layout()
    for turn in turns:
        before, layout = layout, plan.fold(layout, [turn])
        if layout.steps == before.steps and turn is not turns[-1]:
            continue
        answered = {c for t in turns[: turn.mark] for c in t.closes}
        tail = set(layout.tail)
        for caller in turns[: turn.mark]:
            partners = [t.mark for t in turns[: turn.mark] if set(t.closes) & set(caller.opens)]
            if set(caller.opens) & answered:
                assert len({mark in tail for mark in (caller.mark, *partners)}) == 1


@given(threads(), CAPACITIES)
def test_nothing_since_the_last_user_turn_ages(thread, capacity):
    turns, tokens = thread
    sizes = Numbers(turns, tokens)
    layout = Plan(Policy(), capacity, sizes).fold(Layout(), turns)
    last_user = max(t.mark for t in turns if t.role == "user")
    assert set(layout.tail) >= {t.mark for t in turns[last_user - 1 :] if t.role != "system"}


@given(threads(), CAPACITIES)
def test_until_a_step_is_due_the_view_only_grows_at_its_end(thread, capacity):
    turns, tokens = thread
    plan = Plan(Policy(), capacity, Numbers(turns, tokens))
    layout = Layout()
    for turn in turns:
        before, layout = layout, plan.fold(layout, [turn])
        if layout.steps == before.steps:
            assert layout.spans == before.spans
            assert layout.archived == before.archived
            assert layout.insets == before.insets
            assert layout.facts_tokens == before.facts_tokens
            assert layout.tail[: len(before.tail)] == before.tail


@given(threads(), CAPACITIES, st.lists(st.integers(0, 200)))
def test_folding_in_any_batches_gives_the_same_layout(thread, capacity, cuts):
    turns, tokens = thread
    plan = Plan(Policy(), capacity, Numbers(turns, tokens, fact_share=2))
    whole = plan.fold(Layout(), turns)
    pieces, start = Layout(), 0
    for cut in sorted(min(cut, len(turns)) for cut in cuts):
        pieces = plan.fold(pieces, turns[start:cut])
        start = cut
    assert plan.fold(pieces, turns[start:]) == whole


@given(threads(), CAPACITIES, st.integers(0, 3))
def test_the_view_keeps_its_capacity_and_running_totals_are_true(thread, capacity, fact_share):
    turns, tokens = thread
    sizes = Numbers(turns, tokens, fact_share=fact_share)
    plan = Plan(Policy(), capacity, sizes)
    layout = Layout()
    for turn in turns:
        layout = plan.fold(layout, [turn])
        assert layout.tail_tokens == sum(sizes.text(m) for m in layout.tail)
        assert layout.system_tokens == sum(sizes.text(m) for m in layout.system)
        known = layout.archived_tokens + sum(s.text_tokens for s in layout.spans)
        known += layout.tail_tokens + layout.system_tokens
        assert known == sum(tokens[: turn.mark])
        last_user = max((t.mark for t in turns[: turn.mark] if t.role == "user"), default=0)
        fixed = sum(sizes.text(m) for m in range(max(last_user, 1), turn.mark + 1))
        if fixed + layout.system_tokens + 100 < capacity / 2:
            assert plan.fits(layout)


@given(threads(), CAPACITIES, st.integers(2, 5))
def test_no_span_is_pages_where_its_text_costs_no_more(thread, capacity, fact_share):
    turns, tokens = thread
    sizes = Numbers(turns, tokens, densities=(0.9, 1.1, 3.0), fact_share=fact_share)
    layout = Plan(Policy(), capacity, sizes).fold(Layout(), turns)
    for span in layout.spans:
        marks = sizes.marks(span.shown_first, span.last)
        text = sum(sizes.text(m) for m in marks)
        assert text == span.text_tokens
        shown = span.pages or sizes.pages(span.tier, marks)
        cost = sum(box.tokens for box in shown) + sizes.facts(marks, text // 10)
        assert (span.kind == "page") == (cost < text) or (span.kind == "text" and span.gone)


@given(threads(), CAPACITIES)
def test_a_host_that_cannot_see_gets_text_and_no_spans(thread, capacity):
    turns, tokens = thread
    layout = Plan(Policy(), capacity, Numbers(turns, tokens, densities=())).fold(Layout(), turns)
    assert layout.spans == ()
    assert layout.insets == ()


@given(threads(), CAPACITIES)
def test_tiers_never_rise_towards_the_present_and_stay_below_fanout(thread, capacity):
    turns, tokens = thread
    policy = Policy()
    layout = Plan(policy, capacity, Numbers(turns, tokens)).fold(Layout(), turns)
    tiers = [span.tier for span in layout.spans]
    assert tiers == sorted(tiers, reverse=True)
    for tier in (1, 2):
        assert tiers.count(tier) < policy.fanout


@given(threads(), CAPACITIES)
def test_the_page_limit_of_a_host_is_kept(thread, capacity):
    turns, tokens = thread
    sizes = Numbers(turns, tokens, max_pages=3)
    layout = Plan(Policy(), capacity, sizes).fold(Layout(), turns)
    pages = sum(len(s.pages) for s in layout.spans) + sum(len(i.pages) for i in layout.insets)
    assert pages <= 3 or not layout.spans


def long_thread(count: int, size: int = 25) -> tuple[list[TurnAdded], list[int]]:
    turns = [
        TurnAdded(n, "user" if n % 2 else "assistant", START + timedelta(minutes=n))
        for n in range(1, count + 1)
    ]
    return turns, [size] * count


def test_a_long_thread_uses_most_of_its_capacity_between_steps():
    turns, tokens = long_thread(600)
    plan = Plan(Policy(), 2_000, Numbers(turns, tokens))
    layout, fills = Layout(), []
    for turn in turns:
        layout = plan.fold(layout, [turn])
        if layout.archived:
            fills.append(plan.total(layout) / plan.capacity)
    assert sum(fills) / len(fills) > 0.85
    assert layout.steps < 600 / 5


def test_an_oversized_result_in_flight_is_drawn_at_once_and_keeps_its_skeleton():
    turns = [
        TurnAdded(1, "user", START),
        TurnAdded(2, "assistant", START, opens=("c",)),
        TurnAdded(3, "tool", START, closes=("c",)),
    ]
    plan = Plan(Policy(), 1_000, Numbers(turns, [10, 10, 2_000]))
    layout = plan.fold(Layout(), turns)
    assert [inset.mark for inset in layout.insets] == [3]
    assert layout.tail == (1, 2, 3)
    assert plan.fits(layout)


def test_a_long_run_of_tools_without_a_user_turn_still_fits():
    turns = [TurnAdded(1, "user", START)]
    for n in range(60):
        turns.append(TurnAdded(2 + 2 * n, "assistant", START, opens=(f"c{n}",)))
        turns.append(TurnAdded(3 + 2 * n, "tool", START, closes=(f"c{n}",)))
    sizes = Numbers(turns, [10] + [5, 150] * 60)
    plan = Plan(Policy(), 4_000, sizes)
    assert plan.fits(plan.fold(Layout(), turns))


def test_pins_are_counted_while_they_are_not_text():
    turns, tokens = long_thread(200)
    sizes = Numbers(turns, tokens)
    plan = Plan(Policy(), 1_000, sizes)
    steps = [*turns[:100], Event(1, 3, "pin"), *turns[100:]]
    layout = plan.fold(Layout(), steps)
    assert plan.shown_copies(layout) == [(3, sizes.copy(3))]
    assert plan.fits(layout)
    assert plan.shown_copies(plan.fold(layout, [Event(2, 3, "unpin")])) == []


def test_refreshed_turns_are_shown_from_the_next_step_and_only_if_asked_for():
    turns, tokens = long_thread(300)
    sizes = Numbers(turns, tokens)
    shown = Plan(Policy(refreshed=0.1), 1_000, sizes)
    layout = shown.fold(Layout(), turns[:150])
    after_recall = shown.fold(layout, [Event(1, 5, "refresh")])
    assert shown.shown_copies(after_recall) == []
    later = shown.fold(after_recall, turns[150:180])
    assert [mark for mark, _ in shown.shown_copies(later)] == [5]
    off = Plan(Policy(), 1_000, sizes)
    same = off.fold(off.fold(layout, [Event(1, 5, "refresh")]), turns[150:180])
    assert off.shown_copies(same) == []


def test_important_turns_stay_verbatim_for_a_while_after_they_fade():
    turns, tokens = long_thread(120)
    turns[9] = replace(turns[9], important=True)
    plan = Plan(Policy(), 1_000, Numbers(turns, tokens))
    layout = plan.fold(Layout(), turns)
    assert [mark for mark, _ in plan.shown_copies(layout)] == [10]


def test_a_faded_turn_that_an_edit_makes_important_is_shown_verbatim_from_then_on():
    turns, tokens = long_thread(120)
    before = Plan(Policy(), 1_000, Numbers(turns, tokens))
    layout = before.fold(Layout(), turns)
    assert before.shown_copies(layout) == []
    edited = [replace(turn, important=turn.mark == 10) for turn in turns]
    after = Plan(Policy(), 1_000, Numbers(edited, tokens))
    mended = after.mend(layout, layout.system, [10, 120])
    assert [mark for mark, _ in after.shown_copies(mended)] == [10]
    assert after.total(mended) <= 1_000


def test_a_copy_that_waits_for_a_step_is_not_lost_when_turns_change():
    turns, tokens = long_thread(120)
    plan = Plan(Policy(), 1_000, Numbers(turns, tokens))
    layout = plan.fold(plan.fold(Layout(), turns), [Event(1, 5, "important")])
    assert plan.shown_copies(layout) == []
    mended = plan.mend(layout, layout.system, [60])
    assert [mark for mark, _ in plan.shown_copies(mended)] == [5]


@settings(max_examples=50)
@given(threads(), st.lists(st.integers(0, 120), max_size=6))
def test_wall_clock_steps_do_not_depend_on_when_views_are_asked_for(thread, looks):
    turns, tokens = thread
    policy = Policy(fade_after=(timedelta(hours=1), timedelta(hours=6), timedelta(days=1)))
    plan = Plan(policy, 50_000, Numbers(turns, tokens))
    end = turns[-1].time + timedelta(hours=2)
    at_once = plan.fold(Layout(), turns, end)
    layout, start = Layout(), 0
    for look in sorted(min(n, len(turns)) for n in looks):
        now = turns[look - 1].time if look else None
        layout = plan.fold(layout, turns[start:look], now)
        start = look
    layout = plan.fold(layout, turns[start:], end)
    strip = [(s.first, s.last, s.tier) for s in at_once.spans]
    assert [(s.first, s.last, s.tier) for s in layout.spans] == strip
    assert layout.archived == at_once.archived


def test_wall_clock_ages_text_before_the_budget_asks_for_it():
    turns, tokens = long_thread(100)
    plan = Plan(Policy(fade_after=(timedelta(minutes=20),)), 50_000, Numbers(turns, tokens))
    layout = plan.fold(Layout(), turns, turns[-1].time)
    oldest = min(layout.tail)
    assert turns[-1].time - turns[oldest - 1].time <= timedelta(minutes=26)


@given(threads(), CAPACITIES, st.data())
def test_mending_plans_anew_only_the_spans_that_held_a_changed_turn(thread, capacity, data):
    turns, tokens = thread
    sizes = Numbers(turns, tokens)
    plan = Plan(Policy(), capacity, sizes)
    layout = plan.fold(Layout(), turns)
    gone = data.draw(st.sampled_from([t.mark for t in turns if t.role != "system"]))
    after = replace(sizes, gone=frozenset([gone]))
    mended = Plan(Policy(), capacity, after).mend(layout, layout.system, [gone])
    assert places(mended, after) == [m for m in places(layout, sizes) if m != gone]
    untouched = [s for s in layout.spans if not s.first <= gone <= s.last]
    if mended.steps == layout.steps + 1:  # else what changed also made a step due
        assert [s for s in mended.spans if s in layout.spans] == untouched


@pytest.mark.parametrize(
    "wrong",
    [{"fanout": 1}, {"tiers": 0}, {"window": 0.9}, {"fade_after": (timedelta(2), timedelta(1))}],
)
def test_a_policy_that_cannot_work_is_refused(wrong):
    with pytest.raises(ValueError):  # noqa: PT011
        Policy(**wrong)
