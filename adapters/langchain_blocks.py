"""LangChain content blocks to parts and back.

Takes the items of a message's ``content`` list: bare strings, standard blocks
(v1, and their v0 predecessors), and the OpenAI and Anthropic shapes that
LangChain passes on. Knows nothing of messages.

Written against langchain-core 1.7.2 (November 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sfumato.adapters.wire import (
    Given,
    described,
    image_base64,
    image_from_base64,
    image_from_url,
    image_url,
    stamp,
    stamped,
    verbatim,
)
from sfumato.turn import Image, JsonObject, Part, Text, Unknown

FORMAT = "langchain"


def read_block(block: Given) -> Text | Image | Unknown:
    """A content item as a part; TurnError if it is neither a string nor an object."""
    if isinstance(block.value, str):
        return Text(block.value, stamp(FORMAT, {"bare": True}))
    kind = block["type"].value
    if kind == "text" and isinstance(block["text"].value, str):
        rest = block.rest("type", "text")
        return Text(block["text"].string, stamp(FORMAT, {"block": rest} if rest else {}))
    if kind in ("image", "image_url"):
        return _read_image(block) or block.unknown(FORMAT)
    return block.unknown(FORMAT)


def write_block(part: Part) -> str | JsonObject:
    """A part as a content item; what has no block here in words."""
    match part:
        case Text():
            fields = stamped(part, FORMAT)
            if "bare" in fields:
                return part.text
            return {"type": "text", "text": part.text} | fields.get("block", {})
        case Image():
            return _write_image(part)
        case Unknown(format=format) if format == FORMAT:
            return verbatim(part)
        case _:
            return {"type": "text", "text": described(part).text}


def _read_image(block: Given) -> Image | None:
    """An image block in any of the shapes LangChain has had for one."""

    def kept(shape: str, *known: str, **more: JsonObject | str) -> JsonObject:
        fields: JsonObject = {"shape": shape, **more} if shape else {}
        if rest := block.rest("type", *known):
            fields["block"] = rest
        return stamp(FORMAT, fields)

    match dict(block.object):
        case {"type": "image_url", "image_url": str(url)}:
            return image_from_url(url, kept("image_url", "image_url", inner="string"))
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            inner = block["image_url"].rest("url")
            return image_from_url(url, kept("image_url", "image_url", inner=inner))
        case {"type": "image", "source_type": "base64", "data": str(data), "mime_type": str(media)}:
            extra = kept("v0", "source_type", "data", "mime_type")
            return image_from_base64(data, media, extra)
        case {"type": "image", "source_type": _}:
            return None
        case {"type": "image", "source": Mapping()}:
            return _read_source(block["source"].object, kept)
        case {"type": "image", "base64": str(data), "mime_type": str(media)}:
            return image_from_base64(data, media, kept("", "base64", "mime_type"))
        case {"type": "image", "url": str(url)}:
            return image_from_url(url, kept("url", "url"))
        case _:
            return None


def _read_source(source: Mapping[str, object], kept: Callable[..., JsonObject]) -> Image | None:
    """Anthropic's own shape."""
    match dict(source):
        case {"type": "base64", "media_type": str(media), "data": str(data), **rest} if not rest:
            return image_from_base64(data, media, kept("source", "source"))
        case {"type": "url", "url": str(url), **rest} if not rest and not url.startswith("data:"):
            return Image(url=url, extra=kept("source", "source"))
        case _:
            return None


def _write_image(image: Image) -> JsonObject:
    fields = stamped(image, FORMAT)
    rest: JsonObject = fields.get("block", {})
    inline = image_base64(image)
    match fields.get("shape"):
        case "image_url":
            inner = fields.get("inner", {})
            url = image_url(image)
            link = url if inner == "string" else {"url": url} | inner
            return {"type": "image_url", "image_url": link} | rest
        case "source" if inline:
            source = {"type": "base64", "media_type": inline[1], "data": inline[0]}
            return {"type": "image", "source": source} | rest
        case "source":
            return {"type": "image", "source": {"type": "url", "url": image.url}} | rest
        case "v0" if inline:
            block = {"source_type": "base64", "data": inline[0], "mime_type": inline[1]}
            return {"type": "image"} | block | rest
        case None if inline:
            return {"type": "image", "base64": inline[0], "mime_type": inline[1]} | rest
        case _:
            return {"type": "image", "url": image_url(image)} | rest
