"""Reading pieces of pages by OCR, once each, and what came of each evidence turn.

Takes pieces, gives the text of the picture each was read in. Pieces of a type
size are stacked, a few dozen lines to a picture, magnified until the type is as
large as the engine likes it, and read by two processes. What was read is kept
in a file, so that a second run reads nothing.

A turn is looked for as the passage of what was read that is closest to it; so
marks and names around it do not count, and no line has to be matched.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from decay_pages import Bench, Piece, Shown, letters
from PIL import Image
from readers import Engine, PaddleOCR, Tesseract

from sfumato.memory import Memory

PROCESSES = 2
FIFTHS = 5
"""A thread's turns by age: 1 the newest, 5 the oldest."""
STACK_PX = 420
"""Height of a stack before it is magnified: some 40 lines of small type."""
EM_PX = {"tesseract": 24, "pp-ocr": 24}
"""Type size the engines get. See ``--calibrate``."""


def read_all(
    engine: str, pieces: Iterable[Piece], kept: Path, advance: Callable[[int, int], None]
) -> dict[str, str]:
    """Digest of each piece: what was read of it and its neighbours in the stack.

    ``advance`` is told how many pieces are done, of how many.
    """
    kept.mkdir(parents=True, exist_ok=True)
    path = kept / f"{engine}-{EM_PX[engine]}.jsonl"
    known: dict[str, str] = {}
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            record = json.loads(line)
            known.update(dict.fromkeys(record["pieces"], record["text"]))
    new = {piece.digest: piece for piece in pieces}
    total = len(new)
    new = {digest: piece for digest, piece in new.items() if digest not in known}
    done = total - len(new)
    advance(done, total)
    stacks = list(stacked(list(new.values())))
    with ProcessPoolExecutor(PROCESSES) as pool, path.open("a", encoding="utf-8") as file:
        jobs = ((engine, stack) for stack in stacks)
        for stack, text in zip(stacks, pool.map(_read, jobs), strict=True):
            digests = [piece.digest for piece in stack]
            file.write(json.dumps({"pieces": digests, "text": text}) + "\n")
            file.flush()
            known.update(dict.fromkeys(digests, text))
            done += len(stack)
            advance(done, total)
    return known


def stacked(pieces: Sequence[Piece]) -> Iterable[list[Piece]]:
    """Pieces of one type size together, as many as make a picture."""
    sizes: dict[float, list[Piece]] = defaultdict(list)
    for piece in pieces:
        sizes[round(piece.em_px, 2)].append(piece)
    for _, found in sorted(sizes.items()):
        stack: list[Piece] = []
        height = 0
        for piece in found:
            tall = Image.open(BytesIO(piece.png)).height
            if stack and height + tall > STACK_PX:
                yield stack
                stack, height = [], 0
            stack.append(piece)
            height += tall
        if stack:
            yield stack


def _read(job: tuple[str, list[Piece]]) -> str:
    name, stack = job
    pictures = [Image.open(BytesIO(piece.png)) for piece in stack]
    gap = round(stack[0].em_px)
    paper = Image.new(
        "L",
        (max(p.width for p in pictures), sum(p.height + gap for p in pictures)),
        255,
    )
    top = 0
    for picture in pictures:
        paper.paste(picture, (0, top))
        top += picture.height + gap
    return "\n".join(_engine(name).read(paper, EM_PX[name] / stack[0].em_px))


@cache
def _engine(name: str) -> Engine:
    return Tesseract() if name == "tesseract" else PaddleOCR()


