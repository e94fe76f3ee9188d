"""Following: one moment of a framework's history, and the view of exactly that.

For frameworks that keep the whole conversation themselves and show all of it
at every model call. Reconciling and viewing are two steps; another writer of
the thread that comes between them would have its turns in our view, so both
are done again until none did. Knows nothing of wire formats or of how a view
is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sfumato.errors import ConflictError, NotFoundError
from sfumato.journal import Entry, Journal, ThreadState
from sfumato.records import Reconciled
from sfumato.view import View

ATTEMPTS = 20
"""Tries before giving up on a thread that others keep rewriting."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A history as stored, and the view of it.

    ``entries`` has one entry for each distinct turn given, in order.
    """

    entries: tuple[Entry, ...]
    view: View


def follow(
    journal: Journal,
    thread: str,
    reconcile: Callable[[], Reconciled],
    view: Callable[[], View],
) -> Followed:
    """Reconcile, then view, with nothing of another writer between.

    Raises ConflictError when others change the thread at every attempt.
    """
    for _ in range(ATTEMPTS):
        before = _state(journal, thread)
        reconciled = reconcile()
        after = journal.state(thread)
        if not _only(reconciled, before, after):
            continue
        seen = view()
        if _state(journal, thread) == after:
            return Followed(tuple(reconciled.entries), seen)
    raise ConflictError(
        f"thread {thread!r} was rewritten {ATTEMPTS} times while its view was made: two runs "
        "tell it different histories. Give each its own thread, or run one after the other."
    )


def _state(journal: Journal, thread: str) -> ThreadState | None:
    try:
        return journal.state(thread)
    except NotFoundError:
        return None


def _only(reconciled: Reconciled, before: ThreadState | None, after: ThreadState) -> bool:
    """Whether what reconciling did is all that happened between two states."""
    changed = reconciled.edited or reconciled.shelved or reconciled.restored
    last_seq, epoch = (before.last_seq, before.epoch) if before else (0, 0)
    return after.last_seq == last_seq + len(reconciled.appended) and after.epoch == epoch + (
        1 if changed else 0
    )
