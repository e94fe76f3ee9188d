"""Views for model servers: vLLM and SGLang, as images or as visual tokens.

Takes a view; gives requests' JSON. Serving at scale is the servers' job; what
they can be spared is seeing a page again. Three ways, cheapest to set up first:

- `vllm_image_messages`: page images with a stable ``uuid``, by which vLLM keeps
  what it made of them; an image that the server holds need not be sent again;
- `vllm_embeds_messages`: the pages' visual tokens, for servers that run without
  a tower's work (``vllm serve … --enable-mm-embeds``);
- `sglang_request`: the same for SGLang's ``generate``.

Tensors travel as .npy files in base64, which hold numbers and no code. The
visual tokens must come from the weights that the server runs.

Sources, seen on 2026-11-26: vLLM, docs/features/multimodal_inputs.md (parts,
uuid, None for what is cached, shapes, features of early layers behind the base
ones), vllm/entrypoints/chat_utils.py (types of the parts) and
vllm/multimodal/media/image.py (.npy files are read beside PyTorch's); SGLang,
docs "Query VLM with Offline Engine" and
python/sglang/srt/multimodal/processors/base_processor.py (one item holds all
images; its keys; ids with their placeholders).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Container, Iterator, Sequence
from io import BytesIO
from typing import Any, cast

from sfumato.adapters.openai import chat_request
from sfumato.adapters.transformers import OpticalHost
from sfumato.errors import InputError
from sfumato.turn import JsonObject
from sfumato.view import View
from sfumato.vision import VisionEncoder, VisualPage
from sfumato.vision_torch import Tensor, needed


def vllm_image_messages(view: View, known: Container[str] = frozenset()) -> list[JsonObject]:
    """Chat messages with images as ``image_url`` parts, each with the uuid of its content.

    Images whose uuid is in ``known`` are left out of the request: name those
    that this server has been sent and still holds.
    """
    messages = chat_request(view)
    for part, png in _images(messages):
        part["uuid"] = image_uuid(png)
        if part["uuid"] in known:
            part["image_url"] = None
    return messages


def vllm_embeds_messages(
    view: View, encoder: VisionEncoder, known: Container[str] = frozenset()
) -> list[JsonObject]:
    """Chat messages with images as ``image_embeds`` parts: visual tokens and what they need.

    A part's uuid is that of the page under these weights and settings. Raises
    InputError where more than one message holds images, which vLLM does not take.
    """
    messages = chat_request(view)
    found = list(_images(messages))
    holders = [message for message in messages if any(_images([message]))]
    if len(holders) > 1:
        raise InputError(
            f"thread {view.thread!r}: {len(holders)} messages of this view hold images, and vLLM "
            "takes visual tokens in one message alone: send images (vllm_image_messages)"
        )
    pages = encoder.encode([png for _, png in found], thread=view.thread)
    for (part, _), page in zip(found, pages, strict=True):
        part.clear()
        part["type"] = "image_embeds"
        part["uuid"] = page_uuid(page)
        part["image_embeds"] = None if part["uuid"] in known else _vllm_embeds(page)
    return messages


def sglang_request(view: View, host: OpticalHost, *, as_json: bool = False) -> dict[str, Any]:
    """``input_ids`` and ``image_data`` for SGLang's ``Engine.generate`` or ``/generate``.

    Ids are expanded: every page has its placeholders. All pages are one item,
    as SGLang asks: ``feature`` is (tokens of all pages, hidden), float32, and
    ``image_grid_thw`` (pages, 3) where the family has one. The documented form
    is tensors, in one process; ``as_json`` gives nested lists for HTTP, which
    not every version reads. A view without images has no ``image_data``.
    """
    prompt = host.prompt(view)
    request: dict[str, Any] = {"input_ids": prompt.ids[0].tolist()}
    if not prompt.pages:
        return request
    torch = needed("torch")
    item: dict[str, Any] = {
        "format": "precomputed_embedding",
        "modality": "IMAGE",
        "feature": torch.cat([_wide_rows(page) for page in prompt.pages]),
    }
    grids = [page.grid for page in prompt.pages if page.grid is not None]
    if grids:
        item["image_grid_thw"] = torch.cat(grids)
    if as_json:
        item = {
            name: value.tolist() if torch.is_tensor(value) else value
            for name, value in item.items()
        }
    return request | {"image_data": [item]}


def image_uuid(png: bytes) -> str:
    """A name for an image that is the same wherever its bytes are."""
    return hashlib.sha256(png).hexdigest()


def page_uuid(page: VisualPage) -> str:
    """A name for a page's visual tokens: of its bytes, thread, weights and settings."""
    return hashlib.sha256(page.key.encode()).hexdigest()


def _images(messages: Sequence[JsonObject]) -> Iterator[tuple[JsonObject, bytes]]:
    """The messages' parts that hold an image by value, and its bytes."""
    for message in messages:
        content: Any = message.get("content")
        for part in cast("list[JsonObject]", content) if isinstance(content, list) else ():
            url = str(part["image_url"]["url"]) if part["type"] == "image_url" else ""
            if url.startswith("data:"):
                yield part, base64.b64decode(url.partition(",")[2])


def _vllm_embeds(page: VisualPage) -> str | JsonObject:
    rows = _wide_rows(page)
    if page.grid is None:
        return _npy(rows[None])
    return {"image_embeds": _npy(rows), "image_grid_thw": _npy(page.grid)}


def _wide_rows(page: VisualPage) -> Tensor:
    """(tokens, hidden x (1 + early layers)) in float32: features, then those of early layers."""
    return needed("torch").cat([page.rows, *page.deepstack], dim=-1).float()


def _npy(tensor: Tensor) -> str:
    """The tensor as a .npy file in base64."""
    held = BytesIO()
    needed("numpy").save(held, tensor.numpy(), allow_pickle=False)
    return base64.b64encode(held.getvalue()).decode("ascii")
