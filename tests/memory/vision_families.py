"""Small vision-language models of many families, made from configurations: no hub, no weights.

Each has its family's own classes and processor, a byte-level tokenizer that
reads any text, and random weights redrawn so that logits depend on pixels
(some families initialise parts of the tower to zero).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import torch
from PIL import Image, ImageDraw
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

TEMPLATE = """\
{% for message in messages %}<|im_start|>{{ message.role }}
{% for part in message.content %}{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}\
{% endif %}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
TOWER: dict[str, Any] = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


@dataclass(frozen=True)
class Family:
    """A model and its processor; ``image`` is how its chat template writes an image."""

    name: str
    model: Any
    processor: Any
    image: str
    sizes: tuple[tuple[int, int], ...]


def page(number: int, size: tuple[int, int]) -> bytes:
    """A page of its own, as PNG bytes."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    for line in range(4, size[1] - 8, 9):
        draw.line(
            [(4, line), (4 + (number * 37 + line * 5) % (size[0] - 8), line)], fill=0, width=3
        )
    held = BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def picture(png: bytes) -> Image.Image:
    """The page as an image, as a processor takes it."""
    return Image.open(BytesIO(png)).convert("RGB")


def theirs(module: str, name: str) -> Any:
    """A class of a transformers model."""
    return getattr(importlib.import_module(f"transformers.models.{module}"), name)


def without_video(processor: Any) -> Any:
    """The processor's class, made without a video processor (which needs torchvision)."""

    def check(self: Any, name: str, given: Any) -> Any:
        return (
            type(given)
            if given is None
            else processor.check_argument_for_proper_class(self, name, given)
        )

    return type(processor.__name__, (processor,), {"check_argument_for_proper_class": check})


def tokenizer(*special: str, **named: str) -> Any:
    """A byte-level tokenizer with two merges, so that token borders depend on neighbours."""
    specials = ["<pad>", "<bos>", "<|im_end|>", "<|im_start|>", *special, *named.values()]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*dict.fromkeys(specials), *alphabet, "ĊĊ", "ĊĊĊ"]
    made = Tokenizer(
        models.BPE(
            vocab={word: at for at, word in enumerate(words)},
            merges=[("Ċ", "Ċ"), ("ĊĊ", "Ċ")],
        )
    )
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<|im_end|>",
        padding_side="left",
        additional_special_tokens=[s for s in dict.fromkeys(specials) if s != "<pad>"],
    )
    for key, value in named.items():
        setattr(fast, key, value)
        setattr(fast, f"{key}_id", fast.convert_tokens_to_ids(value))
    return fast


def made(
    name: str,
    model_class: Any,
    config: Any,
    processor: Any,
    image: str,
    sizes: tuple[tuple[int, int], ...],
) -> Family:
    """The family with weights redrawn: every one random, none zero."""
    torch.manual_seed(7)
    model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            spread = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.3
            parameter.copy_(torch.randn_like(parameter) * spread)
            if parameter.ndim == 1:
                parameter.add_(0.7)
    processor.chat_template = TEMPLATE.replace("IMAGE", image)
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = None
    return Family(name, model, processor, image, sizes)


