"""Checks that a thread's layouts agree with its journal.

For each layout the desk can read: every live turn is in exactly one place, in
order; the plan's sizes are those of the turns as they are; the view keeps its
capacity; and the pages in the cache are byte for byte what drawing gives.
Reads only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from sfumato.aging import Layout
from sfumato.errors import StoreError
from sfumato.hosts import hosts
from sfumato.journal import Problem
from sfumato.layout_state import read_state
from sfumato.layouts import Desk
from sfumato.measures import Measures
from sfumato.plan import Plan
from sfumato.tiers import Tier, tiers_for
from sfumato.tokens import counter


def verify_layouts(desk: Desk, thread: str) -> list[Problem]:
    """Problems of all the thread's layouts; empty when clean.

    Coverage is checked for every layout; sizes and pages for those that this
    desk's policy and counter, or a built-in host's, would make again.
    """
    problems: list[Problem] = []
    for row in desk.journal.layouts(thread):
        name, profile, capacity = row.key.rsplit("-", 3)[:3]
        maker = _desk_for(desk, name, profile)
        try:
            layout, epoch, fingerprint = read_state(row.state)
        except StoreError as problem:
            problems.append(Problem(thread, None, f"layout {row.key}: {problem}"))
            continue
        if epoch != desk.journal.state(thread).epoch or fingerprint != desk.fingerprint:
            continue  # stale: the next view mends it before anything is served
        found: list[tuple[int | None, str]] = []
        try:
            found += _check(maker, thread, row.key, layout, int(capacity))
        except StoreError as problem:
            found.append((None, f"cannot be checked: {problem}"))
        problems += [Problem(thread, mark, f"layout {row.key}: {what}") for mark, what in found]
    return problems


def _desk_for(desk: Desk, name: str, profile: str) -> Desk:
    """The desk that made a layout: this one, or one for another known host."""
    if (name, profile) == (desk.host.name, desk.profile):
        return desk
    known = hosts().get(name)
    if known is None or profile not in known.profiles:
        return desk
    return replace(desk, host=known, profile=profile, count=counter(known.tokenizer))


def _check(
    desk: Desk, thread: str, key: str, layout: Layout, capacity: int
) -> list[tuple[int | None, str]]:
    """What is wrong with one layout. Raises StoreError for turns that are damaged."""
    tiers = tiers_for(desk.host, desk.profile, capacity, desk.policy)
    measures = desk.measures(thread, tiers)
    found = list(check_coverage(layout, measures))
    if key == desk.layout_key(capacity):
        found += _check_sizes(layout, Plan(desk.policy, capacity, measures))
        found += _check_pages(desk, layout, measures, tiers)
    return found


def check_coverage(layout: Layout, measures: Measures) -> Iterator[tuple[int | None, str]]:
    """Every ageing turn up to ``seen`` is archived, in a span or text, exactly once, in order."""
    placed: list[int] = []
    if layout.archived:
        placed += measures.marks(*layout.archived)
    for span in layout.spans:
        shown = measures.marks(span.shown_first, span.last)
        placed += shown
        if span.kind == "page":
            on_pages = {m for box in span.pages for m in shown if box.first <= m <= box.last}
            for mark in sorted(set(shown) - on_pages):
                yield mark, "is in a page span but on none of its pages"
    placed += layout.tail
    expected = list(measures.marks(1, layout.seen))
    if placed != expected:
        twice = {mark for mark, count in Counter(placed).items() if count > 1}
        for mark in sorted(set(expected) - set(placed)):
            yield mark, "is in no part of the layout"
        for mark in sorted((set(placed) - set(expected)) | twice):
            yield mark, "is in the layout where it should not be"
        if set(placed) == set(expected) and not twice:
            yield None, "turns are out of order"


def _check_sizes(layout: Layout, plan: Plan) -> Iterator[tuple[int | None, str]]:
    for span in layout.spans:
        marks = plan.sizes.marks(span.first, span.last)
        if span.kind == "page":
            fresh = plan.sizes.pages(span.tier, marks)[-len(span.pages) :]
            if fresh != span.pages:
                yield span.first, "the span's pages have other sizes than its turns fill"
            if not plan.profits(span.pages, plan.sizes.marks(span.shown_first, span.last)):
                yield span.first, "the span's pages cost no less than its text"
    if not plan.fits(layout):
        yield None, f"the view takes {plan.total(layout)} tokens of {plan.capacity}"


def _check_pages(
    desk: Desk, layout: Layout, measures: Measures, tiers: tuple[Tier, ...]
) -> Iterator[tuple[int | None, str]]:
    for span in layout.spans:
        if span.kind != "page":
            continue
        marks = measures.marks(span.first, span.last)
        if measures.page_key(span.tier, marks) != span.key:
            yield span.first, "the span's key is not that of its turns"
            continue
        cached = {box.index: desk.cache.get(f"{span.key}/{box.index}") for box in span.pages}
        if all(png is None for png in cached.values()):
            continue
        drawn = desk.renderer.draw([measures.block(m) for m in marks], tiers[span.tier - 1].style)
        for index, png in cached.items():
            if png is not None and png != drawn[index].png:
                yield span.first, f"cached page {index} is not what drawing its turns gives"
