"""What a page's visual tokens depend on besides its pixels, as short hashes.

Takes a model and a processor; gives one hash of every weight outside the
language model (so that a retrained tower or connector never meets tokens of the
former one) and one of the processor's settings. Knows nothing of pages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sfumato.vision_torch import Model, Processor, Tensor, needed

Versions = tuple[tuple[int, int], ...]


class Weights:
    """The weights pages are encoded with: all but those of the language model.

    Hashing them reads every byte once; after that, only the counters are looked
    at that torch raises when a tensor is changed in place.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._seen: Versions | None = None
        self._hash = ""

    def fingerprint(self) -> str:
        """The hash of the weights as they are now."""
        tensors = list(_seeing(self._model))
        versions = tuple((tensor.data_ptr(), _version(tensor)) for _, tensor in tensors)
        if versions != self._seen:
            self._hash = _hash(self._model, tensors)
            self._seen = versions
        return self._hash


def settings_fingerprint(processor: Processor) -> str:
    """The hash of the processor's settings and of the library that applies them."""
    settings: dict[str, Any] = processor.to_dict()
    settings.pop("chat_template", None)
    described = [
        type(processor).__name__,
        type(processor.image_processor).__name__,
        settings,
        processor.image_processor.to_dict(),
        processor.image_token,
        needed("transformers").__version__,
    ]
    text = json.dumps(described, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _seeing(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers that are no part of the language model."""
    language = model.get_decoder()
    head = model.get_output_embeddings()
    spoken = {id(tensor) for tensor in (*language.parameters(), *language.buffers())}
    if head is not None:
        spoken |= {id(tensor) for tensor in head.parameters()}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if id(tensor) not in spoken:
            yield name, tensor


def _version(tensor: Tensor) -> int:
    # Tensors made in inference mode have no counter, and cannot be changed outside it.
    return 0 if tensor.is_inference() else tensor._version


def _hash(model: Model, tensors: list[tuple[str, Tensor]]) -> str:
    torch = needed("torch")
    made = hashlib.blake2b(digest_size=16)
    made.update(f"{type(model).__name__} {model.config.to_json_string()}".encode())
    for name, tensor in tensors:
        made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().reshape(-1).contiguous().cpu()
        made.update(flat.view(torch.uint8).numpy().data)
    return made.hexdigest()
