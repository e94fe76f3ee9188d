"""Reading hosts from TOML: inheritance, checking, and errors that say what is allowed.

Takes the text of a hosts file; gives checked `Host` values. Knows nothing about
where files lie or which hosts exist.

One table for each host. ``base`` names a host to inherit from: keys that are
given replace the base's, tables (params, prices, profiles) are merged key by
key. An entry may have the name of its own base, and then changes it.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias, cast

from sfumato.errors import HostError
from sfumato.formulas import Formula, PatchBudget, PatchGrid, RowBreaks, SmartResize
from sfumato.hosts import PROFILES, Host, Prices, TypeRange
from sfumato.renderers.geometry import PageRules
from sfumato.tilings import Canvases, Crops, Levels, SplitTiles, TiledGrid, Tiles
from sfumato.turn import ROLES

Table: TypeAlias = dict[str, Any]

NO_IMAGES = "none"

FORMULAS: Mapping[str, type[Formula]] = {
    "patch-grid": PatchGrid,
    "patch-budget": PatchBudget,
    "smart-resize": SmartResize,
    "row-breaks": RowBreaks,
    "tiles": Tiles,
    "crops": Crops,
    "canvases": Canvases,
    "levels": Levels,
    "tiled-grid": TiledGrid,
    "split-tiles": SplitTiles,
}
_KEYS = (
    *("base", "family", "formula", "params", "source", "date"),
    *("image_roles", "max_images", "max_image_bytes", "max_request_bytes", "max_edge_px"),
    *("detail", "prices", "profiles", "tokenizer", "message_overhead", "alternation"),
)


def read_hosts(text: str, file: str, base_text: str | None = None) -> dict[str, Host]:
    """The hosts of a file's ``text``; ``file`` is its name for errors.

    ``base_text`` is a hosts file whose entries may be inherited from. Raises
    HostError naming file, host and key.
    """
    own = _tables(text, file)
    inherited = {} if base_text is None else _tables(base_text, "hosts.toml")
    return {name: _host(_Entry(file, name, _merged(name, own, inherited, file))) for name in own}


def _tables(text: str, file: str) -> dict[str, Table]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise HostError(f"{file}: not valid TOML: {problem}") from problem
    for name, table in document.items():
        if not isinstance(table, dict):
            raise HostError(
                f"{file}: {name} = {table!r} stands outside any host: write [host-name]"
            )
    return cast(dict[str, Table], document)


def _merged(
    name: str, own: Mapping[str, Table], inherited: Mapping[str, Table], file: str
) -> Table:
    """The entry with everything it inherits."""
    chain: list[Table] = []
    seen: list[str] = []
    at, table = name, own[name]
    while True:
        chain.append(table)
        base = table.get("base")
        if base is None:
            break
        # An entry that is its own base changes the inherited host of that name.
        here = own if table is own.get(at) and base != at and base in own else inherited
        if base not in here or (here is own and base in [*seen, at]):
            known = ", ".join(sorted({*own, *inherited} - {name}))
            raise HostError(
                f"{file}: host {name!r}: base = {base!r} is not a host to inherit from"
                f"{' (they form a circle)' if base in seen else ''}; known are {known}"
            )
        seen.append(at)
        at, table = base, here[base]
    merged: Table = {}
    for table in reversed(chain):
        if table.get("formula", merged.get("formula")) != merged.get("formula"):
            merged.pop("params", None)
        for key, value in table.items():
            former = merged.get(key)
            both = isinstance(former, dict) and isinstance(value, dict)
            merged[key] = {**cast(Table, former), **cast(Table, value)} if both else value
    merged.pop("base", None)
    return merged


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A table on its way to becoming a value; reads keys and complains about them."""

    file: str
    host: str
    table: Table
    path: str = ""

    def fail(self, key: str, allowed: str) -> NoReturn:
        name = f"{self.path}{key}"
        found = f"{name} = {self.table[key]!r}" if key in self.table else f"{name} is missing"
        raise HostError(f"{self.file}: host {self.host!r}: {found}; {allowed}")

    def known(self, keys: Sequence[str]) -> None:
        for key in self.table:
            if key not in keys:
                quote = ' (a host\'s name with a dot needs quotes: ["name.5"])'
                hint = quote if isinstance(self.table[key], dict) and not self.path else ""
                self.fail(key, f"no such key{hint}; allowed are {', '.join(keys)}")

    def text(self, key: str) -> str:
        value = self.table.get(key)
        if not isinstance(value, str) or not value.strip():
            self.fail(key, "give a string that is not empty")
        return value

    def number(self, key: str, least: float = 0) -> float:
        value = self.table.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
            self.fail(key, f"give a number of at least {least:g}")
        return float(value)

    def whole(self, key: str, least: int = 0) -> int:
        value = self.table.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.fail(key, f"give a whole number of at least {least}")
        return value

    def flag(self, key: str) -> bool:
        value = self.table.get(key)
        if not isinstance(value, bool):
            self.fail(key, "give true or false")
        return value

    def inner(self, key: str, name: str = "") -> _Entry:
        value = self.table.get(key)
        if not isinstance(value, dict):
            self.fail(key, "give a table")
        return _Entry(self.file, self.host, cast(Table, value), f"{self.path}{name or key}.")


