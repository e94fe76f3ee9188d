"""Checkpoints: what a host has learned, in files small enough to travel."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

import torch
from model import Reader
from safetensors.torch import load_file, save_file
from torch import Tensor

SHARD_BYTES = 14_000_000


def save(reader: Reader, out: Path, kept: Set[str]) -> None:
    """The trained weights of these names in shards, bf16, each written whole or not at all."""
    shards: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, value in reader.learned().items():
        if name not in kept:
            continue
        small = value.to("cpu", torch.bfloat16).contiguous()
        if used + small.nbytes > SHARD_BYTES:
            shards.append({})
            used = 0
        shards[-1][name] = small
        used += small.nbytes
    for number, shard in enumerate(shards):
        path = out / f"learned-{number}.safetensors"
        save_file(shard, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)


def resume(reader: Reader, folder: Path) -> set[str]:
    """Load what a checkpoint holds, and say what; what it lacks stays as it is."""
    state: dict[str, Tensor] = {}
    for shard in sorted(folder.glob("learned-*.safetensors")):
        state |= load_file(shard)
    if not state:
        raise SystemExit(f"{folder} holds no learned-*.safetensors")
    own = dict(reader.named_parameters()) | dict(reader.named_buffers())
    with torch.no_grad():
        for name, value in state.items():
            if name in own:
                own[name].copy_(value)
    return set(state)
