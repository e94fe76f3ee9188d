"""Commands that look things up: recall and hosts."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from sfumato.cli_session import (
    JsonOption,
    ProfileOption,
    StoreOption,
    ThreadArgument,
    readable,
    say,
    settings,
    table,
)
from sfumato.errors import HostError, InputError
from sfumato.hosts import PROFILES
from sfumato.hosts import hosts as all_hosts
from sfumato.memory import Memory


def recall(
    context: typer.Context,
    thread: ThreadArgument,
    query: Annotated[
        list[str] | None,
        typer.Argument(help="A question or keywords.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many turns to find.")] = 5,
    around: Annotated[int, typer.Option(min=0, help="Neighbours to add on either side.")] = 0,
    mark: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Fetch the turn of this number; repeatable.", show_default=False),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring back turns verbatim, by question or by number."""
    asked = " ".join(query or [])
    if bool(asked.strip()) == bool(mark):
        raise InputError("give either a question or --mark N")
    given = settings(context, store, as_json)
    with given.store() as opened:
        memory = Memory(thread, "text-only", opened)
        found = memory.recall_marks(mark, around) if mark else memory.recall(asked, k, around)
    shown: list[Text] = []
    for each in found:
        score = f"  score {each.score:.2f}" if each.score else ""
        head = f"#{each.turn} {each.role}  {each.time:%Y-%m-%d %H:%M}{score}\n"
        shown.append(Text.assemble((head, "bold"), readable(each.text) + "\n"))
    given.show([each.to_json() for each in found], *shown)
    if not found:
        say(f"no turn of thread {thread!r} matches")


def hosts(
    context: typer.Context,
    profile: ProfileOption = "legible",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the hosts: their token formula, image limits and the type they read."""
    if profile not in PROFILES:
        raise HostError(f"there is no profile {profile!r}: use one of {', '.join(PROFILES)}")
    given = settings(context, store, as_json)
    value: list[dict[str, object]] = []
    shown = table(
        "host", "family", "formula", "images in", "max images", "min type px", "evidence",
        right=("max images", "min type px"),
    )  # fmt: skip
    for host in all_hosts().values():
        sizes = host.profiles.get(profile)
        evidence = sizes.evidence if sizes else "cannot see: history stays text"
        value.append(
            {
                "name": host.name,
                "family": host.family,
                "formula": host.formula,
                "image_roles": list(host.image_roles),
                "max_images": host.max_images,
                "min_type_px": sizes.min_px if sizes else None,
                "evidence": evidence,
            }
        )
        shown.add_row(
            host.name,
            host.family,
            host.formula,
            ", ".join(host.image_roles),
            str(host.max_images or ""),
            f"{sizes.min_px:g}" if sizes else "",
            evidence,
        )
    given.show(value, shown)
