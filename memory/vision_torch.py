"""torch, transformers and safetensors, loaded when a model is used and not before.

Gives the modules by name. They are large, optional and only partly typed, so
they are ``Any`` here, and so are tensors and models wherever they are passed.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any, TypeAlias

from sfumato.errors import SfumatoError

Tensor: TypeAlias = Any
"""A ``torch.Tensor``."""
Model: TypeAlias = Any
"""A transformers model that writes text, such as ``Qwen3VLForConditionalGeneration``."""
Processor: TypeAlias = Any
"""The model's transformers processor."""


def needed(module: str, extra: str = "vision") -> Any:
    """The module of that name. SfumatoError says which extra to install where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise SfumatoError(
            f"{module.split('.')[0]} is needed and cannot be imported ({problem}): "
            f"pip install 'sfumato[{extra}]'"
        ) from problem


def cache_argument(model: Model) -> str:
    """The name under which the model takes its keys and values."""
    # It was renamed; the old name goes in transformers 5.40.
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
