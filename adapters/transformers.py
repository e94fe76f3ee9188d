"""A transformers vision-language model as host: a view in, its answer out.

Takes a view; gives messages for the model's own chat template, the pages'
visual tokens from the cache, and the answer as text, whole or as it comes.
Encoding is in ``sfumato.vision``, what is kept between answers in
``sfumato.vision_reader``.

    from transformers import AutoModelForImageTextToText, AutoProcessor
    from sfumato import Memory
    from sfumato.adapters.transformers import OpticalHost

    name = "Qwen/Qwen3-VL-2B-Instruct"
    model = AutoModelForImageTextToText.from_pretrained(name, dtype="auto")
    memory = Memory("alice", host="qwen3-vl", budget=8_000)
    host = OpticalHost(model, AutoProcessor.from_pretrained(name), memory.store.cache)
    memory.add("user", "Which flight am I on?")
    memory.add("assistant", host.answer(memory.view()))

Source of the message format: transformers' guide on chat templates of
multimodal models and on tool use (version 5.24, November 2026).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from sfumato.adapters.arrange import Wire, arrange
from sfumato.adapters.control_tokens import breaking
from sfumato.adapters.front import view_turns
from sfumato.adapters.pieces import pieces
from sfumato.adapters.wire import described, result_parts, spelled_out
from sfumato.cache import Cache
from sfumato.turn import Image, JsonObject, Part, Text, ToolCall, ToolResult, Turn
from sfumato.view import View
from sfumato.vision import VisionEncoder
from sfumato.vision_choice import Choose, greedy
from sfumato.vision_reader import Prompt, Reader
from sfumato.vision_torch import Model, Processor

__all__ = ["OpticalHost"]

_WIRE = Wire("transformers", merged=True, calls_last=True)
PREFIX_BYTES = 2 << 30


class OpticalHost:
    """A model with its processor, as the reader of views.

    ``cache`` holds visual tokens; give the memory's own (``memory.store.cache``),
    so that they outlive the process and are forgotten with their thread. Without
    it they lie in a temporary folder until the process ends. ``prefix_bytes``
    bounds the keys and values kept between answers (0: none), least recently
    used threads going first. ``pages_at_once`` and ``dtype`` as for
    VisionEncoder. The model stays on its device and in its precision.

    Raises HostError for a model that cannot be given cached visual tokens.
    """

    def __init__(
        self,
        model: Model,
        processor: Processor,
        cache: Cache | None = None,
        *,
        prefix_bytes: int = PREFIX_BYTES,
        pages_at_once: int = 4,
        dtype: str | None = None,
    ) -> None:
        if cache is None:
            # Kept on the object: the folder is deleted with it.
            self._folder = tempfile.TemporaryDirectory(
                prefix="sfumato-", ignore_cleanup_errors=True
            )
            cache = Cache(Path(self._folder.name) / "features")
        self.encoder = VisionEncoder(
            model, processor, cache, pages_at_once=pages_at_once, dtype=dtype
        )
        self.reader = Reader(self.encoder, prefix_bytes=prefix_bytes)
        self._model = model
        self._processor = processor
        self._broken = breaking(processor.tokenizer, processor.image_token)

    def messages(self, view: View) -> tuple[list[JsonObject], list[bytes]]:
        """The view as messages for the chat template, and its images in the order they stand.

        Where the template has no tool calls, they and their results are said in
        words. Control tokens in remembered text are broken by a space, so that
        no text can end its message, open another or pass for a page.
        """
        turns = [_without_addresses(turn) for turn in view_turns(view, _nothing_noted)]
        if "tool_calls" not in str(self._processor.chat_template):
            turns = [_in_words(turn) for turn in turns]
        images: list[bytes] = []
        arranged = arrange(turns, _WIRE)
        written = [message for turn in arranged for message in self._messages(turn, images)]
        return _one_system_message(written), images

    def prompt(self, view: View) -> Prompt:
        """The view as the model reads it; its length is in tokens.

        Pages the model has not seen are encoded. Raises InputError for a view
        whose pages were not drawn, and for images that are none.
        """
        messages, images = self.messages(view)
        text: str = self._processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False
        )
        return self.reader.prompt(text, self.encoder.encode(images, thread=view.thread))

    def answer(self, view: View, *, max_new_tokens: int = 512, choose: Choose = greedy) -> str:
        """The model's answer to the view.

        ``choose`` picks each token; greedy unless told, see `sfumato.vision_choice`.
        """
        return "".join(self.stream(view, max_new_tokens=max_new_tokens, choose=choose))

    def stream(
        self, view: View, *, max_new_tokens: int = 512, choose: Choose = greedy
    ) -> Iterator[str]:
        """The answer in pieces, as it comes. Ending early is fine: what was read is kept."""
        ids = self.answer_ids(view, max_new_tokens=max_new_tokens, choose=choose)
        return pieces(ids, self._decoded)

    def answer_ids(
        self, view: View, *, max_new_tokens: int = 512, choose: Choose = greedy
    ) -> Generator[int]:
        """The answer's token ids, without the one that ends it."""
        ends: Any = self._model.generation_config.eos_token_id
        stops = set(cast("list[int]", ends)) if isinstance(ends, list) else {ends}
        with closing(self.reader.answer(self.prompt(view), choose, thread=view.thread)) as tokens:
            for count, token in enumerate(tokens, start=1):
                if token in stops:
                    return
                yield token
                if count == max_new_tokens:
                    return

    def forget(self, thread: str) -> None:
        """Drop what this process keeps of the thread; its memory's cache drops visual tokens."""
        self.reader.prefixes.take(thread)

    def _decoded(self, ids: Sequence[int]) -> str:
        return self._processor.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def _messages(self, turn: Turn, images: list[bytes]) -> Iterator[JsonObject]:
        """The turn as messages: one for each tool result, one for the rest."""
        for result in turn.parts:
            if isinstance(result, ToolResult):
                content = list(self._content(result_parts(result), images))
                yield {"role": "tool", "name": result.name, "content": content}
        others = [part for part in turn.parts if not isinstance(part, ToolResult)]
        if others:
            message: JsonObject = {
                "role": turn.role,
                "content": list(self._content(others, images)),
            }
            calls = [self._call(part) for part in others if isinstance(part, ToolCall)]
            yield message | {"tool_calls": calls} if calls else message

    def _content(self, parts: Sequence[Part], images: list[bytes]) -> Iterator[JsonObject]:
        # Neighbouring texts are joined first: templates write them without a border.
        for are_texts, some in groupby(parts, lambda part: isinstance(part, Text)):
            if are_texts:
                text = "".join(part.text for part in some if isinstance(part, Text))
                yield {"type": "text", "text": self._broken(text)}
                continue
            for part in some:
                if isinstance(part, Image) and part.data is not None:
                    images.append(part.data)
                    yield {"type": "image"}

    def _call(self, call: ToolCall) -> JsonObject:
        try:
            arguments = json.loads(call.arguments)
        except ValueError:
            arguments = call.arguments
        function = {"name": call.name, "arguments": self._broken_in(arguments)}
        return {"type": "function", "function": function}

    def _broken_in(self, value: Any) -> Any:
        """A JSON value with the control tokens in its strings broken."""
        match value:
            case str():
                return self._broken(value)
            case list():
                return [self._broken_in(item) for item in cast("list[Any]", value)]
            case dict():
                items = cast("dict[str, Any]", value).items()
                return {self._broken(key): self._broken_in(item) for key, item in items}
            case _:
                return value


