"""Layouts: bring one up to date, draw what is new, commit, and lay out the view.

The edge between the pure plan and the world: reads turns from the journal,
folds them, draws the pages of new spans into the cache, and commits the new
layout by compare-and-set. Pages are drawn before the commit, so a committed
layout can always be served; a crash leaves the old layout or the new one. A
layout in which nothing is due is neither drawn nor written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sfumato.aging import Event, Layout, PageBox, Policy, Span, Step
from sfumato.cache import Cache
from sfumato.errors import BudgetError, ConflictError, RenderError, StoreError
from sfumato.facts import EXTRACTOR_VERSION
from sfumato.hosts import Host
from sfumato.journal import Entry, Journal, ThreadState
from sfumato.layout_state import read_state, write_state
from sfumato.measures import Measures, added, note
from sfumato.plain import copy_of, labelled, skeleton
from sfumato.plan import Plan, facts_scope
from sfumato.renderers import Renderer
from sfumato.tiers import Tier, tiers_for
from sfumato.tokens import Counter
from sfumato.turn import Turn
from sfumato.turn import now as clock
from sfumato.view import View, ViewPart, mend_pairs

ATTEMPTS = 50
"""Compare-and-set tries before giving up; each loser rereads, so one of many always wins."""
RELEASE_EVERY = 2_000
UNUSED = timedelta(days=90)
"""Layouts of a thread that took no step for so long are dropped; a new view makes them anew."""


def budget_class(budget: int) -> int:
    """The capacity a budget is planned for: its five leading binary digits.

    Budgets that differ by a few per cent share a layout, at most 1/16 below
    what was asked.

    >>> budget_class(8000), budget_class(7937)
    (7936, 7936)
    """
    shift = max(0, budget.bit_length() - 5)
    return budget >> shift << shift


@dataclass(frozen=True)
class Desk:
    """What one host's layouts of a thread are made with."""

    journal: Journal
    cache: Cache
    renderer: Renderer
    host: Host
    count: Counter
    profile: str
    policy: Policy

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same turns would be drawn or listed otherwise."""
        return f"{self.renderer.fingerprint} facts {EXTRACTOR_VERSION}"

    def layout_key(self, capacity: int) -> str:
        """Names the layout: host geometry, type sizes, counter, policy and capacity."""
        sizes = [(name, each.min_px, each.max_px) for name, each in self.host.profiles.items()]
        identity = [
            self.host.name,
            self.host.formula,
            repr(sorted(self.host.params.items())),
            repr(self.host.page_rules),
            repr((self.profile, sorted(sizes)) if self.host.sees else None),
            self.host.max_images,
            self.host.max_image_bytes,
            self.host.max_request_bytes,
            self.host.message_overhead,
            self.count.id,
            repr(self.policy),
            capacity,
        ]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        return f"{self.host.name}-{self.profile}-{capacity}-{digest[:12]}"

    def measures(self, thread: str, tiers: Sequence[Tier]) -> Measures:
        """Fresh measures for a thread."""
        return Measures(self.journal, thread, self.host, self.count, self.renderer, tiers)

    def view(
        self, thread: str, budget: int, *, now: datetime | None = None, dry_run: bool = False
    ) -> View:
        """The view of a thread within ``budget`` tokens.

        Raises NotFoundError for an unknown thread and BudgetError when what
        must stay text does not fit.
        """
        if budget < 1:
            raise BudgetError(f"a budget of {budget} tokens holds nothing: give a positive one")
        capacity = budget_class(budget)
        tiers = tiers_for(self.host, self.profile, capacity, self.policy)
        key = self.layout_key(capacity)
        for _ in range(ATTEMPTS):
            table = _Table(self, thread, key, capacity, tiers)
            if table.advance(now, dry_run=dry_run):
                return table.lay_out(budget, drawn=not dry_run)
        raise ConflictError(
            f"thread {thread!r} changed {ATTEMPTS} times while its view was planned: try again"
        )


class _Table:
    """One attempt at bringing one layout up to date."""

    def __init__(
        self, desk: Desk, thread: str, key: str, capacity: int, tiers: tuple[Tier, ...]
    ) -> None:
        self.desk, self.thread, self.key, self.capacity = desk, thread, key, capacity
        self.tiers = tiers
        self.state: ThreadState = desk.journal.state(thread)
        self.measures = desk.measures(thread, tiers)
        self.plan = Plan(desk.policy, capacity, self.measures)
        self.layout = Layout()

    def advance(self, now: datetime | None, *, dry_run: bool) -> bool:
        """Fold in what is new; False if another process committed meanwhile."""
        desk = self.desk
        row = desk.journal.load_layout(self.thread, self.key)
        before, seen_epoch, fingerprint = read_state(row.state) if row else (Layout(), -1, "")
        version = row.version if row else 0
        self.layout = before
        redrawn = bool(row) and fingerprint != desk.fingerprint
        if row and (seen_epoch != self.state.epoch or redrawn):
            changed: Sequence[int] = desk.journal.changed_since(self.thread, seen_epoch)
            if redrawn:
                changed = range(1, before.seen + 1)
            self.layout = self.plan.mend(before, self._system_marks(before, changed), changed)
        for batch in self._batches(self.layout):
            self.layout = self.plan.fold(self.layout, batch)
            self.measures.release(self.layout.archived[1] - 1 if self.layout.archived else 0)
        self.layout = self.plan.fold(self.layout, (), now)
        if self.layout.steps == before.steps or dry_run:
            return True
        self.layout = self._draw(self.layout)
        moment = now or clock()
        committed = desk.journal.commit_layout(
            self.thread,
            self.key,
            expected_version=version,
            epoch=self.state.epoch,
            last_seq=self.layout.seen,
            state=write_state(self.layout, self.state.epoch, desk.fingerprint),
            now=moment,
        )
        if committed:
            desk.journal.drop_layouts(self.thread, moment - UNUSED)
        return committed

    def _system_marks(self, layout: Layout, changed: Sequence[int]) -> tuple[int, ...]:
        """System turns so far that live, after some turns changed."""
        marks = {*layout.system, *(mark for mark in changed if mark <= layout.seen)}
        entries = self.desk.journal.get(self.thread, sorted(marks))
        return tuple(e.seq for e in entries if e.turn.role == "system" and e.state == "live")

    def _batches(self, layout: Layout) -> Iterator[list[Step]]:
        """Turns and events since the layout, in the order they happened."""
        journal = self.desk.journal
        if layout.tail:
            self.measures.hold(
                journal.entries(self.thread, layout.tail[0], layout.seen, live_only=False)
            )
        events = [
            (event.at_seq, Event(event.n, event.seq, event.kind))
            for event in journal.events(self.thread, after=layout.seen_event)
        ]
        batch: list[Step] = [event for at, event in events if at <= layout.seen]
        waiting = [(at, event) for at, event in events if at > layout.seen]
        for entry in journal.iter_entries(self.thread, layout.seen + 1, live_only=False):
            self.measures.hold([entry])
            while waiting and waiting[0][0] < entry.seq:
                batch.append(waiting.pop(0)[1])
            if self._folds(entry):
                batch.append(added(entry))
            if len(batch) >= RELEASE_EVERY:
                yield batch
                batch = []
        yield batch + [event for _, event in waiting]

    def _folds(self, entry: Entry) -> bool:
        if entry.turn.role == "system":
            return entry.state == "live"
        return entry.state != "shelved"

    # -- drawing -----------------------------------------------------------

    def _draw(self, layout: Layout) -> Layout:
        """Draw the pages of spans and insets that have none yet."""
        spans = tuple(
            span if span.kind == "text" or span.key else self._draw_span(span)
            for span in layout.spans
        )
        insets = tuple(
            inset if inset.key else replace(inset, key=self._drawn(inset.tier, (inset.mark,)))
            for inset in layout.insets
        )
        return replace(layout, spans=spans, insets=insets)

    def _draw_span(self, span: Span) -> Span:
        marks = self.measures.marks(span.first, span.last)
        return replace(span, key=self._drawn(span.tier, marks))

    def _drawn(self, tier: int, marks: Sequence[int]) -> str:
        """Draw these turns into the cache, unless they are there; the key of their pages."""
        key = self.measures.page_key(tier, marks)
        promised = self.measures.pages(tier, marks)
        if all(self.desk.cache.get(f"{key}/{box.index}") is not None for box in promised):
            return key
        blocks = [self.measures.block(mark) for mark in marks]
        pages = self.desk.renderer.draw(blocks, self.tiers[tier - 1].style)
        sizes = [(page.width_px, page.height_px) for page in pages]
        if sizes != [(box.width_px, box.height_px) for box in promised]:
            raise RenderError(
                f"thread {self.thread!r}, turns #{marks[0]}-#{marks[-1]}: drawn pages differ from "
                "the planned ones; nothing was committed"
            )
        for box, page in zip(promised, pages, strict=True):
            self.desk.cache.put(f"{key}/{box.index}", page.png, tag=self.thread)
        return key

    def _png(self, key: str, box: PageBox, tier: int, first: int, last: int) -> bytes:
        """A page from the cache, drawn again from the journal if it is gone."""
        png = self.desk.cache.get(f"{key}/{box.index}")
        if png is not None:
            return png
        marks = self.measures.marks(first, last)
        if self._drawn(tier, marks) != key:
            raise StoreError(
                f"thread {self.thread!r}: turns #{first}-#{last} no longer match their pages: "
                "run 'sfumato verify'"
            )
        blocks = [self.measures.block(mark) for mark in marks]
        return self.desk.renderer.draw(blocks, self.tiers[tier - 1].style)[box.index].png

    # -- the view ----------------------------------------------------------

    def lay_out(self, budget: int, *, drawn: bool) -> View:
        """The layout as a view. BudgetError if it does not fit."""
        layout, measures = self.layout, self.measures
        system = [self._text_part(mark, measures.shown(mark)) for mark in layout.system]
        front = self._front(layout, drawn)
        recent = self._recent(layout)
        parts = (*system, *front, *recent)
        overhead = self.desk.host.message_overhead if front else 0
        tokens = overhead + sum(part.tokens for part in parts)
        if tokens > budget or not self.plan.fits(layout):
            raise self._too_large(tokens, budget)
        text = (
            layout.archived_tokens
            + sum(span.text_tokens for span in layout.spans)
            + layout.tail_tokens
            + layout.system_tokens
        )
        return View(
            thread=self.thread,
            host=self.desk.host,
            layout=self.key,
            budget=budget,
            tokens=tokens,
            overhead_tokens=overhead,
            text_tokens=text,
            turns_in_view=sum(span.turns for span in layout.spans)
            + len(layout.tail)
            + len(layout.system),
            archived=layout.archived,
            parts=parts,
        )

    def _too_large(self, tokens: int, budget: int) -> BudgetError:
        needed = max(tokens, self.plan.total(self.layout))
        return BudgetError(
            f"thread {self.thread!r} needs {needed:,} tokens on {self.desk.host.name} and the "
            f"budget is {budget:,}: system turns, pins and everything since the last user turn "
            f"always stay text. Give a budget of at least {needed + needed // 16:,}, unpin turns, "
            "or shorten the last exchange.",
            needed=needed + needed // 16,
        )

    def _front(self, layout: Layout, drawn: bool) -> list[ViewPart]:
        measures = self.measures
        spans: list[ViewPart] = []
        for span in layout.spans:
            spans += self._span_parts(span, drawn)
        for inset in layout.insets:
            spans += self._page_parts(
                inset.pages, inset.key, inset.tier, (inset.mark, inset.mark), drawn
            )
        copies = [
            ViewPart(
                "copy",
                tokens,
                mark,
                mark,
                text=copy_of(mark, measures.shown(mark)),
                role=measures.shown(mark).role,
            )
            for mark, tokens in self.plan.shown_copies(layout)
        ]
        if not spans and not copies and layout.archived is None:
            return []
        words = note(layout.archived)
        front = [ViewPart("note", measures.count(words), text=words, role="user"), *spans]
        if layout.facts_tokens:
            text = self._facts(layout)
            front.append(ViewPart("facts", layout.facts_tokens, text=text, role="user"))
        return front + copies

    def _facts(self, layout: Layout) -> str:
        """The factsheet's text, from the cache so that no old turn is read for it."""
        scope = [(span.key, span.first, span.gone) for span in layout.spans if span.kind == "page"]
        name = f"{EXTRACTOR_VERSION} {self.key} {scope}".encode()
        key = f"facts/{hashlib.sha256(name).hexdigest()}"
        known = self.desk.cache.get(key)
        if known is not None:
            return known.decode()
        text = self.measures.sheet(*facts_scope(layout, self.plan)).text
        self.desk.cache.put(key, text.encode(), tag=self.thread)
        return text

    def _span_parts(self, span: Span, drawn: bool) -> list[ViewPart]:
        if span.kind == "page":
            return self._page_parts(span.pages, span.key, span.tier, (span.first, span.last), drawn)
        measures = self.measures
        return [
            ViewPart(
                "text",
                measures.labelled(mark),
                mark,
                mark,
                span.tier,
                text=labelled(mark, measures.shown(mark)),
                role=measures.shown(mark).role,
            )
            for mark in measures.marks(span.shown_first, span.last)
        ]

    def _page_parts(
        self,
        pages: Sequence[PageBox],
        key: str,
        tier: int,
        made_from: tuple[int, int],
        drawn: bool,
    ) -> list[ViewPart]:
        return [
            ViewPart(
                "page",
                box.tokens,
                box.first,
                box.last,
                tier,
                self.tiers[tier - 1].type_px,
                png=self._png(key, box, tier, *made_from) if drawn else None,
                width=box.width_px,
                height=box.height_px,
                role="user",
            )
            for box in pages
        ]

    def _recent(self, layout: Layout) -> list[ViewPart]:
        inset = {inset.mark for inset in layout.insets}
        turns: list[Turn] = []
        for mark in layout.tail:
            turn = self.measures.shown(mark)
            turns.append(skeleton(mark, turn) if mark in inset else turn)
        return [
            self._text_part(mark, turn)
            for mark, turn in zip(layout.tail, mend_pairs(turns), strict=True)
        ]

    def _text_part(self, mark: int, turn: Turn) -> ViewPart:
        tokens = self.measures.turn_tokens(turn)
        return ViewPart("text", tokens, mark, mark, 0, text=turn.text, role=turn.role, turn=turn)
