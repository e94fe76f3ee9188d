"""The vision encoder: what it keeps, what makes that stale, what fails in silence without it."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="visual tokens need torch")
pytest.importorskip("transformers", reason="visual tokens need transformers")

from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402
from vision_families import Family, family, page  # noqa: E402
from vision_views import from_pixels, pages_of  # noqa: E402

from sfumato import HostError, InputError, Memory, Policy, SfumatoError, host  # noqa: E402
from sfumato.cache import Cache  # noqa: E402
from sfumato.tiers import tiers_for  # noqa: E402
from sfumato.vision import VisionEncoder, VisualPage  # noqa: E402
from sfumato.vision_torch import needed  # noqa: E402

torch.set_num_threads(1)
SIZE = (64, 64)


@pytest.fixture
def llava() -> Family:
    return family("llava")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    made = Cache(tmp_path / "features")
    yield made
    made.close()


def encoder(made: Family, cache: Cache, **settings: Any) -> VisionEncoder:
    return VisionEncoder(made.model, made.processor, cache, **settings)


def question(made: Family, count: int) -> str:
    return "Pages:\n" + f"{made.image}\n" * count + "Which?"


def logits(made: Family, inputs: Any) -> Any:
    with torch.no_grad():
        return made.model(**inputs).logits


class TestWhatIsKept:
    def test_another_process_on_the_same_cache_sees_no_page_again(
        self, llava: Family, cache: Cache
    ):
        pages = pages_of(llava, 3)
        first = encoder(llava, cache).encode(pages)
        later = encoder(llava, cache)
        again = later.encode(pages)
        assert later.pages_seen == 0
        for one, other in zip(first, again, strict=True):
            assert one.to_bytes() == other.to_bytes()
            assert (one.key, one.tokens, one.expansion) == (
                other.key,
                other.tokens,
                other.expansion,
            )

    def test_an_equal_page_is_seen_once_and_given_twice(self, llava: Family, cache: Cache):
        seeing = encoder(llava, cache)
        one, other, same = seeing.encode([page(1, SIZE), page(2, SIZE), page(1, SIZE)])
        assert seeing.pages_seen == 2
        assert one.key == same.key != other.key

    def test_a_batch_is_no_larger_than_asked(self, llava: Family, cache: Cache):
        sizes: list[int] = []
        hook = llava.model.model.vision_tower.register_forward_pre_hook(
            lambda _, given, named: sizes.append(len(given[0] if given else named["pixel_values"])),
            with_kwargs=True,
        )
        try:
            encoder(llava, cache, pages_at_once=2).encode(pages_of(llava, 5))
        finally:
            hook.remove()
        assert sizes == [2, 2, 1]

    @pytest.mark.parametrize("name", ["llava", "idefics3", "gemma3", "qwen3_vl"])
    def test_how_pages_were_batched_makes_no_difference(self, name: str, tmp_path: Path):
        made = family(name)
        pages = pages_of(made, 3)
        alone = encoder(made, Cache(tmp_path / "a"), pages_at_once=1).encode(pages)
        together = encoder(made, Cache(tmp_path / "b"), pages_at_once=3).encode(pages)
        for one, other in zip(alone, together, strict=True):
            assert (one.features - other.features).abs().max() <= 1e-4
            for level, same in zip(one.deepstack, other.deepstack, strict=True):
                assert (level - same).abs().max() <= 1e-4

    def test_pages_that_made_room_are_seen_again(self, llava: Family, tmp_path: Path):
        one_page = len(
            encoder(llava, Cache(tmp_path / "probe")).encode([page(0, SIZE)])[0].to_bytes()
        )
        small = Cache(tmp_path / "small", size_limit=one_page * 8)
        seeing = encoder(llava, small)
        pages = [page(number, SIZE) for number in range(24)]
        before = [each.to_bytes() for each in seeing.encode(pages)]
        held = sum(path.stat().st_size for path in (tmp_path / "small").rglob("*.val"))
        assert held <= one_page * 16
        assert [each.to_bytes() for each in seeing.encode(pages)] == before
        assert 24 < seeing.pages_seen <= 48

    def test_forgetting_a_thread_forgets_its_visual_tokens(self, llava: Family, tmp_path: Path):
        memory = Memory("alice", "llava", f"sqlite:///{tmp_path}/m.db", budget=4096)
        memory.add("user", "a secret")
        shared = page(1, SIZE)
        seeing = encoder(llava, memory.store.cache)
        seeing.encode([shared], thread="alice")
        seeing.encode([shared], thread="bob")
        memory.forget()
        assert memory.store.cache.get(seeing.keys([shared], "alice")[0]) is None
        assert memory.store.cache.get(seeing.keys([shared], "bob")[0]) is not None
        memory.store.close()

    @pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 0.02), ("bfloat16", 0.15)])
    def test_half_precision_takes_half_the_room(
        self, llava: Family, cache: Cache, dtype: str, tolerance: float
    ):
        exact = encoder(llava, cache)
        half = encoder(llava, cache, dtype=dtype)
        [png] = pages_of(llava, 1)
        [page_exact], [page_half] = exact.encode([png]), half.encode([png])
        assert page_half.features.nbytes * 2 == page_exact.features.nbytes
        text = question(llava, 1)
        given = [logits(llava, each.inputs([text], [[own]])) for each, own in (
            (exact, page_exact), (half, page_half),
        )]  # fmt: skip
        assert 0 < (given[0] - given[1]).abs().max() <= tolerance

    def test_a_model_in_bfloat16_reads_its_own_visual_tokens(self, llava: Family, cache: Cache):
        model = copy.deepcopy(llava.model).to(torch.bfloat16)
        half = dataclasses.replace(llava, model=model)
        seeing = encoder(half, cache)
        pages = pages_of(half, 2)
        shown = seeing.encode(pages)
        assert shown[0].features.dtype == torch.bfloat16
        text = question(half, 2)
        pixels = from_pixels(half, [text], [pages])
        pixels["pixel_values"] = pixels["pixel_values"].to(torch.bfloat16)
        by_cache = logits(half, seeing.inputs([text], [shown]))
        assert torch.equal(by_cache, logits(half, pixels))


class TestWhatMakesItStale:
    def test_a_retrained_tower_sees_pages_anew(self, llava: Family, cache: Cache):
        made = dataclasses.replace(llava, model=copy.deepcopy(llava.model))
        seeing = encoder(made, cache)
        [before] = seeing.encode([page(1, SIZE)])
        with torch.no_grad():
            made.model.model.multi_modal_projector.linear_1.weight.mul_(1.5)
        [after] = seeing.encode([page(1, SIZE)])
        assert seeing.pages_seen == 2
        assert before.key != after.key
        assert not torch.equal(before.features, after.features)

    def test_a_retrained_language_model_leaves_them_alone(self, llava: Family, cache: Cache):
        made = dataclasses.replace(llava, model=copy.deepcopy(llava.model))
        seeing = encoder(made, cache)
        before = seeing.keys([page(1, SIZE)])
        with torch.no_grad():
            for weights in (*made.model.get_decoder().parameters(), made.model.lm_head.weight):
                weights.mul_(1.5)
        assert seeing.keys([page(1, SIZE)]) == before

    def test_each_setting_of_the_processor_counts(self, llava: Family, cache: Cache):
        made = dataclasses.replace(llava, processor=copy.deepcopy(llava.processor))
        keys = [encoder(made, cache).keys([page(1, SIZE)])[0]]
        for change in ({"image_mean": [0.1, 0.1, 0.1]}, {"do_center_crop": False}):
            for name, value in change.items():
                setattr(made.processor.image_processor, name, value)
            keys.append(encoder(made, cache).keys([page(1, SIZE)])[0])
        assert len(set(keys)) == 3

    def test_precision_thread_and_page_each_have_features_of_their_own(
        self, llava: Family, cache: Cache
    ):
        seeing = encoder(llava, cache)
        keys = {
            *seeing.keys([page(1, SIZE), page(2, SIZE)]),
            *seeing.keys([page(1, SIZE)], thread="alice"),
            *encoder(llava, cache, dtype="float16").keys([page(1, SIZE)]),
        }
        assert len(keys) == 4


class TestBytes:
    def test_they_are_safetensors_and_nothing_else(self, llava: Family, cache: Cache):
        seeing = encoder(llava, cache)
        seeing.encode([page(1, SIZE)])
        held = cache.get(seeing.keys([page(1, SIZE)])[0])
        assert held is not None
        length = int.from_bytes(held[:8], "little")
        header = json.loads(held[8 : 8 + length])
        assert set(header) == {"rows", "expansion"}
        assert header["rows"]["shape"] == [36, 32]
        assert len(held) == 8 + length + 36 * 32 * 4 + len("<image>") * 36

    def test_a_pickle_in_their_place_is_a_miss_and_is_not_run(
        self, llava: Family, cache: Cache, tmp_path: Path
    ):
        class Trap:
            def __reduce__(self) -> Any:
                return Path.touch, (tmp_path / "ran",)

        seeing = encoder(llava, cache)
        [key] = seeing.keys([page(1, SIZE)])
        for planted in (pickle.dumps(Trap()), b"", b"\xff" * 100):
            cache.put(key, planted)
            seeing.encode([page(1, SIZE)])
        assert seeing.pages_seen == 3
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("name", ["qwen3_vl", "internvl", "deepseek_ocr2"])
    def test_a_page_comes_back_as_it_was(self, name: str, cache: Cache):
        made = family(name)
        [kept] = encoder(made, cache).encode(pages_of(made, 1))
        back = VisualPage.from_bytes(kept.key, kept.to_bytes())
        assert back is not None
        assert torch.equal(back.features, kept.features)
        assert (back.tokens, back.stacked, back.expansion) == (
            kept.tokens, kept.stacked, kept.expansion,
        )  # fmt: skip
        assert [level.tolist() for level in back.deepstack] == [
            level.tolist() for level in kept.deepstack
        ]
        assert (back.grid is None) == (kept.grid is None)
        assert back.grid is None or back.grid.tolist() == kept.grid.tolist()
        assert kept.rows.shape == (kept.tokens, 32)


class TestRefusals:
    def test_bytes_that_are_no_image(self, llava: Family, cache: Cache):
        with pytest.raises(InputError, match="are no image"):
            encoder(llava, cache).encode([b"%PDF-1.7"])

    def test_a_prompt_with_another_number_of_pages(self, llava: Family, cache: Cache):
        seeing = encoder(llava, cache)
        pages = seeing.encode(pages_of(llava, 2))
        for text in ("no page", question(llava, 1), question(llava, 3)):
            with pytest.raises(InputError, match="there are 2 pages"):
                seeing.inputs([text], [pages])

    def test_a_batch_of_none(self, llava: Family, cache: Cache):
        with pytest.raises(InputError, match="at least 1"):
            encoder(llava, cache, pages_at_once=0)

    def test_a_text_model_and_each_thing_it_lacks(self, llava: Family, cache: Cache):
        blind = LlamaForCausalLM(
            LlamaConfig(
                hidden_size=8,
                intermediate_size=8,
                num_hidden_layers=1,
                num_attention_heads=1,
                vocab_size=9,
                pad_token_id=0,
            )
        )
        with pytest.raises(HostError) as refused:
            VisionEncoder(blind, llava.processor, cache)
        message = str(refused.value)
        assert "LlamaForCausalLM" in message
        for lacking in ("mm_encoder_outputs", "get_image_features", "image_token_id"):
            assert lacking in message
        with pytest.raises(HostError, match="an image processor; image_token in its processor"):
            VisionEncoder(llava.model, llava.processor.tokenizer, cache)

    def test_a_family_transformers_cannot_split(self, llava: Family, cache: Cache):
        from transformers import Kosmos2Config, Kosmos2ForConditionalGeneration

        small = {"attention_heads": 2, "layers": 1, "ffn_dim": 8, "embed_dim": 8, "vocab_size": 9}
        seeing = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
        config = Kosmos2Config(
            text_config=small,
            vision_config={**seeing, "num_attention_heads": 2, "image_size": 28, "patch_size": 14},
            latent_query_num=4,
        )
        model = Kosmos2ForConditionalGeneration(config)
        with pytest.raises(HostError, match=r"Kosmos2ForConditionalGeneration.*mm_encoder_outputs"):
            VisionEncoder(model, llava.processor, cache)

    @pytest.mark.parametrize(
        ("name", "change", "reserved", "given"),
        [
            ("llava", {"patch_size": 16}, 9, 36),
            ("internvl", {"image_seq_length": 6}, 6, 4),
            ("idefics3", {"image_seq_len": 5}, 50, 40),
        ],
    )
    def test_a_processor_whose_settings_are_not_the_checkpoints(
        self, name: str, change: dict[str, int], reserved: int, given: int, cache: Cache
    ):
        made = family(name)
        processor = copy.deepcopy(made.processor)
        for setting, value in change.items():
            setattr(processor, setting, value)
        seeing = VisionEncoder(made.model, processor, cache)
        with pytest.raises(HostError, match=rf"reserves {reserved} tokens .* gives {given}:"):
            seeing.encode([page(1, made.sizes[0])])

    def test_a_processor_that_does_not_say_what_it_writes(self, llava: Family, cache: Cache):
        class Older(type(llava.processor)):
            """As DeepSeek-OCR-2's processor of transformers 5.18."""

            def __call__(self, *given: Any, **named: Any) -> Any:
                made = super().__call__(*given, **named)
                made.pop("text_replacement_offsets", None)
                return made

        processor = copy.copy(llava.processor)
        processor.__class__ = Older
        with pytest.raises(HostError, match=r"Older of transformers .* take a newer transformers"):
            VisionEncoder(llava.model, processor, cache).encode([page(1, SIZE)])

    def test_a_library_that_is_not_there(self):
        with pytest.raises(SfumatoError, match=r"pip install 'sfumato\[vision\]'"):
            needed("no_such_library")


