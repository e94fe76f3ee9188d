"""How the optical host's tower begins, and what of it stays.

Position embeddings begin as waves of where a patch is and of where its stretch lies in each
type size. Heads of the first layers begin as look-ups of neighbouring patches; those behind
them, once letters are known, look from each stretch to its place on the page, and then along
the lines. Takes a tower; knows nothing of language.
"""

from __future__ import annotations

import math

import pages
import torch
from torch import Tensor, nn

WIDTH, DEPTH, HEADS = 320, 8, 5
READ_DEPTH = 4
"""The first layers, which name letters; those behind them bring letters into order."""
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


@torch.no_grad()
def begin(tower: nn.Module) -> None:
    """Begin with places in the position embeddings and look-ups in some heads."""
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


@torch.no_grad()
def keep_places(tower: nn.Module, tiers: int) -> None:
    """Let no layer write where it was given places in so many type sizes.

    What looks from a stretch to its patch must find both. Else what is learned drowns them:
    a third of the places' variance was gone after 35 minutes, and half of the look-ups wrong.
    """
    kept = torch.arange(_WAVES * (tiers + 1))
    written = [tower.embeddings.patch_embedding]
    for layer in tower.encoder.layers:
        written += [layer.self_attn.out_proj, layer.mlp.fc2]
    for part in written:
        for parameter in (part.weight, part.bias):
            _hold(parameter, kept)
            parameter[kept] = 0
    tower.embeddings.position_embedding.weight.requires_grad_(False)


@torch.no_grad()
def wire_look_ups(tower: nn.Module, middle: Tensor, tiers: int) -> None:
    """Make heads behind the middle look from each stretch to where it stands on the page.

    For each of so many type sizes: at the patch itself, and to the left and right of it.
    Heads of the layers that follow look along the lines, at what neighbouring stretches
    hold, so that letters come together as words. The places are there as they were given,
    but for the layers' norms: the maps are found by regression on the features in the middle
    of the tower of some pages (pages, patches, WIDTH).
    """
    looks = _looks(tiers)
    x = middle
    size, kept = WIDTH // HEADS, _WAVES * (tiers + 1)
    gain = _gain(_LOOK_UP_SHARPNESS)
    for layer in tower.encoder.layers[READ_DEPTH:]:
        features = layer.layer_norm1(x).flatten(0, 1)[:, :kept]
        wired, looks = looks[:HEADS], looks[HEADS:]
        for head, (look, held) in enumerate(wired):
            rows = slice(head * size, (head + 1) * size)
            for projection, waves in (
                (layer.self_attn.q_proj, look),
                (layer.self_attn.k_proj, held),
            ):
                weight, bias = _fitted(features, waves.to(features).repeat(len(middle), 1))
                for part in (projection.weight, projection.bias):
                    part[rows] = 0
                projection.weight[rows.start : rows.start + _WAVES, :kept] = gain * weight
                projection.bias[rows.start : rows.start + _WAVES] = gain * bias
        gain = _gain(_LATER_SHARPNESS)
        x = layer(x, None)


def keep_look_ups(tower: nn.Module, tiers: int) -> None:
    """Let the wired heads look where they do: only what they bring from there is learned.

    Left to learn, all but the first layer's soon looked at one and the same patch each.
    """
    wired = len(_looks(tiers))
    for layer in tower.encoder.layers[READ_DEPTH:]:
        held = torch.arange(min(wired, HEADS) * (WIDTH // HEADS))
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
            _hold(projection.weight, held)
            _hold(projection.bias, held)
        wired = max(0, wired - HEADS)


def _looks(tiers: int) -> list[tuple[Tensor, Tensor]]:
    """Where each wired head looks: waves of what is asked for, and of what is held against it."""
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
    # Many type sizes leave no heads for what comes last.
    return looks[: HEADS * (DEPTH - READ_DEPTH)]


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
