"""Cached visual tokens give what pixels give, family by family."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="visual tokens need torch")
pytest.importorskip("transformers", reason="visual tokens need transformers")

from vision_families import MAKERS, Family, family, page  # noqa: E402
from vision_views import from_pixels, pages_of  # noqa: E402

from sfumato.cache import Cache  # noqa: E402
from sfumato.vision import VisionEncoder  # noqa: E402

torch.set_num_threads(1)
TOLERANCE = 1e-4
TOWERS = ("visual", "vision_tower", "vision_model")


class Calls:
    """How often a model's vision tower has really run."""

    def __init__(self, made: Family) -> None:
        towers = [getattr(made.model.base_model, name, None) for name in TOWERS]
        [tower] = [found for found in towers if found is not None]
        self.count = 0
        self._hook = tower.register_forward_pre_hook(self._called)

    def _called(self, *_: Any) -> None:
        self.count += 1

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *_: Any) -> None:
        self._hook.remove()


@pytest.fixture(params=MAKERS)
def model(request: pytest.FixtureRequest) -> Family:
    return family(request.param)


@pytest.fixture
def encoder(model: Family, tmp_path: Any) -> VisionEncoder:
    return VisionEncoder(model.model, model.processor, Cache(tmp_path))


def prompt(made: Family, count: int, question: str = "Which page says it?") -> str:
    shown = "\n\nNext:\n".join([made.image] * count)
    return f"<|im_start|>user\nThe pages:\n{shown}\n\n{question}<|im_end|>\n<|im_start|>assistant\n"


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


def test_greedy_answers_are_those_of_pixels_and_the_tower_does_not_run_for_them(
    model: Family, encoder: VisionEncoder
):
    pages = pages_of(model, 2)
    text = prompt(model, 2)
    wanted = {"max_new_tokens": 8, "do_sample": False}
    by_pixels = model.model.generate(**from_pixels(model, [text], [pages]), **wanted)
    with Calls(model) as calls:
        shown = encoder.encode(pages)
        assert calls.count >= 1
        seeing = calls.count
        by_cache = model.model.generate(**encoder.inputs([text], [shown]), **wanted)
        encoder.encode(pages)
        assert calls.count == seeing
    assert by_cache.tolist() == by_pixels.tolist()


def test_beams_leave_the_pages_as_they_are(model: Family, encoder: VisionEncoder):
    shown = encoder.encode(pages_of(model, 1))
    before = [each.to_bytes() for each in shown]
    text = prompt(model, 1)
    wanted = {"max_new_tokens": 3, "do_sample": False, "num_beams": 2}
    once, twice = (
        model.model.generate(**encoder.inputs([text], [shown]), **wanted) for _ in range(2)
    )
    assert once.tolist() == twice.tolist()
    assert [each.to_bytes() for each in shown] == before
