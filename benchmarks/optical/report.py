"""The tables and the loss curve of a trained optical host.

    python benchmarks/optical/report.py --run DIR --hardware "one H100, 15 minutes" --out results

Takes what train.py left (figures.json, losses.csv); writes optical.md and optical.png, or
optical_ideal.md and .png after the stage of words. Knows nothing of models.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pages

sys.path.insert(0, str(Path(__file__).parents[1]))

from reporting import markdown, wilson

FOX = (
    ("600-700", 10.5, 96.5, 7),
    ("700-800", 11.8, 93.8, 28),
    ("800-900", 13.2, 83.8, 28),
    ("900-1000", 15.1, 85.9, 14),
    ("1000-1100", 16.5, 79.3, 11),
    ("1100-1200", 17.7, 76.4, 8),
    ("1200-1300", 19.7, 59.1, 4),
)
"""Text tokens, text tokens per visual token, precision in %, pages: DeepSeek-OCR with 64
visual tokens on Fox's English pages (arXiv 2510.18234, table 2, October 2025)."""
READS = 0.9
"""Precision and recall from which a page counts as read."""
_RESAMPLES = 2_000
_HOW = {
    False: "",
    True: "given not as pixels but as the tokens that the tower should make of them, ",
}

Figures = dict[str, Any]


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its bootstrapped 95 % interval; pages are drawn with replacement.

    >>> mean_interval([0.5, 0.5])
    (0.5, 0.5, 0.5)
    """
    drawn = np.random.default_rng(0).choice(np.array(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(drawn.mean(1), [2.5, 97.5])
    return float(np.mean(values)), float(low), float(high)


def tables(figures: Figures, source: str) -> str:
    """The report as Markdown."""
    return "\n\n".join(
        [
            "# The optical host, measured",
            f"{source} Held-out pages of 384 x 384 px, {pages.TOKENS} visual tokens each, "
            f"{_HOW[figures['ideally']]}transcribed greedily. Precision is the share of words "
            "said that stand on the page, each as often as it stands there; means over pages, "
            "intervals bootstrapped over them.",
            _verdict(figures),
            _by_size(figures["pages"]),
            "DeepSeek-OCR on Fox, as published (3 billion parameters, other pages and its own "
            f"tokenizer: beside ours, not against it), {pages.TOKENS} visual tokens a page:",
            markdown(
                ["text tokens", "per visual token", "precision", "pages"],
                [
                    (size, f"{ratio}x", f"{share} %", str(count))
                    for size, ratio, share, count in FOX
                ],
            ),
            "## Needles in histories of pages",
            "A question about an exact string on one of several pages; right where the answer "
            "holds it. Intervals are Wilson's.",
            _needles(figures["needles"]),
        ]
    )


def _verdict(figures: Figures) -> str:
    """Up to which ratio pages are read, counted from the largest type without a gap."""
    read = 0.0
    for found in _by_tier(figures["pages"]).values():
        _, low, _ = mean_interval([min(page["precision"], page["recall"]) for page in found])
        if low < READS:
            break
        read = float(np.mean([page["text_tokens"] for page in found])) / pages.TOKENS
    if not read:
        return (
            f"**It does not read**: not even in the largest type are {READS:.0%} of the words "
            "right. Its weights are not shipped."
        )
    return f"It reads at least {READS:.0%} of the words rightly up to {read:.1f}x."


def _by_tier(records: Sequence[Figures]) -> dict[int, list[Figures]]:
    found: dict[int, list[Figures]] = defaultdict(list)
    for record in records:
        found[record["tier"]].append(record)
    return dict(sorted(found.items()))


def _by_size(records: Sequence[Figures]) -> str:
    rows: list[Sequence[str]] = []
    for tier, found in _by_tier(records).items():
        tokens = [page["text_tokens"] for page in found]
        mean, low, high = mean_interval([page["precision"] for page in found])
        asked = sum(page["identifiers"] for page in found)
        exact = sum(page["exact"] for page in found)
        bounds = wilson(exact, asked)
        rows.append(
            (
                f"{pages.TIERS[tier]:g}",
                f"{min(tokens)}-{max(tokens)}",
                f"{np.mean(tokens) / pages.TOKENS:.1f}x",
                f"{mean:.1%} ({low:.1%} to {high:.1%})",
                f"{np.mean([page['recall'] for page in found]):.1%}",
                f"{np.mean([page['similarity'] for page in found]):.1%}",
                f"{exact} of {asked} ({bounds[0]:.0%} to {bounds[1]:.0%})",
                str(len(found)),
            )
        )
    return markdown(
        [
            "type px",
            "text tokens",
            "per visual token",
            "precision (95 %)",
            "recall",
            "characters alike",
            "exact strings (95 %)",
            "pages",
        ],
        rows,
    )


def _needles(asked: Sequence[Figures]) -> str:
    groups: dict[tuple[int, int], list[bool]] = defaultdict(list)
    for each in asked:
        groups[each["tier"], each["pages"]].append(_holds(each["said"], each["wanted"]))
    rows: list[Sequence[str]] = []
    for (tier, length), hits in sorted(groups.items()):
        low, high = wilson(sum(hits), len(hits))
        share = f"{sum(hits)} of {len(hits)} ({low:.0%} to {high:.0%})"
        rows.append((f"{pages.TIERS[tier]:g}", str(length), share))
    return markdown(["type px", "pages in the history", "right (95 %)"], rows)


def _holds(said: str, wanted: str) -> bool:
    """Whether an answer holds a string that is no part of a longer one."""
    return re.search(rf"(?<!\w){re.escape(wanted.strip())}(?!\w)", said) is not None


def losses(path: Path) -> dict[str, list[tuple[float, float]]]:
    """(seconds, value) of every loss in a log, by stage and name; stages follow on."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    begun, last, before = 0.0, 0.0, ""
    with path.open(newline="") as file:
        for stage, _, seconds, _, *values in csv.reader(file):
            if stage != before or float(seconds) < last - begun:  # another run goes on
                begun, before = last, stage
            last = begun + float(seconds)
            for value in values:
                name, number = value.split("=")
                found[f"{stage}: {name}"].append((last, float(number)))
    return dict(found)


def draw_losses(curves: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """The curves as a picture."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4))
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), label=name)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("loss (right: share of tokens)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def main() -> None:
    """Parse the command line and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--hardware", required=True, help="what it was trained on, how long")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results")
    options = parser.parse_args()
    figures = json.loads((options.run / "figures.json").read_text())
    options.out.mkdir(parents=True, exist_ok=True)
    source = f"`python benchmarks/optical/train.py`, trained on {options.hardware}."
    written = options.out / ("optical_ideal.md" if figures["ideally"] else "optical.md")
    written.write_text(tables(figures, source) + "\n", encoding="utf-8")
    draw_losses(losses(options.run / "losses.csv"), written.with_suffix(".png"))
    print(written)


if __name__ == "__main__":
    main()
