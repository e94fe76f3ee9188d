"""What the stages of training are fed with: pages of the pool, whole or in parts, in batches.

Takes drawn pages; gives tensors on the device, made ahead by threads. Knows nothing of models.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pages
import torch
from model import END
from pool import Slots
from talk import Sample, Speaker, padded
from torch import Tensor

Made = TypeVar("Made")

GLYPH_WEIGHTS = [0.15, 0.2, 0.2, 0.2, 0.15, 0.1]
LANGUAGE_WEIGHTS = [0.22, 0.25, 0.22, 0.15, 0.11, 0.05]
CROP = 8
"""Patches along a side of the parts of pages that letters are learned from."""


@dataclass(frozen=True)
class Batch:
    """Pages with their map and words, and for the language side what is said about them."""

    tier: int
    pixels: Tensor
    strip: Tensor
    words: Tensor
    starts: Tensor
    ids: Tensor | None = None
    answers: Tensor | None = None

    @property
    def said(self) -> tuple[Tensor, Tensor]:
        """Tokens, and which of them are answers."""
        assert self.ids is not None
        assert self.answers is not None
        return self.ids, self.answers


@dataclass(frozen=True)
class Crops:
    """Square parts of pages: pixels, the patches' numbers on their page, their characters."""

    pixels: Tensor
    places: Tensor
    local: Tensor


def largest(count: int, weights: list[float]) -> list[float]:
    """The weights of so many type sizes, the largest first, and 0 for the rest."""
    return [weight if tier < count else 0.0 for tier, weight in enumerate(weights)]


class Loader(Generic[Made]):
    """Batches made ahead by threads, each with a random generator of its own."""

    def __init__(self, make: Callable[[random.Random], Made], threads: int, seed: int) -> None:
        self._ready: queue.Queue[Made | Exception] = queue.Queue(4)
        for thread in range(threads):
            draw = random.Random(seed * 100 + thread)
            threading.Thread(target=self._run, args=(make, draw), daemon=True).start()

    def _run(self, make: Callable[[random.Random], Made], draw: random.Random) -> None:
        while True:
            try:
                self._ready.put(make(draw))
            except Exception as problem:
                self._ready.put(problem)
                return

    def next(self) -> Made:
        """The next batch, or what kept a thread from making it."""
        found = self._ready.get(timeout=120)
        if isinstance(found, Exception):
            raise found
        return found


class Feed:
    """Chooses pages from the pool and brings them to the device."""

    def __init__(self, slots: Slots, device: torch.device, speaker: Speaker, tiers: int) -> None:
        self._slots, self._device, self._speaker, self._tiers = slots, device, speaker, tiers
        arrays = (slots.pixels, slots.local, slots.strip, slots.ids, slots.starts)
        self._arrays = [torch.from_numpy(array) for array in arrays]
        self.progress = 0.0

    def letters(self, count: int) -> Callable[[random.Random], Crops]:
        """Batches of parts of any pages, of CROP x CROP patches."""
        inside = torch.arange(CROP)
        inside = (inside[:, None] * pages.GRID + inside).flatten()
        side = CROP * pages.PATCH

        def make(draw: random.Random) -> Crops:
            filled = np.flatnonzero(self._slots.tier >= 0)
            most = pages.GRID - CROP
            at = torch.from_numpy(filled[[draw.randrange(len(filled)) for _ in range(count)]])
            corners = [(draw.randint(0, most), draw.randint(0, most)) for _ in range(count)]
            pixels, local = self._arrays[:2]
            cut = [
                pixels[page, y * pages.PATCH :, x * pages.PATCH :][:side, :side]
                for page, (y, x) in zip(at, corners, strict=True)
            ]
            places = torch.tensor([y * pages.GRID + x for y, x in corners])[:, None] + inside
            named = local[at[:, None], places]
            return Crops(self._send(torch.stack(cut)), self._send(places), self._send(named))

        return make

    def glyphs(self, count: int) -> Callable[[random.Random], Batch]:
        """Batches of any pages."""

        def make(draw: random.Random) -> Batch:
            filled = np.flatnonzero(self._slots.tier >= 0)
            at = filled[[draw.randrange(len(filled)) for _ in range(count)]]
            return Batch(-1, *self._bring(at.tolist()))

        return make

    def language(self, tokens: int) -> Callable[[random.Random], Batch]:
        """Batches of one tier, of about so many tokens."""

        def make(draw: random.Random) -> Batch:
            while True:
                tier = draw.choices(range(len(pages.TIERS)), self._weights())[0]
                filled = np.flatnonzero(self._slots.tier == tier)
                if len(filled) > 8:
                    break
            several = draw.randint(2, 4) if self.progress > 0.25 and draw.random() < 0.12 else 1
            samples: list[Sample] = []
            longest = 0
            while len(samples) < (112 if several == 1 else 28):
                chosen = [int(filled[draw.randrange(len(filled))]) for _ in range(several)]
                sample = self._speaker.sample(self._slots, chosen, draw)
                longest = max(longest, len(sample.ids))
                if (len(samples) + 1) * longest > tokens and samples:
                    break
                samples.append(sample)
            ids = torch.from_numpy(padded([s.ids for s in samples], END))
            answers = torch.from_numpy(padded([s.answers for s in samples], False))
            brought = self._bring([slot for s in samples for slot in s.at])
            return Batch(tier, *brought, self._send(ids), self._send(answers))

        return make

    def _weights(self) -> list[float]:
        """Large type first: what is hard later is easy once reading has begun."""
        reach = 2 if self.progress < 0.1 else 4 if self.progress < 0.25 else len(pages.TIERS)
        return largest(min(reach, self._tiers), LANGUAGE_WEIGHTS)

    def _bring(self, at: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        index = torch.tensor(at)
        pixels, _, strip, words, starts = (a.index_select(0, index) for a in self._arrays)
        words, starts = words.int(), starts.int()
        longest = int((words > 0).sum(1).max())
        words, starts = words[:, :longest], starts[:, :longest]
        return (
            self._send(pixels),
            self._send(strip),
            self._send(words),
            self._send(starts),
        )

    def _send(self, values: Tensor) -> Tensor:
        if self._device.type == "cpu":
            return values
        return values.pin_memory().to(self._device, non_blocking=True)
