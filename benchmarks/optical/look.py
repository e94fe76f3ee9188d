"""What the tower alone sees of held-out pages: letters, the text along the lines, words.

    python benchmarks/optical/look.py --data DIR --learned DIR

Prints the share of letters that the first layers name, how the last layer spells a page, and
the share of text tokens that visual tokens name, by how frequent they are, for the tower's
visual tokens and for ideal ones. No answer of the language model is asked for.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import evaluate
import numpy as np
import pages
import torch
from checkpoint import resume
from language import load_language
from model import Reader
from naming import Naming
from torch import Tensor
from train import read_tokenizer

sys.path.insert(0, str(Path(__file__).parents[1]))

from reporting import markdown

RANKS = (0, 100, 300, 1000, 50_000)


def spelled(slots: Tensor) -> str:
    """The text of a strip's character classes (patches, SLOTS)."""
    signs = {pages.NOTHING: "", pages.SPACE: " ", pages.TURN_END: "\n", pages.OTHER: "?"}
    order = torch.from_numpy(pages.PLACE_OF_STRETCH)
    classes = slots[order].flatten().tolist()
    return "".join(signs.get(label, chr(label + 32)) for label in classes)


def named(scores: Tensor, drawn: Sequence[pages.Drawn]) -> Iterator[tuple[int, bool]]:
    """Each text token, and whether it is among the best of its visual token, by these scores.

    As many count as the best as the visual token holds; scores are (pages, TOKENS, vocabulary).
    """
    for page, rows in zip(drawn, scores, strict=True):
        for owner in set(page.owners):
            held = [i for i, at in zip(page.ids, page.owners, strict=True) if at == owner]
            best = set(rows[owner].topk(len(set(held))).indices.tolist())
            yield from ((token, token in best) for token in held)


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--learned", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=24)
    parser.add_argument("--tier", type=int, default=0, help="type size, 0 is the largest")
    options = parser.parse_args()
    tokenizer = read_tokenizer(options.data)
    passages, held_out = pages.load_passages(options.data / "corpus.jsonl.gz")
    seen = pages.Painter(passages, tokenizer, seed=99)
    counts = Counter(i for _ in range(400) for i in seen.page(options.tier, 1.0).ids)
    ranks = {token: rank for rank, (token, _) in enumerate(counts.most_common())}
    painter = pages.Painter(held_out, tokenizer, seed=4242)
    drawn = [painter.page(options.tier, 1.0) for _ in range(options.pages)]

    reader = Reader()
    reader.load_language(load_language(sorted(options.data.glob("lm-*.npz"))))
    reader.adapt()
    resume(reader, options.learned)
    with torch.no_grad():
        middle = reader.look_closely(torch.from_numpy(np.stack([page.pixels for page in drawn])))
        local = torch.from_numpy(np.stack([page.local for page in drawn]))
        print(f"letters named rightly: {reader.letters_loss(middle, local)[1]:.1%}\n")
        features = reader.look_along(middle)
        logits = reader.strip_head(features[0]).unflatten(-1, (pages.SLOTS, pages.CLASSES))
        print(f"stands there: {spelled(torch.from_numpy(drawn[0].strip))[:200]!r}")
        print(f"spelled:      {spelled(logits.argmax(-1))[:300]!r}\n")
        naming = Naming(reader.host.get_input_embeddings().weight)
        shares: list[list[str]] = []
        for visual in (reader.visual_tokens(features), evaluate.ideal_tokens(reader, drawn)):
            hits = [
                (ranks.get(i, len(ranks)), hit) for i, hit in named(naming.scores(visual), drawn)
            ]
            shares.append([])
            for low, high in pairwise(RANKS):
                share = [hit for rank, hit in hits if low <= rank < high]
                shares[-1].append(f"{sum(share) / len(share):.0%} of {len(share)}")
    rows = [
        (f"{low + 1} to {high}", *row)
        for (low, high), row in zip(pairwise(RANKS), zip(*shares, strict=True), strict=True)
    ]
    print(markdown(["rank by frequency", "named by the tower's", "by ideal tokens"], rows))


if __name__ == "__main__":
    main()