def _nothing_noted(detail: str | None, is_last: bool) -> JsonObject:
    return {}


def _without_addresses(turn: Turn) -> Turn:
    """The turn with images that are not here, but somewhere else, in words."""

    def here(part: Any) -> Any:
        return described(part) if isinstance(part, Image) and part.data is None else part

    parts = [
        replace(part, content=tuple(here(inner) for inner in part.content))
        if isinstance(part, ToolResult)
        else here(part)
        for part in turn.parts
    ]
    return replace(turn, parts=tuple(parts))


def _in_words(turn: Turn) -> Turn:
    """The turn with calls and results as text."""
    parts: list[Part] = []
    for part in turn.parts:
        parts += spelled_out(part) if isinstance(part, ToolCall | ToolResult) else [part]
    return replace(turn, role="user" if turn.role == "tool" else turn.role, parts=tuple(parts))


def _one_system_message(messages: list[JsonObject]) -> list[JsonObject]:
    """The messages with the leading system messages as one: templates read only the first."""
    system = [message for message in messages if message["role"] == "system"]
    if len(system) < 2:
        return messages
    texts = [part["text"] for message in system for part in message["content"]]
    joined = {"role": "system", "content": [{"type": "text", "text": "\n\n".join(texts)}]}
    return [joined, *messages[len(system) :]]
