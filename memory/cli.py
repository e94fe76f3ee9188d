"""The command line: ``sfumato``.

Registers the commands and turns errors into exit codes: 0 done, 1 a check
failed, 2 usage or bad input, 3 the budget cannot be met. Results go to stdout,
messages to stderr. Knows nothing that a program using ``sfumato.Memory``
could not do.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import typer

from sfumato import cli_calibrate, cli_chat, cli_layouts, cli_recall, cli_threads, cli_views
from sfumato.cli_session import JsonOption, StoreOption, say, settings
from sfumato.errors import BudgetError, PinError, SfumatoError

BAD_INPUT = 2
OVER_BUDGET = 3

app = typer.Typer(
    name="sfumato",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("import")(cli_threads.import_file)
app.command()(cli_threads.threads)
app.command()(cli_threads.export)
app.command()(cli_threads.forget)
app.command()(cli_views.view)
app.command()(cli_recall.recall)
app.command()(cli_layouts.show)
app.command()(cli_layouts.pin)
app.command()(cli_layouts.unpin)
app.command()(cli_layouts.verify)
app.command()(cli_recall.hosts)
app.command()(cli_calibrate.calibrate)
app.command()(cli_chat.chat)


@app.callback()
def sfumato(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """A memory that fades instead of forgetting.

    Recent turns of a conversation stay text, older ones become page images,
    everything is recalled verbatim. --store and --json may stand before or
    after the command.
    """
    context.obj = settings(context, store, as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit. ``arguments`` default to those of the process."""
    warnings.showwarning = _warn
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # a terminal may know few characters
    try:
        app(args=arguments, prog_name="sfumato")
    except (BudgetError, PinError) as problem:
        _fail(problem, OVER_BUDGET)
    except SfumatoError as problem:
        _fail(problem, BAD_INPUT)
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        _fail(f"{where}{problem.strerror or problem}", BAD_INPUT)


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    say(f"warning: {message}")


def _fail(problem: object, code: int) -> None:
    say(f"error: {problem}")
    sys.exit(code)


if __name__ == "__main__":
    main()
