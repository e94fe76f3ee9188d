"""What turns cost on a host: the sizes the plan of aging asks for.

Reads turns from the journal when asked, remembers their sizes, and answers
every question of ``aging.Sizes``. Everything here is a pure function of the
journal's turns; nothing is written. Knows nothing of layouts or caches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta

from sfumato.aging import PageBox, TurnAdded
from sfumato.costs import text_tokens
from sfumato.echoes import echoed_marks
from sfumato.facts import Factsheet, exact_strings, factsheet
from sfumato.hosts import Host
from sfumato.journal import Entry, Journal
from sfumato.plain import FORGOTTEN, copy_of, labelled, skeleton
from sfumato.renderers import Block, Height, Renderer, paginate
from sfumato.renderers.geometry import Priority
from sfumato.tiers import BYTES_PER_PX, Tier
from sfumato.tokens import Counter
from sfumato.turn import Text, ToolResult, Turn

GAP = timedelta(minutes=30)
"""A pause after which a turn's time is drawn with it."""
SHEETS_KEPT = 64
LONGEST_EMPHASIS = 400
"""Tokens up to which a turn that matters is set larger: more is no emphasis, and could
make a view miss its budget."""


class Measures:
    """Sizes of one thread's turns on one host."""

    def __init__(
        self,
        journal: Journal,
        thread: str,
        host: Host,
        count: Counter,
        renderer: Renderer,
        tiers: Sequence[Tier],
    ) -> None:
        self._journal, self._thread = journal, thread
        self._host, self._count = host, count
        self._renderer, self._ladder = renderer, tiers
        self.tiers = len(tiers)
        self._entries: dict[int, Entry] = {}
        self._text: dict[int, int] = {}
        self._heights: dict[tuple[int, int], Height] = {}
        self._facts: dict[int, tuple[str, ...]] = {}
        self._sheets: dict[tuple[tuple[int, ...], int], Factsheet] = {}
        self._counts: dict[str, int] = {}

    # -- turns -------------------------------------------------------------

    def hold(self, entries: Iterable[Entry]) -> None:
        """Take entries already read, so that they are not read again."""
        for entry in entries:
            self._entries[entry.seq] = entry

    def release(self, upto: int) -> None:
        """Forget what is known of the turns up to a mark, which left the view."""
        stale = [mark for mark in self._entries if mark < upto]
        for mark in stale:
            del self._entries[mark]
            self._text.pop(mark, None)
            self._facts.pop(mark, None)
            for tier in range(1, self.tiers + 1):
                self._heights.pop((mark, tier), None)
        self._sheets.clear()

    def entry(self, mark: int) -> Entry:
        """The turn with that mark, as the journal has it."""
        if mark not in self._entries:
            self.hold(self._journal.get(self._thread, [mark]))
        return self._entries[mark]

    def entries(self, first: int, last: int) -> list[Entry]:
        """All turns of a range, in any state."""
        missing = [m for m in range(first, last + 1) if m not in self._entries]
        if missing:
            self.hold(self._journal.entries(self._thread, missing[0], missing[-1], live_only=False))
        return [self._entries[m] for m in range(first, last + 1) if m in self._entries]

    def marks(self, first: int, last: int) -> tuple[int, ...]:
        return tuple(e.seq for e in self.entries(first, last) if ages(e))

    def added(self, mark: int) -> TurnAdded:
        return added(self.entry(mark))

    def shown(self, mark: int) -> Turn:
        """The turn as views show it: a forgotten one keeps its place, not its words."""
        return shown(self.entry(mark))

    # -- sizes -------------------------------------------------------------

    def count(self, text: str) -> int:
        """Tokens of a text of ours, remembered."""
        if text not in self._counts:
            self._counts[text] = self._count(text)
        return self._counts[text]

    def turn_tokens(self, turn: Turn) -> int:
        """Tokens of a turn as a message on this host."""
        return text_tokens(turn, self._host, self._count)

    def text(self, mark: int) -> int:
        if mark not in self._text:
            self._text[mark] = self.turn_tokens(self.shown(mark))
        return self._text[mark]

    def labelled(self, mark: int) -> int:
        return self.count(labelled(mark, self.shown(mark)) + "\n")

    def copy(self, mark: int) -> int:
        return self.count(copy_of(mark, self.shown(mark)) + "\n")

    def skeleton(self, mark: int) -> int:
        return self.turn_tokens(skeleton(mark, self.shown(mark)))

    def pages(self, tier: int, marks: Sequence[int]) -> tuple[PageBox, ...]:
        style = self._ladder[tier - 1].style
        plans = paginate([self._height(mark, tier) for mark in marks], style)
        return tuple(
            PageBox(
                plan.first,
                plan.last,
                plan.width_px,
                plan.height_px,
                self._host.image_tokens(plan.width_px, plan.height_px),
                index,
            )
            for index, plan in enumerate(plans)
        )

    def _height(self, mark: int, tier: int) -> Height:
        key = (mark, tier)
        if key not in self._heights:
            style = self._ladder[tier - 1].style
            self._heights[key] = self._renderer.height(self.block(mark), style)
        return self._heights[key]

    def sheet(self, marks: Sequence[int], limit: int) -> Factsheet:
        """The factsheet over these turns within ``limit`` tokens."""
        key = (tuple(marks), limit)
        if key not in self._sheets:
            if len(self._sheets) >= SHEETS_KEPT:
                self._sheets.clear()
            strings = [(mark, self._strings(mark)) for mark in marks]
            self._sheets[key] = factsheet(strings, limit, self.count)
        return self._sheets[key]

    def facts(self, marks: Sequence[int], limit: int) -> int:
        return self.sheet(marks, limit).tokens

    def _strings(self, mark: int) -> tuple[str, ...]:
        if mark not in self._facts:
            entry = self.entry(mark)
            plain = entry.state == "forgotten" or entry.echo
            self._facts[mark] = () if plain else exact_strings(entry.turn)
        return self._facts[mark]

    def front(self, archived: tuple[int, int] | None, pages: int) -> int:
        if archived is None and not pages:
            return 0
        return self._host.message_overhead + self.count(note(archived))

    def within(self, pages: int, area_px: int) -> bool:
        size = area_px * BYTES_PER_PX
        limit = self._host.max_request_bytes
        return pages <= self._host.max_images and (limit is None or size <= limit)

    # -- what is drawn -----------------------------------------------------

    def block(self, mark: int) -> Block:
        """The turn as the renderer draws it."""
        entry = self.entry(mark)
        turn = entry.turn
        remark = None
        if entry.state == "forgotten":
            remark = "forgotten"
        elif entry.echo:
            marks = echoed_marks(turn)
            remark = "recalled " + (", ".join(f"#{m}" for m in marks) or "nothing")
        parts = () if remark else turn.parts
        gap = self._after_gap(entry)
        priority = _priority(turn)
        if priority > 0 and self.text(mark) > LONGEST_EMPHASIS:
            priority = 0
        return Block(mark, turn.role, turn.name, entry.time, gap, parts, remark, priority)

    def _after_gap(self, entry: Entry) -> bool:
        if entry.seq == 1:
            return True
        before = self.entry(entry.seq - 1).time
        return abs(entry.time - before) > GAP or entry.time.date() != before.date()

    def page_key(self, tier: int, marks: Sequence[int]) -> str:
        """Names what is drawn for these turns at a tier: equal keys, equal pixels."""
        names = [self._renderer.fingerprint, repr(self._ladder[tier - 1].style)]
        for mark in marks:
            block, entry = self.block(mark), self.entry(mark)
            names.append(
                f"{mark} {entry.digest} {entry.time.isoformat()} {block.show_time} {block.note} "
                f"{block.priority}"
            )
        return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _priority(turn: Turn) -> Priority:
    """By the sign of ``metadata["importance"]``, where that is a number."""
    importance = turn.metadata.get("importance", 0)
    if not isinstance(importance, int | float):
        return 0
    return 1 if importance > 0 else -1 if importance < 0 else 0


