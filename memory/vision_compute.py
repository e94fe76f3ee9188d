"""What an answer costs in arithmetic and energy, estimated from a model's shape.

Takes a model, real or empty (made from its configuration on the meta device),
and numbers of tokens; gives floating-point operations of tower, connector,
prefill and decode, and joules by a stated assumption. Knows nothing of what is
read or said.

    with torch.device("meta"):
        shape = AutoModelForImageTextToText.from_config(config)
    compute = Compute(shape)
    text = compute.answer(32_000, 300)
    view = compute.answer(8_000, 300, seen=new_pages)
    print(text.joules() / view.joules())

A multiplication and its addition count as two operations. Attention is counted
over all pairs of positions, as torch's FlopCounterMode counts it, or only over
those the causal mask lets through, as fused kernels do. Windows in a tower's attention are
counted as if they were not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sfumato.errors import HostError
from sfumato.vision_page import VisualPage
from sfumato.vision_torch import Model, Tensor, needed

# Parts of a model outside its language model that work on visual tokens, not on patches.
_CONNECTOR = ("projector", "connector", "merger", "aligner", "downsample", "mlp1")
# Parameters that are looked up or added, never multiplied with.
_ADDED = ("position_embedding", "pos_embed", "class_embedding", "cls_token")


@dataclass(frozen=True)
class Machine:
    """What runs the model: its peak and power, and the shares of the peak that are reached."""

    name: str
    peak_flops: float
    watts: float
    reading_share: float
    writing_share: float


H100 = Machine("NVIDIA H100 SXM", 989e12, 700, reading_share=0.4, writing_share=0.02)
"""Dense bfloat16 peak and power of NVIDIA's data sheet (H100 SXM, 2023).

The shares are our assumption: 40 % of the peak while a prompt is read, 2 % while
an answer is written (memory, not arithmetic, bounds a few answers at a time).
Measure your own server and give a Machine of your own where joules matter.
"""


@dataclass(frozen=True)
class Estimate:
    """Floating-point operations of one answer, by what they are spent on."""

    tower: int
    connector: int
    prefill: int
    decode: int

    @property
    def total(self) -> int:
        """All operations."""
        return self.tower + self.connector + self.prefill + self.decode

    def joules(self, machine: Machine = H100) -> float:
        """Energy at the machine's power for as long as its shares of the peak need."""
        reading = (self.tower + self.connector + self.prefill) / machine.reading_share
        return (reading + self.decode / machine.writing_share) / machine.peak_flops * machine.watts


class Compute:
    """A model's costs; ``skips_masked`` where its attention spends nothing on later positions."""

    def __init__(self, model: Model, *, skips_masked: bool = False) -> None:
        self._skips_masked = skips_masked
        self._vision: Any = getattr(model.config, "vision_config", None)
        self._text: Any = model.config.get_text_config(decoder=True)
        self._name = type(model).__name__
        decoder, head = model.get_decoder(), model.get_output_embeddings()
        self._layers = sum(_multiplied(decoder, self._text).values())
        self._head = head.weight.numel() if head is not None else 0
        spoken = {id(each) for each in decoder.parameters()}
        spoken |= {id(each) for each in head.parameters()} if head is not None else set()
        seeing = {
            name: count
            for name, count in _multiplied(model, self._vision, without=spoken).items()
            if count
        }
        connector = {name for name in seeing if any(part in name for part in _CONNECTOR)}
        self._connector = sum(seeing[name] for name in connector)
        self._tower = sum(count for name, count in seeing.items() if name not in connector)
        self._patches_per_token = _patches_per_token(model.config)

    def answer(
        self,
        prompt_tokens: int,
        answer_tokens: int,
        *,
        kept_tokens: int = 0,
        seen: Sequence[VisualPage] = (),
    ) -> Estimate:
        """The cost of an answer to a prompt of that many tokens.

        Of the prompt, ``kept_tokens`` have their keys and values already;
        ``seen`` are the pages that the tower sees for this answer. Raises HostError
        for those where the tower is of another build than one vision transformer.
        """
        tower = connector = 0
        if seen and not self._is_plain():
            raise HostError(
                f"the tower of {self._name} is not one vision transformer over patches: what it "
                "spends on a page is not known here"
            )
        for page in seen:
            patches = round(page.tokens * self._patches_per_token)
            tile = patches if page.grid is not None else min(patches, self._tile_patches())
            pairs = patches * tile
            tower += 2 * self._tower * patches + self._attention(self._vision, pairs)
            connector += 2 * self._connector * page.tokens
        read = prompt_tokens - kept_tokens
        pairs = read * prompt_tokens
        if self._skips_masked:
            pairs -= read * (read - 1) // 2
        prefill = 2 * (self._layers * read + self._head) + self._attention(self._text, pairs)
        # The first token comes from the prompt; each of the others reads the one before.
        steps = max(0, answer_tokens - 1)
        pairs = steps * prompt_tokens + steps * (steps + 1) // 2
        decode = 2 * (self._layers + self._head) * steps + self._attention(self._text, pairs)
        return Estimate(tower, connector, prefill, decode)

    def _attention(self, config: Any, pairs: int) -> int:
        """Scores and sums over that many pairs of positions, in every layer that has them."""
        heads = getattr(config, "num_attention_heads", None) or config.num_heads
        width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
        layers = getattr(config, "num_hidden_layers", None) or config.depth
        kinds: list[str] = getattr(config, "layer_types", None) or []
        layers -= sum("linear" in kind or "conv" in kind for kind in kinds)
        return 4 * width * layers * pairs

    def _is_plain(self) -> bool:
        """Whether the tower is one transformer whose layers all see the whole page or tile."""
        # Only SAM's towers name the layers that look beyond their window this way.
        windowed = hasattr(self._vision, "global_attn_indexes")
        return not windowed and bool(getattr(self._vision, "patch_size", None))

    def _tile_patches(self) -> int:
        """Patches that attend to each other where a page is seen in tiles."""
        return _side(self._vision.image_size) ** 2 // _side(self._vision.patch_size) ** 2


def _multiplied(part: Model, config: Any, without: set[int] | None = None) -> dict[str, int]:
    """Weights each position is multiplied with, by name; of experts, those at work."""
    embedding: Any = needed("torch").nn.Embedding
    looked_up = {id(each.weight) for each in part.modules() if isinstance(each, embedding)}
    held: list[tuple[str, Tensor]] = [*part.named_parameters()]
    return {
        name: round(weight.numel() * (_experts_at_work(config) if ".experts." in name else 1))
        for name, weight in held
        if weight.ndim > 1
        and id(weight) not in looked_up | (without or set())
        and not any(added in name for added in _ADDED)
    }


def _experts_at_work(config: Any) -> float:
    """The share of a layer's experts that one token goes through."""
    counts = ("num_local_experts", "n_routed_experts", "num_experts")
    experts = next((getattr(config, name) for name in counts if hasattr(config, name)), None)
    return config.num_experts_per_tok / experts if experts else 1.0


def _patches_per_token(config: Any) -> float:
    """How many patches a visual token stands for, by the names families give it."""
    vision = config.vision_config
    for holder in (config, vision):
        if merge := getattr(holder, "spatial_merge_size", None):
            return merge**2
    if scale := getattr(config, "scale_factor", None):
        return scale**2
    if ratio := getattr(config, "downsample_ratio", None):
        return ratio**-2
    if tokens := getattr(config, "mm_tokens_per_image", None):
        return (_side(vision.image_size) // _side(vision.patch_size)) ** 2 / tokens
    return 1.0


def _side(size: Any) -> int:
    return int(size) if isinstance(size, int) else int(size[0])
