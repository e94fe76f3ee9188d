"""The estimate of an answer's arithmetic, held to what torch counts while it is given."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="visual tokens need torch")
pytest.importorskip("transformers", reason="visual tokens need transformers")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from vision_families import MAKERS, Family, family  # noqa: E402
from vision_views import pages_of, view  # noqa: E402

from sfumato import HostError  # noqa: E402
from sfumato.adapters.transformers import OpticalHost  # noqa: E402
from sfumato.vision_compute import H100, Compute, Estimate, Machine  # noqa: E402

torch.set_num_threads(1)
SAM = ("got_ocr2", "deepseek_ocr2")


def counted(act: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        act()
    return counter.get_total_flops()


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest) -> Family:
    """The family in plain forms of attention and experts: of others, torch counts only some."""
    each = family(request.param)
    model = copy.deepcopy(each.model)
    for part in model.modules():
        if hasattr(part, "set_attn_implementation") and "GotOcr2" not in type(part).__name__:
            part.set_attn_implementation("eager")
    if "deepseek" in request.param:
        model.set_experts_implementation("eager")
    return dataclasses.replace(each, model=model)


def test_reading_and_writing_are_counted_exactly(made: Family):
    host = OpticalHost(made.model, made.processor)
    compute = Compute(made.model)
    shown = view(pages_of(made, 2))
    tokens = len(host.prompt(shown))
    first = counted(lambda: list(host.answer_ids(shown, max_new_tokens=1)))
    assert compute.answer(tokens, 1).total == first
    host.forget("alice")
    whole = counted(lambda: list(host.answer_ids(shown, max_new_tokens=7)))
    estimate = compute.answer(tokens, 7)
    assert estimate.total == whole
    assert estimate.decode == whole - first


def test_a_kept_prefix_is_not_paid_for(made: Family):
    host = OpticalHost(made.model, made.processor)
    before, after = view(pages_of(made, 2)), view(pages_of(made, 2), ["Which?", "That.", "And?"])
    list(host.answer_ids(before, max_new_tokens=1))
    read = host.reader.tokens_read
    flops = counted(lambda: list(host.answer_ids(after, max_new_tokens=1)))
    tokens = len(host.prompt(after))
    kept = tokens - (host.reader.tokens_read - read)
    assert kept > 0
    assert Compute(made.model).answer(tokens, 1, kept_tokens=kept).total == flops


def test_the_tower_is_counted_closely(made: Family):
    encoder = OpticalHost(made.model, made.processor, pages_at_once=1).encoder
    pages = pages_of(made, 3)
    if made.name in SAM:
        with pytest.raises(HostError, match="not one vision transformer"):
            Compute(made.model).answer(1, 1, seen=encoder.encode(pages[:1]))
        return
    flops = counted(lambda: encoder.encode(pages))
    estimate = Compute(made.model).answer(1, 1, seen=encoder.encode(pages))
    # Off by a class token (LLaVA, InternVL) and by windows in some layers (Qwen2.5-VL).
    assert estimate.tower + estimate.connector == pytest.approx(flops, rel=0.06)
    assert estimate.connector > 0


def test_a_kernel_that_skips_what_is_masked_saves_half_the_pairs():
    model = family("llava").model
    width_and_layers = 4 * 32 * 3
    for kept, hidden in ((0, 10 * 9 // 2), (7, 3 * 2 // 2)):
        dense, skipping = (
            Compute(model, skips_masked=skips).answer(10, 5, kept_tokens=kept)
            for skips in (False, True)
        )
        assert dense.prefill - skipping.prefill == width_and_layers * hidden
        assert dense.decode == skipping.decode


def test_a_model_without_weights_has_the_same_costs():
    real = family("qwen3_vl").model
    with torch.device("meta"):
        shape = type(real)(real.config)
    assert Compute(shape).answer(900, 30) == Compute(real).answer(900, 30)


def test_the_view_is_cheaper_than_the_text_it_stands_for():
    made = family("llava")
    compute = Compute(made.model)
    pages = OpticalHost(made.model, made.processor).encoder.encode(pages_of(made, 2))
    text = compute.answer(8_000, 100)
    fresh, cached = compute.answer(2_000, 100, seen=pages), compute.answer(2_000, 100)
    kept = compute.answer(2_000, 100, kept_tokens=1_900)
    assert text.total > fresh.total > cached.total > kept.total
    assert text.joules() > fresh.joules() > cached.joules() > kept.joules()


def test_joules_are_those_of_the_stated_machine():
    estimate = Estimate(tower=10**12, connector=0, prefill=3 * 10**12, decode=10**11)
    assert estimate.total == 41 * 10**11
    # 4e12 operations at 40 % of the peak, 1e11 at 2 %: 15.2 ms at 700 W.
    assert estimate.joules() == pytest.approx((4e12 / 0.4 + 1e11 / 0.02) / 989e12 * 700)
    assert estimate.joules() == pytest.approx(10.6, rel=0.01)
    half = Machine("half", H100.peak_flops, H100.watts / 2, H100.reading_share, H100.writing_share)
    assert estimate.joules(half) == pytest.approx(estimate.joules() / 2)