@cache
def closest(words: str, text: str) -> tuple[int, str]:
    """Least edits that make ``words`` of a passage of ``text``; and that passage, roughly.

    Myers' bit vectors (1999) as in ``edit_distance``, but a passage may start anywhere.
    Both without white space.

    >>> closest("grey", "thegrayfox")
    (1, 'gray')
    """
    if not words:
        return 0, ""
    where: dict[str, int] = defaultdict(int)
    for place, character in enumerate(words):
        where[character] |= 1 << place
    every, last = (1 << len(words)) - 1, 1 << (len(words) - 1)
    rises, falls, distance = every, 0, len(words)
    least, end = distance, 0
    for place, character in enumerate(text, start=1):
        equal = where.get(character, 0)
        diagonal = (((equal & rises) + rises) ^ rises) | equal | falls
        right_rises = falls | ~(diagonal | rises) & every
        right_falls = rises & diagonal
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises = (right_rises << 1) & every
        right_falls = (right_falls << 1) & every
        rises = right_falls | ~(diagonal | right_rises) & every
        falls = right_rises & diagonal
        if distance < least:
            least, end = distance, place
    return least, text[max(0, end - len(words)) : end]


# -- what came of it ------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A question's evidence, as marks, and the words of its answer that stand there."""

    marks: tuple[int, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """An evidence turn in one way to show its thread. ``error`` is 1 where it is not shown."""

    thread: str
    mark: int
    fifth: int
    place: str
    error: float
    read: str


@dataclass(frozen=True)
class Case:
    """What one way makes of one thread."""

    thread: str
    host: str
    share: float
    way: str
    tokens: int
    in_view: float
    sizes: tuple[float, ...]
    outcomes: tuple[Outcome, ...]
    answers: tuple[bool, ...]


def questions_of(path: Path, memory: Memory) -> list[Question]:
    """The thread's questions that name evidence."""
    marks = {(e.turn.id or "").split("@")[0]: e.seq for e in memory.journal.entries(memory.thread)}
    said = {e.seq: letters(e.turn.text).casefold() for e in memory.journal.entries(memory.thread)}
    found: list[Question] = []
    for sample in json.loads(path.read_text("utf-8")):
        if sample["sample_id"] != memory.thread:
            continue
        for asked in sample["qa"]:
            names = re.findall(r"D\d+:\d+", " ".join(asked.get("evidence", [])))
            evidence = tuple(dict.fromkeys(marks[name] for name in names if name in marks))
            words = {letters(w).casefold() for w in re.findall(r"\w{3,}", str(asked.get("answer")))}
            there = (w for w in words if any(w in said[mark] for mark in evidence))
            if evidence:
                found.append(Question(evidence, tuple(sorted(there))))
    return found


def outcome(thread: str, mark: int, turns: int, shown: Shown, read: dict[str, str]) -> Outcome:
    fifth = min(FIFTHS, 1 + (turns - mark) * FIFTHS // turns)
    if mark in shown.text:
        return Outcome(thread, mark, fifth, "text", 0.0, "")
    if mark not in shown.paged:
        return Outcome(thread, mark, fifth, "gone", 1.0, "")
    errors = characters = 0
    passages = ""
    for piece in shown.pieces[mark]:
        words = letters(piece.words)
        wrong, passage = closest(words, letters(read[piece.digest]))
        errors, characters, passages = errors + wrong, characters + len(words), passages + passage
    return Outcome(thread, mark, fifth, "page", errors / max(1, characters), passages.casefold())


def case(
    bench: Bench, shown: Shown, share: float, asked: Sequence[Question], read: dict[str, str]
) -> Case:
    outcomes = {
        mark: outcome(bench.thread, mark, len(bench.turns), shown, read)
        for mark in sorted(bench.wanted)
    }

    def there(word: str, marks: Sequence[int]) -> bool:
        held = [outcomes[mark] for mark in marks]
        return any(
            word in (bench.said(each.mark) if each.place == "text" else each.read) for each in held
        )

    answers = tuple(
        all(there(word, each.marks) for word in each.words)
        for each in asked
        if each.words and bench.wanted.issuperset(each.marks)
    )
    visible = len(shown.text) + len(shown.paged)
    return Case(
        bench.thread,
        bench.host.name,
        share,
        shown.way,
        shown.tokens,
        visible / len(bench.turns),
        tuple(sorted({round(px, 1) for px in shown.paged.values()}, reverse=True)),
        tuple(outcomes.values()),
        answers,
    )