def llava() -> Family:
    words = tokenizer("<image>")
    processor = theirs("llava.processing_llava", "LlavaProcessor")(
        theirs("llava.image_processing_pil_llava", "LlavaImageProcessorPil")(
            size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}
        ),
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**TOWER, image_size=48, patch_size=8),
        text_config=LlamaConfig(**TEXT, vocab_size=len(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    return made(
        "llava",
        theirs("llava.modeling_llava", "LlavaForConditionalGeneration"),
        config,
        processor,
        "<image>",
        ((48, 48), (96, 48), (64, 80)),
    )


def idefics(module: str, prefix: str) -> Family:
    rows = [f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)]
    words = tokenizer(
        "<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", *rows
    )
    side = 32
    processor = theirs("idefics3.processing_idefics3", "Idefics3Processor")(
        theirs("idefics3.image_processing_pil_idefics3", "Idefics3ImageProcessorPil")(
            size={"longest_edge": 3 * side}, max_image_size={"longest_edge": side}
        ),
        words,
        image_seq_len=4,
    )
    from transformers import LlamaConfig

    config = theirs(f"{module}.configuration_{module}", f"{prefix}Config")(
        vision_config={**TOWER, "image_size": side, "patch_size": 8},
        text_config=LlamaConfig(**TEXT, vocab_size=len(words)).to_dict(),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    return made(
        module,
        theirs(f"{module}.modeling_{module}", f"{prefix}ForConditionalGeneration"),
        config,
        processor,
        "<image>",
        ((96, 96), (96, 64), (32, 32)),
    )


def gemma3() -> Family:
    words = tokenizer(image_token="<soft>", boi_token="<boi>", eoi_token="<eoi>")
    processor = theirs("gemma3.processing_gemma3", "Gemma3Processor")(
        theirs("gemma3.image_processing_pil_gemma3", "Gemma3ImageProcessorPil")(
            size={"height": 48, "width": 48}, image_seq_length=9
        ),
        words,
        image_seq_length=9,
    )
    from transformers import Gemma3Config, Gemma3TextConfig, SiglipVisionConfig

    config = Gemma3Config(
        vision_config=SiglipVisionConfig(
            **TOWER, image_size=48, patch_size=8, vision_use_head=False
        ).to_dict(),
        text_config=Gemma3TextConfig(
            **TEXT,
            vocab_size=len(words),
            head_dim=8,
            sliding_window=16,
            query_pre_attn_scalar=8,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ).to_dict(),
        mm_tokens_per_image=9,
        image_token_index=words.image_token_id,
        boi_token_index=words.boi_token_id,
        eoi_token_index=words.eoi_token_id,
    )
    return made(
        "gemma3",
        theirs("gemma3.modeling_gemma3", "Gemma3ForConditionalGeneration"),
        config,
        processor,
        "<boi>",
        ((48, 48), (96, 48), (64, 80)),
    )


def internvl() -> Family:
    words = tokenizer(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    processor = without_video(theirs("internvl.processing_internvl", "InternVLProcessor"))(
        theirs("got_ocr2.image_processing_pil_got_ocr2", "GotOcr2ImageProcessorPil")(
            size={"height": 32, "width": 32}
        ),
        words,
        image_seq_length=4,
    )
    from transformers import InternVLConfig, Qwen2Config

    config = InternVLConfig(
        vision_config={**TOWER, "image_size": [32, 32], "patch_size": [8, 8]},
        text_config=Qwen2Config(**TEXT, vocab_size=len(words)).to_dict(),
        image_token_id=words.context_image_token_id,
        image_seq_length=4,
    )
    return made(
        "internvl",
        theirs("internvl.modeling_internvl", "InternVLForConditionalGeneration"),
        config,
        processor,
        "<IMG_CONTEXT>",
        ((32, 32), (96, 32), (64, 64)),
    )


def got_ocr2() -> Family:
    words = tokenizer("<img>", "</img>", "<imgpad>")
    processor = theirs("got_ocr2.processing_got_ocr2", "GotOcr2Processor")(
        theirs("got_ocr2.image_processing_pil_got_ocr2", "GotOcr2ImageProcessorPil")(
            size={"height": 128, "width": 128}
        ),
        words,
    )
    processor.num_image_tokens = 4
    from transformers import Qwen2Config

    config = theirs("got_ocr2.configuration_got_ocr2", "GotOcr2Config")(
        vision_config={
            "hidden_size": 24,
            "output_channels": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 128,
            "patch_size": 16,
            "window_size": 4,
            "global_attn_indexes": [1],
            "mlp_dim": 32,
        },
        text_config=Qwen2Config(**TEXT, vocab_size=len(words)).to_dict(),
        image_token_index=words.convert_tokens_to_ids("<imgpad>"),
        image_seq_length=4,
    )
    return made(
        "got_ocr2",
        theirs("got_ocr2.modeling_got_ocr2", "GotOcr2ForConditionalGeneration"),
        config,
        processor,
        "<img><imgpad></img>",
        ((128, 128), (96, 160)),
    )


def qwen(name: str) -> Family:
    words = tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    ids = words.convert_tokens_to_ids
    three = name == "qwen3_vl"
    patch = 16 if three else 14
    prefix = "Qwen3VL" if three else "Qwen2_5_VL"
    processor = without_video(theirs(f"{name}.processing_{name}", f"{prefix}Processor"))(
        theirs("qwen2_vl.image_processing_pil_qwen2_vl", "Qwen2VLImageProcessorPil")(
            patch_size=patch,
            merge_size=2,
            size={"shortest_edge": (2 * patch) ** 2, "longest_edge": (16 * patch) ** 2},
        ),
        words,
    )
    tower: dict[str, Any] = {
        "depth": 2,
        "hidden_size": 32,
        "num_heads": 2,
        "intermediate_size": 32,
        "patch_size": patch,
        "out_hidden_size": 32,
    }
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    text = {**TEXT, "vocab_size": len(words), "rope_parameters": rope}
    if three:
        tower |= {"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64}
        text["head_dim"] = 8
    else:
        tower |= {"fullatt_block_indexes": [1], "window_size": 56}
    config = theirs(f"{name}.configuration_{name}", f"{prefix}Config")(
        vision_config=tower,
        text_config=text,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    return made(
        name,
        theirs(f"{name}.modeling_{name}", f"{prefix}ForConditionalGeneration"),
        config,
        processor,
        "<|vision_start|><|image_pad|><|vision_end|>",
        ((112, 112), (168, 84), (70, 140)),
    )


def glm4v() -> Family:
    words = tokenizer(
        "<|begin_of_image|>",
        "<|end_of_image|>",
        "<|begin_of_video|>",
        "<|end_of_video|>",
        "<|image|>",
        "<|video|>",
    )
    ids = words.convert_tokens_to_ids
    processor = without_video(theirs("glm4v.processing_glm4v", "Glm4vProcessor"))(
        theirs("glm4v.image_processing_pil_glm4v", "Glm4vImageProcessorPil")(
            size={"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 128}
        ),
        words,
    )
    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [1, 1, 2],
        "partial_rotary_factor": 1.0,
    }
    config = theirs("glm4v.configuration_glm4v", "Glm4vConfig")(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 48,
            "patch_size": 14,
            "image_size": 112,
            "out_hidden_size": 32,
        },
        text_config={**TEXT, "vocab_size": len(words), "rope_parameters": rope},
        image_token_id=ids("<|image|>"),
        video_token_id=ids("<|video|>"),
        image_start_token_id=ids("<|begin_of_image|>"),
        image_end_token_id=ids("<|end_of_image|>"),
        video_start_token_id=ids("<|begin_of_video|>"),
        video_end_token_id=ids("<|end_of_video|>"),
    )
    return made(
        "glm4v",
        theirs("glm4v.modeling_glm4v", "Glm4vForConditionalGeneration"),
        config,
        processor,
        "<|begin_of_image|><|image|><|end_of_image|>",
        ((112, 112), (168, 84), (70, 140)),
    )


def mistral3() -> Family:
    words = tokenizer("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    # The processor's module asks the torchvision image processor for a function that is pure.
    pixtral = "transformers.models.pixtral.image_processing"
    sys.modules.setdefault(f"{pixtral}_pixtral", importlib.import_module(f"{pixtral}_pil_pixtral"))
    processor = theirs("pixtral.processing_pixtral", "PixtralProcessor")(
        theirs("pixtral.image_processing_pil_pixtral", "PixtralImageProcessorPil")(
            patch_size={"height": 8, "width": 8}, size={"longest_edge": 128}
        ),
        words,
        patch_size=8,
        spatial_merge_size=2,
    )
    from transformers import Mistral3Config, MistralConfig, PixtralVisionConfig

    config = Mistral3Config(
        vision_config=PixtralVisionConfig(**TOWER, image_size=128, patch_size=8).to_dict(),
        text_config=MistralConfig(
            **TEXT, vocab_size=len(words), head_dim=8, sliding_window=None
        ).to_dict(),
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
    )
    return made(
        "mistral3",
        theirs("mistral3.modeling_mistral3", "Mistral3ForConditionalGeneration"),
        config,
        processor,
        "[IMG]",
        ((64, 64), (96, 48), (64, 128)),
    )


def deepseek_ocr2() -> Family:
    words = tokenizer("<image>")
    processor = theirs("deepseek_ocr2.processing_deepseek_ocr2", "DeepseekOcr2Processor")(
        theirs("deepseek_ocr2.image_processing_pil_deepseek_ocr2", "DeepseekOcr2ImageProcessorPil")(
            size={"height": 1024, "width": 1024}, tile_size=768
        ),
        words,
    )
    config = theirs("deepseek_ocr2.configuration_deepseek_ocr2", "DeepseekOcr2Config")(
        vision_config={
            "sam_config": {
                "hidden_size": 12,
                "output_channels": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "image_size": 1024,
                "patch_size": 16,
                "window_size": 14,
                "global_attn_indexes": [],
                "mlp_dim": 16,
                "downsample_channels": [12, 16],
            },
            "encoder_config": {
                "hidden_size": 16,
                "intermediate_size": 24,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
            },
        },
        text_config={
            **TEXT,
            "vocab_size": len(words),
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_shared_experts": 1,
            "moe_intermediate_size": 16,
            "mlp_layer_types": ["dense", "sparse", "sparse"],
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )
    return made(
        "deepseek_ocr2",
        theirs("deepseek_ocr2.modeling_deepseek_ocr2", "DeepseekOcr2ForConditionalGeneration"),
        config,
        processor,
        "<image>",
        ((512, 512), (1024, 512)),
    )


def paligemma() -> Family:
    """Attends to its whole prompt in both directions, and is no chat model."""
    words = tokenizer(image_token="<image>")
    images = theirs("siglip.image_processing_pil_siglip", "SiglipImageProcessorPil")(
        size={"height": 48, "width": 48}
    )
    images.image_seq_length = 36
    processor = theirs("paligemma.processing_paligemma", "PaliGemmaProcessor")(images, words)
    from transformers import GemmaConfig, PaliGemmaConfig, SiglipVisionConfig

    config = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(
            **TOWER, image_size=48, patch_size=8, vision_use_head=False, projection_dim=32
        ).to_dict(),
        text_config=GemmaConfig(**TEXT, vocab_size=len(words), head_dim=8).to_dict(),
        image_token_index=words.image_token_id,
        projection_dim=32,
    )
    return made(
        "paligemma",
        theirs("paligemma.modeling_paligemma", "PaliGemmaForConditionalGeneration"),
        config,
        processor,
        "<image>",
        ((48, 48), (96, 48)),
    )


def qwen3_5() -> Family:
    """Half its layers hold one state that cannot be taken back."""
    seen = qwen("qwen3_vl")
    ids = seen.processor.tokenizer.convert_tokens_to_ids
    config = theirs("qwen3_5.configuration_qwen3_5", "Qwen3_5Config")(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 32,
            "patch_size": 16,
            "out_hidden_size": 32,
            "num_position_embeddings": 64,
        },
        text_config={
            **TEXT,
            "vocab_size": len(seen.processor.tokenizer),
            "head_dim": 8,
            "layer_types": ["linear_attention", "full_attention", "linear_attention"],
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [1, 1, 2],
                "partial_rotary_factor": 1.0,
            },
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    return made(
        "qwen3_5",
        theirs("qwen3_5.modeling_qwen3_5", "Qwen3_5ForConditionalGeneration"),
        config,
        seen.processor,
        seen.image,
        seen.sizes,
    )


MAKERS: dict[str, Callable[[], Family]] = {
    "llava": llava,
    "idefics3": lambda: idefics("idefics3", "Idefics3"),
    "smolvlm": lambda: idefics("smolvlm", "SmolVLM"),
    "gemma3": gemma3,
    "internvl": internvl,
    "got_ocr2": got_ocr2,
    "qwen2_5_vl": lambda: qwen("qwen2_5_vl"),
    "qwen3_vl": lambda: qwen("qwen3_vl"),
    "glm4v": glm4v,
    "mistral3": mistral3,
    "deepseek_ocr2": deepseek_ocr2,
}

SPECIAL: dict[str, Callable[[], Family]] = {"paligemma": paligemma, "qwen3_5": qwen3_5}
"""Families whose prompts cannot be cut."""


@cache
def family(name: str) -> Family:
    """The family of that name, made once."""
    return (MAKERS | SPECIAL)[name]()
