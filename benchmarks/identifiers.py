"""Are exact strings still exact when their turns have faded? Thousands planted, each looked for.

Identifiers of some forty kinds, half of which the extractor was not written for, are
put into invented conversation and into logs and JSON; both go through the real memory
and are viewed by several hosts, time and again as they age. Of each identifier whose
turn stands on a page of a tier it is said whether it

- is on the factsheet;
- else is read exactly from the page by PP-OCR, a stand-in for the host's eyes;
- else is covered only by its turn's mark, by which recall returns it.

Recall is tried for every one of them.

    python benchmarks/identifiers.py [--planted 1000] [--every 2] [--hosts qwen3-vl/dense …]

Writes results/identifiers.md. Takes about a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from itertools import count

from decay_pages import letters
from identifiers_kinds import KINDS, Kind
from identifiers_prose import assistant_sentences, user_sentences
from identifiers_report import write
from PIL import Image
from readers import PaddleOCR

from sfumato.facts import HEADING, SEPARATOR
from sfumato.layouts import budget_class
from sfumato.memory import Memory
from sfumato.renderers import Box, Page, Style
from sfumato.store import Store
from sfumato.tiers import tiers_for
from sfumato.turn import Turn, turn
from sfumato.view import View

PROCESSES = 2
TEXTS = ("conversation", "logs and JSON")
EM_PX = 24
"""Type size the reader gets, as in decay_reading."""
# Host, profile, tokens of the view, exchanges that fill it and a little more.
CASES = {
    "qwen3-vl/legible": (64_000, 500),
    "qwen3-vl/dense": (64_000, 950),
    "claude-high-res/legible": (64_000, 400),
    "claude-high-res/dense": (64_000, 800),
    "deepseek-ocr/dense": (24_000, 1_100),
}
VIEWS = 20
"""Taken of each thread as it grows, so that its turns are met in every tier."""
DENSE_LINES = 8


@dataclass(frozen=True)
class Planted:
    """An identifier in a turn, and what became of it in the first view that had it in a tier.

    ``fate`` is "factsheet", "page" (read exactly) or "mark"; ``overflow`` whether the
    factsheet itself names the turn as one of those with more strings.
    """

    kind: str
    group: str
    string: str
    mark: int
    thread: str = ""
    tier: int = 0
    fate: str = "mark"
    overflow: bool = False
    recalled: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one host makes of one sort of text.

    ``sheets`` are the tokens of each view's factsheet, and those it may take.
    """

    case: str
    text: str
    planted: Sequence[Planted]
    sheets: Sequence[tuple[int, int]]


# -- what is planted -------------------------------------------------------


def conversation(
    draw: random.Random, exchanges: int, every: int, kinds: Iterator[Kind]
) -> tuple[list[Turn], list[Planted]]:
    """Talk, with an identifier in one of so many exchanges, said by either side."""
    turns: list[Turn] = []
    planted: list[Planted] = []
    for number in range(exchanges):
        said = {"user": user_sentences(draw), "assistant": assistant_sentences(draw)}
        if number % every == 0:
            kind, role = next(kinds), draw.choice(("user", "assistant"))
            string = kind.make(draw)
            place = draw.randint(0, len(said[role]))
            said[role].insert(place, kind.sentence(draw, string))
            mark = len(turns) + (2 if role == "assistant" else 1)
            planted.append(Planted(kind.name, kind.group, string, mark))
        turns += [turn(role, " ".join(sentences)) for role, sentences in said.items()]
    return turns, planted


