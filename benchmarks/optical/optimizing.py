"""How weights move: optimizers, their rates by time, one step. Knows nothing of models."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rates(progress: float) -> float:
    """Share of the highest learning rate: a short rise, then half a cosine."""
    rise = min(1.0, progress / 0.04 + 0.02)
    return rise * (0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


class Optimizers:
    """Several as one."""

    def __init__(self, *each: Optimizer) -> None:
        self._each = each
        self.param_groups = [group for one in each for group in one.param_groups]

    def zero_grad(self, *, set_to_none: bool) -> None:
        """Forget all gradients."""
        for one in self._each:
            one.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """Move all weights."""
        for one in self._each:
            one.step()


Optimizer = torch.optim.Optimizer | Optimizers


def muon(matrices: list[Tensor], rate: float) -> torch.optim.Optimizer:
    """For matrices that must tell rare things apart: every direction moves as far.

    Jordan et al. 2024, rates matched to AdamW's as in Liu et al. 2025 (arXiv:2502.16982).
    """
    return torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")


def adam(groups: list[dict[str, object]]) -> torch.optim.Optimizer:
    """For all else."""
    fused = torch.cuda.is_available()
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01, fused=fused)


def step(loss: Tensor, optimizer: Optimizer, learned: list[Tensor]) -> None:
    """One step down the gradient, which is cut to length 1."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learned, 1.0)
    optimizer.step()
