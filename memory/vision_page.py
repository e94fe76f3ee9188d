"""A page as a language model takes it: its visual tokens, and the bytes they are cached as.

Takes what a tower made of one page; gives safetensors bytes and reads them back
without any pickle. Knows nothing of pixels, models, prompts or where the bytes
are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sfumato.vision_torch import Tensor, needed

_FEATURES = {True: "stacked", False: "rows"}
_GRID = "grid"
_EXPANSION = "expansion"
_DEEPSTACK = "deepstack."


@dataclass(frozen=True, eq=False)
class VisualPage:
    """One page's visual tokens, on the CPU.

    ``key`` names the page, the weights and the settings they come from.
    ``expansion`` is the text that the family writes for the page (placeholders,
    tags, row breaks) and ``tokens`` the placeholders in it, which are also the
    rows of ``features``. Features are (tokens, hidden), or (views, rows, hidden)
    for the families that hand their model one tensor: ``stacked``.
    ``deepstack`` are as many rows for each early layer that takes some, and
    ``grid`` is the page's (time, height, width) in patches, (1, 3), where the
    family's positions need it.
    """

    key: str
    expansion: str
    tokens: int
    features: Tensor
    stacked: bool
    deepstack: tuple[Tensor, ...] = ()
    grid: Tensor | None = None

    @property
    def rows(self) -> Tensor:
        """The features as (tokens, hidden)."""
        return self.features.reshape(self.tokens, self.features.shape[-1])

    def cast(self, dtype: Any) -> VisualPage:
        """The page with its features in another precision."""
        levels = tuple(level.to(dtype) for level in self.deepstack)
        return replace(self, features=self.features.to(dtype), deepstack=levels)

    def to_bytes(self) -> bytes:
        """The page as safetensors bytes; its key is not among them."""
        torch = needed("torch")
        text = self.expansion.encode("utf-8", "surrogatepass")
        tensors = {
            _FEATURES[self.stacked]: self.features,
            _EXPANSION: torch.frombuffer(bytearray(text), dtype=torch.uint8),
        }
        tensors |= {f"{_DEEPSTACK}{level}": rows for level, rows in enumerate(self.deepstack)}
        if self.grid is not None:
            tensors[_GRID] = self.grid
        return needed("safetensors.torch").save(tensors)

    @classmethod
    def from_bytes(cls, key: str, held: bytes) -> VisualPage | None:
        """The page of these bytes; None where they are not a page's."""
        try:
            tensors = needed("safetensors.torch").load(held)
            stacked = _FEATURES[True] in tensors
            features = tensors[_FEATURES[stacked]]
            expansion = tensors[_EXPANSION].numpy().tobytes().decode("utf-8", "surrogatepass")
        except (needed("safetensors").SafetensorError, LookupError, ValueError):
            return None
        levels = sorted(
            (name for name in tensors if name.startswith(_DEEPSTACK)),
            key=lambda name: int(name.removeprefix(_DEEPSTACK)),
        )
        return cls(
            key=key,
            expansion=expansion,
            tokens=features.numel() // features.shape[-1],
            features=features,
            stacked=stacked,
            deepstack=tuple(tensors[name] for name in levels),
            grid=tensors.get(_GRID),
        )
