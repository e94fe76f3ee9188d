"""The trained host as a folder that stock transformers classes load.

    python benchmarks/optical/export.py --data DIR --learned DIR OUT

``--data`` is what prepare.py wrote, ``--learned`` what train.py wrote. OUT then holds an
Idefics3ForConditionalGeneration with its processor; ``from_pretrained`` needs no code of ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import model
import pages
import torch
from checkpoint import resume
from evaluate import merge
from language import load_language
from talk import SYSTEM
from tokenizers import Tokenizer
from train import read_tokenizer
from transformers import Idefics3Processor, PreTrainedTokenizerFast
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

CHAT = (
    "{% if messages[0]['role'] != 'system' %}"
    f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
    "{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def processor_for(tokenizer: Tokenizer) -> Idefics3Processor:
    """The stock processor, so that pages reach the model as they did in training."""
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
    )
    words.add_special_tokens({"additional_special_tokens": list(model.EXTRA_TOKENS)})
    for token, number in model.EXTRA_TOKENS.items():
        if words.convert_tokens_to_ids(token) != number:
            raise ValueError(f"{token} is not token {number}: this is not SmolLM2's tokenizer")
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": pages.SIDE},
        max_image_size={"longest_edge": pages.SIDE},
        do_image_splitting=False,
        # White is 0, black -2.
        image_mean=[1.0] * 3,
        image_std=[0.5] * 3,
    )
    return Idefics3Processor(images, words, image_seq_len=pages.TOKENS, chat_template=CHAT)


def main() -> None:
    """Parse the command line and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--learned", type=Path, required=True)
    options = parser.parse_args()
    reader = model.Reader()
    reader.load_language(load_language(sorted(options.data.glob("lm-*.npz"))))
    reader.adapt()
    resume(reader, options.learned)
    merge(reader).to(torch.bfloat16).save_pretrained(options.out)
    processor_for(read_tokenizer(options.data)).save_pretrained(options.out)


if __name__ == "__main__":
    main()