def _host(entry: _Entry) -> Host:
    entry.known(_KEYS)
    formula = entry.text("formula")
    if formula != NO_IMAGES and formula not in FORMULAS:
        entry.fail("formula", f"known are {', '.join([*FORMULAS, NO_IMAGES])}")
    sees = formula != NO_IMAGES
    max_edge = entry.whole("max_edge_px", 1) if sees else 0
    arithmetic, rules = _arithmetic(entry, formula, max_edge) if sees else (None, None)
    given = entry.table
    return Host(
        name=entry.host,
        family=entry.text("family"),
        formula=formula,
        params=dict(given.get("params", {})),
        image_roles=_roles(entry) if sees else (),
        max_images=entry.whole("max_images", 1) if sees else 0,
        max_image_bytes=entry.whole("max_image_bytes", 1) if "max_image_bytes" in given else None,
        max_request_bytes=(
            entry.whole("max_request_bytes", 1) if "max_request_bytes" in given else None
        ),
        max_edge_px=max_edge,
        prices=_prices(entry.inner("prices")) if "prices" in given else None,
        profiles=_profiles(entry.inner("profiles")) if sees else {},
        tokenizer=entry.text("tokenizer"),
        message_overhead=entry.whole("message_overhead"),
        alternation=entry.flag("alternation") if "alternation" in given else False,
        source=entry.text("source"),
        date=_date(entry),
        page_rules=rules,
        detail=entry.text("detail") if "detail" in given else None,
        arithmetic=arithmetic,
    )


def _date(entry: _Entry) -> str:
    value = entry.text("date")
    if not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", value):
        entry.fail("date", 'give "YYYY-MM" or "YYYY-MM-DD"')
    return value


def _roles(entry: _Entry) -> tuple[str, ...]:
    value = entry.table.get("image_roles")
    roles = cast("list[Any]", value) if isinstance(value, list) else []
    if not roles or not all(role in ROLES for role in roles):
        entry.fail("image_roles", f"give a list of some of {', '.join(ROLES)}")
    return tuple(roles)


def _prices(entry: _Entry) -> Prices:
    names = [field.name for field in dataclasses.fields(Prices)]
    entry.known(names)
    entry.number("input")
    return Prices(**{name: entry.number(name) for name in names if name in entry.table})


def _profiles(entry: _Entry) -> dict[str, TypeRange]:
    entry.known(PROFILES)
    found: dict[str, TypeRange] = {}
    for name in PROFILES:
        profile = entry.inner(name)
        profile.known(["min_px", "max_px", "evidence"])
        least = profile.number("min_px", 4)
        found[name] = TypeRange(least, profile.number("max_px", least), profile.text("evidence"))
    return found


def _arithmetic(entry: _Entry, formula: str, max_edge: int) -> tuple[Formula, PageRules]:
    made = FORMULAS[formula]
    params = entry.inner("params")
    fields = {field.name: field for field in dataclasses.fields(cast(Any, made))}
    params.known(list(fields))
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in params.table or field.default is dataclasses.MISSING:
            # A count whose default is 0 may be 0; every other must be positive.
            values[name] = _READERS[cast(str, field.type)](params, name, int(field.default != 0))
    try:
        arithmetic = made(**values)
    except ValueError as problem:
        entry.fail("params", str(problem))
    try:
        return arithmetic, arithmetic.page_rules(max_edge)
    except ValueError as problem:
        entry.fail("max_edge_px", str(problem))


def _canvases(entry: _Entry, key: str, least: int) -> dict[str, tuple[int, ...]]:
    table = entry.inner(key).table
    for value in table.values():
        sizes = cast(list[Any], value) if isinstance(value, list) else []
        if len(sizes) != 3 or not all(isinstance(n, int) and n >= least for n in sizes):
            entry.fail(key, "give each as name = [width_px, height_px, tokens]")
    return {name: tuple(cast(list[int], value)) for name, value in table.items()}


def _levels(entry: _Entry, key: str, least: int) -> dict[str, int]:
    inner = entry.inner(key)
    return {name: inner.whole(name, least) for name in inner.table}


_READERS: Mapping[str, Callable[[_Entry, str, int], Any]] = {
    "int": lambda entry, key, least: entry.whole(key, least),
    "float": lambda entry, key, least: entry.number(key, 0.01),
    "bool": lambda entry, key, least: entry.flag(key),
    "str": lambda entry, key, least: entry.text(key),
    "Mapping[str, int]": _levels,
    "Mapping[str, tuple[int, int, int]]": _canvases,
}
