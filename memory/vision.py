"""The vision encoder: pages in, visual tokens out, each page seen once.

Takes page images (PNG bytes) and a transformers model with its processor;
gives their visual tokens, from the cache where the same weights and settings
have seen the same page before. Knows nothing of turns, views or generation.

    from sfumato.vision import VisionEncoder

    encoder = VisionEncoder(model, processor, memory.store.cache)
    pages = encoder.encode([part.png for part in memory.view().pages], thread="alice")
    inputs = encoder.inputs([prompt], [pages])       # prompt holds an image token for each page
    logits = model(**inputs).logits                  # the tower does not run
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any

from sfumato.cache import Cache
from sfumato.errors import InputError
from sfumato.vision_fingerprint import Weights, settings_fingerprint
from sfumato.vision_page import VisualPage
from sfumato.vision_torch import Model, Processor, needed
from sfumato.vision_tower import Tower

__all__ = ["VisionEncoder", "VisualPage"]

FORMAT = "features-1"
PAGES_AT_ONCE = 4


class VisionEncoder:
    """A model's tower and connector over a cache of what they saw.

    The model stays on its device (CPU, CUDA, MPS) and in its precision; features
    are kept in that precision, or in ``dtype`` ("float32", "bfloat16",
    "float16") where given. ``pages_at_once`` bounds a batch. The cache's size
    limit bounds what is kept, and it evicts by itself: an evicted page is seen
    again. Safe to share between threads.

    Raises HostError for a model that cannot be given cached visual tokens, and
    SfumatoError where torch or transformers is not installed.
    """

    def __init__(
        self,
        model: Model,
        processor: Processor,
        cache: Cache,
        *,
        pages_at_once: int = PAGES_AT_ONCE,
        dtype: str | None = None,
    ) -> None:
        if pages_at_once < 1:
            raise InputError(f"pages_at_once is {pages_at_once}: give at least 1")
        self.tower = Tower(model, processor)
        self._cache = cache
        self._weights = Weights(model)
        self._pages_at_once = pages_at_once
        self._dtype = dtype
        self._busy = threading.Lock()
        self.pages_seen = 0
        """How many pages the tower has run over, for who wants to know what caching saved."""

    def keys(self, pages: Sequence[bytes], thread: str = "") -> list[str]:
        """Names of the pages' features: format, weights, settings, precision, thread and page.

        The thread is part of them, so that forgetting one thread leaves another's
        features of an equal page alone, and takes all of its own.
        """
        precision = self._dtype or str(self.tower.model.dtype).removeprefix("torch.")
        common = hashlib.sha256()
        for word in (
            self._weights.fingerprint(),
            settings_fingerprint(self.tower.processor),
            precision,
            thread,
        ):
            common.update(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest())
        names: list[str] = []
        for png in pages:
            own = common.copy()
            own.update(hashlib.sha256(png).digest())
            names.append(f"{FORMAT}/{own.hexdigest()}")
        return names

    def encode(self, pages: Sequence[bytes], *, thread: str = "") -> list[VisualPage]:
        """The pages' visual tokens, in order; only pages not seen before cost anything.

        ``thread`` tags what is kept: forgetting the thread in a memory on the
        same cache drops it. Raises InputError for bytes that are no image.
        """
        with self._busy:
            keys = self.keys(pages, thread)
            found: dict[str, VisualPage] = {}
            unseen: dict[str, bytes] = {}
            for key, png in zip(keys, pages, strict=True):
                if key in found or key in unseen:
                    continue
                page = self._held(key)
                if page is None:
                    unseen[key] = png
                else:
                    found[key] = page
            for at in range(0, len(unseen), self._pages_at_once):
                batch = list(unseen)[at : at + self._pages_at_once]
                for page in self.tower.see([unseen[key] for key in batch], batch):
                    found[page.key] = self._kept(page, thread)
            self.pages_seen += len(unseen)
            return [found[key] for key in keys]

    def inputs(
        self,
        prompts: Sequence[str],
        pages: Sequence[Sequence[VisualPage]],
        *,
        add_special_tokens: bool = True,
    ) -> dict[str, Any]:
        """Model arguments for prompts with their pages, one row each, padded on the left.

        Each prompt holds the processor's image token once for each of its
        pages, as a chat template writes it. Raises InputError where it does not.
        """
        texts = [self.expanded(p, own) for p, own in zip(prompts, pages, strict=True)]
        encoded = self.token_ids(texts, add_special_tokens)
        shown = [page for own in pages for page in own]
        return {
            **encoded,
            **self.tower.token_types(encoded["input_ids"]),
            **self.tower.grids(shown),
            **self.tower.encoder_outputs(shown),
        }

    def token_ids(self, texts: Sequence[str], add_special_tokens: bool) -> dict[str, Any]:
        """``input_ids`` and ``attention_mask`` of texts, on the model's device, padded left."""
        encoded: Any = self.tower.processor.tokenizer(
            list(texts),
            padding=len(texts) > 1,
            padding_side="left",
            add_special_tokens=add_special_tokens,
            return_token_type_ids=False,
            return_tensors="pt",
        )
        device = self.tower.model.device
        return {name: encoded[name].to(device) for name in ("input_ids", "attention_mask")}

    def expanded(self, prompt: str, pages: Sequence[VisualPage]) -> str:
        """The prompt with every image token replaced by its page's placeholders."""
        pieces = prompt.split(self.tower.image_token)
        if len(pieces) != len(pages) + 1:
            raise InputError(
                f"the prompt holds {self.tower.image_token!r} {len(pieces) - 1} times and there "
                f"are {len(pages)} pages: write it once for each page, and nowhere else"
            )
        expansions = [page.expansion for page in pages]
        return "".join(
            piece + expansion for piece, expansion in zip(pieces, [*expansions, ""], strict=True)
        )

    def _held(self, key: str) -> VisualPage | None:
        held = self._cache.get(key)
        return None if held is None else VisualPage.from_bytes(key, held)

    def _kept(self, page: VisualPage, thread: str) -> VisualPage:
        """The page in the precision it is kept in, put into the cache."""
        if self._dtype is not None:
            dtype = getattr(needed("torch"), self._dtype)
            page = page.cast(dtype)
        self._cache.put(page.key, page.to_bytes(), tag=thread or None)
        return page
