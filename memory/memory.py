"""Memory: one thread as one host reads it. The front door of the package.

Adds turns to the journal, lays out views within a budget, and recalls what
faded. Every method has an async twin (``aadd``, ``aview``, …) that runs in a
worker thread, so an event loop is never blocked by storage or drawing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sfumato import recall as recalling
from sfumato.aging import Policy
from sfumato.costs import text_tokens
from sfumato.echoes import echo_test
from sfumato.errors import NotFoundError, PinError
from sfumato.following import Followed, follow
from sfumato.hosts import Host
from sfumato.hosts import host as find_host
from sfumato.journal import Entry, Journal, Problem, Reconciled
from sfumato.layouts import Desk, budget_class
from sfumato.measures import ages, shown
from sfumato.plain import copy_of
from sfumato.recall import Recalled
from sfumato.renderers import Renderer
from sfumato.store import DEFAULT_URL, Store
from sfumato.tokens import Counter, counter
from sfumato.turn import Part, Turn, check, turn
from sfumato.turn import now as clock
from sfumato.verify_layouts import verify_layouts
from sfumato.view import View

CALLERS = 32
"""How many turns back the call is looked for that a nameless tool result answers."""


class Memory:
    """A conversation that fades instead of forgetting.

    ``thread`` names the conversation, ``host`` the model that reads it (a name
    from ``sfumato hosts`` or a Host), ``budget`` the tokens a view may take on
    that host. ``profile`` is "legible" (type as large as the evidence of exact
    reading asks for) or "dense" (type as small as the gist survives).

    ``store`` is a database URL or a Store shared with other memories.
    ``count`` replaces the host's token counter.

    Raises HostError for an unknown host, StoreError for a bad store.

        memory = Memory("alice", host="claude-high-res", budget=8_000)
        memory.add("user", "My flight is LH1174 on the 7th.")
        messages = memory.view().to_openai()
        memory.recall("which flight?", k=3)
    """

    def __init__(
        self,
        thread: str,
        host: str | Host = "claude-high-res",
        store: str | Store = DEFAULT_URL,
        budget: int = 8_000,
        *,
        profile: str = "legible",
        policy: Policy | None = None,
        count: Counter | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        self.thread = thread
        self.host = find_host(host)
        self.budget = budget
        self._owns_store = isinstance(store, str)
        self.store = Store(store, cache_dir) if isinstance(store, str) else store
        self.desk = Desk(
            self.store.journal,
            self.store.cache,
            shared_renderer(),
            self.host,
            count or counter(self.host.tokenizer),
            profile,
            policy or Policy(),
        )

    @property
    def journal(self) -> Journal:
        """The journal all turns are kept in."""
        return self.store.journal

    # -- writing -----------------------------------------------------------

    def add(self, role: str, content: str | Sequence[Part], **fields: Any) -> Entry:
        """Add one turn; it is durable when this returns.

        ``fields`` are those of Turn: name, time, id, metadata, extra;
        ``metadata={"importance": 1}`` keeps a turn of up to 400 tokens in larger type
        when it fades, -1 one of any length in smaller. Raises
        TurnError for a turn that cannot be stored, ConflictError for an id
        that is taken by another turn; nothing is stored then.
        """
        return self.extend([turn(role, content, **fields)])[0]

    def extend(self, turns: Iterable[Turn]) -> list[Entry]:
        """Add several turns, all or none. A turn whose id is there already is not added twice."""
        given = list(turns)
        for value in given:
            check(value)
        return self.journal.append(self.thread, given, is_echo=self._echo_test(given))

    def reconcile(self, turns: Iterable[Turn]) -> Reconciled:
        """Make the thread's live turns equal ``turns``, the whole history as a framework sees it.

        New turns are appended, edited ones replaced in place, missing ones
        shelved (kept, but out of the conversation). A replay changes nothing.
        """
        given = list(turns)
        for value in given:
            check(value)
        return self.journal.reconcile(self.thread, given, is_echo=echo_test(given))

    def follow(self, turns: Iterable[Turn]) -> Followed:
        """``reconcile`` and ``view`` as one: what the host gets of exactly this history.

        No other writer's turns come between. Raises ConflictError when another
        run keeps telling this thread a different history, and as ``view`` does.
        """
        given = list(turns)
        return follow(self.journal, self.thread, lambda: self.reconcile(given), self.view)

    def pin(self, mark: int) -> None:
        """Keep a verbatim copy of the turn in every view.

        Raises NotFoundError for no such turn, PinError when all pins together
        would pass their share of the budget.
        """
        entry = self._living(mark)
        capacity = budget_class(self.budget)
        limit = int(self.desk.policy.pins * capacity)
        pins = {*self.pins(), mark}
        texts = [copy_of(e.seq, e.turn) for e in self.journal.get(self.thread, pins)]
        needed = sum(self.desk.count(text) for text in texts)
        if needed > limit:
            raise PinError(
                f"thread {self.thread!r}: with turn #{entry.seq} the pins would take {needed:,} "
                f"tokens and may take {limit:,}: unpin another turn or give a larger budget"
            )
        self.journal.record(self.thread, mark, "pin")

    def unpin(self, mark: int) -> None:
        """Let a pinned turn fade like any other."""
        self._living(mark)
        self.journal.record(self.thread, mark, "unpin")

    def pins(self) -> tuple[int, ...]:
        """Marks of the pinned turns."""
        pinned: dict[int, bool] = {}
        for event in self.journal.events(self.thread):
            if event.kind in ("pin", "unpin"):
                pinned[event.seq] = event.kind == "pin"
        return tuple(sorted(mark for mark, is_pinned in pinned.items() if is_pinned))

    def forget(self, mark: int | None = None) -> list[int]:
        """Delete a turn's content for good, or the whole thread when no mark is given.

        A tool call and its result go together. The content is gone from the
        journal, the index, pages and views; a tombstone keeps the turn's
        place. Returns the marks that were emptied. Raises NotFoundError.
        """
        if mark is None:
            emptied = [entry.seq for entry in self.journal.entries(self.thread, live_only=False)]
            self.journal.forget_thread(self.thread)
        else:
            pinned = set(self.pins())
            emptied = self.journal.forget(self.thread, mark)
            for gone in pinned.intersection(emptied):
                self.journal.record(self.thread, gone, "unpin")
        self.store.cache.evict_tag(self.thread)
        return emptied

    # -- reading -----------------------------------------------------------

    def turns(self) -> list[Turn]:
        """All live turns, verbatim, oldest first."""
        return [entry.turn for entry in self.journal.entries(self.thread)]

    def text_tokens(self) -> int:
        """Tokens of the whole thread as text on the host. Raises NotFoundError."""
        return sum(
            text_tokens(shown(entry), self.host, self.desk.count)
            for entry in self.journal.iter_entries(self.thread, live_only=False)
            if ages(entry) or entry.state == "live"
        )

    def view(
        self, budget: int | None = None, *, now: datetime | None = None, dry_run: bool = False
    ) -> View:
        """What the host gets: recent turns as text, older ones as pages, within budget.

        ``now`` (aware) is the moment wall-clock ages are judged by, the current
        one by default. ``dry_run`` plans and writes nothing: no pages are
        drawn. Raises NotFoundError for a thread without turns, BudgetError
        when what must stay text does not fit.
        """
        tokens = self.budget if budget is None else budget
        if now is None and self.desk.policy.fade_after:
            now = clock()
        return self.desk.view(self.thread, tokens, now=now, dry_run=dry_run)

    def recall(
        self, query: str, k: int = 5, around: int = 0, *, before: int | None = None
    ) -> list[Recalled]:
        """The ``k`` turns that answer a question best, verbatim, best first.

        ``around`` adds that many neighbours on either side of each; ``before``
        leaves out the turns from that mark on.
        """
        found = recalling.search(self.journal, self.thread, query, k, around, before)
        self._refresh(item.turn for item in found if item.score > 0)
        return found

    def recall_marks(self, marks: Sequence[int], around: int = 0) -> list[Recalled]:
        """The turns with these marks, verbatim, in order. Raises NotFoundError."""
        found = recalling.by_marks(self.journal, self.thread, marks, around)
        self._refresh(marks)
        return found

    def recall_between(
        self, since: datetime | None = None, until: datetime | None = None, limit: int = 50
    ) -> list[Recalled]:
        """Live turns of a stretch of time, oldest first."""
        return recalling.between(self.journal, self.thread, since, until, limit)

    def recall_tool(self, arguments: str | dict[str, Any]) -> str:
        """Answer a model's call of the recall tool with labelled turns.

        A question looks for turns before the last user turn first: what came
        since is in the view, and nothing is as like the question as itself.
        Raises InputError, worded for the model, for arguments that make no sense.
        """
        asked = recalling.tool_query(arguments)
        try:
            if asked["marks"]:
                found = self.recall_marks(asked["marks"], asked["around"])
            else:
                question = (asked["query"], asked["k"], asked["around"])
                found = self.recall(*question, before=self._last_exchange())
                found = found or self.recall(*question)
        except NotFoundError as problem:
            return str(problem)
        return recalling.tool_answer(found)

    def verify(self) -> list[Problem]:
        """Check the thread's turns, index and layouts; an empty list means clean."""
        return self.journal.verify(self.thread) + verify_layouts(self.desk, self.thread)

    def close(self) -> None:
        """Close the store, unless it was given and is shared."""
        if self._owns_store:
            self.store.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _living(self, mark: int) -> Entry:
        entry = self.journal.get(self.thread, [mark])[0]
        if entry.state != "live":
            raise NotFoundError(
                f"thread {self.thread!r}: turn #{mark} is {entry.state}; only live turns can be "
                "pinned"
            )
        return entry

    def _echo_test(self, given: Sequence[Turn]) -> Callable[[Turn], bool]:
        """Echoes among these turns; the calls they answer may be in the turns before."""
        calls = {call for value in given for call in value.call_ids}
        if all(result in calls for value in given for result in value.result_ids):
            return echo_test(given)
        try:
            last = self.journal.state(self.thread).last_seq
        except NotFoundError:
            return echo_test(given)
        before = self.journal.entries(self.thread, max(1, last - CALLERS), last)
        return echo_test([*(entry.turn for entry in before), *given])

    def _last_exchange(self) -> int | None:
        """The mark of the last user turn; None if there is none."""
        last = self.journal.state(self.thread).last_seq
        for end in range(last, 0, -CALLERS):
            entries = self.journal.entries(self.thread, max(1, end - CALLERS + 1), end)
            for entry in reversed(entries):
                if entry.turn.role == "user":
                    return entry.seq
        return None

    def _refresh(self, marks: Iterable[int]) -> None:
        if self.desk.policy.refreshed:
            for mark in marks:
                self.journal.record(self.thread, mark, "refresh")

    # -- async twins -------------------------------------------------------

    async def aadd(self, role: str, content: str | Sequence[Part], **fields: Any) -> Entry:
        """``add`` without blocking the event loop."""
        return await asyncio.to_thread(self.add, role, content, **fields)

    async def aextend(self, turns: Iterable[Turn]) -> list[Entry]:
        """``extend`` without blocking the event loop."""
        return await asyncio.to_thread(self.extend, turns)

    async def areconcile(self, turns: Iterable[Turn]) -> Reconciled:
        """``reconcile`` without blocking the event loop."""
        return await asyncio.to_thread(self.reconcile, turns)

    async def afollow(self, turns: Iterable[Turn]) -> Followed:
        """``follow`` without blocking the event loop."""
        return await asyncio.to_thread(self.follow, turns)

    async def aview(
        self, budget: int | None = None, *, now: datetime | None = None, dry_run: bool = False
    ) -> View:
        """``view`` without blocking the event loop."""
        return await asyncio.to_thread(self.view, budget, now=now, dry_run=dry_run)

    async def arecall(self, query: str, k: int = 5, around: int = 0) -> list[Recalled]:
        """``recall`` without blocking the event loop."""
        return await asyncio.to_thread(self.recall, query, k, around)

    async def arecall_tool(self, arguments: str | dict[str, Any]) -> str:
        """``recall_tool`` without blocking the event loop."""
        return await asyncio.to_thread(self.recall_tool, arguments)

    async def aturns(self) -> list[Turn]:
        """``turns`` without blocking the event loop."""
        return await asyncio.to_thread(self.turns)

    async def aforget(self, mark: int | None = None) -> list[int]:
        """``forget`` without blocking the event loop."""
        return await asyncio.to_thread(self.forget, mark)

    async def apin(self, mark: int) -> None:
        """``pin`` without blocking the event loop."""
        await asyncio.to_thread(self.pin, mark)

    async def aunpin(self, mark: int) -> None:
        """``unpin`` without blocking the event loop."""
        await asyncio.to_thread(self.unpin, mark)


_renderer: Renderer | None = None


def shared_renderer() -> Renderer:
    """The process's renderer; fonts are loaded once."""
    global _renderer
    if _renderer is None:
        _renderer = Renderer()
    return _renderer
