"""The plan of aging: which turns are text, which are pages, which have left the view.

A pure fold over the turns of a thread: ``Plan.fold(layout, steps)`` takes the
layout so far and what has happened since, and gives the next layout. Folding
turn by turn or all at once gives the same layout, so a new one replays a
thread as if it had been there from turn 1.

Turns fade as in a log-structured merge. While everything fits, nothing moves.
When the view would pass its capacity, the oldest text becomes a span in tier
1; ``fanout`` spans of a tier merge into one of the next, typeset anew at its
density; when the text is down to its window, the oldest pages are archived.
Each step frees ``policy.room`` of the capacity, so that until the next one
the view only grows at its end and every earlier byte stays the same.

Knows nothing of text, pixels, hosts or storage: sizes come from a ``Sizes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sfumato.aging import Inset, Layout, PageBox, Policy, Sizes, Span, Step, TurnAdded


@dataclass(frozen=True, slots=True)
class Plan:
    """The fold's constants: policy, capacity in tokens, sizes."""

    policy: Policy
    capacity: int
    sizes: Sizes
    chunk_tokens: int = field(init=False)
    window_tokens: int = field(init=False)
    room_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        for name, share in (
            ("chunk_tokens", self.policy.chunk),
            ("window_tokens", self.policy.window),
            ("room_tokens", self.policy.room),
        ):
            object.__setattr__(self, name, int(share * self.capacity))

    # -- the fold ---------------------------------------------------------

    def fold(self, layout: Layout, steps: Iterable[Step], now: datetime | None = None) -> Layout:
        """The layout after ``steps``; ``now`` lets wall-clock ages fall due."""
        for step in steps:
            layout = self._take(layout, step)
            layout = self._settle(layout)
        if now is not None and self.policy.fade_after:
            layout = self._fade(layout, now)
        return layout

    def total(self, layout: Layout) -> int:
        """Tokens of the whole view."""
        shown = self.shown_copies(layout)
        return (
            self.sizes.front(
                layout.archived,
                len(layout.spans) + len(layout.insets) + len(shown),
            )
            + sum(span.tokens for span in layout.spans)
            + layout.facts_tokens
            + sum(tokens for _, tokens in shown)
            + layout.tail_tokens
            + sum(inset.tokens - self.sizes.text(inset.mark) for inset in layout.insets)
            + layout.system_tokens
        )

    def fits(self, layout: Layout, room: int = 0) -> bool:
        """Whether the view keeps within capacity and the host's page limits."""
        pages = [page for span in layout.spans for page in span.pages]
        pages += [page for inset in layout.insets for page in inset.pages]
        area = sum(page.width_px * page.height_px for page in pages)
        return self.total(layout) + room <= self.capacity and self.sizes.within(len(pages), area)

    def shown_copies(self, layout: Layout) -> list[tuple[int, int]]:
        if not layout.pins and not layout.copies:
            return []
        tail = set(layout.tail)
        pinned = {mark for mark, _ in layout.pins}
        extra = [copy for copy in layout.copies if copy[0] not in pinned]
        return sorted(copy for copy in (*layout.pins, *extra) if copy[0] not in tail)

    def _take(self, layout: Layout, step: Step) -> Layout:
        if isinstance(step, TurnAdded):
            if self.policy.fade_after:
                layout = self._fade(layout, step.time)
            tokens = self.sizes.text(step.mark)
            if step.role == "system":
                return replace(
                    layout,
                    seen=step.mark,
                    system=(*layout.system, step.mark),
                    system_tokens=layout.system_tokens + tokens,
                )
            return replace(
                layout,
                seen=step.mark,
                tail=(*layout.tail, step.mark),
                tail_tokens=layout.tail_tokens + tokens,
            )
        layout = replace(layout, seen_event=step.number)
        others = tuple(pin for pin in layout.pins if pin[0] != step.mark)
        if step.kind == "pin":
            return replace(layout, pins=(*others, (step.mark, self.sizes.copy(step.mark))))
        if step.kind == "unpin":
            return replace(layout, pins=others)
        if step.kind == "refresh" and not self.policy.refreshed:
            return layout
        waiting = tuple(copy for copy in layout.waiting if copy[0] != step.mark)
        return replace(layout, waiting=(*waiting, (step.mark, self.sizes.copy(step.mark))))

    def _settle(self, layout: Layout) -> Layout:
        """Free room when the view has outgrown its capacity; else change nothing."""
        if self.fits(layout):
            return layout
        layout = self._refresh_copies(replace(layout, steps=layout.steps + 1))
        while not self.fits(layout, self.room_tokens):
            changed = (
                self._draw_oversized(layout)
                or self._age_text(layout, self.window_tokens)
                or self._draw_in_flight(layout, self.capacity // 2)
                or self._archive(layout)
            )
            if changed is None:
                break
            layout = changed
        while not self.fits(layout):
            changed = (
                self._age_text(layout, 0)
                or self._draw_in_flight(layout, 0)
                or self._archive(layout, keep_window=False)
            )
            if changed is None:
                break
            layout = changed
        return self._shrink_insets(layout)

    # -- the moves --------------------------------------------------------

    def _cuts(self, layout: Layout) -> list[int]:
        """Lengths of tail prefixes that may age: pair-safe, before the last user turn."""
        turns = [self.sizes.added(mark) for mark in layout.tail]
        users = [i for i, turn in enumerate(turns) if turn.role == "user"]
        last_user = users[-1] if users else len(turns) - 1
        answered = {call for turn in turns for call in turn.closes}
        open_calls: set[str] = set()
        cuts: list[int] = []
        for index, turn in enumerate(turns[: max(last_user, 0)]):
            open_calls.update(call for call in turn.opens if call in answered)
            open_calls.difference_update(turn.closes)
            if not open_calls:
                cuts.append(index + 1)
        return cuts

    def _age_text(self, layout: Layout, keep_tokens: int) -> Layout | None:
        """Move the oldest chunk of text into tier 1, and merge what that fills."""
        if not self.sizes.tiers:
            return None
        weights = [self.sizes.text(mark) for mark in layout.tail]
        total, taken, chosen = sum(weights), 0, 0
        start = 0
        for cut in self._cuts(layout):
            taken += sum(weights[start:cut])
            start = cut
            if total - taken < keep_tokens:
                break
            chosen = cut
            if taken >= self.chunk_tokens:
                break
        if not chosen:
            return None
        return self._merge(self._move_to_tier_one(layout, chosen))

    def _move_to_tier_one(self, layout: Layout, count: int) -> Layout:
        marks = layout.tail[:count]
        span = self._span(layout.span_end + 1, marks[-1], 1)
        moved = set(marks)
        waiting = layout.waiting + tuple(
            (mark, self.sizes.copy(mark)) for mark in marks if self.sizes.added(mark).important
        )
        layout = replace(
            layout,
            spans=(*layout.spans, span),
            tail=layout.tail[count:],
            tail_tokens=layout.tail_tokens - self._weight(marks),
            insets=tuple(inset for inset in layout.insets if inset.mark not in moved),
            waiting=waiting,
        )
        return self._with_facts(self._refresh_copies(layout))

    def _span(self, first: int, last: int, tier: int, gone: int = 0) -> Span:
        """A span over a range, as pages if that profits, else as text."""
        marks = [m for m in self.sizes.marks(first, last) if m > gone]
        text = self._weight(marks)
        pages = self.sizes.pages(tier, marks) if marks else ()
        cost = sum(page.tokens for page in pages)
        # What is left after archiving is planned as a span of its own.
        start = max(first, gone + 1)
        if self.profits(pages, marks):
            return Span(start, last, tier, "page", cost, text, len(marks), pages)
        labelled = sum(self.sizes.labelled(mark) for mark in marks)
        return Span(start, last, tier, "text", labelled, text, len(marks))

    def profits(self, pages: Sequence[PageBox], marks: Sequence[int]) -> bool:
        """Whether these pages and their share of the factsheet cost less than the text."""
        text = self._weight(marks)
        cost = sum(page.tokens for page in pages)
        return cost + self.sizes.facts(marks, text // 10) < text

    def _merge(self, layout: Layout) -> Layout:
        """Merge every tier that holds ``fanout`` spans into the next."""
        spans = list(layout.spans)
        for tier in range(1, self.sizes.tiers):
            full = [i for i, span in enumerate(spans) if span.tier == tier]
            if len(full) < self.policy.fanout:
                continue
            first, last = spans[full[0]], spans[full[-1]]
            spans[full[0] : full[-1] + 1] = [
                self._span(first.first, last.last, tier + 1, first.gone)
            ]
        return self._with_facts(replace(layout, spans=tuple(spans)))

    def _archive(self, layout: Layout, *, keep_window: bool = True) -> Layout | None:
        """Let the oldest page, or the oldest exchange of text, leave the view."""
        if layout.spans:
            return self._archive_from_span(layout)
        if self.sizes.tiers and keep_window:
            return None
        cuts = self._cuts(layout)
        if not cuts:
            return None
        # All that must go leaves at once: with no pages, exchanges are the only steps.
        excess = self.total(layout) + self.room_tokens - self.capacity
        count = next((cut for cut in cuts if self._weight(layout.tail[:cut]) >= excess), cuts[-1])
        marks = layout.tail[:count]
        layout = replace(
            layout,
            tail=layout.tail[count:],
            tail_tokens=layout.tail_tokens - self._weight(marks),
            insets=tuple(i for i in layout.insets if i.mark not in marks),
        )
        return self._archived(layout, marks)

    def _weight(self, marks: Sequence[int]) -> int:
        return sum(self.sizes.text(mark) for mark in marks)

    def _archive_from_span(self, layout: Layout) -> Layout:
        span, rest = layout.spans[0], layout.spans[1:]
        marks = self.sizes.marks(span.shown_first, span.last)
        if span.kind == "page":
            leaving, staying = _split_pages(span.pages)
            if staying and not self.profits(staying, [m for m in marks if m >= staying[0].first]):
                leaving, staying = span.pages, ()  # what would be left is not worth its pages
            gone_marks = tuple(m for m in marks if not staying or m < staying[0].first)
            cost = sum(page.tokens for page in leaving)
        else:
            count = self._exchange_length(marks)
            gone_marks, staying = marks[:count], ()
            cost = sum(self.sizes.labelled(mark) for mark in gone_marks)
        if len(gone_marks) == len(marks):
            layout = replace(layout, spans=rest)
        else:
            text = self._weight(gone_marks)
            kept = replace(
                span,
                pages=staying,
                gone=gone_marks[-1],
                tokens=span.tokens - cost,
                text_tokens=span.text_tokens - text,
                turns=span.turns - len(gone_marks),
            )
            layout = replace(layout, spans=(kept, *rest))
        return self._with_facts(self._archived(layout, gone_marks))

    def _exchange_length(self, marks: Sequence[int]) -> int:
        """How many of these turns must leave together: a call and its results."""
        open_calls: set[str] = set()
        turns = [self.sizes.added(mark) for mark in marks]
        answered = {call for turn in turns for call in turn.closes}
        for index, turn in enumerate(turns):
            open_calls.update(call for call in turn.opens if call in answered)
            open_calls.difference_update(turn.closes)
            if not open_calls:
                return index + 1
        return len(marks)

    def _archived(self, layout: Layout, marks: Sequence[int]) -> Layout:
        if not marks:
            return layout
        first = layout.archived[0] if layout.archived else marks[0]
        return replace(
            layout,
            archived=(first, marks[-1]),
            archived_turns=layout.archived_turns + len(marks),
            archived_tokens=layout.archived_tokens + self._weight(marks),
        )

    def _draw_oversized(self, layout: Layout) -> Layout | None:
        """Draw at once the content of a turn in flight that fills too much of the view."""
        limit = self.policy.oversized * self.capacity
        large = [m for m in self._in_flight(layout) if self.sizes.text(m) > limit]
        return self._draw_first(layout, large)

    def _draw_in_flight(self, layout: Layout, allowance: int) -> Layout | None:
        """Draw the oldest turn in flight when a long run of tools fills the view."""
        marks = self._in_flight(layout)
        drawn = {inset.mark for inset in layout.insets}
        if sum(self.sizes.text(m) for m in marks if m not in drawn) <= allowance:
            return None
        return self._draw_first(layout, marks[:-1])

    def _in_flight(self, layout: Layout) -> tuple[int, ...]:
        cuts = self._cuts(layout)
        return layout.tail[cuts[-1] if cuts else 0 :]

    def _draw_first(self, layout: Layout, marks: Sequence[int]) -> Layout | None:
        """Draw the first of these turns that is not drawn yet and profits."""
        if not self.sizes.tiers:
            return None
        drawn = {inset.mark for inset in layout.insets}
        for mark in marks:
            if mark in drawn:
                continue
            inset = self._inset(mark, 1)
            if inset.tokens < self.sizes.text(mark):
                return replace(layout, insets=(*layout.insets, inset))
        return None

    def _inset(self, mark: int, tier: int) -> Inset:
        return Inset(mark, tier, self.sizes.skeleton(mark), self.sizes.pages(tier, (mark,)))

    def _shrink_insets(self, layout: Layout) -> Layout:
        """Redraw insets denser, tier by tier, while the view does not fit."""
        for tier in range(2, self.sizes.tiers + 1):
            if self.fits(layout):
                break
            insets = tuple(self._inset(inset.mark, tier) for inset in layout.insets)
            layout = replace(layout, insets=insets)
        return layout

    # -- what rides beside the pages --------------------------------------

    def _with_facts(self, layout: Layout) -> Layout:
        return replace(layout, facts_tokens=self.sizes.facts(*facts_scope(layout, self)))

    def _refresh_copies(self, layout: Layout) -> Layout:
        """Take waiting copies in, least recently asked for out, within their share."""
        if not layout.waiting:
            return layout
        limit = int((self.policy.refreshed + self.policy.important) * self.capacity)
        fresh = {mark for mark, _ in layout.waiting}
        queue = [copy for copy in layout.copies if copy[0] not in fresh] + list(layout.waiting)
        kept: list[tuple[int, int]] = []
        used = 0
        for mark, tokens in reversed(queue):
            if used + tokens <= limit:
                kept.insert(0, (mark, tokens))
                used += tokens
        return replace(layout, copies=tuple(kept), waiting=())

    # -- wall-clock --------------------------------------------------------

    def _fade(self, layout: Layout, now: datetime) -> Layout:
        """Bring forward what has reached its age, one bucket of time at a time."""
        changed = True
        while changed:
            layout, changed = self._fade_once(layout, now)
        return layout

    def _fade_once(self, layout: Layout, now: datetime) -> tuple[Layout, bool]:
        ages = self.policy.fade_after
        if self.sizes.tiers:
            count = self._due(layout, ages[0], now)
            if count:
                return replace(self._move_to_tier_one(layout, count), steps=layout.steps + 1), True
        if layout.spans and _bucket_over(self._time(layout.spans[0].last), ages[-1], now):
            return self._archive_from_span(replace(layout, steps=layout.steps + 1)), True
        for tier, age in enumerate(ages[1 : self.sizes.tiers], start=1):
            over = [
                (i, _bucket(self._time(span.last), age))
                for i, span in enumerate(layout.spans)
                if span.tier == tier and _bucket_over(self._time(span.last), age, now)
            ]
            if not over:
                continue
            due = [i for i, bucket in over if bucket == over[0][1]]
            layout = replace(layout, steps=layout.steps + 1)
            first, last = layout.spans[due[0]], layout.spans[due[-1]]
            merged = self._span(first.first, last.last, tier + 1, first.gone)
            spans = (*layout.spans[: due[0]], merged, *layout.spans[due[-1] + 1 :])
            return self._with_facts(replace(layout, spans=spans)), True
        return layout, False

    def _due(self, layout: Layout, age: timedelta, now: datetime) -> int:
        """Tail turns of the oldest bucket of time, if that bucket has passed its age."""
        if not layout.tail or not _bucket_over(self._time(layout.tail[0]), age, now):
            return 0
        oldest = _bucket(self._time(layout.tail[0]), age)
        cuts = self._cuts(layout)
        same = [c for c in cuts if _bucket(self._time(layout.tail[c - 1]), age) == oldest]
        if same:
            return same[-1]
        over = [c for c in cuts if _bucket_over(self._time(layout.tail[c - 1]), age, now)]
        return over[0] if over else 0

    def _time(self, mark: int) -> datetime:
        return self.sizes.added(mark).time

    # -- after turns changed -----------------------------------------------

    def mend(self, layout: Layout, system: Sequence[int], changed: Sequence[int]) -> Layout:
        """The layout after turns it holds were edited, shelved, restored or forgotten.

        Only the spans that hold a changed turn are planned anew, at their
        tier; boundaries stay where they are.
        """
        altered = set(changed)
        spans: list[Span] = []
        for span in layout.spans:
            if altered.isdisjoint(range(span.first, span.last + 1)):
                spans.append(span)
            elif any(mark > span.gone for mark in self.sizes.marks(span.first, span.last)):
                spans.append(self._span(span.first, span.last, span.tier, span.gone))
        start = layout.spans[-1].last + 1 if layout.spans else (layout.archived or (0, 0))[1] + 1
        tail = self.sizes.marks(start, layout.seen) if layout.seen >= start else ()
        living = set(tail)
        kept_system = tuple(mark for mark in system if mark <= layout.seen)
        archived_marks = (
            self.sizes.marks(layout.archived[0], layout.archived[1]) if layout.archived else ()
        )
        alive = {
            mark
            for mark, _ in (*layout.pins, *layout.copies, *layout.waiting)
            if mark not in altered or self.sizes.marks(mark, mark)
        }
        matter = [
            mark
            for mark in sorted(altered)
            if mark < start and self.sizes.marks(mark, mark) and self.sizes.added(mark).important
        ]
        wanted = dict.fromkeys([*(m for m, _ in layout.waiting if m in alive), *matter])
        layout = replace(
            layout,
            spans=tuple(spans),
            tail=tail,
            tail_tokens=self._weight(tail),
            system=kept_system,
            system_tokens=self._weight(kept_system),
            insets=tuple(
                self._inset(inset.mark, inset.tier) if inset.mark in altered else inset
                for inset in layout.insets
                if inset.mark in living
            ),
            archived=(archived_marks[0], archived_marks[-1]) if archived_marks else None,
            archived_turns=len(archived_marks),
            archived_tokens=self._weight(archived_marks),
            pins=tuple((m, self.sizes.copy(m)) for m, _ in layout.pins if m in alive),
            copies=tuple((m, self.sizes.copy(m)) for m, _ in layout.copies if m in alive),
            waiting=tuple((m, self.sizes.copy(m)) for m in wanted),
            steps=layout.steps + 1,
        )
        return self._settle(self._with_facts(self._refresh_copies(layout)))


def facts_scope(layout: Layout, plan: Plan) -> tuple[tuple[int, ...], int]:
    """The marks whose exact strings ride beside the pages, and the token limit.

    The limit is the smaller of a tenth of the paged text's tokens and 15 % of
    the capacity.
    """
    paged = [span for span in layout.spans if span.kind == "page"]
    marks = tuple(mark for span in paged for mark in plan.sizes.marks(span.shown_first, span.last))
    text = sum(span.text_tokens for span in paged)
    return marks, min(text // 10, int(0.15 * plan.capacity))


def _split_pages(pages: tuple[PageBox, ...]) -> tuple[tuple[PageBox, ...], tuple[PageBox, ...]]:
    """The first page, with those that share a turn with it, and the rest."""
    count = 1
    while count < len(pages) and pages[count].first <= pages[count - 1].last:
        count += 1
    return pages[:count], pages[count:]


def _bucket(time: datetime, age: timedelta) -> int:
    return int(time.timestamp() // max(age.total_seconds() / 4, 1e-6))


def _bucket_over(time: datetime, age: timedelta, now: datetime) -> bool:
    """Whether the whole bucket ``time`` falls into has reached ``age``."""
    width = max(age.total_seconds() / 4, 1e-6)
    return (_bucket(time, age) + 1) * width + age.total_seconds() <= now.timestamp()
