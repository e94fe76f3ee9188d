"""Choosing the next token from a model's logits.

Takes ids so far (1, n) and logits (1, vocabulary); gives a token's id. Anything
of this form serves, such as transformers' own ``LogitsProcessorList`` followed
by `greedy`:

    choose = lambda ids, logits: greedy(ids, processors(ids, logits))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sfumato.errors import InputError
from sfumato.vision_torch import Tensor, needed

Choose: TypeAlias = Callable[[Tensor, Tensor], int]
"""The next token's id, from all ids so far (1, n) and the logits (1, vocabulary)."""


def greedy(ids: Tensor, logits: Tensor) -> int:
    """The likeliest token."""
    return int(logits.argmax(-1))


def sampled(temperature: float = 1.0, top_p: float = 1.0, seed: int | None = None) -> Choose:
    """A choice by chance among the likeliest tokens that make up ``top_p`` together.

    With a seed, the same logits give the same tokens. Raises InputError for a
    temperature that is not positive, or a share outside (0, 1].
    """
    if temperature <= 0 or not 0 < top_p <= 1:
        raise InputError(
            f"temperature {temperature} and top_p {top_p}: give a temperature above 0 (or use "
            "greedy) and a share above 0 and at most 1"
        )
    torch = needed("torch")
    source = torch.Generator()
    source.seed() if seed is None else source.manual_seed(seed)

    def choose(ids: Tensor, logits: Tensor) -> int:
        shares, order = (logits[0].float().cpu() / temperature).softmax(-1).sort(descending=True)
        # A token stays while those before it have not made up the share; the first always does.
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= top_p, 0.0)
        return int(order[torch.multinomial(shares, 1, generator=source)])

    return choose
