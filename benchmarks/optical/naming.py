"""Which words a visual token names: a loss that tells rare ones apart.

Distance from the ideal tokens alone is slow at that: most of it is what all words share.
"""

from __future__ import annotations

import torch
from model import FAKE, shares
from torch import Tensor
from torch.nn import functional


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

    def words_loss(self, begun: Tensor, ids: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """For what stretches say (pages, PATCHES, width): cross entropy of the text tokens that
        begin in them, and what is said where none begins, 1 being as much as of a token.
        """
        at = starts.long()
        alone = torch.arange(at.shape[1], device=at.device).expand_as(at)
        word = self.loss(begun.gather(1, at[..., None].expand(-1, -1, begun.shape[2])), ids, alone)
        silent = at.new_ones(begun.shape[:2]).scatter_(1, at, 0)
        said = (begun.float() @ self._white).square().mean(-1)
        return word, (said * silent).sum() / silent.sum()

    def loss(self, visual: Tensor, ids: Tensor, owners: Tensor) -> Tensor:
        """Cross entropy of the text tokens of each visual token (pages, TOKENS, width)."""
        chances = self.scores(visual).log_softmax(-1)
        page = torch.arange(len(ids), device=ids.device)[:, None]
        share = shares(ids, owners)
        return -(chances[page, owners.long(), ids.long()] * share).sum() / share.sum()
