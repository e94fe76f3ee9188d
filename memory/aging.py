"""The values aging works on: policy, spans, layouts, and what may happen to a turn.

Only data and the ``Sizes`` protocol; the plan that moves turns from text to
pages to the archive is in ``plan.py``. Knows nothing of text, pixels, hosts
or storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Policy:
    """How a thread fades. Shares are of the layout's capacity in tokens.

    ``fade_after`` adds wall-clock ages to the token rule: text older than its
    first entry goes to tier 1, tier 1 older than the second to tier 2, and so
    on, and past the last entry a span is archived. Turns leave in groups of a
    quarter of that age, so the outcome does not depend on when a view is
    asked for. Wall-clock ages only ever bring a step forward.
    """

    fanout: int = 2
    tiers: int = 3
    window: float = 0.20
    chunk: float = 0.15
    room: float = 0.12
    oversized: float = 0.25
    pins: float = 0.25
    refreshed: float = 0.0
    important: float = 0.10
    fade_after: tuple[timedelta, ...] = ()

    def __post_init__(self) -> None:
        if self.fanout < 2:
            raise ValueError("fanout must be 2 or more: it is how many spans merge into one")
        if self.tiers < 1:
            raise ValueError("tiers must be 1 or more")
        if not 0 < self.window + self.chunk + self.room <= 0.75:
            raise ValueError("window + chunk + room must lie between 0 and 0.75")
        if any(late <= early for early, late in pairwise(self.fade_after)):
            raise ValueError("fade_after ages must increase from tier to tier")


@dataclass(frozen=True, slots=True)
class PageBox:
    """One page of a span: the marks it shows, its size and cost on the host.

    ``index`` is its place among the pages drawn for its span.
    """

    first: int
    last: int
    width_px: int
    height_px: int
    tokens: int
    index: int


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive turns drawn together, or kept as text where pages do not pay.

    ``first`` and ``last`` are the range of marks it was made from, ``turns`` how
    many of them it shows; turns up to
    ``gone`` have been archived since, and ``pages`` holds only those still
    shown. ``key`` names the drawn content (set when the span is drawn).
    """

    first: int
    last: int
    tier: int
    kind: Literal["page", "text"]
    tokens: int
    text_tokens: int
    turns: int
    pages: tuple[PageBox, ...] = ()
    gone: int = 0
    key: str = ""

    @property
    def shown_first(self) -> int:
        """The first mark of the range still in the view."""
        return max(self.first, self.gone + 1)


@dataclass(frozen=True, slots=True)
class Inset:
    """A turn too large to wait: its skeleton stays text, its content is drawn at once."""

    mark: int
    tier: int
    skeleton_tokens: int
    pages: tuple[PageBox, ...]
    key: str = ""

    @property
    def tokens(self) -> int:
        """Skeleton and pages together."""
        return self.skeleton_tokens + sum(page.tokens for page in self.pages)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where every turn of a thread is for one host, policy and capacity.

    ``seen`` and ``seen_event`` say how far the fold has come. ``tail`` are the
    marks that are still text, ``system`` the system turns, which never age.
    ``copies`` are marks also shown verbatim after the pages, with their tokens.
    """

    seen: int = 0
    seen_event: int = 0
    archived: tuple[int, int] | None = None
    archived_turns: int = 0
    archived_tokens: int = 0
    spans: tuple[Span, ...] = ()
    insets: tuple[Inset, ...] = ()
    tail: tuple[int, ...] = ()
    tail_tokens: int = 0
    system: tuple[int, ...] = ()
    system_tokens: int = 0
    pins: tuple[tuple[int, int], ...] = ()
    waiting: tuple[tuple[int, int], ...] = ()
    copies: tuple[tuple[int, int], ...] = ()
    facts_tokens: int = 0
    steps: int = 0

    @property
    def span_end(self) -> int:
        """The last mark that is archived or in a span."""
        if self.spans:
            return self.spans[-1].last
        return self.archived[1] if self.archived else 0


@dataclass(frozen=True, slots=True)
class TurnAdded:
    """A turn to fold in. ``opens`` and ``closes`` are tool-call ids."""

    mark: int
    role: str
    time: datetime
    opens: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    important: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something said about a turn: pinned, unpinned, recalled, important."""

    number: int
    mark: int
    kind: Literal["pin", "unpin", "refresh", "important"]


Step: TypeAlias = TurnAdded | Event


class Sizes(Protocol):
    """What the plan asks about turns. Every answer is a pure function of the journal."""

    tiers: int
    """How many tiers of pages profit on this host; 0 where none does."""

    def text(self, mark: int) -> int:
        """Tokens of the turn as a message."""
        ...

    def labelled(self, mark: int) -> int:
        """Tokens of the turn as labelled text inside the front message."""
        ...

    def copy(self, mark: int) -> int:
        """Tokens of the turn as a verbatim copy after the pages."""
        ...

    def skeleton(self, mark: int) -> int:
        """Tokens of the turn with its content replaced by its mark."""
        ...

    def pages(self, tier: int, marks: Sequence[int]) -> tuple[PageBox, ...]:
        """The pages these turns fill at a tier."""
        ...

    def facts(self, marks: Sequence[int], limit: int) -> int:
        """Tokens of the factsheet over these turns, at most ``limit``."""
        ...

    def front(self, archived: tuple[int, int] | None, pages: int) -> int:
        """Tokens of the archive note and the front message around the pages."""
        ...

    def within(self, pages: int, area_px: int) -> bool:
        """Whether so many pages of so much area stay within the host's limits."""
        ...

    def marks(self, first: int, last: int) -> tuple[int, ...]:
        """Marks of the turns in a range that age (live, not system)."""
        ...

    def added(self, mark: int) -> TurnAdded:
        """The turn as it was folded in."""
        ...
