"""What is said to the host and what it must answer, as tokens.

The words are those of the stock processor and chat template: a system line, then the page
or pages, a request, and the answer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import model
import numpy as np
import pages
from pool import Slots
from tokenizers import Tokenizer

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
PAGE = [model.FAKE, model.WHOLE, *[model.IMAGE] * pages.TOKENS, model.FAKE]


@dataclass(frozen=True)
class Sample:
    """``answers`` marks the tokens to learn. ``at`` are the slots of the pages, in order."""

    ids: list[int]
    answers: list[bool]
    at: list[int]


class Speaker:
    """Puts together prompts and samples."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        def of(text: str) -> list[int]:
            return tokenizer.encode(text, add_special_tokens=False).ids

        self._of = of
        self._begin = of(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n")
        self._again = of("\n<|im_start|>user\n")
        self._answer = of("<|im_end|>\n<|im_start|>assistant\n")
        self._page = of("Transcribe the page.")
        self._numbers = [of(f"Page {k + 1}.") for k in range(64)]

    def prompt(self, request: str | Sequence[int], images: int = 1) -> list[int]:
        """All before the answer, for a request about so many pages."""
        tokens = self._of(request) if isinstance(request, str) else list(request)
        return [*self._begin, *PAGE * images, *tokens, *self._answer]

    def sample(self, slots: Slots, at: list[int], draw: random.Random) -> Sample:
        """Requests about one page, or questions about several, with their answers."""
        rounds = self._about_page(slots, at[0], draw) if len(at) == 1 else []
        rounds = rounds or self._about_pages(slots, at, draw)
        ids, answers = [*self._begin, *PAGE * len(at)], []
        for number, (request, answer) in enumerate(rounds):
            ids += [*(self._again if number else ()), *request, *self._answer]
            answers += [False] * (len(ids) - len(answers)) + [True] * (len(answer) + 1)
            ids += [*answer, model.END]
        return Sample(ids, answers, at)

    def _about_page(
        self, slots: Slots, at: int, draw: random.Random
    ) -> list[tuple[list[int], list[int]]]:
        found = _facts(slots, at)
        rounds = draw.sample(found, min(len(found), draw.randint(0, 2)))
        text = slots.ids[at]
        turns = [turn for turn in slots.turns[at].tolist() if turn[2] > 0]
        if draw.random() < 0.35:
            mark, start, end = draw.choice(turns)
            rounds.append((self._of(f"Transcribe turn #{mark}."), text[start:end].tolist()))
        if draw.random() < 0.75 or not rounds:
            rounds.append((self._page, text[: turns[-1][2]].tolist()))
        return rounds

    def _about_pages(
        self, slots: Slots, at: list[int], draw: random.Random
    ) -> list[tuple[list[int], list[int]]]:
        every = [(page, *fact) for page, slot in enumerate(at) for fact in _facts(slots, slot)]
        rounds: list[tuple[list[int], list[int]]] = []
        for page, question, answer in draw.sample(every, min(len(every), 3)):
            asked = [question for _, question, _ in every].count(question)
            if asked > 1:
                continue
            rounds.append((question, answer))
            if draw.random() < 0.3:
                where = [*self._of("On which page is the answer? "), *question]
                rounds.append((where, self._numbers[page]))
        return rounds or [(self._of("How many pages are there?"), self._of(f"{len(at)}"))]


def _facts(slots: Slots, at: int) -> list[tuple[list[int], list[int]]]:
    """Questions on a page and their answers."""
    pairs = slots.asked[at]
    return [
        (question[question > 0].tolist(), answer[answer > 0].tolist())
        for question, answer in pairs
        if question[0] > 0
    ]


def padded(rows: Sequence[Sequence[int | bool]], fill: int | bool) -> np.ndarray:
    """Rows of one length, a multiple of 16, filled at their ends."""
    width = -(-max(map(len, rows)) // 16) * 16
    return np.array([[*row, *[fill] * (width - len(row))] for row in rows])
