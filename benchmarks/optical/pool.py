"""Pages drawn by many processes into shared memory, while training reads them.

Every process owns a range of slots and writes it round and round; a reader takes any slot
that has been written. A page rewritten while it is read is one in thousands: it teaches
something wrong once, and every field still holds some page's.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import pages
from numpy.typing import NDArray
from tokenizers import Tokenizer


@dataclass(frozen=True)
class Slots:
    """One row per page; see pages.Drawn. Facts are zero-padded, ``tier`` is -1 when empty."""

    tier: NDArray[np.int8]
    pixels: NDArray[np.uint8]
    local: NDArray[np.uint8]
    strip: NDArray[np.uint8]
    ids: NDArray[np.uint16]
    starts: NDArray[np.uint16]
    turns: NDArray[np.int16]
    asked: NDArray[np.uint16]

    @classmethod
    def shared(cls, count: int) -> Slots:
        """Empty slots in memory that forked processes share."""

        def made(kind: Any, *shape: int) -> NDArray[Any]:
            size = count * int(np.prod(shape or (1,))) * np.dtype(kind).itemsize
            return np.frombuffer(mmap.mmap(-1, size), kind).reshape(count, *shape)

        slots = cls(
            made(np.int8),
            made(np.uint8, pages.SIDE, pages.SIDE),
            made(np.uint8, pages.PATCHES, pages.SLOTS),
            made(np.uint8, pages.PATCHES, pages.SLOTS),
            made(np.uint16, pages.LONGEST),
            made(np.uint16, pages.LONGEST),
            made(np.int16, pages.TURNS, 3),
            made(np.uint16, pages.QUESTIONS, 2, pages.QUESTION_TOKENS),
        )
        slots.tier[:] = -1
        return slots

    def put(self, at: int, page: pages.Drawn) -> None:
        """Write a page; each field at once, so that a reader meets no empty one."""
        ids, starts, turns, asked = (
            np.zeros_like(field[at]) for field in (self.ids, self.starts, self.turns, self.asked)
        )
        ids[: len(page.ids)] = page.ids
        starts[: len(page.starts)] = page.starts
        turns[: len(page.turns)] = page.turns
        for k, pair in enumerate(page.facts):
            for side, tokens in enumerate(pair):
                asked[k, side, : len(tokens)] = tokens
        self.pixels[at], self.local[at], self.strip[at] = page.pixels, page.local, page.strip
        self.ids[at], self.starts[at], self.turns[at], self.asked[at] = ids, starts, turns, asked
        self.tier[at] = page.tier

    def nbytes(self) -> int:
        """Memory of all slots."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))


def _paint(
    slots: Slots,
    owned: range,
    passages: list[str],
    tokenizer: Tokenizer,
    seed: int,
    weights: Sequence[float],
    seldom: float,
    once: bool,
) -> None:
    os.nice(10)  # Training goes first where processors are few.
    draw = random.Random(seed)
    painter = pages.Painter(passages, tokenizer, seed, seldom)
    written = 0
    while not once or written < len(owned):
        tier = draw.choices(range(len(pages.TIERS)), weights)[0]
        fill = 1.0 if draw.random() < 0.7 else draw.uniform(0.2, 1.0)
        slots.put(owned[written % len(owned)], painter.page(tier, fill))
        written += 1


class Pool:
    """Processes that draw. Start it before a GPU is touched; ``close`` ends it.

    ``weights`` are the type sizes' shares, ``seldom`` that of turns in rare words. ``once`` has
    them end when all slots are written: where processors are few, training's threads wait for
    the one whose processor draws.
    """

    def __init__(
        self,
        passages: list[str],
        tokenizer: Tokenizer,
        *,
        workers: int,
        slots: int,
        seed: int,
        weights: Sequence[float],
        seldom: float = 0.0,
        once: bool = False,
    ) -> None:
        fork = multiprocessing.get_context("fork")
        each = max(1, slots // workers)
        self.slots = Slots.shared(each * workers)
        self._started: list[BaseProcess] = []
        for worker in range(workers):
            owned = range(worker * each, (worker + 1) * each)
            seen = (passages, tokenizer, seed * 1000 + worker)
            given = (self.slots, owned, *seen, weights, seldom, once)
            process = fork.Process(target=_paint, args=given, daemon=True)
            process.start()
            self._started.append(process)

    def drawn(self) -> int:
        """Slots that hold a page."""
        return int((self.slots.tier >= 0).sum())

    def alive(self) -> bool:
        """Whether all processes still draw, or have ended well."""
        return all(process.is_alive() or process.exitcode == 0 for process in self._started)

    def close(self) -> None:
        """End the processes."""
        for process in self._started:
            process.terminate()
        for process in self._started:
            process.join()
