"""What does an answer cost in arithmetic and energy, as full text and as a view?

An estimate, not a measurement: operations from a model's shape, made empty (no
weights) from transformers' configuration of Qwen3-VL, joules by the assumption
of ``sfumato.vision_compute`` (an H100 at 40 % of its peak while reading, at 2 %
while writing). A view has a quarter of the text's tokens, half of them pages.
With its prefix kept, a turn reads what it adds. Attention counts no masked pairs.

    python benchmarks/energy.py [--answer 300] [--turn 200]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.markdown import Markdown
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from sfumato.vision_compute import H100, Compute, Estimate
from sfumato.vision_page import VisualPage

RESULTS = Path(__file__).parent / "results" / "energy.md"
TEXTS = (8_000, 32_000, 128_000)
SHARE = 0.25
PAGE_TOKENS = 256
"""A page of 512 x 512 px on Qwen3-VL, a patch of 16 px a side, four to a token."""


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    wanted.add_argument("--answer", type=int, default=300)
    wanted.add_argument("--turn", type=int, default=200)
    given = wanted.parse_args()
    with torch.device("meta"):
        model = Qwen3VLForConditionalGeneration(Qwen3VLConfig())
    size = sum(each.numel() for each in model.parameters()) / 1e9
    compute = Compute(model, skips_masked=True)
    lines = [
        "# Arithmetic and energy of an answer",
        "",
        f"`python benchmarks/energy.py`: an estimate for a model of {size:.1f} G parameters in the "
        f"shape of transformers' default Qwen3-VL, answers of {given.answer} tokens; {H100.name} "
        f"assumed at {H100.reading_share:.0%} of {H100.peak_flops / 1e12:.0f} TFLOP/s and "
        f"{H100.watts:.0f} W while reading, at {H100.writing_share:.0%} while writing an answer "
        f"alone. Views have {SHARE:.0%} of the text's tokens, half of them pages. Batching "
        "answers lowers the joules of writing for all alike.",
        "",
        "| text, tokens | what is read | TFLOP | joules | of full text |",
        "| --- | --- | --- | --- | --- |",
    ]
    for text in TEXTS:
        view = int(text * SHARE)
        pages = [page() for _ in range(view // 2 // PAGE_TOKENS)]
        full = compute.answer(text, given.answer)
        rows = {
            "full text": full,
            "view, every page seen": compute.answer(view, given.answer, seen=pages),
            "view, cached visual tokens": compute.answer(view, given.answer),
            "full text, prefix kept": steady(compute, text, given),
            "view, prefix kept": steady(compute, view, given),
        }
        for name, estimate in rows.items():
            lines.append(
                f"| {text:,} | {name} | {estimate.total / 1e12:,.0f} | {estimate.joules():,.0f} "
                f"| {estimate.joules() / full.joules():.0%} |"
            )
    report = "\n".join([*lines, ""])
    RESULTS.write_text(report, encoding="utf-8")
    Console().print(Markdown(report))


def steady(compute: Compute, tokens: int, given: argparse.Namespace) -> Estimate:
    """A turn that adds to a prompt whose keys and values are kept."""
    return compute.answer(tokens, given.answer, kept_tokens=tokens - given.turn)


def page() -> VisualPage:
    """A page's shape, without a page."""
    side = int(PAGE_TOKENS**0.5) * 2
    return VisualPage(
        key="",
        expansion="",
        tokens=PAGE_TOKENS,
        features=torch.empty(PAGE_TOKENS, 1, device="meta"),
        stacked=False,
        grid=torch.tensor([[1, side, side]]),
    )


if __name__ == "__main__":
    main()
