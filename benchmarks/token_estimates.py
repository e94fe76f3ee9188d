"""Fit the weights of memory/token_estimate.py and print their error by kind of text.

    python benchmarks/token_estimates.py TEXTS [--weights]

TEXTS is a folder of UTF-8 files, one for each language or kind (``de.txt``,
``code_python.txt``). Half of each file's pieces are fitted, the other half is
what the table shows. Needs numpy, scipy and splintr-rs.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from scipy.optimize import nnls
from splintr import Tokenizer

from sfumato.token_estimate import FEATURES, features
from sfumato.tokens import _VOCABULARIES

PIECE_CHARACTERS = 800
MOST_PIECES = 60
# What chats are mostly in counts fivefold in the fit: file names, before any underscore.
OFTEN = {
    *("locomo", "markdown", "code", "json", "logs", "words", "prose", "de", "fr", "es", "it"),
    *("pt", "nl", "pl", "tr", "ru", "uk", "ar", "fa", "he", "hi", "th", "ko", "ja", "zh"),
    *("id", "vi", "el"),
}


def pieces(folder: Path) -> list[tuple[str, bool, str]]:
    """(file, whether it is fitted, text), the same on every run."""
    found: list[tuple[str, bool, str]] = []
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        cut = [text[i : i + PIECE_CHARACTERS] for i in range(0, len(text), PIECE_CHARACTERS)]
        random.Random(1).shuffle(cut)
        kept = [piece for piece in cut[:MOST_PIECES] if piece.strip()]
        found += [(path.stem, place % 2 == 0, piece) for place, piece in enumerate(kept)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("--weights", action="store_true", help="print the weights too")
    asked = parser.parse_args()

    sample = pieces(asked.texts)
    kinds = np.array([kind for kind, _, _ in sample])
    fitted = np.array([fit for _, fit, _ in sample])
    counts = np.array([[features(text)[name] for name in FEATURES] for _, _, text in sample], float)
    weight = np.array([5.0 if kind.split("_")[0] in OFTEN else 1.0 for kind in kinds])
    errors: dict[str, dict[str, float]] = {}
    for name, vocabulary in _VOCABULARIES.items():
        encode = Tokenizer.from_pretrained(vocabulary).encode_ordinary
        truth = np.array([len(encode(text)) for _, _, text in sample], float)
        weights, _ = nnls((counts * (weight / truth)[:, None])[fitted], weight[fitted])
        guess = counts @ weights
        for kind in sorted(set(kinds)):
            held = (kinds == kind) & ~fitted
            if held.any():
                errors.setdefault(kind, {})[name] = guess[held].sum() / truth[held].sum() - 1
        if asked.weights:
            named = zip(FEATURES, weights, strict=True)
            print(name, {feature: round(w, 2) for feature, w in named if round(w, 2)})

    print(f"{'':20}" + "".join(f"{name:>10}" for name in _VOCABULARIES))
    for kind, row in errors.items():
        print(f"{kind:20}" + "".join(f"{100 * row[name]:>+9.0f}%" for name in _VOCABULARIES))


if __name__ == "__main__":
    main()
