"""The ladder of a host: which type sizes its tiers use, and the pages they fill.

Takes a host, a profile and a capacity in tokens; gives tiers, largest type
first. A type size is worth a tier only where a page of it costs clearly less
than its text; where none does there are no tiers and history stays text.
Knows nothing of turns or storage.
"""

from __future__ import annotations

from dataclasses import dataclass

from sfumato.aging import Policy
from sfumato.errors import HostError, RenderError
from sfumato.hosts import Host, TypeRange
from sfumato.renderers.geometry import (
    PROSE_CHARACTER_EM,
    Style,
    fit_style,
    ladder,
    pitch_for,
)

CHARACTERS_PER_TOKEN = 4.3
"""Of English prose under current tokenizers (LoCoMo dialogue, measured offline)."""
FILLED = 0.72
"""Share of a page's line area that turns of dialogue fill, measured on LoCoMo."""
WORTHWHILE = 1.25
"""Text tokens per visual token below which a page is not worth its reading."""
PAGE_SHARE = 0.06
"""Share of the capacity one page may cost, so that pages leave in small steps."""
BYTES_PER_PX = 0.27
"""Upper bound of a page's PNG as sent, base64 (measured: 0.07 to 0.12 for dense text)."""
TYPE_STEP_PX = 0.5
THUMBNAIL_LINES = 7


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier of pages: its number (1 is the most legible) and its style."""

    number: int
    style: Style

    @property
    def type_px(self) -> float:
        """Type size in pixels."""
        return self.style.type_px


def tiers_for(host: Host, profile: str, capacity: int, policy: Policy) -> tuple[Tier, ...]:
    """The tiers of a host; empty for one that cannot see or never profits.

    Raises HostError for a profile the host does not have.
    """
    if not host.sees or host.page_rules is None:
        return ()
    if profile not in host.profiles:
        raise HostError(
            f"host {host.name!r} has no profile {profile!r}: use one of {', '.join(host.profiles)}"
        )
    sizes = host.profiles[profile]
    largest = _largest_worthwhile(host, sizes)
    if ratio(host, largest) < 1:
        return ()
    page_px2 = _page_area(host, capacity)
    dense = profile == "dense"
    # Smaller and smaller type keeps less readable than its smallest size throughout
    # (benchmarks/results/decay.md); dense tiers only lose their pictures.
    steps = (sizes.min_px,) * policy.tiers if dense else ladder(sizes.min_px, largest, policy.tiers)
    # Whatever the tier, turns that matter keep the size that the profile of exact reading
    # begins with, and turns that do not take the one that the gist survives.
    legible = host.profiles.get("legible", sizes)
    exact = ladder(legible.min_px, _largest_worthwhile(host, legible), policy.tiers)[0]
    large = exact if ratio(host, exact) >= 1 else 0
    gist = host.profiles.get("dense", sizes).min_px
    tiers: list[Tier] = []
    for number, type_px in enumerate(steps, start=1):
        # The last tier shows captions only; before it thumbnails shrink with the type.
        thumbnail = 0 if number == len(steps) else THUMBNAIL_LINES * pitch_for(type_px)
        try:
            style = fit_style(
                host.page_rules,
                type_px,
                page_px2=page_px2,
                thumbnail_px=thumbnail,
                running=dense,
                large_px=large if large > type_px else 0,
                small_px=gist if gist < type_px else 0,
            )
        except RenderError:
            continue
        tiers.append(Tier(len(tiers) + 1, style))
    return tuple(tiers)


def _largest_worthwhile(host: Host, sizes: TypeRange) -> float:
    """The largest type of a profile that is worth its page; else the smallest."""
    largest = sizes.max_px
    while largest > sizes.min_px and ratio(host, largest) < WORTHWHILE:
        largest = max(sizes.min_px, largest - TYPE_STEP_PX)
    return largest


def ratio(host: Host, type_px: float) -> float:
    """Estimated text tokens one visual token stands for, at a type size."""
    area_per_character = PROSE_CHARACTER_EM * type_px * pitch_for(type_px)
    return px2_per_token(host) * FILLED / area_per_character / CHARACTERS_PER_TOKEN


def px2_per_token(host: Host) -> float:
    """Page pixels a visual token covers, on the host's cheapest page."""
    rules = host.page_rules
    if rules is None:
        return 0.0
    side = min(1024, rules.max_width_px, rules.max_height_px)
    side -= side % rules.snap_px
    sizes = rules.canvases or ((side, side),)
    return max(width * height / host.image_tokens(width, height) for width, height in sizes)


def _page_area(host: Host, capacity: int) -> int:
    """Largest page area wanted: a small share of the budget, within the image limit."""
    tokens = max(PAGE_SHARE * capacity, capacity / max(1.0, 0.6 * host.max_images), 150.0)
    area = int(tokens * px2_per_token(host))
    return min(area, int(host.max_image_bytes / BYTES_PER_PX)) if host.max_image_bytes else area
