"""What every command shares: the store, the form of the output, and messages.

Takes the options of the command line; gives an open store and ways to print.
JSON and tables go to stdout, progress and messages to stderr. Knows nothing of
any one command.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sfumato.errors import NotFoundError
from sfumato.journal import Entry
from sfumato.store import DEFAULT_URL, Store

STORE_VARIABLE = "SFUMATO_STORE"
PIPED_COLUMNS = 160
"""Width of tables that do not go to a terminal."""

Item = TypeVar("Item")

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help=f"Database URL [default: ${STORE_VARIABLE} or {DEFAULT_URL}]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
KeyOption = Annotated[
    str, typer.Option("--key-env", help="Environment variable that holds the server's key.")
]
ThreadArgument = Annotated[str, typer.Argument(help="The thread's name.", show_default=False)]
HostOption = Annotated[str, typer.Option("--host", help="The host, see 'sfumato hosts'.")]
ProfileOption = Annotated[str, typer.Option("--profile", help="Type size: legible or dense.")]


@dataclass(frozen=True)
class Settings:
    """Where the store is, and whether to print JSON."""

    url: str
    as_json: bool

    @contextmanager
    def store(self, *, create: bool = False) -> Generator[Store]:
        """The open store; only ``create`` makes one that is not there.

        Raises StoreError for a bad URL, NotFoundError for a missing store.
        """
        if not create:
            _check_there(self.url)
        store = Store(self.url)
        try:
            yield store
        finally:
            store.close()

    def show(self, value: Any, *tables: Table | Text) -> None:
        """Print ``value`` as JSON, or the tables for people."""
        if self.as_json:
            print(json.dumps(value, indent=1))
            return
        out = Console(width=None if sys.stdout.isatty() else PIPED_COLUMNS, highlight=False)
        for each in tables:
            out.print(each)


def show_answer(given: Settings, answer: Entry) -> None:
    """A model's answer, as it was journaled."""
    text = answer.turn.text
    given.show({"turn": answer.seq, "role": answer.turn.role, "text": text}, Text(readable(text)))


def settings(context: typer.Context, store: str | None, as_json: bool) -> Settings:
    """The settings of a command; what stands after it wins over what stands before."""
    before: Settings | None = context.obj
    url = store or (before.url if before else None)
    url = url or os.environ.get(STORE_VARIABLE) or DEFAULT_URL
    return Settings(url, as_json or (before is not None and before.as_json))


def say(message: str) -> None:
    """A message for people, on stderr."""
    print(readable(message), file=sys.stderr)


@contextmanager
def working(what: str) -> Generator[None]:
    """Show on stderr that something is under way, if that is a terminal."""
    console = Console(stderr=True)
    with console.status(what) if console.is_terminal else nullcontext():
        yield


def tracked(items: Sequence[Item], what: str) -> Iterable[Item]:
    """The items, with a progress bar on stderr, if that is a terminal, until all are done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield from bar.track(items, description=what)


def table(*columns: str, right: Iterable[str] = (), title: str | None = None) -> Table:
    """An empty table; columns named in ``right`` hold numbers."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def readable(text: str) -> str:
    """Text that a terminal can neither obey nor fail to print.

    Remembered text may hold escape sequences and lone surrogates; both are
    shown as code points.

    >>> readable("a\\x1b[31m")
    'a⟨U+001B⟩[31m'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else f"⟨U+{ord(c):04X}⟩" for c in text)


def marks(first: int | None, last: int | None) -> str:
    """A range of turns as people read it."""
    if first is None:
        return ""
    return f"#{first}" if first == last else f"#{first}–#{last}"


def _check_there(url: str) -> None:
    """NotFoundError if ``url`` names an SQLite file that does not exist."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return  # Store says what is wrong with it
    file = parsed.database
    if parsed.get_backend_name() != "sqlite" or not file or file.startswith((":", "file:")):
        return
    if not Path(file).exists():
        raise NotFoundError(
            f"there is no store at {file}: make one with 'sfumato import FILE', or name "
            f"another with --store URL or {STORE_VARIABLE}"
        )
