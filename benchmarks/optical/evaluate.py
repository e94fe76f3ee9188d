"""How well the host reads held-out pages: transcription by ratio, exact strings, needles.

Takes a trained Reader, whose low-rank maps are merged here; gives plain figures, one record
per page or question, which report.py turns into tables.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import model
import numpy as np
import pages
import torch
from talk import Speaker
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Idefics3ForConditionalGeneration

NEEDLES = 40
HISTORIES = (1, 2, 4, 8)
ASKED = (0, 1, 3)
"""The type sizes in which needles are looked for."""
_WORD = re.compile(r"\S+")


@torch.no_grad()
def merge(reader: model.Reader) -> Idefics3ForConditionalGeneration:
    """The stock model with the low-rank maps added into its weights."""
    for layer in reader.host.model.text_model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name, child in list(part.named_children()):
                if isinstance(child, model.LowRank):
                    child.base.weight.copy_(child.merged().to(child.base.weight.dtype))
                    setattr(part, name, child.base)
    return reader.host.eval()


@dataclass
class Examiner:
    """Asks a host, many at a time, greedily. ``until`` bounds the time of all answers.

    ``see`` gives the visual tokens of pages, one row each.
    """

    host: Idefics3ForConditionalGeneration
    see: Callable[[list[pages.Drawn]], Tensor]
    until: float

    @torch.no_grad()
    def answers(
        self, prompts: list[list[int]], drawn: list[pages.Drawn], most: int
    ) -> list[list[int]]:
        """Token answers; prompts may differ in length. ``drawn`` are all their pages, in order."""
        device = self.host.device
        width = max(map(len, prompts))
        ids = torch.tensor([[model.END] * (width - len(p)) + p for p in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
        table = self.host.get_input_embeddings()
        filled = self.see(drawn).flatten(0, 1).to(self.host.dtype)
        embeds = table(ids).masked_scatter((ids == model.IMAGE)[..., None], filled)
        made = self.host.generate(
            inputs_embeds=embeds,
            attention_mask=mask,
            max_new_tokens=most,
            max_time=max(2.0, self.until - time.monotonic()),
            do_sample=False,
            eos_token_id=model.END,
            pad_token_id=model.END,
        )
        rows = made.tolist()
        return [row[: row.index(model.END)] if model.END in row else row for row in rows]


def draw_exam(held_out: list[str], tokenizer: Tokenizer, count: int) -> list[list[pages.Drawn]]:
    """So many full pages of each type size, of text that was never trained on."""
    painter = pages.Painter(held_out, tokenizer, seed=987_654)
    return [[painter.page(tier, 1.0) for _ in range(count)] for tier in range(len(pages.TIERS))]


def evaluate(
    reader: model.Reader,
    tokenizer: Tokenizer,
    exam: list[list[pages.Drawn]],
    seconds: float,
    *,
    needles: int = NEEDLES,
    ideally: bool = False,
) -> dict[str, Any]:
    """All figures, in about ``seconds``: half for reading, half for needles.

    ``ideally`` takes no look at the pages: the host gets the tokens its tower should give.
    """
    see = partial(ideal_tokens, reader) if ideally else partial(_seen, reader.host)
    host = merge(reader).to(torch.bfloat16)
    speaker = Speaker(tokenizer)
    begun = time.monotonic()
    records: list[dict[str, Any]] = []
    asker = Examiner(host, see, begun)
    groups = [[0, 1, 2], [3, 4], [5]]
    for number, group in enumerate(groups):
        asker.until = begun + seconds * (0.2, 0.45, 0.75)[number]
        batch = [page for tier in group for page in exam[tier]]
        most = max(len(page.ids) for page in batch) + 8
        prompts = [speaker.prompt("Transcribe the page.")] * len(batch)
        for page, found in zip(batch, asker.answers(prompts, batch, most), strict=True):
            records.append(_compare(page, found, tokenizer))
    asked: list[dict[str, Any]] = []
    draw = random.Random(5)
    for number, length in enumerate(HISTORIES):
        asker.until = begun + seconds * (0.8, 0.86, 0.93, 1.0)[number]
        for tier in ASKED:
            asked += _needles(asker, speaker, exam[tier], tokenizer, draw, length, needles, tier)
    return {
        "ideally": ideally,
        "pages": records,
        "needles": asked,
        "seconds": round(time.monotonic() - begun, 1),
    }


def _needles(
    asker: Examiner,
    speaker: Speaker,
    drawn: list[pages.Drawn],
    tokenizer: Tokenizer,
    draw: random.Random,
    length: int,
    count: int,
    tier: int,
) -> list[dict[str, Any]]:
    histories = [draw.choices(drawn, k=length) for _ in range(count)]
    prompts: list[list[int]] = []
    wanted: list[str] = []
    kept: list[list[pages.Drawn]] = []
    for history in histories:
        facts = [fact for page in history for fact in page.facts]
        unique = [fact for fact in facts if [q for q, _ in facts].count(fact[0]) == 1]
        if unique:
            question, answer = draw.choice(unique)
            prompts.append(speaker.prompt(question, length))
            wanted.append(tokenizer.decode(answer))
            kept.append(history)
    if not prompts:
        return []
    found = asker.answers(prompts, [page for history in kept for page in history], 24)
    return [
        {"pages": length, "tier": tier, "wanted": want, "said": tokenizer.decode(said).strip()}
        for want, said in zip(wanted, found, strict=True)
    ]


@torch.no_grad()
def _seen(host: Idefics3ForConditionalGeneration, drawn: list[pages.Drawn]) -> Tensor:
    """What the tower and connector give."""
    found: list[Tensor] = []
    pixels = torch.from_numpy(np.stack([page.pixels for page in drawn]))
    for part in pixels.split(64):
        grey = (part.to(host.device, torch.float32) - 255) / 127.5
        rgb = grey[:, None].expand(-1, 3, -1, -1).to(host.dtype)
        features = host.model.vision_model(pixel_values=rgb).last_hidden_state
        found.append(host.model.connector(features))
    return torch.cat(found)


@torch.no_grad()
def ideal_tokens(reader: model.Reader, drawn: list[pages.Drawn]) -> Tensor:
    """What the tower and connector should give for drawn pages: (pages, TOKENS, width)."""
    longest = max(len(page.ids) for page in drawn)
    padded = [[row + [0] * (longest - len(row)) for row in (p.ids, p.starts)] for p in drawn]
    ids, starts = torch.tensor(padded, device=reader.host.device).unbind(1)
    return reader.ideal(ids, starts)


def _compare(page: pages.Drawn, found: list[int], tokenizer: Tokenizer) -> dict[str, Any]:
    true, said = tokenizer.decode(page.ids), tokenizer.decode(found)
    values = [tokenizer.decode(answer) for _, answer in page.facts]
    return {
        "tier": page.tier,
        "text_tokens": len(page.ids),
        "said_tokens": len(found),
        "precision": precision(true, said),
        "recall": precision(said, true),
        "similarity": similarity(true, said),
        "identifiers": len(values),
        "exact": sum(value in said for value in values),
        "said": said[:400],
        "true": true[:400],
    }


def precision(true: str, said: str) -> float:
    """Share of the words said that stand on the page, each as often as it stands there."""
    left: dict[str, int] = {}
    for word in _WORD.findall(true):
        left[word] = left.get(word, 0) + 1
    words = _WORD.findall(said)
    right = 0
    for word in words:
        if left.get(word, 0) > 0:
            left[word] -= 1
            right += 1
    return right / len(words) if words else 0.0


def similarity(true: str, said: str) -> float:
    """1 - edit distance of characters over the longer length."""
    longest = max(len(true), len(said))
    if not longest:
        return 1.0
    a = np.frombuffer(true.encode("utf-32-le"), np.uint32)
    b = np.frombuffer(said.encode("utf-32-le"), np.uint32)
    row = np.arange(len(b) + 1)
    places = np.arange(len(b) + 1)
    for k, character in enumerate(a):
        swapped = np.minimum(row[:-1] + (b != character), row[1:] + 1)
        # Insertions run along the row: a running minimum after taking the places off.
        best = np.concatenate([[k + 1], swapped]) - places
        row = np.minimum.accumulate(best) + places
    return 1 - float(row[-1]) / longest