class TestSilentFailures:
    """What transformers accepts without an error and answers wrongly; ours must not do."""

    @pytest.mark.parametrize(
        ("name", "missing"),
        [
            ("qwen2_5_vl", ["mm_token_type_ids"]),
            ("qwen3_vl", ["mm_token_type_ids", "image_grid_thw"]),
            ("glm4v", ["mm_token_type_ids", "image_grid_thw"]),
        ],
    )
    def test_without_token_types_or_grids_positions_fall_back_to_one_row(
        self, name: str, missing: list[str], cache: Cache
    ):
        made = family(name)
        pages = pages_of(made, 2)
        text = question(made, 2)
        seeing = encoder(made, cache)
        inputs = seeing.inputs([text], [seeing.encode(pages)])
        right = logits(made, from_pixels(made, [text], [pages]))
        assert (logits(made, inputs) - right).abs().max() <= 1e-4
        for argument in missing:
            del inputs[argument]
        assert (logits(made, inputs) - right).abs().max() > 0.01

    def test_positions_of_the_call_before_are_not_used(self, cache: Cache):
        made = family("qwen2_5_vl")
        seeing = encoder(made, cache)
        few, many = pages_of(made, 1), pages_of(made, 3)
        inputs = [
            seeing.inputs([question(made, len(pages))], [seeing.encode(pages)])
            for pages in (few, many)
        ]
        alone = logits(made, inputs[0])
        made.model.generate(**inputs[1], max_new_tokens=2, do_sample=False)
        stale = made.model.model.rope_deltas
        assert torch.equal(logits(made, inputs[0]), alone)
        assert not torch.equal(stale, made.model.model.rope_deltas)

    def test_without_token_types_gemma_reads_pages_in_one_direction(self, cache: Cache):
        made = family("gemma3")
        seeing = encoder(made, cache)
        inputs = seeing.inputs([question(made, 1)], [seeing.encode(pages_of(made, 1))])
        right = logits(made, inputs)
        del inputs["token_type_ids"]
        assert (logits(made, inputs) - right).abs().max() > 0.01

    def test_features_of_early_layers_are_kept(self, cache: Cache):
        made = family("qwen3_vl")
        seeing = encoder(made, cache)
        pages = seeing.encode(pages_of(made, 2))
        assert [len(each.deepstack) for each in pages] == [2, 2]
        inputs = seeing.inputs([question(made, 2)], [pages])
        right = logits(made, inputs)
        inputs["mm_encoder_outputs"]["image"].deepstack_features = None
        try:
            wrong = logits(made, inputs)
        except (AttributeError, TypeError, IndexError, ValueError):
            return
        assert (wrong - right).abs().max() > 0.01

    @pytest.mark.parametrize(("name", "stacked"), [
        ("gemma3", True), ("internvl", True), ("got_ocr2", True),
        ("llava", False), ("idefics3", False), ("qwen3_vl", False), ("mistral3", False),
    ])  # fmt: skip
    def test_features_come_in_the_container_of_the_family(
        self, name: str, stacked: bool, cache: Cache
    ):
        made = family(name)
        seeing = encoder(made, cache)
        inputs = seeing.inputs([question(made, 2)], [seeing.encode(pages_of(made, 2))])
        given = inputs["mm_encoder_outputs"]["image"].pooler_output
        assert torch.is_tensor(given) is stacked
        assert logits(made, inputs).isfinite().all()

    def test_each_call_gets_a_container_of_its_own(self, llava: Family, cache: Cache):
        seeing = encoder(llava, cache)
        pages = seeing.encode(pages_of(llava, 1))
        one, other = (seeing.inputs([question(llava, 1)], [pages]) for _ in range(2))
        one["mm_encoder_outputs"]["image"].pooler_output.append("widened by beams")
        assert len(other["mm_encoder_outputs"]["image"].pooler_output) == 1

    @pytest.mark.parametrize(("name", "profile"), [("llava", "llava"), ("gemma3", "gemma-3")])
    def test_where_pixels_buy_no_tokens_every_page_has_the_size_the_model_sees(
        self, name: str, profile: str, cache: Cache
    ):
        made = family(name)
        sizes = ((48, 48), (96, 96), (192, 96), (30, 200))
        shown = encoder(made, cache).encode([page(1, size) for size in sizes])
        assert len({each.tokens for each in shown}) == 1
        known = host(profile)
        assert known.page_rules is not None
        assert len(known.page_rules.canvases) == 1
        assert len({known.image_tokens(*size) for size in sizes}) == 1

    def test_and_smaller_type_means_more_text_on_a_page(self):
        ladder = [
            tier.style
            for profile in ("legible", "dense")
            for tier in tiers_for(host("gemma-3"), profile, 8_000, Policy())
        ]
        assert {(style.width_px, style.height_px) for style in ladder} == {(896, 896)}
        held = [style.columns * style.rows for style in ladder]
        assert held == sorted(held)
        assert held[0] < held[-1]
