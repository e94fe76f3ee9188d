"""Cached visual tokens give what pixels give, family by family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="visual tokens need torch")
pytest.importorskip("transformers", reason="visual tokens need transformers")

from vision_families import MAKERS, Family, family, page, picture  # noqa: E402

from sfumato.cache import Cache  # noqa: E402
from sfumato.vision import VisionEncoder  # noqa: E402

torch.set_num_threads(1)
TOLERANCE = 1e-4
FAMILIES = [name for name in MAKERS if name != "deepseek_ocr2"]


@pytest.fixture(params=MAKERS)
def model(request: pytest.FixtureRequest) -> Family:
    return family(request.param)


@pytest.fixture
def encoder(model: Family, tmp_path: Any) -> VisionEncoder:
    return VisionEncoder(model.model, model.processor, Cache(tmp_path))


def pages_of(made: Family, count: int) -> list[bytes]:
    return [page(number, made.sizes[number % len(made.sizes)]) for number in range(count)]


def prompt(made: Family, count: int, question: str = "Which page says it?") -> str:
    shown = "\n\nNext:\n".join([made.image] * count)
    return f"<|im_start|>user\nThe pages:\n{shown}\n\n{question}<|im_end|>\n<|im_start|>assistant\n"


def from_pixels(made: Family, prompts: Sequence[str], pages: Sequence[Sequence[bytes]]) -> Any:
    """Model arguments as the family's own processor makes them."""
    nested = [[picture(png) for png in own] for own in pages]
    images = [each for own in nested for each in own] if made.name == "got_ocr2" else nested
    return made.processor(
        text=list(prompts), images=images, padding=len(prompts) > 1, return_tensors="pt"
    )


def logits(made: Family, inputs: Any) -> Any:
    with torch.no_grad():
        return made.model(**inputs).logits[inputs["attention_mask"].bool()]


def apart(one: Any, other: Any) -> float:
    assert one.shape == other.shape
    return (one - other).abs().max().item()


def test_pages_of_many_sizes_give_the_logits_of_their_pixels(model: Family, encoder: VisionEncoder):
    pages = pages_of(model, len(model.sizes))
    text = prompt(model, len(pages))
    pixels = from_pixels(model, [text], [pages])
    cached = encoder.inputs([text], [encoder.encode(pages)])
    assert cached["input_ids"].tolist() == pixels["input_ids"].tolist()
    for types in ("mm_token_type_ids", "token_type_ids"):
        if types in pixels and types in cached:
            assert cached[types].tolist() == pixels[types].tolist()
    assert apart(logits(model, cached), logits(model, pixels)) <= TOLERANCE


def test_the_logits_depend_on_what_the_pages_show(model: Family, encoder: VisionEncoder):
    text = prompt(model, 1)
    one, other = (page(number, model.sizes[0]) for number in (1, 2))
    seen = [logits(model, encoder.inputs([text], [encoder.encode([png])])) for png in (one, other)]
    assert apart(*seen) > 0.01


def test_prompts_with_different_numbers_of_pages_share_a_batch(
    model: Family, encoder: VisionEncoder
):
    few, many = pages_of(model, 1), pages_of(model, 2)
    texts = [prompt(model, 1, "One?"), prompt(model, 2, "Two, and which of the two?")]
    pixels = from_pixels(model, texts, [few, many])
    cached = encoder.inputs(texts, [encoder.encode(few), encoder.encode(many)])
    assert cached["input_ids"].tolist() == pixels["input_ids"].tolist()
    assert apart(logits(model, cached), logits(model, pixels)) <= TOLERANCE


def test_a_view_that_grew_runs_the_tower_for_its_new_page_alone(
    model: Family, encoder: VisionEncoder
):
    pages = pages_of(model, 3)
    for count in (1, 2, 3):
        shown = encoder.encode(pages[:count])
        assert encoder.pages_seen == count
        text = prompt(model, count)
        pixels = from_pixels(model, [text], [pages[:count]])
        assert apart(logits(model, encoder.inputs([text], [shown])), logits(model, pixels)) <= (
            TOLERANCE
        )


def test_greedy_answers_are_those_of_pixels(model: Family, encoder: VisionEncoder):
    pages = pages_of(model, 2)
    text = prompt(model, 2)
    wanted = {"max_new_tokens": 8, "do_sample": False}
    by_pixels = model.model.generate(**from_pixels(model, [text], [pages]), **wanted)
    by_cache = model.model.generate(**encoder.inputs([text], [encoder.encode(pages)]), **wanted)
    assert by_cache.tolist() == by_pixels.tolist()
