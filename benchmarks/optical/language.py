"""SmolLM2's weights as they travel: the quantised blocks of its GGUF, in npz files.

A chunk holds pieces of tensors, ``TYPE|name|piece``; joined, the chunks are the whole model.
prepare.py writes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_BLOCK = 32


def unpack(kind: str, blocks: Tensor) -> Tensor:
    """A tensor's float32 values from its blocks (of type F32, Q8_0 or Q4_1)."""
    if kind == "F32":
        return blocks.float()
    if kind == "Q8_0":
        rows = blocks.view(torch.uint8).reshape(blocks.shape[0], -1, 2 + _BLOCK)
        scale = rows[..., :2].contiguous().view(torch.float16).float()
        return (rows[..., 2:].contiguous().view(torch.int8).float() * scale).flatten(1)
    if kind == "Q4_1":
        rows = blocks.view(torch.uint8).reshape(blocks.shape[0], -1, 4 + _BLOCK // 2)
        scale = rows[..., :2].contiguous().view(torch.float16).float()
        least = rows[..., 2:4].contiguous().view(torch.float16).float()
        pairs = rows[..., 4:]
        levels = torch.cat([pairs & 15, pairs >> 4], -1).float()
        return (levels * scale + least).flatten(1)
    raise ValueError(f"{kind} is not a type these weights have")


def load_language(chunks: Sequence[Path]) -> dict[str, Tensor]:
    """The whole state of the language model."""
    pieces: dict[str, dict[int, Tensor]] = defaultdict(dict)
    for chunk in chunks:
        with np.load(chunk) as arrays:
            for key in arrays.files:
                kind, name, piece = key.split("|")
                values = unpack(kind, torch.from_numpy(arrays[key]))
                pieces[name][int(piece)] = values.bfloat16()
    return {
        name: torch.cat([found[number] for number in sorted(found)])
        for name, found in pieces.items()
    }
