"""The optical host: stock Idefics3 classes round SmolLM2, and what training adds to them.

The tower is small and its visual tokens follow the reading order: token k is taught to hold
what stands in the k-th stretch when the page's lines are laid end to end. How
it begins is in wiring.py. All of it is trained on and saved as ordinary weights.
"""

from __future__ import annotations

import math

import pages
import torch
import wiring
from torch import Tensor, nn
from torch.nn import functional
from transformers import Idefics3Config, Idefics3ForConditionalGeneration
from wiring import DEPTH, HEADS, READ_DEPTH, WIDTH

VOCABULARY = 49280
FAKE, IMAGE, WHOLE = 49152, 49153, 49154
START, END = 1, 2
EXTRA_TOKENS = {"<fake_token_around_image>": FAKE, "<image>": IMAGE, "<global-img>": WHOLE}
INNER = 1024
RANK = 8
FADING = 0.6
"""What a text token weighs in its visual token, of what the one before it weighs."""


def configuration(*, small: bool = False) -> Idefics3Config:
    """The host's configuration; ``small`` gives a toy for tests."""
    layers = 2 if small else 30
    text = {
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": 64 if small else 576,
        "intermediate_size": 96 if small else 1536,
        "num_hidden_layers": layers,
        "num_attention_heads": 2 if small else 9,
        "num_key_value_heads": 1 if small else 3,
        "head_dim": 32 if small else 64,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
        "tie_word_embeddings": True,
        "bos_token_id": START,
        "eos_token_id": END,
        "pad_token_id": END,
        # As wide as SmolLM2's embeddings: a toy learns at the same rates.
        "initializer_range": 0.136,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "image_size": pages.SIDE,
        "patch_size": pages.PATCH,
    }
    return Idefics3Config(
        text_config=text,
        vision_config=vision,
        image_token_id=IMAGE,
        scale_factor=pages.SCALE,
        tie_word_embeddings=True,
        pad_token_id=END,
        bos_token_id=START,
        eos_token_id=END,
    )


