"""Every error sfumato raises on purpose.

SfumatoError
├── InputError            bad input; nothing was changed
│   ├── TurnError         a turn or part that cannot be stored
│   ├── ImportFileError   a file that cannot be imported (names line and reason)
│   └── HostError         an unknown or malformed host
├── NotFoundError         no such thread, turn or mark
├── ConflictError         the same id arrived with other content
├── BudgetError           the view cannot be made to fit; says what would
├── PinError              pins would exceed their share of the budget
├── StoreError            the store is of another version, locked or damaged
└── RenderError           a page that cannot be drawn

Messages say what happened, to which thing, and what to do about it.
"""

from __future__ import annotations


class SfumatoError(Exception):
    """Base of all sfumato errors."""


class InputError(SfumatoError, ValueError):
    """Bad input; nothing was changed."""


class TurnError(InputError):
    """A turn or part that cannot be stored."""


class ImportFileError(InputError):
    """A file that cannot be imported.

    ``line`` is 1-based, or None when the whole file is at fault.
    """

    def __init__(self, path: str, reason: str, line: int | None = None) -> None:
        self.path, self.reason, self.line = path, reason, line
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {reason}. Nothing was imported.")


class HostError(InputError):
    """An unknown or malformed host."""


class NotFoundError(SfumatoError, LookupError):
    """No such thread, turn or mark."""


class ConflictError(SfumatoError):
    """The same id arrived with other content."""


class BudgetError(SfumatoError):
    """The view cannot be made to fit the budget.

    ``needed`` is the smallest budget in tokens that would do, where known.
    """

    def __init__(self, message: str, needed: int | None = None) -> None:
        self.needed = needed
        super().__init__(message)


class PinError(SfumatoError):
    """Pins would exceed their share of the budget."""


class StoreError(SfumatoError):
    """The store is of another version, locked or damaged."""


class RenderError(SfumatoError):
    """A page that cannot be drawn."""
