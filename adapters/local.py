"""A small language model on this machine as host: it reads text, and recalls every time.

Takes a memory whose last turn is a question; gives the answer, piece by piece.
The model sees no pages and calls no tools, so the turns that a question brings
back are put in front of it, verbatim. The weights are found in
``sfumato.adapters.local_weights``.

    from sfumato import Memory
    from sfumato.adapters.local import LocalHost

    host = LocalHost()
    memory = Memory("alice", host="text-only", budget=1_024, count=host.count)
    memory.add("user", "Which flight am I on?")
    print("".join(host.stream(host.prompt(memory))))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfumato.adapters.control_tokens import breaking
from sfumato.adapters.local_weights import EXTRA, load
from sfumato.adapters.pieces import pieces
from sfumato.errors import InputError
from sfumato.memory import Memory
from sfumato.plain import body, labelled
from sfumato.recall import Recalled
from sfumato.tokens import CachedCounter
from sfumato.turn import JsonObject, Turn
from sfumato.vision_torch import cache_argument, needed

__all__ = ["LocalHost", "Prompt"]

MODEL = "SmolLM2-135M-Instruct"
CONTEXT_TOKENS = 8_192
"""What the model was trained to read (its config's ``max_position_embeddings``)."""
ANSWER_TOKENS = 256
RECALLED_TURNS = 4
RECENT_SHARE = 0.5
"""Share of the budget for recent turns; what the question brings back gets the rest."""

_TASK = "You are a helpful assistant. Answer the last question briefly and exactly."
_REMEMBERED = "From earlier in this conversation:"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads. ``recalled`` are the marks of the turns that came back and fit."""

    messages: list[JsonObject]
    recalled: tuple[int, ...]


class LocalHost:
    """SmolLM2-135M-Instruct on the CPU; ``folder`` keeps its weights, as for `load`.

    ``count`` counts tokens by the model's own tokenizer, for a Memory of this host.

    Raises SfumatoError naming what to install where it is missing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._model, self._tokenizer = load(folder)
        self._broken = breaking(self._tokenizer)
        self.count = CachedCounter("smollm2", self._count)

    def prompt(self, memory: Memory) -> Prompt:
        """The recent turns within half the memory's budget, and what the last one brings back.

        Turns that come back and do not fit are left out. Raises NotFoundError for
        a thread without turns, BudgetError or InputError when the question alone
        does not fit, InputError for a last turn that is no question.
        """
        if memory.budget + ANSWER_TOKENS > CONTEXT_TOKENS:
            raise InputError(
                f"{MODEL} reads {CONTEXT_TOKENS:,} tokens, {ANSWER_TOKENS} of them for its answer: "
                f"give a budget of at most {CONTEXT_TOKENS - ANSWER_TOKENS:,}, "
                f"not {memory.budget:,}"
            )
        view = memory.view(int(memory.budget * RECENT_SHARE))
        if not view.recent or view.recent[-1].role == "assistant":
            raise InputError(f"thread {memory.thread!r} does not end with a question: add one")
        said = [_message(each) for each in (*view.system, *view.recent)]
        # The archive note and the factsheet speak of pages, which this model does not get.
        copies = [part for part in view.front if part.kind in ("copy", "text")]
        notes = [part.text for part in copies if part.text]
        spoken = [part for part in view.parts if part.turn is not None]
        shown = {part.first_turn for part in (*copies, *spoken)}
        kept: list[Recalled] = []
        for found in memory.recall(body(view.recent[-1]), RECALLED_TURNS + len(shown)):
            if found.turn in shown or len(kept) == RECALLED_TURNS:
                continue
            if self._length(_messages(said, notes, [*kept, found])) <= memory.budget:
                kept.append(found)
        messages = _messages(said, notes, kept)
        if (length := self._length(messages)) > memory.budget:
            raise InputError(f"the question takes {length:,} tokens of {memory.budget:,}")
        return Prompt(messages, tuple(sorted(found.turn for found in kept)))

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The answer in pieces, as it comes."""
        return pieces(self._tokens(prompt), self._decoded)

    def _count(self, text: str) -> int:
        return len(self._tokenizer(self._broken(text), add_special_tokens=False)["input_ids"])

    def _tokens(self, prompt: Prompt) -> Iterator[int]:
        torch, transformers = needed("torch", EXTRA), needed("transformers", EXTRA)
        kept = transformers.DynamicCache()
        named = cache_argument(self._model)
        ids = torch.tensor([self._ids(prompt.messages)])
        for _ in range(ANSWER_TOKENS):
            with torch.inference_mode():
                read = self._model(input_ids=ids, use_cache=True, logits_to_keep=1, **{named: kept})
            token = int(read.logits[0, -1].argmax())
            if token == self._tokenizer.eos_token_id:
                return
            yield token
            ids = torch.tensor([[token]])

    def _length(self, messages: list[JsonObject]) -> int:
        return len(self._ids(messages))

    def _ids(self, messages: list[JsonObject]) -> list[int]:
        whole = [message | {"content": self._broken(message["content"])} for message in messages]
        made: Any = self._tokenizer.apply_chat_template(
            whole, add_generation_prompt=True, return_dict=True
        )
        return made["input_ids"]

    def _decoded(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)


def _message(turn: Turn) -> JsonObject:
    """The turn as a message; the model's template knows no tools."""
    role = turn.role if turn.role in ("system", "assistant") else "user"
    return {"role": role, "content": body(turn)}


def _messages(
    said: list[JsonObject], notes: Sequence[str], found: Sequence[Recalled]
) -> list[JsonObject]:
    """What was said last; the notes and all that came back stand before the last question.

    There so small a model answers from them; from the system message it does not.
    """
    system = [message["content"] for message in said if message["role"] == "system"]
    *others, last = [message for message in said if message["role"] != "system"]
    ordered = sorted(found, key=lambda item: item.turn)
    lines = [*notes, *(labelled(item.turn, item.content) for item in ordered)]
    if lines:
        asked = "\n".join([_REMEMBERED, *lines, "", last["content"]])
        last = last | {"content": asked}
    return [{"role": "system", "content": "\n".join([*system, _TASK])}, *others, last]
