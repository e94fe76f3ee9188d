"""The optical host: stock Idefics3 classes round SmolLM2, and what training adds to them.

The tower is small and its visual tokens follow the reading order: token k is taught to hold
what stands in the k-th stretch when the page's lines are laid end to end. Position embeddings
begin as waves of where a patch is and of where its stretch lies in each type size. Heads of the
first layers begin as look-ups of neighbouring patches, those of the last, once letters are
known, as look-ups between the two. All of it is trained on and saved as ordinary weights.
"""

from __future__ import annotations

import math

import pages
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Idefics3Config, Idefics3ForConditionalGeneration

VOCABULARY = 49280
FAKE, IMAGE, WHOLE = 49152, 49153, 49154
START, END = 1, 2
EXTRA_TOKENS = {"<fake_token_around_image>": FAKE, "<image>": IMAGE, "<global-img>": WHOLE}
WIDTH, DEPTH, HEADS, INNER = 320, 8, 5, 1024
READ_DEPTH = 4
RANK = 8
FADING = 0.8
_X_WAVES = (1, 2, 3, 4, 6, 8, 10, 12)
_Y_WAVES = (1, 2, 4, 6, 8, 12, 16, 20)
_WAVES = 2 * (len(_X_WAVES) + len(_Y_WAVES))
# The last is of layers whose input grows as those before them learn, which blunts their looks.
_SHARPNESS, _LOOK_UP_SHARPNESS, _LATER_SHARPNESS = 12.0, 20.0, 60.0
# Neighbours that the heads of the first layers begin by looking at; what is left over is free.
_CROSS, _CORNERS = ((-1, 0), (1, 0), (0, -1), (0, 1)), ((-1, -1), (1, -1), (-1, 1), (1, 1))
# Letters along a line that the heads behind the look-ups look at; about how wide
# a letter is, in type sizes.
_ALONG, _LETTER = (-2, -1, 1, 2, 3, -3, -1, 1, 3, 5), 0.5
_NEIGHBOURS = (_CROSS, _CORNERS, _CROSS, ((-2, 0), (2, 0), (0, -1), (0, 1)))


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
        _wire(self.host)
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

    def look(self, pixels: Tensor) -> Tensor:
        """Features at the end of the tower for uint8 pages (pages, y, x)."""
        return self.look_along(self.look_closely(pixels))

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

    @torch.no_grad()
    def keep_places(self, tiers: int) -> None:
        """Let no layer write where it was given places in so many type sizes.

        What looks from a stretch to its patch must find both. Else what is learned drowns them:
        a third of the places' variance was gone after 35 minutes, and half of the look-ups wrong.
        """
        kept = torch.arange(_WAVES * (tiers + 1))
        written = [self.tower.embeddings.patch_embedding]
        for layer in self.tower.encoder.layers:
            written += [layer.self_attn.out_proj, layer.mlp.fc2]
        for part in written:
            for parameter in (part.weight, part.bias):
                _hold(parameter, kept)
                parameter[kept] = 0
        self.tower.embeddings.position_embedding.weight.requires_grad_(False)

    @torch.no_grad()
    def wire_look_ups(self, pixels: Tensor, tiers: int) -> None:
        """Make heads behind the middle look from each stretch to where it stands on the page.

        For each of so many type sizes: at the patch itself, and to the left and right of it.
        Heads of the layers that follow look along the lines, at what neighbouring stretches
        hold, so that letters come together as words. The places are there as they were given,
        but for the layers' norms: the maps are found by regression on these uint8 pages
        (pages, y, x).
        """
        x = self.look_closely(pixels)
        own = _waves(*_patch_places())
        looks: list[tuple[Tensor, Tensor]] = []
        steps = (0, -1, 1, -2, 2)[: max(3, HEADS // tiers)]
        for tier in range(tiers):
            across, down = _stretch_places(tier)
            looks += [(_waves(across + step / pages.GRID, down), own) for step in steps]
        for letters in _ALONG:
            for tier in range(tiers):
                across, down = _stretch_places(tier)
                step = letters * _LETTER * pages.TIERS[tier] / pages.SIDE
                looks.append((_waves(across + step, down), _waves(across, down)))
        size, kept = WIDTH // HEADS, _WAVES * (tiers + 1)
        gain = _gain(_LOOK_UP_SHARPNESS)
        for layer in self.tower.encoder.layers[READ_DEPTH:]:
            features = layer.layer_norm1(x).flatten(0, 1)[:, :kept]
            wired, looks = looks[:HEADS], looks[HEADS:]
            for head, (look, held) in enumerate(wired):
                rows = slice(head * size, (head + 1) * size)
                for projection, waves in (
                    (layer.self_attn.q_proj, look),
                    (layer.self_attn.k_proj, held),
                ):
                    weight, bias = _fitted(features, waves.to(features).repeat(len(pixels), 1))
                    for part in (projection.weight, projection.bias):
                        part[rows] = 0
                    projection.weight[rows.start : rows.start + _WAVES, :kept] = gain * weight
                    projection.bias[rows.start : rows.start + _WAVES] = gain * bias
            gain = _gain(_LATER_SHARPNESS)
            x = layer(x, None)

    def keep_look_ups(self, tiers: int) -> None:
        """Let the wired heads look where they do: only what they bring from there is learned.

        Left to learn, all but the first layer's soon looked at one and the same patch each.
        """
        wired = tiers * (max(3, HEADS // tiers) + len(_ALONG))
        for layer in self.tower.encoder.layers[READ_DEPTH:]:
            held = torch.arange(min(wired, HEADS) * (WIDTH // HEADS))
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
                _hold(projection.weight, held)
                _hold(projection.bias, held)
            wired = max(0, wired - HEADS)

    def visual_tokens(self, features: Tensor) -> Tensor:
        """(pages, TOKENS, language width)."""
        return self.host.model.connector(features)

    def ideal(self, ids: Tensor, owners: Tensor) -> Tensor:
        """What visual tokens should be: (pages, TOKENS, language width).

        Each the weighted mean of its text tokens' embeddings, 0 where it has none: the language
        model reads a quarter of the tokens from such means before it has learned anything. Each
        token weighs FADING of the one before: a plain mean does not say which digit comes first.
        ``ids`` are (pages, length), 0 after a page's last; ``owners`` are as many, rising.
        """
        index = owners.long()[..., None]
        share = shares(ids, owners)[..., None]
        embeds = self.host.model.text_model.embed_tokens(ids).float() * share
        sums = embeds.new_zeros(len(ids), pages.TOKENS, embeds.shape[-1])
        return sums.scatter_add_(1, index.expand_as(embeds), embeds)

    def aim_loss(self, visual: Tensor, ideal: Tensor) -> Tensor:
        """Squared distance of visual tokens from the ideal ones; 1 is as good as nothing."""
        return (visual.float() - ideal).square().sum() / ideal.square().sum()

    def strip_loss(self, features: Tensor, strip: Tensor) -> Tensor:
        """Cross entropy of the characters in each stretch of the lines laid end to end."""
        return _slot_loss(self.strip_head(features), strip)

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

    def learned(self) -> dict[str, Tensor]:
        """All that is trained: what is committed and what a checkpoint holds."""
        return {
            name: value.detach()
            for name, value in self.state_dict().items()
            if ("text_model" not in name and "lm_head" not in name) or _is_low_rank(name)
        }


def _is_low_rank(name: str) -> bool:
    return name.endswith((".down", ".up"))


def _slot_loss(logits: Tensor, labels: Tensor) -> Tensor:
    flat = logits.reshape(-1, pages.CLASSES)
    wanted = labels.reshape(-1).long()
    losses = functional.cross_entropy(flat.float(), wanted, reduction="none")
    # Most slots are empty: they would drown the characters.
    weights = torch.where(wanted == pages.NOTHING, 0.25, 1.0)
    return (losses * weights).sum() / weights.sum()


def shares(ids: Tensor, owners: Tensor) -> Tensor:
    """What each text token weighs in its visual token: together 1, each FADING of the last."""
    index = owners.long()
    place = torch.arange(ids.shape[1], device=ids.device).expand_as(index)
    begins = functional.pad(index[:, 1:] != index[:, :-1], (1, 0), value=True)
    first = torch.where(begins, place, 0).cummax(1).values
    weight = FADING ** (place - first) * (ids > 0)
    sums = weight.new_zeros(len(ids), pages.TOKENS).scatter_add_(1, index, weight)
    return weight / sums.gather(1, index).clamp(min=1)


def _waves(x: Tensor, y: Tensor) -> Tensor:
    """Cosines and sines of places between 0 and 1."""
    turns = [k * x for k in _X_WAVES] + [k * y for k in _Y_WAVES]
    angles = 2 * math.pi * torch.stack(turns, -1)
    # Half circles in y: a page's top must not look like its bottom.
    angles[..., len(_X_WAVES) :] /= 2
    return torch.cat([angles.cos(), angles.sin()], -1)


def _moved(right: int, down: int) -> Tensor:
    """The matrix that makes a place's waves those of the place so many patches away."""
    turns = [2 * math.pi * k * right / pages.GRID for k in _X_WAVES]
    turns += [math.pi * k * down / pages.GRID for k in _Y_WAVES]
    angles = torch.tensor(turns)
    cosines, sines = angles.cos().diag(), angles.sin().diag()
    return torch.cat([torch.cat([cosines, -sines], 1), torch.cat([sines, cosines], 1)])


def _patch_places() -> tuple[Tensor, Tensor]:
    """Where on the page each patch lies, between 0 and 1."""
    index = torch.arange(pages.PATCHES)
    return (index % pages.GRID + 0.5) / pages.GRID, (index // pages.GRID + 0.5) / pages.GRID


def _stretch_places(tier: int) -> tuple[Tensor, Tensor]:
    """Where on the page each patch's stretch lies, in one type size, between 0 and 1."""
    style = pages.style(tier)
    lines = style.columns * style.rows
    along = torch.empty(pages.PATCHES, dtype=torch.float64)
    middle = (torch.arange(pages.PATCHES, dtype=torch.float64) + 0.5) / pages.PATCHES
    along[torch.from_numpy(pages.PLACE_OF_STRETCH)] = middle * lines
    line = along.floor()
    column = (line / style.rows).floor()
    stride = style.column_px + style.gutter_px
    x = (column + along - line) * stride
    y = style.bar_px + (line - column * style.rows + 0.5) * style.pitch_px
    return (x / pages.SIDE).float(), (y / pages.SIDE).float()


def _hold(parameter: Tensor, rows: Tensor) -> None:
    """Leave these rows as they are in training."""
    parameter.register_hook(lambda grad: grad.index_fill(0, rows.to(grad.device), 0))


def _gain(sharpness: float) -> float:
    """What waves are multiplied by, as query and key, for a full match to weigh so much."""
    return math.sqrt(sharpness * math.sqrt(WIDTH // HEADS) / (_WAVES / 2))


def _fitted(features: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of the linear map from features to what is wanted, by ridge regression."""
    mean, middle = features.mean(0), wanted.mean(0)
    around = (features - mean).double()
    square = around.T @ around
    square.diagonal().add_(1e-4 * square.diagonal().mean())
    weight = torch.linalg.solve(square, around.T @ (wanted - middle).double()).T.float()
    return weight, middle - weight @ mean


@torch.no_grad()
def _wire(host: Idefics3ForConditionalGeneration) -> None:
    """Begin with places in the position embeddings and look-ups in some heads."""
    tower = host.model.vision_model
    table = torch.zeros(pages.PATCHES, WIDTH)
    table[:, :_WAVES] = _waves(*_patch_places())
    for tier in range(len(pages.TIERS)):
        start = _WAVES * (tier + 1)
        table[:, start : start + _WAVES] = _waves(*_stretch_places(tier))
    tower.embeddings.position_embedding.weight.copy_(0.5 * table)
    nn.init.normal_(tower.embeddings.patch_embedding.weight, std=0.02)
    nn.init.zeros_(tower.embeddings.patch_embedding.bias)
    for layer in tower.encoder.layers:
        for linear in (layer.self_attn.out_proj, layer.mlp.fc2):
            linear.weight.div_(math.sqrt(2 * DEPTH))
    size = WIDTH // HEADS
    gain = _gain(_SHARPNESS)
    for layer, steps in zip(tower.encoder.layers, _NEIGHBOURS, strict=False):
        for head, step in enumerate(steps):
            rows = slice(head * size, (head + 1) * size)
            for projection, moved in (
                (layer.self_attn.q_proj, _moved(*step)),
                (layer.self_attn.k_proj, torch.eye(_WAVES)),
            ):
                projection.weight[rows] = 0
                projection.weight[rows.start : rows.start + _WAVES, :_WAVES] = gain * moved
