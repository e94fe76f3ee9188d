"""A layout as the JSON the journal keeps: marks and sizes, no turn text.

Knows the values of aging and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sfumato.aging import Inset, Layout, PageBox, Span
from sfumato.errors import StoreError

STATE_VERSION = 1


def write_state(layout: Layout, epoch: int, fingerprint: str) -> str:
    """A layout, the epoch it has seen and the fingerprint its pages were drawn with."""
    body = {
        "version": STATE_VERSION,
        "epoch": epoch,
        "fingerprint": fingerprint,
        "layout": asdict(layout),
    }
    return json.dumps(body, separators=(",", ":"))


def read_state(state: str) -> tuple[Layout, int, str]:
    """What ``write_state`` was given. Raises StoreError for a state of another version."""
    body: dict[str, Any] = json.loads(state)
    if body.get("version") != STATE_VERSION:
        raise StoreError(
            f"a layout of version {body.get('version')} is in the store; this sfumato reads "
            f"version {STATE_VERSION}: upgrade sfumato, or drop the layout to have it made anew"
        )
    fields: dict[str, Any] = body["layout"]
    for name in ("pins", "waiting", "copies"):
        fields[name] = tuple((mark, tokens) for mark, tokens in fields[name])
    for name in ("tail", "system"):
        fields[name] = tuple(fields[name])
    fields["archived"] = tuple(fields["archived"]) if fields["archived"] else None
    fields["spans"] = tuple(Span(**_with_pages(span)) for span in fields["spans"])
    fields["insets"] = tuple(Inset(**_with_pages(inset)) for inset in fields["insets"])
    return Layout(**fields), body["epoch"], body["fingerprint"]


def _with_pages(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "pages": tuple(PageBox(**box) for box in fields["pages"])}
