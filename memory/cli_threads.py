"""Commands that fill and empty the store: import, threads, export, forget."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from sfumato.cli_session import (
    JsonOption,
    StoreOption,
    ThreadArgument,
    readable,
    say,
    settings,
    table,
    tracked,
    working,
)
from sfumato.errors import ImportFileError, InputError, NotFoundError
from sfumato.export import export_jsonl
from sfumato.importers import FORMATS, Conversation, read_conversations
from sfumato.journal import Journal
from sfumato.memory import Memory


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A JSON or JSON Lines file.", show_default=False)],
    thread: Annotated[
        str | None,
        typer.Option(
            help="Thread to import into; several conversations of a file become THREAD/<id>. "
            "Without it threads are named after conversations, or after the file.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(FORMATS)} [default: found out]", show_default=False),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import conversations. Importing a file again adds only what is new in it."""
    given = settings(context, store, as_json)
    with working(f"reading {file}"):
        found = read_conversations(file, format)
    names = thread_names(found, file, thread)
    done: list[dict[str, str | int]] = []
    with given.store(create=True) as opened:
        for name, conversation in tracked(list(zip(names, found, strict=True)), "importing"):
            memory = Memory(name, "text-only", opened)
            before = _last_mark(opened.journal, name)
            entries = memory.extend(conversation.turns)
            done.append(
                {
                    "thread": name,
                    "format": conversation.format,
                    "turns": len(conversation.turns),
                    "added": sum(entry.seq > before for entry in entries),
                }
            )
    shown = table("thread", "format", "turns", "added", right=("turns", "added"))
    for each in done:
        shown.add_row(*(readable(str(value)) for value in each.values()))
    given.show(done, shown)


def thread_names(found: list[Conversation], file: Path, thread: str | None) -> list[str]:
    """The thread of each conversation; the same file always gives the same names.

    Raises ImportFileError where two conversations would share a thread.
    """
    if len(found) == 1:
        return [thread or found[0].name or file.stem]
    if thread is not None:
        return [f"{thread}/{each.id}" for each in found]
    names = [each.name or f"{file.stem}/{each.id}" for each in found]
    for name, count in Counter(names).items():
        if count > 1:
            raise ImportFileError(
                str(file), f"several conversations would be named {name!r}: name them with --thread"
            )
    return names


def _last_mark(journal: Journal, thread: str) -> int:
    try:
        return journal.state(thread).last_seq
    except NotFoundError:
        return 0


def threads(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the threads of the store."""
    given = settings(context, store, as_json)
    with given.store() as opened:
        states = opened.journal.threads()
    shown = table("thread", "turns", "last turn", "since", right=("turns", "last turn"))
    for each in states:
        since = f"{each.created:%Y-%m-%d %H:%M}"
        shown.add_row(readable(each.thread), f"{each.live:,}", f"#{each.last_seq}", since)
    value = [
        {
            "thread": each.thread,
            "turns": each.live,
            "last_turn": each.last_seq,
            "created": each.created.isoformat(),
        }
        for each in states
    ]
    given.show(value, shown)


def export(
    context: typer.Context,
    thread: ThreadArgument,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a thread's live turns to stdout, verbatim, as JSON Lines that import reads.

    With --json the lines are one JSON array.
    """
    given = settings(context, store, as_json)
    with given.store() as opened:
        opened.journal.state(thread)
        lines = export_jsonl(opened.journal.iter_entries(thread))
        if given.as_json:
            given.show([json.loads(line) for line in lines])
        else:
            sys.stdout.writelines(line + "\n" for line in lines)


def forget(
    context: typer.Context,
    thread: ThreadArgument,
    turn: Annotated[
        int | None,
        typer.Option(min=1, help="Forget only this turn.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a turn's content, or a whole thread, for good.

    A tool call and its result go together, and so do pages that showed them.
    """
    given = settings(context, store, as_json)
    with given.store() as opened:
        memory = Memory(thread, "text-only", opened)
        last = opened.journal.state(thread).last_seq
        what = f"turn #{turn}" if turn else f"all {last:,} turns"
        if turn:
            opened.journal.get(thread, [turn])
        if not yes:
            _confirm(f"Forget {what} of thread {thread!r} for good?")
        emptied = memory.forget(turn)
    named = ", ".join(f"#{mark}" for mark in emptied) if turn else what
    given.show({"thread": thread, "forgotten": emptied}, Text(f"Forgot {named}."))


def _confirm(question: str) -> None:
    """Ask on the terminal; InputError if nobody says yes."""
    if not sys.stdin.isatty():
        raise InputError(f"{question} Say so with --yes. Nothing was forgotten.")
    say(f"{question} [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError("nothing was forgotten")
