"""What LlamaIndex components keep of a thread: JSON-safe settings, and what they open.

LlamaIndex copies its components, and writes them into a workflow's context as
JSON. What JSON cannot hold would be lost there without an error, so fields are
strings and numbers only, and open files hang on a handle that copies share and
serialised forms leave out. Knows nothing of messages or agents.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from pydantic import BaseModel, Field, PrivateAttr, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sfumato.errors import InputError
from sfumato.hosts import Host
from sfumato.hosts import host as find_host
from sfumato.memory import Memory
from sfumato.store import DEFAULT_URL, Store
from sfumato.tilings import Levels
from sfumato.tokens import CachedCounter, Counter, counter

Tokenizer: TypeAlias = Callable[[str], Sequence[Any]]

_PROBES = (
    "The quick brown fox jumps over the lazy dog, twice: 2 + 2 = 4.",
    "def f(x):\n    return {'a': [x] * 10}  # https://example.org/?q=1",
    "3f9c2a71-b0de-4c55-9e1f-7d2ab8c4e610 AKIA 0x7fff5fbff8c0",
    "Größe, naïve, señor, Łódź; Москва; Αθήνα; القاهرة; 東京タワー; 서울; 🙂🙃",
)
"""Texts on which two tokenizers that count differently are sure to differ."""


@dataclass(frozen=True)
class HostTokens:
    """A ``tokenizer_fn`` that gives as many tokens as a host counts.

    Only their number means anything.
    """

    tokenizer: str

    def __call__(self, text: str) -> list[int]:
        return list(range(counter(self.tokenizer)(text)))


class Handle:
    """What a component keeps open. Copies of it share it; a pickled one is empty."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._counted: tuple[Tokenizer, Counter] | None = None

    def store(self, url: str, cache_dir: str | None) -> Store:
        """The process's store of that URL; open as long as some component uses it."""
        with _opening:
            store = _stores.get((url, cache_dir))
            if store is None:
                store = _stores[url, cache_dir] = Store(url, cache_dir)
        self._store = store
        return store

    def count(self, tokenizer: Tokenizer) -> Counter:
        """The counter that counts as ``tokenizer`` does."""
        if self._counted is None or self._counted[0] is not tokenizer:
            self._counted = (tokenizer, _counter_of(tokenizer))
        return self._counted[1]

    def __deepcopy__(self, _memo: dict[int, Any]) -> Handle:
        return self

    def __reduce__(self) -> tuple[type[Handle], tuple[()]]:
        return (Handle, ())


_stores: WeakValueDictionary[tuple[str, str | None], Store] = WeakValueDictionary()
_opening = threading.Lock()


class ThreadSettings(BaseModel):
    """How a thread is kept and read: fields that JSON can hold."""

    host: str = Field(
        default="claude-high-res",
        description="The model that reads: one of those `sfumato hosts` lists.",
    )
    store: str = Field(
        default=DEFAULT_URL,
        validate_default=True,
        description="Database URL. It is part of every serialised form: leave passwords out.",
    )
    cache_dir: str | None = Field(
        default=None, description="Folder of drawn pages; beside an SQLite store by default."
    )
    budget: int = Field(default=8_000, gt=0, description="Tokens of the host a view may take.")
    profile: str = Field(default="legible", description='"legible" or "dense".')
    _handle: Handle = PrivateAttr(default_factory=Handle)

    @field_validator("host")
    @classmethod
    def _known_host(cls, name: str) -> str:
        find_host(name)
        return name

    @field_validator("store")
    @classmethod
    def _absolute_store(cls, url: str) -> str:
        return absolute_url(url)

    def opened(self, thread: str, tokenizer: Tokenizer | None = None) -> Memory:
        """The memory of a thread, read with these settings.

        Raises StoreError for a store that cannot be opened.
        """
        return Memory(
            thread,
            one_level(find_host(self.host)),
            self._handle.store(self.store, self.cache_dir),
            self.budget,
            profile=self.profile,
            count=None if tokenizer is None else self._handle.count(tokenizer),
        )


def absolute_url(url: str) -> str:
    """A store's URL with an absolute path.

    Settings that are read back in another working directory then name the same
    file, not a new and empty one.
    """
    try:
        made = make_url(url)
    except ArgumentError as problem:
        raise InputError(f"{url!r} is no store URL: use e.g. sqlite:///sfumato.db") from problem
    if made.get_backend_name() != "sqlite" or not made.database or made.database[0] == ":":
        return url
    file = str(Path(made.database).absolute())
    return made.set(database=file).render_as_string(hide_password=False)


def one_level(host: Host) -> Host:
    """The host with a single media resolution, where it has several.

    LlamaIndex's messages cannot carry one for each image; all are taken at the
    default level, and so pages have to be made for it.
    """
    if not isinstance(host.arithmetic, Levels):
        return host
    level = host.arithmetic.default
    levels = {level: host.arithmetic.levels[level]}
    arithmetic = replace(host.arithmetic, levels=levels)
    return replace(
        host,
        params={**host.params, "levels": levels},
        arithmetic=arithmetic,
        page_rules=arithmetic.page_rules(host.max_edge_px),
    )


def _counter_of(tokenizer: Tokenizer) -> Counter:
    counts = [len(tokenizer(probe)) for probe in _PROBES]
    # A function has no lasting name; what it counts tells it from others.
    name = hashlib.sha256(repr(counts).encode()).hexdigest()[:16]
    return CachedCounter(f"tokenizer_fn:{name}", lambda text: len(tokenizer(text)))
