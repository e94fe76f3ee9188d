"""Files as JSON values that know where they stand.

Takes a path, gives the JSON records of the file as ``Node`` values: a value,
the line its record starts on, and the path to it inside the record, so that
every complaint can name the place. Reads JSON and JSON Lines in UTF-8, UTF-16
or UTF-32, with or without a byte-order mark.

Knows nothing about turns or conversation formats.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeGuard, cast

from sfumato.errors import ImportFileError

TIME_FIELDS = ("time", "created", "created_at", "timestamp")

# Unix seconds stay below this until the year 5138; clocks that count
# milliseconds passed it in 1973.
_MILLISECONDS_FROM = 1e11


class Misfit(Exception):
    """A value that is not what its format asks for; ``read_conversations`` names the file."""

    def __init__(self, node: Node, reason: str) -> None:
        self.line = node.line
        self.reason = f"{node.path}: {reason}" if node.path else reason
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and its place: ``path`` like ``messages[3].content``, 1-based ``line``."""

    value: Any
    path: str = ""
    line: int | None = None

    def __getitem__(self, key: str) -> Node:
        """The field ``key``; a Node of None where the object has no such field."""
        return self._at(self.fields.get(key), f".{key}" if self.path else key)

    def __contains__(self, key: str) -> bool:
        return is_object(self.value) and key in self.value

    def __iter__(self) -> Iterator[Node]:
        if not is_list(self.value):
            self.misfit(f"expected a list, found {kind_of(self.value)}")
        for index, item in enumerate(self.value):
            yield self._at(item, f"[{index}]")

    @property
    def fields(self) -> dict[str, Any]:
        """The value as an object. Raises Misfit if it is something else."""
        if not is_object(self.value):
            self.misfit(f"expected an object, found {kind_of(self.value)}")
        return self.value

    @property
    def string(self) -> str:
        """The value as a string. Raises Misfit if it is something else."""
        if not isinstance(self.value, str):
            self.misfit(f"expected a string, found {kind_of(self.value)}")
        return self.value

    @property
    def string_or_none(self) -> str | None:
        """The value as a string, None where it is null or absent."""
        return None if self.value is None else self.string

    @property
    def identifier(self) -> str | None:
        """An id: a string, or a whole number taken as one; None where there is none."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return str(self.value)
        return self.string_or_none or None

    @property
    def time(self) -> datetime | None:
        """The value as an aware UTC time: ISO 8601 (UTC if it names no zone) or Unix time."""
        if self.value is None:
            return None
        try:
            return _time(self.value)
        except (ValueError, OverflowError, OSError, TypeError):
            self.misfit(
                f"{self.value!r:.60} is not a time: use ISO 8601 or seconds since 1970-01-01"
            )

    def misfit(self, reason: str) -> NoReturn:
        raise Misfit(self, reason)

    def _at(self, value: Any, step: str) -> Node:
        return Node(value, self.path + step, self.line)


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def kind_of(value: Any) -> str:
    """A JSON value's kind in words."""
    if value is None:
        return "nothing"
    kinds = {bool: "a boolean", str: "a string", dict: "an object", list: "a list"}
    return kinds.get(cast("type[Any]", type(value)), "a number")


def first_time(node: Node) -> datetime | None:
    """The first of the usual time fields that ``node`` has."""
    for name in TIME_FIELDS:
        if node[name].value is not None:
            return node[name].time
    return None


def without(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The fields that are neither named nor null: what is left for ``extra``."""
    return {k: v for k, v in fields.items() if k not in names and v is not None}


def kept(format: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as a turn's or part's ``extra``: under the format's name, where adapters look."""
    return {format: fields} if fields else {}


def load(path: str | Path) -> list[Node]:
    """The records of a file: its lines (JSON Lines), its elements (a JSON list), or itself.

    Raises ImportFileError with line and reason.
    """
    text = _text(Path(path))
    if not text.strip():
        raise ImportFileError(str(path), "the file is empty")
    # Lines end at LF alone: U+2028 and its kin may stand unescaped inside strings.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if _are_records([line for _, line in lines]):
        return [Node(_parse(path, line, number - 1), line=number) for number, line in lines]
    whole = Node(_parse(path, text, 0), line=lines[0][0] if len(lines) == 1 else None)
    return list(whole) if is_list(whole.value) else [whole]


def _are_records(lines: list[str]) -> bool:
    """Whether lines are JSON Lines: several, and one of the first two is a value by itself.

    The second counts too, so that a broken first line is reported as one.
    """
    return len(lines) > 1 and any(_is_whole(line) for line in lines[:2])


def _is_whole(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _parse(path: str | Path, text: str, lines_before: int) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as problem:
        reason = f"not valid JSON, column {problem.colno}: {problem.msg}"
        raise ImportFileError(str(path), reason, lines_before + problem.lineno) from problem
    except RecursionError as problem:
        raise ImportFileError(
            str(path), "the JSON is nested too deeply to read", lines_before + 1
        ) from problem
    except ValueError as problem:
        raise ImportFileError(
            str(path), f"not valid JSON: {problem}", lines_before + 1
        ) from problem


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise ImportFileError(str(path), f"cannot be read: {reason}") from problem
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as problem:
        line = data[: problem.start].decode(encoding, "replace").count("\n") + 1
        raise ImportFileError(
            str(path), f"not valid {encoding.upper()}: {problem.reason}. Save it as UTF-8", line
        ) from problem


def _time(value: Any) -> datetime:
    if isinstance(value, str):
        parsed = datetime.fromisoformat(value.strip())
        aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("not a time")
    seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
    return datetime.fromtimestamp(seconds, UTC)
