"""What a model has already read: key and value caches of prompts, one for each thread.

Takes a prompt position by position and gives back the part of it whose keys and
values are still held. Bounded in bytes; the thread answered longest ago goes
first. Knows nothing of views, tokens' meaning or generation.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sfumato.vision_torch import Model, Tensor, needed


@dataclass(frozen=True, eq=False)
class Prefix:
    """Positions a model has read, and the keys and values it made of them.

    ``units`` (n,) says what stands at each position, see `sfumato.vision_reader`;
    ``cache`` is a transformers cache of as many positions.
    """

    units: Tensor
    cache: Any

    @property
    def bytes(self) -> int:
        """Size of the keys and values."""
        return sum(
            held.numel() * held.element_size()
            for layer in self.cache.layers
            for held in (layer.keys, layer.values)
            if held is not None
        )

    def shared(self, units: Tensor) -> int:
        """How many first positions are the same."""
        count = min(len(units), len(self.units))
        differ = (units[:count] != self.units[:count]).nonzero()
        return int(differ[0]) if len(differ) else count

    def cut(self, length: int) -> Prefix:
        """The first ``length`` positions. The cache itself is cut: this prefix is used up."""
        # Only a negative number, of positions to remove, means the same in every version.
        if (surplus := len(self.units) - length) > 0:
            self.cache.crop(-surplus)
        return Prefix(self.units[:length], self.cache)


class Prefixes:
    """Prefixes by thread, at most ``limit_bytes`` together.

    A prefix is taken out while it is read on, so no two answers share one.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[str, Prefix] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, thread: str) -> Prefix | None:
        """The thread's prefix, which is the caller's now."""
        with self._lock:
            return self._held.pop(thread, None)

    def put(self, thread: str, prefix: Prefix) -> None:
        """Keep a prefix; the threads used longest ago make room."""
        with self._lock:
            self._held.pop(thread, None)
            self._held[thread] = prefix
            while self._held and sum(held.bytes for held in self._held.values()) > (
                self._limit_bytes
            ):
                self._held.popitem(last=False)

    def threads(self) -> Sequence[str]:
        """Whose prefixes are held, the one used longest ago first."""
        with self._lock:
            return list(self._held)


def croppable_cache(model: Model) -> Any | None:
    """An empty cache that can be cut anywhere; None for a model whose state cannot be.

    Layers that look at a window of positions only would forget what a cut makes
    visible again, so all of them keep everything: masks are made for either.
    State-space and linear layers hold one state, which cannot be taken back.
    """
    caches: Any = needed("transformers.cache_utils")
    kept = (caches.DynamicLayer, caches.DynamicSlidingWindowLayer)
    planned = caches.DynamicCache(config=model.config.get_text_config(decoder=True))
    if any(type(layer) not in kept for layer in planned.layers):
        return None
    return caches.DynamicCache()
