"""A model's eyes: pictures in, visual tokens out, whatever the family.

Takes a transformers image-text-to-text model and its processor; gives pages'
visual tokens, and puts them together again in the container the family's model
expects. What differs between families is read off the model itself (arguments,
containers, counts); the table below holds the one thing that cannot be.
Knows nothing of caches, threads or prompts.

The interface is transformers' ``mm_encoder_outputs`` (5.18 and later): features
go in beside the placeholder tokens, and the tower does not run.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image, UnidentifiedImageError

from sfumato.errors import HostError, InputError
from sfumato.vision_page import VisualPage
from sfumato.vision_torch import Model, Processor, Tensor, needed

_ENCODED = "mm_encoder_outputs"

# Families whose prompt attends to itself in both directions, text included: their token type is
# 0 all through the prompt, and a prefix changes with what follows it.
_BIDIRECTIONAL_PROMPT = frozenset({"paligemma", "paligemma2"})


class Tower:
    """A model and its processor, seen as eyes.

    Raises HostError, naming everything that is missing, for a model that the
    installed transformers cannot split into tower and language model.
    """

    def __init__(self, model: Model, processor: Processor) -> None:
        self.model = model
        self.processor = processor
        self.arguments = frozenset(inspect.signature(model.forward).parameters)
        self._get_features: Any = getattr(model, "get_image_features", None)
        self._check()
        self._feature_arguments = frozenset(inspect.signature(self._get_features).parameters)
        self.image_token: str = processor.image_token
        self.image_token_id: int = model.config.image_token_id
        self._placeholder: str = processor.tokenizer.convert_ids_to_tokens(self.image_token_id)

    @property
    def bidirectional_prompt(self) -> bool:
        """Whether a prompt's prefix depends on what follows it."""
        return self.model.config.model_type in _BIDIRECTIONAL_PROMPT

    @property
    def mrope(self) -> bool:
        """Whether positions have rows for time, height and width."""
        return hasattr(self.model.base_model, "get_rope_index")

    def token_types(self, input_ids: Tensor) -> dict[str, Tensor]:
        """The argument that tells the model which tokens are pages', under its family's name."""
        types = (input_ids == self.image_token_id).long()
        if self.bidirectional_prompt:
            types = types * 0
        names = ("mm_token_type_ids", "token_type_ids")
        return {name: types for name in names if name in self.arguments}

    def see(self, pngs: Sequence[bytes], keys: Sequence[str]) -> list[VisualPage]:
        """Run the tower and the connector over these pages, as one batch.

        Raises InputError for bytes that are no image, HostError where tower and
        processor disagree on the number of tokens, or the processor is too old.
        """
        torch = needed("torch")
        batch = self.processor(
            text=[self.image_token * len(pngs)],
            images=[_picture(png) for png in pngs],
            return_text_replacement_offsets=True,
            return_tensors="pt",
        )
        expansions = self._expansions(batch)
        given = {name: batch[name] for name in batch if name in self._feature_arguments}
        with torch.no_grad():
            output = self._get_features(return_dict=True, **_moved(given, self.model))
        counts = [text.count(self._placeholder) for text in expansions]
        features = self._cut(output.pooler_output, counts)
        levels = [self._cut(level, counts) for level in _deepstack(output)]
        grids = batch["image_grid_thw"].split(1) if "image_grid_thw" in batch else None
        return [
            VisualPage(
                key=key,
                expansion=expansions[at],
                tokens=counts[at],
                features=features[at],
                stacked=torch.is_tensor(output.pooler_output),
                deepstack=tuple(level[at] for level in levels),
                grid=None if grids is None else grids[at].cpu().clone(),
            )
            for at, key in enumerate(keys)
        ]

    def encoder_outputs(self, pages: Sequence[VisualPage]) -> dict[str, Any]:
        """The pages as model arguments, in a container that is made anew each time.

        Generation with beams widens the container in place, so a cached one must
        never be handed out. Empty for no pages.
        """
        if not pages:
            return {}
        torch = needed("torch")
        device, dtype = self.model.device, self.model.dtype
        features = [page.features.to(device, dtype) for page in pages]
        levels = [
            [page.deepstack[level].to(device, dtype) for page in pages]
            for level in range(len(pages[0].deepstack))
        ]
        output = _output_class()(
            pooler_output=torch.cat(features) if pages[0].stacked else features,
            deepstack_features=levels or None,
        )
        return {_ENCODED: {"image": output}}

    def grids(self, pages: Sequence[VisualPage]) -> dict[str, Tensor]:
        """The pages' patch grids as a model argument; empty where the family has none."""
        grids = [page.grid for page in pages if page.grid is not None]
        if not grids or "image_grid_thw" not in self.arguments:
            return {}
        return {"image_grid_thw": needed("torch").cat(grids).to(self.model.device)}

    def _check(self) -> None:
        processor, config = self.processor, self.model.config
        missing: list[str] = []
        if _ENCODED not in self.arguments:
            missing.append(f"the argument {_ENCODED} of its forward method")
        if not callable(self._get_features):
            missing.append("the method get_image_features")
        if getattr(config, "image_token_id", None) is None:
            missing.append("image_token_id in its configuration")
        if getattr(config, "is_encoder_decoder", False):
            missing.append("a decoder that reads the prompt itself (it has an encoder for text)")
        if getattr(processor, "image_processor", None) is None:
            missing.append("an image processor")
        if getattr(processor, "image_token", None) is None:
            missing.append("image_token in its processor")
        if missing:
            raise HostError(
                f"{type(self.model).__name__} cannot be given cached visual tokens by "
                f"transformers {needed('transformers').__version__}: it lacks "
                f"{'; '.join(missing)}. Use a family that has it (transformers 5.18 and later "
                "have some eighty), a newer transformers, or send this model page images."
            )

    def _expansions(self, batch: Any) -> list[str]:
        """What the processor wrote for each picture."""
        [replaced] = batch.pop("text_replacement_offsets", None) or [None]
        if replaced is None:
            raise HostError(
                f"{type(self.processor).__name__} of transformers "
                f"{needed('transformers').__version__} does not say what it writes for a page "
                "(return_text_replacement_offsets): take a newer transformers"
            )
        return [each["replacement"] for each in replaced]

    def _cut(self, features: Any, counts: Sequence[int]) -> list[Tensor]:
        """A batch's features page by page, each a copy on the CPU."""
        torch = needed("torch")
        if torch.is_tensor(features) and features.ndim == 3:
            whole, rows = features, features.shape[1]
        else:
            parts = [part.reshape(-1, part.shape[-1]) for part in features]
            whole, rows = torch.cat(parts), 1
        if sum(counts) != len(whole) * rows or any(count % rows for count in counts):
            raise HostError(
                f"{type(self.processor).__name__} reserves {sum(counts)} tokens where the tower "
                f"of {type(self.model).__name__} gives {len(whole) * rows}: make the processor's "
                "settings those of the checkpoint, or draw pages of a size that both agree on"
            )
        cut = whole.split([count // rows for count in counts])
        return [part.to("cpu", copy=True).contiguous() for part in cut]


def _picture(png: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(png)).convert("RGB")
    except (UnidentifiedImageError, OSError) as problem:
        raise InputError(
            f"{len(png)} bytes given as a page are no image: {problem}. Give PNG bytes."
        ) from problem


def _moved(given: dict[str, Any], model: Model) -> dict[str, Any]:
    """Tensors on the model's device; pixels in its precision."""
    torch = needed("torch")
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        if torch.is_tensor(value)
        else value
        for name, value in given.items()
    }


def _deepstack(output: Any) -> Sequence[Any]:
    """Features for early layers, level by level."""
    levels: Sequence[Any] = getattr(output, "deepstack_features", None) or ()
    if any(not needed("torch").is_tensor(level[0]) for level in levels):
        raise HostError(
            "this family's features for early layers name their layers one by one, which cached "
            "visual tokens do not carry yet: send this model page images"
        )
    return levels


@lru_cache(maxsize=1)
def _output_class() -> Any:
    """The container of features that any family's model reads."""
    model_output: Any = needed("transformers.utils").ModelOutput

    @dataclass
    class VisualOutput(model_output):
        pooler_output: Any = None
        deepstack_features: Any = None

    return VisualOutput