class LowRank(nn.Module):
    """A frozen linear map plus a trained one of low rank."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) / math.sqrt(base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 2.0 * functional.linear(functional.linear(x, self.down), self.up)

    def merged(self) -> Tensor:
        """The weight that does the same alone."""
        return self.base.weight.float() + 2.0 * self.up.float() @ self.down.float()


class Reader(nn.Module):
    """The host as it is trained. ``tower`` and ``head`` features are (pages, patches, WIDTH)."""

    def __init__(self, *, small: bool = False) -> None:
        super().__init__()
        # The language's weights are loaded after; no time is spent on their beginnings.
        self.host = Idefics3ForConditionalGeneration(configuration(small=small))
        # Character classes of a patch's slots, in the middle of the tower and at its end.
        self.local_head = nn.Linear(WIDTH, pages.SLOTS * pages.CLASSES)
        self.strip_head = nn.Linear(WIDTH, pages.SLOTS * pages.CLASSES)
        wiring.begin(self.tower)
        nn.init.zeros_(self.projection.weight)

    @property
    def tower(self) -> nn.Module:
        return self.host.model.vision_model

    @property
    def projection(self) -> nn.Linear:
        return self.host.model.connector.modality_projection.proj

    def load_language(self, state: dict[str, Tensor]) -> None:
        """Put SmolLM2's weights in; rows of new tokens begin as the mean of all others."""
        own = {key.removeprefix("model."): value for key, value in state.items()}
        table = own["embed_tokens.weight"]
        mean = table.float().mean(0, keepdim=True).to(table.dtype)
        own["embed_tokens.weight"] = torch.cat([table, mean.expand(VOCABULARY - len(table), -1)])
        self.host.model.text_model.load_state_dict(own)
        self.host.tie_weights()

    def adapt(self) -> None:
        """Freeze the language side and add low-rank maps to it."""
        for parameter in self.host.model.text_model.parameters():
            parameter.requires_grad_(False)
        for layer in self.host.model.text_model.layers:
            for part in (layer.self_attn, layer.mlp):
                for name, child in list(part.named_children()):
                    if isinstance(child, nn.Linear):
                        setattr(part, name, LowRank(child))

    def look_along(self, middle: Tensor) -> Tensor:
        """Features at the end of the tower, from those in its middle."""
        for layer in self.tower.encoder.layers[READ_DEPTH:]:
            middle = layer(middle, None)
        return self.tower.post_layernorm(middle)

    def look_closely(self, pixels: Tensor, places: Tensor | None = None) -> Tensor:
        """Features in the middle of the tower for uint8 pages or parts of pages.

        ``places`` are the patches' numbers on their page, (pages, patches); None for whole pages.
        """
        grey = pixels.to(torch.float32).sub_(255.0).div_(127.5)  # white is 0
        embeddings = self.tower.embeddings
        # All channels of a grey page are alike: one convolution with the summed kernel.
        kernel = embeddings.patch_embedding.weight.sum(1, keepdim=True)
        bias = embeddings.patch_embedding.bias
        patches = functional.conv2d(grey[:, None], kernel, bias, stride=pages.PATCH)
        table = embeddings.position_embedding.weight
        x = patches.flatten(2).transpose(1, 2) + (table if places is None else table[places])
        for layer in self.tower.encoder.layers[:READ_DEPTH]:
            x = layer(x, None)
        return x

    def visual_tokens(self, features: Tensor) -> Tensor:
        """(pages, TOKENS, language width)."""
        return self.host.model.connector(features)

    def spoken(self, ids: Tensor, starts: Tensor) -> Tensor:
        """What each stretch should add to its visual token: (pages, PATCHES, language width).

        The embedding of the text token that begins there times its share, 0 where none begins.
        ``ids`` are (pages, length), 0 after a page's last; ``starts`` are as many, rising.
        """
        share = shares(ids, starts)[..., None]
        embeds = self.host.model.text_model.embed_tokens(ids).float() * share
        index = starts.long()[..., None].expand_as(embeds)
        return embeds.new_zeros(len(ids), pages.PATCHES, embeds.shape[-1]).scatter_add_(
            1, index, embeds
        )

    def ideal(self, ids: Tensor, starts: Tensor) -> Tensor:
        """What visual tokens should be: (pages, TOKENS, language width).

        Each the weighted mean of its text tokens' embeddings, 0 where it has none: the language
        model reads a quarter of the tokens from such means before it has learned anything. Each
        token weighs FADING of the one before: a plain mean does not say which digit comes first.
        """
        return joined(self.spoken(ids, starts))

    def aim_loss(self, visual: Tensor, ideal: Tensor) -> Tensor:
        """Squared distance from what should be there; 1 is as good as nothing."""
        return (visual.float() - ideal).square().sum() / ideal.square().sum()

    def strip_loss(self, features: Tensor, strip: Tensor) -> Tensor:
        """Cross entropy of the characters in each stretch of the lines laid end to end."""
        return _slot_loss(self.strip_head(features), strip)

    def begun(self, features: Tensor, stretch_map: Tensor) -> Tensor:
        """What each stretch adds to its visual token: (pages, PATCHES, language width)."""
        order = torch.from_numpy(pages.PLACE_OF_STRETCH).to(features.device)
        return functional.linear(features[:, order], stretch_map)

    def stretch_map(self) -> Tensor:
        """What the connector makes of a stretch, the mean of its places in a visual token.

        (language width, WIDTH); 0 before anything is learned.
        """
        weight = self.projection.weight.detach()
        return weight.unflatten(1, (pages.SCALE**2, WIDTH)).mean(1)

    @torch.no_grad()
    def join(self, stretch_map: Tensor) -> None:
        """Have the connector add up what stretches say."""
        self.projection.weight.copy_(stretch_map.repeat(1, pages.SCALE**2))

    def letters_loss(self, middle: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Cross entropy of the characters in each patch, and the share of them named rightly."""
        logits = self.local_head(middle)
        named = logits.unflatten(-1, (pages.SLOTS, pages.CLASSES)).argmax(-1)
        drawn = (local != pages.NOTHING) & (local != pages.SPACE) & (local != pages.TURN_END)
        return _slot_loss(logits, local), (named == local)[drawn].float().mean()

    def hidden(self, ids: Tensor, visual: Tensor) -> Tensor:
        """The language side's last states; ``visual`` fills the image places in order."""
        embeds = self.host.model.text_model.embed_tokens(ids).to(visual.dtype)
        embeds = embeds.masked_scatter((ids == IMAGE)[..., None], visual.flatten(0, 1))
        return self.host.model.text_model(inputs_embeds=embeds, use_cache=False).last_hidden_state

    def answer_loss(self, ids: Tensor, answers: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross entropy of the tokens marked in ``answers``, and the share foretold."""
        states = self.hidden(ids, visual)[:, :-1]
        wanted = answers[:, 1:]
        states, targets = states[wanted], ids[:, 1:][wanted]
        logits = functional.linear(states, self.host.lm_head.weight.to(states.dtype))
        loss = functional.cross_entropy(logits.float(), targets)
        return loss, (logits.argmax(-1) == targets).float().mean()

    def low_rank(self) -> dict[str, Tensor]:
        """The low-rank maps, by name."""
        return {
            name: value
            for name, value in self.named_parameters()
            if name.endswith((".down", ".up"))
        }

    def learned(self) -> dict[str, Tensor]:
        """All that is trained: what is committed and what a checkpoint holds."""
        low_rank = self.low_rank()
        return {
            name: value.detach()
            for name, value in self.state_dict().items()
            if ("text_model" not in name and "lm_head" not in name) or name in low_rank
        }


def _slot_loss(logits: Tensor, labels: Tensor) -> Tensor:
    flat = logits.reshape(-1, pages.CLASSES)
    wanted = labels.reshape(-1).long()
    losses = functional.cross_entropy(flat.float(), wanted, reduction="none")
    # Most slots are empty: they would drown the characters.
    weights = torch.where(wanted == pages.NOTHING, 0.25, 1.0)
    return (losses * weights).sum() / weights.sum()


def joined(stretches: Tensor) -> Tensor:
    """Visual tokens (pages, TOKENS, width) of what stretches add (pages, PATCHES, width)."""
    return stretches.unflatten(1, (pages.TOKENS, pages.SCALE**2)).sum(2)


def shares(ids: Tensor, starts: Tensor) -> Tensor:
    """What each text token weighs in its visual token: together 1, each FADING of the last."""
    index = starts.long() // pages.SCALE**2
    place = torch.arange(ids.shape[1], device=ids.device).expand_as(index)
    begins = functional.pad(index[:, 1:] != index[:, :-1], (1, 0), value=True)
    first = torch.where(begins, place, 0).cummax(1).values
    weight = FADING ** (place - first) * (ids > 0)
    sums = weight.new_zeros(len(ids), pages.PATCHES).scatter_add_(1, index, weight)
    return weight / sums.gather(1, index).clamp(min=1)