def added(entry: Entry) -> TurnAdded:
    """A journal entry as a step of the fold."""
    turn = entry.turn
    important = _priority(turn) > 0
    return TurnAdded(entry.seq, turn.role, entry.time, turn.call_ids, turn.result_ids, important)


def ages(entry: Entry) -> bool:
    """Whether the turn takes part in aging: system turns stay text, shelved ones are out."""
    return entry.state != "shelved" and entry.turn.role != "system"


def shown(entry: Entry) -> Turn:
    """The turn as views show it: a forgotten one keeps its place, not its words."""
    turn = entry.turn
    if entry.state != "forgotten":
        return turn
    word = Text(FORGOTTEN)
    results = [
        ToolResult(p.call_id, (word,), p.name) if isinstance(p, ToolResult) else p
        for p in turn.parts
        if not isinstance(p, Text)
    ]
    said = () if turn.result_ids else (word,)
    return Turn(turn.role, (*said, *results), turn.name, turn.time, turn.id)


def note(archived: tuple[int, int] | None) -> str:
    """The archive note: what the front message is, and what is no longer in it."""
    head = (
        "[Memory of this conversation. The pages are images of earlier turns, oldest first; "
        "a turn starts flush left with its mark, such as #12, and its own words are indented. "
        "For exact words of any turn, recall it by mark or by a question."
    )
    if archived is None:
        return head + "]"
    first, last = archived
    return f"{head} Turns #{first}-#{last} are archived: not shown here, but recallable.]"
