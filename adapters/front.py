"""A view as turns: system turns, the front as one user turn, the recent turns.

What every request builder starts from. The front's neighbouring texts become
one part, so that our marks start a line wherever a chat template joins parts
without a separator. Knows the view, and no wire format.
"""

from __future__ import annotations

from collections.abc import Callable

from sfumato.errors import InputError
from sfumato.turn import Image, JsonObject, Part, Text, Turn
from sfumato.view import View, ViewPart

PageExtra = Callable[[str | None, bool], JsonObject]
"""What a wire format notes on a page, from the host's detail level and whether it is the last."""


def view_turns(view: View, page_extra: PageExtra) -> list[Turn]:
    """The view's turns. InputError for a view whose pages were not drawn."""
    parts = front_parts(view, page_extra)
    front = [Turn("user", tuple(parts))] if parts else []
    return [*view.system, *front, *view.recent]


def front_parts(view: View, page_extra: PageExtra) -> list[Part]:
    """The front message's parts: note and spans, then facts and copies."""
    pages = [part for part in view.front if part.kind == "page"]
    parts: list[Part] = []
    for part in view.front:
        if part.kind == "page":
            parts.append(_page(view, part, page_extra, part is pages[-1]))
        elif parts and isinstance(last := parts[-1], Text):
            parts[-1] = Text(f"{last.text}\n{part.text or ''}")
        else:
            parts.append(Text(part.text or ""))
    return parts


def _page(view: View, part: ViewPart, page_extra: PageExtra, is_last: bool) -> Image:
    if part.png is None:
        raise InputError(
            f"thread {view.thread!r}: this view was planned without drawing its pages, so it "
            "cannot be sent: ask for it without dry_run"
        )
    detail = view.host.image_detail(part.width, part.height) if part.width and part.height else None
    caption = f"turns #{part.first_turn}-#{part.last_turn}"
    return Image(
        part.png, media_type="image/png", caption=caption, extra=page_extra(detail, is_last)
    )
