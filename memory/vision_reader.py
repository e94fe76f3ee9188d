"""Reading a prompt with pages and answering it, token by token.

Takes a prompt, its pages' visual tokens and a thread's name; gives the answer's
tokens. Of what it read for the thread before, it keeps the keys and values up
to where the prompt changed, so that a thread that only grew costs its new part.
Knows nothing of views, chat templates or text.

Every position is given to the model explicitly where its family has more than
one row of them: left to itself, a model falls back on what the last call left
behind (``rope_deltas``), without an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from sfumato.errors import InputError
from sfumato.vision import VisionEncoder
from sfumato.vision_choice import Choose
from sfumato.vision_page import VisualPage
from sfumato.vision_prefix import Prefix, Prefixes, croppable_cache
from sfumato.vision_torch import Tensor, cache_argument, needed


@dataclass(frozen=True, eq=False)
class Prompt:
    """Token ids (1, n) and the pages they hold, in order.

    ``units`` (n,) says what stands at each position: a token's id, or for a
    placeholder a negative number of its page, so that equal units mean equal
    keys and values. ``starts`` and ``ends`` are the positions of each page's
    first placeholder and of the one behind its last.
    """

    ids: Tensor
    pages: Sequence[VisualPage]
    units: Tensor
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return int(self.ids.shape[1])

    def cut_before(self, position: int) -> int:
        """The last position, at most this one, that lies in no page and leaves a token to read."""
        position = min(position, len(self) - 1)
        for start, end in zip(self.starts, self.ends, strict=True):
            if start < position < end:
                return start
        return position


class Reader:
    """A model that answers prompts with pages.

    ``prefix_bytes`` bounds the keys and values kept between answers, over all
    threads. ``tokens_read`` counts prompt positions the model was run over.
    Answers may interleave; those of one thread at one time do not share work.
    """

    def __init__(self, encoder: VisionEncoder, *, prefix_bytes: int) -> None:
        self.encoder = encoder
        self.prefixes = Prefixes(prefix_bytes)
        self.tokens_read = 0
        self._model = encoder.tower.model
        arguments = encoder.tower.arguments
        self._cache = cache_argument(self._model)
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in arguments else {}
        self._cuts = prefix_bytes > 0 and not encoder.tower.bidirectional_prompt

    def prompt(self, text: str, pages: Sequence[VisualPage]) -> Prompt:
        """The text, which holds an image token for each page, as the model reads it.

        Raises InputError for another number of image tokens or placeholders.
        """
        tower = self.encoder.tower
        # A chat template writes the tokens that start a text; the tokenizer would repeat them.
        starts: Any = tower.processor.tokenizer.bos_token
        twice = starts is not None and text.startswith(starts)
        ids = self.encoder.token_ids([self.encoder.expanded(text, pages)], not twice)["input_ids"]
        places = (ids[0] == tower.image_token_id).nonzero()[:, 0]
        counts = [page.tokens for page in pages]
        if len(places) != sum(counts):
            raise InputError(
                f"the prompt holds {len(places)} placeholders and its {len(pages)} pages have "
                f"{sum(counts)} visual tokens: write no placeholder that is not a page's"
            )
        units = ids[0].clone()
        starts_at: list[int] = []
        ends_at: list[int] = []
        for page, own in zip(pages, places.split(counts), strict=True):
            units[own] = _page_unit(page)
            starts_at.append(int(own[0]))
            ends_at.append(int(own[-1]) + 1)
        return Prompt(ids, pages, units, tuple(starts_at), tuple(ends_at))

    def answer(self, prompt: Prompt, choose: Choose, *, thread: str = "") -> Generator[int]:
        """The answer's tokens, without end: the caller stops when it has enough.

        What was read is kept for the thread when the iterator ends or is closed.
        """
        torch = needed("torch")
        prefix = self._prefix(prompt, thread)
        ids, units, cache = prompt.ids, prompt.units, prefix.cache
        positions = self._positions(prompt)
        length = len(prefix.units)
        whole = False
        try:
            logits = self._read(prompt, positions, length, cache)
            self.tokens_read += len(prompt) - length
            length, whole = len(prompt), True
            while True:
                token = choose(ids, logits)
                yield token
                added = ids.new_tensor([[token]])
                ids, units = torch.cat([ids, added], 1), torch.cat([units, added[0]])
                whole = False
                logits = self._step(added, positions, len(prompt), length, cache)
                length, whole = length + 1, True
        finally:
            if whole and self._cuts:
                self.prefixes.put(thread, Prefix(units[:length], cache))

    def _prefix(self, prompt: Prompt, thread: str) -> Prefix:
        """What the model need not read again."""
        held = self.prefixes.take(thread)
        if held is not None and (length := prompt.cut_before(held.shared(prompt.units))) > 0:
            return held.cut(length)
        fresh = croppable_cache(self._model) if self._cuts else None
        if fresh is None:
            self._cuts = False
            config = self._model.config.get_text_config(decoder=True)
            fresh = needed("transformers.cache_utils").DynamicCache(config=config)
        return Prefix(prompt.units[:0], fresh)

    def _read(self, prompt: Prompt, positions: Tensor | None, start: int, cache: Any) -> Tensor:
        """The logits behind the prompt, reading it from ``start`` on."""
        tower = self.encoder.tower
        shown = [page for page, at in zip(prompt.pages, prompt.starts, strict=True) if at >= start]
        types = tower.token_types(prompt.ids)
        if positions is not None:
            # Only their positions are made of types here; these have been.
            types = {name: each[:, start:] for name, each in types.items()}
        return self._run(
            prompt.ids[:, start:],
            None if positions is None else positions[..., start:],
            len(prompt),
            cache,
            **types,
            **tower.grids(shown),
            **tower.encoder_outputs(shown),
        )

    def _step(
        self, added: Tensor, positions: Tensor | None, prompt_length: int, at: int, cache: Any
    ) -> Tensor:
        """The logits behind one more token, at position ``at``."""
        if positions is not None:
            # Text goes on one behind the largest position, in every row.
            positions = positions.amax().expand(positions.shape[0], 1, 1) + 1 + at - prompt_length
        return self._run(added, positions, at + 1, cache)

    def _run(
        self, ids: Tensor, positions: Tensor | None, length: int, cache: Any, **given: Any
    ) -> Tensor:
        if positions is not None:
            given["position_ids"] = positions
        with needed("torch").no_grad():
            output = self._model(
                input_ids=ids,
                attention_mask=ids.new_ones(1, length),
                use_cache=True,
                **{self._cache: cache},
                **self._last_only,
                **given,
            )
        return output.logits[:, -1]

    def _positions(self, prompt: Prompt) -> Tensor | None:
        """Rows of positions (rows, 1, n) for a family that has them, else None."""
        tower = self.encoder.tower
        if not tower.mrope:
            return None
        torch = needed("torch")
        if not prompt.pages:
            return torch.arange(len(prompt), device=prompt.ids.device).expand(3, 1, -1)
        types = tower.token_types(prompt.ids)["mm_token_type_ids"]
        positions, _ = self._model.base_model.get_rope_index(
            prompt.ids, mm_token_type_ids=types, **tower.grids(prompt.pages)
        )
        return positions


def _page_unit(page: VisualPage) -> int:
    """A negative number for the page: 62 bits of the hash of its name."""
    digest = hashlib.sha256(page.key.encode()).digest()
    return -1 - int.from_bytes(digest[:8], "big") % (1 << 62)
