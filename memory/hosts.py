"""Hosts: the models that read a view, as values.

Takes a host's name; gives what the rest of sfumato needs to know of it: what an
image and a message cost there, how small it reads, which limits and prices hold.
The figures are data (hosts.toml, and the user's own file in the same form), each
with a source and a date. Knows nothing about turns, drawing or any provider's
wire format; the arithmetic is in formulas.py and tilings.py, the checking of files
in hostfile.py.

    >>> from sfumato.hosts import host
    >>> host("deepseek-ocr").image_tokens(1024, 1024)
    273
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from sfumato.errors import HostError
from sfumato.formulas import Formula, Seen
from sfumato.renderers.geometry import PageRules

HOSTS_VARIABLE = "SFUMATO_HOSTS"
PROFILES = ("legible", "dense")


@dataclass(frozen=True, slots=True)
class TypeRange:
    """Type sizes worth drawing, in px of the em at one page pixel per pixel.

    ``min_px`` is the smallest that the evidence says is read, ``max_px`` the
    largest worth its room. ``evidence`` says what they rest on.
    """

    min_px: float
    max_px: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens; None where not published."""

    input: float
    cached_input: float | None = None
    cache_write: float | None = None
    output: float | None = None


@dataclass(frozen=True)
class Host:
    """One host. ``source`` and ``date`` say where its figures come from.

    ``image_roles`` are the roles whose messages may hold images; ``max_images``,
    ``max_image_bytes`` and ``max_request_bytes`` hold for one request (bytes as
    sent, so encoded); ``max_edge_px`` is the longest page side we draw for it.
    ``message_overhead`` is tokens for each message besides its content;
    ``alternation`` is true where user and assistant messages must alternate.
    ``profiles`` has "legible" (exact reading) and "dense" (gist; exact strings
    ride in the factsheet). ``page_rules`` is None for a host that cannot see;
    ``detail`` is what to ask for with every image, see `image_detail`.
    """

    name: str
    family: str
    formula: str
    params: Mapping[str, Any]
    image_roles: tuple[str, ...]
    max_images: int
    max_image_bytes: int | None
    max_request_bytes: int | None
    max_edge_px: int
    prices: Prices | None
    profiles: Mapping[str, TypeRange]
    tokenizer: str
    message_overhead: int
    alternation: bool
    source: str
    date: str
    page_rules: PageRules | None
    detail: str | None = None
    arithmetic: Formula | None = field(default=None, repr=False)

    @property
    def sees(self) -> bool:
        """Whether it takes images at all."""
        return self.arithmetic is not None

    def seen(self, width_px: int, height_px: int) -> Seen:
        """What becomes of an image of that size. HostError if the host cannot see."""
        if self.arithmetic is None:
            raise HostError(
                f"host {self.name!r} cannot see images: send it text, or name a host that sees"
            )
        if width_px < 1 or height_px < 1:
            raise HostError(f"an image of {width_px}x{height_px} px has no pixels to send")
        return self.arithmetic.see(width_px, height_px)

    def image_tokens(self, width_px: int, height_px: int) -> int:
        """Sequence positions an image of that size takes, wrapper tokens included."""
        return self.seen(width_px, height_px).tokens

    def image_detail(self, width_px: int, height_px: int) -> str | None:
        """The detail or level to request with an image of that size; None leaves it out."""
        level = None if self.arithmetic is None else self.arithmetic.detail(width_px, height_px)
        return level or self.detail


def host(name: str | Host, extra: Path | None = None) -> Host:
    """The host of that name; a Host is given back as it is.

    ``extra`` is a TOML file of hosts that are added to, or replace, the built-in
    ones; without it the file named by the environment's SFUMATO_HOSTS is used.
    Raises HostError for an unknown name (with the closest known) or a bad file.
    """
    if isinstance(name, Host):
        return name
    known = hosts(extra)
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.4)
    hint = f"did you mean {', '.join(close)}?" if close else f"known are {', '.join(known)}."
    raise HostError(
        f"unknown host {name!r}: {hint} Use 'unknown' for a cautious profile, or describe "
        f"the host in a TOML file and name that file in {HOSTS_VARIABLE}."
    )


def hosts(extra: Path | None = None) -> dict[str, Host]:
    """All hosts by name: the built-in ones, then those of the user's file.

    Raises HostError naming the file, the host and the key that is wrong.
    """
    if extra is None and os.environ.get(HOSTS_VARIABLE):
        extra = Path(os.environ[HOSTS_VARIABLE])
    if extra is None:
        return dict(_built_in())
    try:
        text = extra.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise HostError(f"{extra}: the hosts file cannot be read: {problem}") from problem
    return dict(_built_in()) | hosts_in(text, str(extra))


def hosts_in(text: str, file: str) -> dict[str, Host]:
    """The hosts of a hosts file's text alone; ``file`` is its name for errors.

    Raises HostError naming file, host and key.
    """
    from sfumato.hostfile import read_hosts  # it makes Hosts, so it imports this module

    return read_hosts(text, file, base_text=_built_in_text())


@lru_cache(maxsize=1)
def _built_in() -> Mapping[str, Host]:
    from sfumato.hostfile import read_hosts

    return read_hosts(_built_in_text(), "hosts.toml")


@lru_cache(maxsize=1)
def _built_in_text() -> str:
    return resources.files("sfumato").joinpath("hosts.toml").read_text(encoding="utf-8")