def dump(
    draw: random.Random, exchanges: int, kinds: Iterator[Kind]
) -> tuple[list[Turn], list[Planted]]:
    """Logs and JSON that hold little but identifiers."""
    turns: list[Turn] = []
    planted: list[Planted] = []
    for number in range(exchanges):
        turns.append(turn("user", "Show me the next part, please."))
        lines: list[str] = []
        for line in range(DENSE_LINES):
            kind = next(kinds)
            string = kind.make(draw)
            clock = f"{number // 60:02}:{number % 60:02}:{line:02}"
            lines.append(
                f'{{"at": "{clock}", "{kind.name}": "{string}", "ok": true}}'
                if number % 2 and not set('"\\') & set(string)
                else f"{clock} INFO worker-{line} {kind.name.replace(' ', '_')}= {string} done"
            )
            planted.append(Planted(kind.name, kind.group, string, len(turns) + 1))
        turns.append(turn("assistant", "\n".join(lines)))
    return turns, planted


def endless(draw: random.Random) -> Iterator[Kind]:
    """All kinds in turn, shuffled anew each round."""
    while True:
        yield from draw.sample(KINDS, len(KINDS))


# -- what became of it -----------------------------------------------------


def in_view(memory: Memory, view: View, planted: Sequence[Planted]) -> Iterator[Planted]:
    """Those whose turn stands on a page: tier, whether on the sheet, whether recall has it."""
    tier_of = {
        mark: part.tier or 0
        for part in view.pages
        for mark in range(part.first_turn or 0, (part.last_turn or 0) + 1)
    }
    sheet = "".join(part.text or "" for part in view.parts if part.kind == "facts")
    listed, overflow = sheet_lines(sheet)
    everything = {string for found in listed.values() for string in found}
    for each in planted:
        if each.mark not in tier_of:
            continue
        own = listed.get(each.mark, ())
        there = each.string in everything or any(stands_in(each.string, found) for found in own)
        yield replace(
            each,
            tier=tier_of[each.mark],
            fate="factsheet" if there else "mark",
            overflow=each.mark in overflow,
            recalled=each.string in memory.recall_marks([each.mark])[0].text,
        )


def sheet_lines(sheet: str) -> tuple[dict[int, list[str]], range]:
    """The strings under each mark, and the marks that the sheet says have more."""
    listed: dict[int, list[str]] = {}
    overflow = range(0)
    for line in sheet.removeprefix(HEADING).splitlines():
        if more := re.match(r"#(\d+)(?:-#(\d+))?: more exact strings", line):
            overflow = range(int(more[1]), int(more[2] or more[1]) + 1)
        elif line:
            mark, _, found = line.partition(" ")
            listed[int(mark[1:])] = found.split(SEPARATOR)
    return listed, overflow


def stands_in(string: str, text: str) -> bool:
    """Whether it stands there as it is, not as a part of something longer."""
    before = r"(?<!\w)" if string[0].isalnum() else ""
    after = r"(?!\w)" if string[-1].isalnum() else ""
    return re.search(before + re.escape(string) + after, text) is not None


# -- reading ---------------------------------------------------------------


def picture(memory: Memory, each: Planted, style: Style) -> bytes:
    """The lines of the turn's page in which the identifier stands, as PNG."""
    measures = memory.desk.measures(memory.thread, ())
    for page in memory.desk.renderer.draw([measures.block(each.mark)], style, boxes=True):
        found = lines_of(page, style, letters(each.string))
        if found:
            return cut(page, style, *found)
    return b""


