"""Calibration: at which type sizes a model reads sfumato's pages.

Takes a host and what a model there made of probe pages; gives how much it read at each
size, and a hosts file's entry with the sizes it can be trusted with. A page is read by
itself: in a long view a model may read less. Knows nothing of servers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sfumato.errors import HostError
from sfumato.hosts import Host
from sfumato.probes import Probe, probe, words
from sfumato.renderers import Renderer

TASK = (
    "Transcribe this page exactly: all of its text, in reading order, letter by letter. "
    "Answer with the text alone."
)
ENOUGH = 0.95
"""Share of exact strings (legible) or of words (dense) from which a size counts as read."""


@dataclass(frozen=True, slots=True)
class Score:
    """What was read of the probe pages of one type size. ``tokens`` is a page's mean cost."""

    type_px: float
    pages: int
    tokens: float
    strings: int
    strings_read: int
    words: int
    words_read: int

    @property
    def exact(self) -> float:
        """Share of the exact strings that were read letter by letter."""
        return self.strings_read / self.strings

    @property
    def gist(self) -> float:
        """Share of the other words that were read."""
        return self.words_read / self.words


@dataclass(frozen=True)
class Calibration:
    """A host and the scores of a model there, by type size, the smallest first."""

    host: Host
    scores: tuple[Score, ...]

    @property
    def legible_px(self) -> float | None:
        """The smallest size from which on exact strings are read, or None."""
        return _least(self.scores, lambda score: score.exact)

    @property
    def dense_px(self) -> float | None:
        """The smallest size from which on words are read; at most ``legible_px``."""
        legible = self.legible_px
        gist = _least(self.scores, lambda score: score.gist)
        return legible if gist is None or legible is None else min(legible, gist)

    def entry(self, name: str, model: str, date: str) -> str:
        """A hosts file's entry (TOML). ``date`` is YYYY-MM-DD.

        Raises HostError if no size was read well enough to stand in one.
        """
        legible, dense = self.legible_px, self.dense_px
        if legible is None or dense is None:
            raise HostError(
                f"{model} reads no probed size well enough (at least {ENOUGH:.0%} of the exact "
                "strings): probe larger type, or use 'text-only'"
            )
        lines = [
            f"[{quoted(name)}]",
            f"base = {quoted(self.host.name)}",
            f"source = {quoted(f'sfumato calibrate: {model} on probe pages')}",
            f"date = {quoted(date)}",
        ]
        for profile, least in (("legible", legible), ("dense", dense)):
            most = max(self.host.profiles[profile].max_px, least)
            lines += [
                f"[{quoted(name)}.profiles.{profile}]",
                f"min_px = {least:g}",
                f"max_px = {most:g}",
                f"evidence = {quoted(self._evidence(profile, least))}",
            ]
        return "\n".join(lines) + "\n"

    def _evidence(self, profile: str, least: float) -> str:
        [at] = [score for score in self.scores if score.type_px == least]
        strings = f"{at.strings_read} of {at.strings} exact strings"
        gist = f"{at.words_read} of {at.words} words"
        read = (strings, gist) if profile == "legible" else (gist, strings)
        return f"transcribed {at.pages} probe pages at {least:g} px: {' and '.join(read)}"


def probes(host: Host, sizes: Iterable[float], pages: int) -> list[Probe]:
    """So many probe pages of each type size in px, to be transcribed (`TASK`).

    Raises HostError for a host that cannot see, RenderError for type that does not fit.
    """
    if host.page_rules is None:
        raise HostError(f"host {host.name!r} cannot see images: there is no type to calibrate")
    renderer = Renderer()
    return [
        probe(host.page_rules, type_px, seed, renderer)
        for type_px in sorted(set(sizes))
        for seed in range(pages)
    ]


def calibration(host: Host, answers: Iterable[tuple[Probe, str]]) -> Calibration:
    """What a model read: pages, each with its transcription."""
    by_size: dict[float, list[tuple[Probe, str]]] = {}
    for page, answer in answers:
        by_size.setdefault(page.type_px, []).append((page, answer))
    return Calibration(host, tuple(_score(host, by_size[size]) for size in sorted(by_size)))


def holds(answer: str, string: str) -> bool:
    """Whether an exact string stands in an answer, letter by letter and by itself.

    Backslashes are left out, with which models keep signs from being Markdown.

    >>> holds("it is INV-1204.", "INV-1204"), holds("INV-12045", "INV-1204")
    (True, False)
    """
    plain = answer.replace("\\", "")
    return re.search(rf"(?<!\w){re.escape(string)}(?!\w)", plain) is not None


def _score(host: Host, answers: Sequence[tuple[Probe, str]]) -> Score:
    """What was read of pages of one type size."""
    tokens = sum(host.image_tokens(page.width_px, page.height_px) for page, _ in answers)
    exact = [holds(answer, string) for page, answer in answers for string in page.strings]
    there = [Counter(page.words) for page, _ in answers]
    said = [Counter(words(answer, page.strings)) for page, answer in answers]
    return Score(
        type_px=answers[0][0].type_px,
        pages=len(answers),
        tokens=tokens / len(answers),
        strings=len(exact),
        strings_read=sum(exact),
        words=sum(page.total() for page in there),
        words_read=sum((p & s).total() for p, s in zip(there, said, strict=True)),
    )


def _least(scores: Sequence[Score], share: Callable[[Score], float]) -> float | None:
    """The smallest size that is read, as is every larger one."""
    least = None
    for score in sorted(scores, key=lambda score: -score.type_px):
        if share(score) < ENOUGH:
            break
        least = score.type_px
    return least


def quoted(text: str) -> str:
    """A TOML basic string; JSON's are that too, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
