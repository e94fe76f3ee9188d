"""The command calibrate: measure what a served model reads, and write it as a host.

Sends probe pages to any server that speaks OpenAI's chat completions. Knows nothing of
how pages are made up and scored.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text as Words

from sfumato.adapters.openai import FORMAT, openai_from_turns
from sfumato.adapters.openai_responses import page_detail
from sfumato.adapters.wire import stamp
from sfumato.calibration import TASK, Score, calibration, probes, quoted
from sfumato.cli_session import JsonOption, KeyOption, StoreOption, say, settings, table, tracked
from sfumato.completions import Server
from sfumato.errors import HostError, InputError
from sfumato.hosts import HOSTS_VARIABLE, Host, hosts_in
from sfumato.hosts import host as host_named
from sfumato.probes import Probe
from sfumato.turn import Image, JsonObject, Text, Turn

SIZES = "8,9,10,12,14,16,18,20"
CHECK_FAILED = 1


def calibrate(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="The model's name on the server.")],
    base_url: Annotated[str, typer.Option(help="The server, e.g. http://localhost:8000/v1.")],
    host: Annotated[
        str, typer.Option(help="The host whose costs and limits hold, see 'sfumato hosts'.")
    ] = "unknown",
    name: Annotated[
        str | None,
        typer.Option(help="The new host's name [default: the model's]", show_default=False),
    ] = None,
    sizes: Annotated[
        str, typer.Option(metavar="PX,PX,…", help="Type sizes to probe, in px.")
    ] = SIZES,
    pages: Annotated[int, typer.Option(min=1, help="Pages of each size.")] = 4,
    task: Annotated[str, typer.Option(help="What the model is asked to do.")] = TASK,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Hosts file to add the host to; without one it is printed.", show_default=False
        ),
    ] = None,
    key_env: KeyOption = "OPENAI_API_KEY",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure at which type sizes a model reads pages, and describe it as a host."""
    given = settings(context, store, as_json)
    base, called = host_named(host), name or model.rsplit("/", 1)[-1]
    former = _former(out, called, base)
    server = Server(base_url, model, os.environ.get(key_env))
    asked = probes(base, _sizes(sizes), pages)
    answers = [
        (page, _said(server.complete(_messages(base, page, task))))
        for page in tracked(asked, f"{model} is reading")
    ]
    found = calibration(base, answers)
    scores = [asdict(score) for score in found.scores]
    try:
        entry = found.entry(called, model, datetime.now(UTC).date().isoformat())
    except HostError as problem:
        given.show({"scores": scores, "entry": None}, _table(found.scores))
        say(f"error: {problem}")
        raise typer.Exit(CHECK_FAILED) from None
    # What would not be read back is not written.
    hosts_in(former + entry, str(out or "the new entry"))
    given.show({"scores": scores, "entry": entry}, _table(found.scores), Words(entry))
    if out is not None:
        _write(out, former + entry)
        say(f"Added {called} to {out}: set {HOSTS_VARIABLE}={out} and use --host {called}.")


def _former(out: Path | None, name: str, base: Host) -> str:
    """What the hosts file holds so far, ready to be added to."""
    text = out.read_text(encoding="utf-8") if out is not None and out.exists() else ""
    if name in hosts_in(text, str(out)):
        raise InputError(f"{out} has a host {name!r} already: take it out, or give another --name")
    former = f"{text.rstrip()}\n\n" if text.strip() else ""
    # Better to hear now than after the measuring that the base is in another file.
    hosts_in(f"{former}[{quoted(name)}]\nbase = {quoted(base.name)}", str(out or "the new entry"))
    return former


def _write(out: Path, text: str) -> None:
    """Whole or not at all."""
    new = out.with_name(f"{out.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, out)


def _sizes(asked: str) -> list[float]:
    try:
        sizes = [float(size) for size in asked.split(",")]
    except ValueError:
        sizes = []
    if not sizes or not all(4 <= size <= 96 for size in sizes):
        raise InputError(f"--sizes takes type sizes of 4 to 96 px such as {SIZES}, not {asked!r}")
    return sizes


def _messages(host: Host, page: Probe, task: str) -> list[JsonObject]:
    detail = page_detail(host.image_detail(page.width_px, page.height_px))
    image = Image(
        page.png, media_type="image/png", extra=stamp(FORMAT, {"image_url": {"detail": detail}})
    )
    return openai_from_turns([Turn("user", (image, Text(task)))])


def _said(message: JsonObject) -> str:
    """The text of a model's message; one that says nothing has read nothing."""
    content = message.get("content")
    return content if isinstance(content, str) else ""


def _table(scores: Sequence[Score]) -> Table:
    shown = table(
        "type px", "tokens a page", "exact strings", "words",
        right=("type px", "tokens a page", "exact strings", "words"),
    )  # fmt: skip
    for each in scores:
        shown.add_row(
            f"{each.type_px:g}",
            f"{each.tokens:,.0f}",
            f"{each.strings_read} of {each.strings} ({each.exact:.0%})",
            f"{each.words_read} of {each.words} ({each.gist:.0%})",
        )
    return shown