def lines_of(page: Page, style: Style, wanted: str) -> tuple[int, int, int] | None:
    """Column, top and bottom of the lines that say it; its own first column if it runs on."""
    stride = style.column_px + style.gutter_px
    said, places = "", list[Box]()
    for box in page.boxes:
        if box.kind == "text":
            said += letters(box.text)
            places += [box] * (len(said) - len(places))
    start = said.find(wanted)
    if start < 0:
        return None
    found = places[start : start + len(wanted)]
    column = found[0].x0 // stride
    return column, found[0].line_y0, max(box.line_y1 for box in found if box.x0 // stride == column)


def cut(page: Page, style: Style, column: int, top: int, bottom: int) -> bytes:
    left = column * (style.column_px + style.gutter_px) + 2
    whole = Image.open(BytesIO(page.png)).convert("L")
    png = BytesIO()
    whole.crop((left, top, left + style.column_px - 1, bottom)).save(png, "PNG")
    return png.getvalue()


@cache
def _reader() -> PaddleOCR:
    return PaddleOCR()


def read_exactly(job: tuple[str, bytes, float]) -> bool:
    """Whether the reader gets the string right. Short ones must stand alone in what is read."""
    string, png, em_px = job
    if not png:
        return False
    text = " ".join(_reader().read(Image.open(BytesIO(png)), EM_PX / em_px))
    return stands_in(string, text) if len(string) < 5 else letters(string) in letters(text)


# -- the run ---------------------------------------------------------------


def outcome(case: str, text: str, wanted: int, every: int) -> Outcome:
    """Threads until so many identifiers stood on pages; those not on the sheet are read."""
    host, profile = case.split("/")
    budget, exchanges = CASES[case]
    draw = random.Random(f"{case} {text}")
    kinds = endless(draw)
    found: list[Planted] = []
    unread: list[tuple[str, bytes, float]] = []
    sheets: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/memory.db", f"{folder}/cache")
        for number in count():
            if len({(each.thread, each.string, each.mark) for each in found}) >= wanted:
                break
            memory = Memory(f"{text}-{number}", host, store, budget, profile=profile)
            turns, planted = (
                conversation(draw, exchanges, every, kinds)
                if text == "conversation"
                else dump(draw, exchanges, kinds)
            )
            met: dict[tuple[int, str, int], Planted] = {}
            for start in range(0, len(turns), step := -(-len(turns) // VIEWS // 2) * 2):
                memory.extend(turns[start : start + step])
                view = memory.view()
                for each in in_view(memory, view, planted):
                    met.setdefault((each.mark, each.string, each.tier), each)
                used = sum(part.tokens for part in view.parts if part.kind == "facts")
                sheets.append((used, bound_of(memory, view, budget)))
            if not met:
                raise SystemExit(f"{case}, {text}: {len(turns)} turns fill no page")
            ladder = tiers_for(memory.host, profile, budget_class(budget), memory.desk.policy)
            for each in met.values():
                found.append(replace(each, thread=memory.thread))
                if each.fate == "mark" and text == "conversation":
                    style = ladder[each.tier - 1].style
                    unread.append((each.string, picture(memory, each, style), style.type_px))
            print(f"{case}, {text}: {len(found)} on pages, {len(unread)} to read", file=sys.stderr)
        store.close()
    if text == "conversation":
        answers = {job: read_exactly(job) for job in set(unread)}  # equal pixels are read once
        right = iter([answers[job] for job in unread])
        found = [
            replace(each, fate="page") if each.fate == "mark" and next(right) else each
            for each in found
        ]
    return Outcome(case, text, found, sheets)


def bound_of(memory: Memory, view: View, budget: int) -> int:
    """The most tokens the factsheet may take: as ``plan.facts_scope`` has it."""
    measures = memory.desk.measures(memory.thread, ())
    paged = {
        mark
        for part in view.pages
        for mark in range(part.first_turn or 0, (part.last_turn or 0) + 1)
    }
    text = sum(measures.text(mark) for mark in paged)
    return min(text // 10, int(0.15 * budget_class(budget)))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument(
        "--planted", type=int, default=1_000, help="identifiers on pages, at least"
    )
    options.add_argument("--every", type=int, default=2, help="exchanges to one identifier")
    options.add_argument("--hosts", nargs="*", default=list(CASES), choices=list(CASES))
    given = options.parse_args()
    jobs = [(case, text) for text in TEXTS for case in given.hosts]
    with ProcessPoolExecutor(PROCESSES) as pool:
        runs = [pool.submit(outcome, *job, given.planted, given.every) for job in jobs]
        outcomes = [run.result() for run in runs]
    write(outcomes, given.planted, given.every)
    for each in outcomes:
        lost = [p for p in each.planted if not p.recalled]
        if lost:
            sys.exit(f"{each.case}: recall does not return {lost[0].string!r}, #{lost[0].mark}")


if __name__ == "__main__":
    main()
