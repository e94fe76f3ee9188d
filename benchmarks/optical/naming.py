"""Which words a visual token names: a loss that tells rare ones apart.

Distance from the ideal tokens alone is slow at that: most of it is what all words share.
"""

from __future__ import annotations

import pages
import torch
from model import FAKE, shares
from torch import Tensor
from torch.nn import functional

_SHARPNESS = 20.0
"""Scores are so many times cosines: of 49,000 tokens one is picked out from a cosine of 0.6 on."""


class Naming:
    """Scores visual tokens against the language model's embeddings (tokens, width).

    Both are whitened, and embeddings brought to length 1: else the few directions along which
    all differ most, and long embeddings, would be named for any word. The ideal tokens then
    nearly reach the least loss.
    """

    def __init__(self, table: Tensor) -> None:
        rows = table[:FAKE].detach().float()
        self._middle = rows.mean(0)
        values, vectors = torch.linalg.eigh((rows - self._middle).T.cov())
        self._white = vectors * values.clamp(min=1e-5).rsqrt()
        names = functional.normalize((rows - self._middle) @ self._white, dim=-1)
        self._names = names.bfloat16()

    def scores(self, visual: Tensor) -> Tensor:
        """How well each text token fits each visual token: (pages, TOKENS, vocabulary)."""
        white = (visual.float() - self._middle) @ self._white
        # A third of a step of training on two cores in float32, a tenth in bfloat16.
        return functional.linear(white.bfloat16(), self._names).float()

    def words_loss(self, begun: Tensor, ids: Tensor, starts: Tensor) -> Tensor:
        """Cross entropy of the text tokens by the direction of what stretches say alone.

        ``begun`` is (pages, PATCHES, width). Length does not count, so that only nearness to the
        embedding helps: what is merely farther from all others is lost once stretches are added.
        """
        share = shares(ids, starts)[..., None]
        at = starts.long()[..., None].expand(-1, -1, begun.shape[2])
        said = (begun.gather(1, at).float() - share * self._middle) @ self._white
        real = ids > 0
        said = _SHARPNESS * functional.normalize(said[real], dim=-1)
        scores = functional.linear(said.bfloat16(), self._names).float()
        return functional.cross_entropy(scores, ids[real].long())

    def loss(self, visual: Tensor, ids: Tensor, starts: Tensor) -> Tensor:
        """Cross entropy of the text tokens of each visual token (pages, TOKENS, width)."""
        chances = self.scores(visual).log_softmax(-1)
        page = torch.arange(len(ids), device=ids.device)[:, None]
        share = shares(ids, starts)
        owners = starts.long() // pages.SCALE**2
        return -(chances[page, owners, ids.long()] * share).sum() / share.sum()
