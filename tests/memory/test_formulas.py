"""Token formulas: the documented examples, the processors' own arithmetic, and no resampling."""

import importlib
import importlib.util
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sfumato.formulas import Formula, PatchBudget, PatchGrid, RowBreaks, Seen, SmartResize
from sfumato.hosts import Host, host, hosts
from sfumato.tilings import SplitTiles, TiledGrid

SEEING = [each for each in hosts().values() if each.sees]
SIDES = st.integers(1, 6000)
GRID = [1, 27, 28, 31, 200, 333, 512, 640, 767, 896, 1000, 1024, 1372, 1568, 2049, 3000, 4500]
SIZES = [(w, h) for w in GRID for h in GRID if max(w, h) < 200 * min(w, h)]

transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason="transformers is not installed: nothing to hold the formula to",
)
torchvision = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None
    or importlib.util.find_spec("torchvision") is None,
    reason="this processor needs transformers and torchvision",
)


def theirs(module: str, name: str):
    """A class or function of a transformers model, without touching the hub."""
    return getattr(importlib.import_module(f"transformers.models.{module}"), name)


def tiny_tokenizer(*special: str, **named: str):
    """A real tokenizer of a handful of words, enough for a processor to be made."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<pad>", "a", "\n", "\n\n", *special, *named.values()]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=[*special, *named.values()],
    )
    for key, value in named.items():
        setattr(fast, key, value)
        setattr(fast, f"{key}_id", fast.convert_tokens_to_ids(value))
    return fast


class TestDocumentedExamples:
    @pytest.mark.parametrize(
        ("name", "width", "height", "tokens"),
        [
            # DeepSeek-OCR: h(w+1)+1 for the grid of each mode.
            ("deepseek-ocr", 512, 512, 8 * 9 + 1),
            ("deepseek-ocr", 640, 640, 10 * 11 + 1),
            ("deepseek-ocr", 1024, 1024, 16 * 17 + 1),
            ("deepseek-ocr", 1280, 1280, 20 * 21 + 1),
            ("deepseek-ocr", 700, 200, 273),
            ("deepseek-ocr", 4000, 4000, 421),
            ("deepseek-ocr-gundam", 1280, 1280, 273 + 20 * 21),
            ("deepseek-ocr-gundam", 640, 640, 273),
            ("deepseek-ocr-2", 768, 768, 257),
            ("deepseek-ocr-2", 1024, 1024, 833),
            # Claude's guide and its two tiers.
            ("claude-high-res", 1568, 728, 1456),
            ("claude-standard", 1568, 728, 1456),
            ("claude-high-res", 1075, 1520, 2145),
            ("claude-standard", 1075, 1520, 33 * 47),
            ("claude-high-res", 1280, 1280, 2116),
            ("claude-standard", 1280, 1280, 1521),
            ("claude-high-res", 512, 512, 361),
            # OpenAI's guide: tiles, then patches.
            ("gpt-4o", 512, 512, 255),
            ("gpt-4o", 1024, 1024, 765),
            ("gpt-4o", 2048, 4096, 1105),
            ("gpt-4o-mini", 512, 512, 8500),
            ("gpt-5", 1024, 1024, 70 + 4 * 140),
            ("gpt-patch", 512, 512, 308),
            ("gpt-patch", 1024, 1024, 1229),
            ("gpt-4.1-mini", 1800, 2400, math.ceil(1452 * 1.62)),
            ("gpt-4.1-nano", 1000, 1000, 2520),
            ("gpt-5.4", 1600, 1600, 3000),
            ("gpt-5.4-original", 3200, 3200, 12000),
            # Gemini 2: 960x540 has crops of 360 px, 3 x 2 of them.
            ("gemini-2", 384, 384, 258),
            ("gemini-2", 960, 540, 6 * 258),
            ("gemini-2", 1536, 1536, 4 * 258),
            # Gemini 3: a level, and the bill that was measured for a wide page at high.
            ("gemini-3", 672, 960, 280),
            ("gemini-3", 960, 1344, 560),
            ("gemini-3", 1344, 1920, 1120),
            ("gemini-3", 1920, 2688, 2240),
            ("gemini-3", 1568, 728, 1078),
            # Open weights, wrapper tokens included.
            ("qwen3-vl", 512, 512, 256 + 2),
            ("qwen2.5-vl", 1280, 1280, 2116 + 2),
            ("gemma-3", 896, 896, 260),
            ("llava", 336, 336, 576),
            ("pixtral", 1024, 1024, 65 * 64),
            ("smolvlm", 2048, 2048, 67 + 4 * (4 * 66 + 1)),
            ("internvl", 448, 448, 258),
            ("internvl", 896, 896, 5 * 256 + 2),
        ],
    )
    def test_an_image_costs_what_the_source_says(
        self, name: str, width: int, height: int, tokens: int
    ) -> None:
        assert host(name).image_tokens(width, height) == tokens

    def test_a_standard_claude_shrinks_a4_as_its_guide_says(self) -> None:
        assert host("claude-standard").seen(1075, 1520) == Seen(33 * 47, 924, 1307)

    def test_an_image_over_the_patch_budget_is_scaled_to_whole_patches(self) -> None:
        assert host("gpt-patch").seen(1800, 2400) == Seen(math.ceil(1452 * 1.2), 1056, 1408)

    def test_a_page_size_names_its_gemini_level(self) -> None:
        sizes = host("gemini-3").page_rules.canvases
        details = [host("gemini-3").image_detail(*size) for size in sizes]
        assert details == ["low", "medium", "high", "ultra_high"]
        assert host("gemini-3").image_detail(800, 600) == "high"


class TestEveryFormula:
    @given(st.sampled_from(SEEING), SIDES, SIDES)
    def test_any_image_has_a_positive_cost_and_size(
        self, each: Host, width: int, height: int
    ) -> None:
        seen = each.seen(width, height)
        assert seen.tokens >= 1
        assert seen.width_px >= 1
        assert seen.height_px >= 1

    @given(st.sampled_from(SEEING), st.data())
    def test_a_page_within_the_rules_is_never_resampled(self, each: Host, data) -> None:
        rules = each.page_rules
        if rules.canvases:
            size = data.draw(st.sampled_from(rules.canvases))
        else:
            across = st.integers(1, rules.max_width_px // rules.snap_px)
            down = st.integers(1, rules.max_height_px // rules.snap_px)
            size = (data.draw(across) * rules.snap_px, data.draw(down) * rules.snap_px)
        if isinstance(each.arithmetic, SmartResize):
            # An image below the processor's least area is magnified, whatever its sides.
            assume(size[0] * size[1] * each.arithmetic.frames >= each.arithmetic.min_pixels)
        seen = each.seen(*size)
        assert (seen.width_px, seen.height_px) == size
        assert max(size) <= each.max_edge_px

    @given(st.sampled_from(SEEING), SIDES, SIDES)
    def test_turning_an_image_costs_the_same_within_a_row(
        self, each: Host, width: int, height: int
    ) -> None:
        # Row breaks and evened sides tell lying from standing; nothing else may.
        if isinstance(each.arithmetic, RowBreaks | SplitTiles | TiledGrid | PatchBudget):
            return
        assert each.image_tokens(width, height) == each.image_tokens(height, width)

    @given(SIDES, SIDES)
    def test_a_patch_grid_never_exceeds_its_limits(self, width: int, height: int) -> None:
        formula = PatchGrid(patch_px=28, max_patches=1568, max_edge_px=1568)
        seen = formula.see(width, height)
        assert seen.tokens <= 1568
        assert max(seen.width_px, seen.height_px) <= 1568
        assert seen.width_px <= width
        assert seen.height_px <= height

    @given(SIDES, SIDES, st.floats(1, 3))
    def test_a_patch_budget_never_exceeds_its_limits(
        self, width: int, height: int, multiplier: float
    ) -> None:
        seen = PatchBudget(32, 1536, multiplier, 2048).see(width, height)
        assert seen.tokens <= math.ceil(1536 * multiplier)

    def test_the_largest_grid_page_spends_nearly_the_whole_allowance(self) -> None:
        for name in ("claude-standard", "claude-high-res", "gpt-patch", "gpt-5.4"):
            each = host(name)
            rules = each.page_rules
            formula = each.arithmetic
            assert isinstance(formula, PatchGrid | PatchBudget)
            cells = (rules.max_width_px // rules.snap_px) * (rules.max_height_px // rules.snap_px)
            assert 0.99 * formula.max_patches <= cells <= formula.max_patches


def assert_same(formula: Formula, extra: int, count) -> None:
    """Our tokens less ``extra`` wrapper tokens are ``count(height, width)``, size by size."""
    for width, height in SIZES:
        assert formula.see(width, height).tokens - extra == count(height, width), (width, height)


@transformers
class TestProcessorsAgree:
    @pytest.mark.parametrize(
        ("name", "patch", "bounds"),
        [
            ("qwen2.5-vl", 14, (3136, 12845056)),
            ("qwen3-vl", 16, (65536, 16777216)),
        ],
    )
    def test_qwen_vl(self, name: str, patch: int, bounds: tuple[int, int]) -> None:
        made = theirs("qwen2_vl.image_processing_pil_qwen2_vl", "Qwen2VLImageProcessorPil")(
            patch_size=patch, size={"shortest_edge": bounds[0], "longest_edge": bounds[1]}
        )
        assert_same(
            host(name).arithmetic, 2, lambda h, w: made.get_number_of_image_patches(h, w) // 4
        )

    def test_qwen_vl_sees_the_size_we_say(self) -> None:
        from PIL import Image

        made = theirs("qwen2_vl.image_processing_pil_qwen2_vl", "Qwen2VLImageProcessorPil")(
            patch_size=16, size={"shortest_edge": 65536, "longest_edge": 16777216}
        )
        for size in [(512, 512), (500, 333), (90, 70)]:
            _, rows, columns = made(Image.new("RGB", size))["image_grid_thw"][0]
            seen = host("qwen3-vl").seen(*size)
            assert (seen.width_px, seen.height_px) == (columns * 16, rows * 16)

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("glm4v.image_processing_pil_glm4v", "Glm4vImageProcessorPil"),
            ("glm46v.image_processing_pil_glm46v", "Glm46VImageProcessorPil"),
        ],
    )
    def test_glm_v(self, module: str, name: str) -> None:
        made = theirs(module, name)(size={"shortest_edge": 12544, "longest_edge": 9633792})
        assert_same(
            host("glm-v").arithmetic, 2, lambda h, w: made.get_number_of_image_patches(h, w) // 4
        )

    def test_gemma_3(self) -> None:
        made = theirs("gemma3.processing_gemma3", "Gemma3Processor")(
            theirs("gemma3.image_processing_pil_gemma3", "Gemma3ImageProcessorPil")(),
            tiny_tokenizer(image_token="<soft>", boi_token="<boi>", eoi_token="<eoi>"),
        )
        count = made._get_num_multimodal_tokens(image_sizes=[(896, 896)]).num_image_tokens[0]
        marks_and_breaks = 4
        assert host("gemma-3").image_tokens(896, 896) == count + marks_and_breaks

    def test_gemma_4(self) -> None:
        size_for = theirs("gemma4.image_processing_pil_gemma4", "get_aspect_ratio_preserving_size")

        def count(height: int, width: int) -> int:
            rows, columns = size_for(height, width, 16, 280 * 9, 3)
            return rows * columns // 48**2

        assert_same(host("gemma-4").arithmetic, 2, count)

    def test_internvl(self) -> None:
        made = theirs("got_ocr2.image_processing_pil_got_ocr2", "GotOcr2ImageProcessorPil")(
            crop_to_patches=True, size={"height": 448, "width": 448}, max_patches=12
        )
        assert_same(
            host("internvl").arithmetic,
            2,
            lambda h, w: 256 * made.get_number_of_image_patches(h, w),
        )

    @pytest.mark.parametrize(
        ("name", "patch", "edge"), [("pixtral", 16, 1024), ("mistral-small", 28, 1540)]
    )
    def test_pixtral(self, name: str, patch: int, edge: int) -> None:
        import numpy

        size_for = theirs("pixtral.image_processing_pil_pixtral", "get_resize_output_image_size")

        def count(height: int, width: int) -> int:
            image = numpy.broadcast_to(numpy.uint8(0), (height, width, 3))
            rows, columns = size_for(image, (edge, edge), (patch, patch), "channels_last")
            return rows // patch * (columns // patch + 1)

        assert_same(host(name).arithmetic, 0, count)

    @pytest.mark.parametrize(
        ("name", "tile", "edge", "tokens"),
        [("smolvlm", 512, 2048, 64), ("smolvlm-2.2b", 384, 1536, 81)],
    )
    def test_smolvlm(self, name: str, tile: int, edge: int, tokens: int) -> None:
        made = theirs("idefics3.processing_idefics3", "Idefics3Processor")(
            theirs("idefics3.image_processing_pil_idefics3", "Idefics3ImageProcessorPil")(
                size={"longest_edge": edge}, max_image_size={"longest_edge": tile}
            ),
            tiny_tokenizer(),
            image_seq_len=tokens,
        )
        # The tiny tokenizer splits on white space, so it spells "\n\n" with no token at all;
        # the real one has one for it, which the formula counts in the row.
        no_break = -1

        def count(height: int, width: int) -> int:
            sizes = [(height, width)]
            total = made._get_num_multimodal_tokens(image_sizes=sizes).num_image_tokens[0]
            split = made.image_processor.get_number_of_image_patches(height, width, {})[1] > 0
            return total - (no_break if split else 0)

        assert_same(host(name).arithmetic, 0, count)

    def test_llava(self) -> None:
        made = theirs("llava.processing_llava", "LlavaProcessor")(
            theirs("clip.image_processing_pil_clip", "CLIPImageProcessorPil")(
                crop_size={"height": 336, "width": 336}
            ),
            tiny_tokenizer("<image>"),
            patch_size=14,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
        )
        count = made._get_num_multimodal_tokens(image_sizes=[(336, 336)]).num_image_tokens[0]
        assert host("llava").image_tokens(336, 336) == count

    def test_deepseek_ocr_2(self) -> None:
        module = "deepseek_ocr2.image_processing_pil_deepseek_ocr2"
        grid_for = theirs(module, "get_optimal_tiled_canvas")

        def count(height: int, width: int) -> int:
            if max(height, width) <= 768:
                return 257
            columns, rows = grid_for((height, width), (768, 768), 2, 6)
            return 257 + 144 * columns * rows

        assert_same(host("deepseek-ocr-2").arithmetic, 0, count)

    @pytest.mark.parametrize("size", [(768, 768), (769, 200), (1536, 768), (1700, 2300)])
    def test_deepseek_ocr_2_writes_as_many_placeholders(self, size: tuple[int, int]) -> None:
        from PIL import Image

        made = theirs("deepseek_ocr2.processing_deepseek_ocr2", "DeepseekOcr2Processor")(
            theirs(
                "deepseek_ocr2.image_processing_pil_deepseek_ocr2", "DeepseekOcr2ImageProcessorPil"
            )(),
            tiny_tokenizer("<image>"),
        )
        given = made(text=["<image>"], images=[Image.new("RGB", size)])
        placeholder = made.tokenizer.convert_tokens_to_ids("<image>")
        assert given["input_ids"][0].count(placeholder) == host("deepseek-ocr-2").image_tokens(
            *size
        )


@torchvision
class TestProcessorsThatNeedTorchvisionAgree:
    def test_the_tiled_mode_of_deepseek_ocr(self) -> None:
        grid_for = theirs(
            "unlimited_ocr.image_processing_unlimited_ocr", "get_optimal_tiled_canvas"
        )

        def count(height: int, width: int) -> int:
            if max(height, width) <= 640:
                return 273
            columns, rows = grid_for((height, width), (640, 640), 2, 6)
            return 273 + rows * 10 * (columns * 10 + 1)

        assert_same(host("deepseek-ocr-gundam").arithmetic, 0, count)
