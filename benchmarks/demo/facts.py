"""Answers on pages: which of them OCR read, and which turns recall brings back.

Takes the questions beside this file, what was read, and a store. Knows nothing
of error rates or budgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from rich.markup import escape
from rich.panel import Panel
from scoring import Line, plain

from sfumato import Memory, View, ViewPart
from sfumato.view import page_file

RECALLED = 5


class Question(TypedDict):
    """A question, its answer, and the mark of the turn that says it."""

    question: str
    answer: str
    turn: int


@dataclass(frozen=True)
class Answers:
    """Answers on pages: how many OCR read letter by letter, how many the factsheet lists."""

    on_pages: int
    read: int
    in_factsheet: int
    read_or_in_factsheet: int


@dataclass(frozen=True)
class Fact:
    """An answer that was read on a page, and the turn that recall brought back."""

    host: str
    question: str
    answer: str
    turn: int
    type_px: float
    page: int
    read: str
    rank: int
    recalled: str


def read_turns(view: View, pages: list[list[Line]]) -> dict[int, tuple[ViewPart, int, str]]:
    """By mark: the page a turn stands on, its number, and what OCR read of the turn."""
    read: dict[int, tuple[ViewPart, int, str]] = {}
    for number, (part, lines) in enumerate(zip(view.pages, pages, strict=True), start=1):
        for line in lines:
            before = read[line.mark][2] + " " if line.mark in read else ""
            read[line.mark] = (part, number, before + line.read)
    return read


def answers_read(questions: Sequence[Question], view: View, pages: list[list[Line]]) -> Answers:
    """How the answers that stand on a view's pages can be had from it."""
    read = read_turns(view, pages)
    sheet = plain("".join(part.text or "" for part in view.parts if part.kind == "facts"))
    asked = [each for each in questions if each["turn"] in read]
    right = [each for each in asked if plain(each["answer"]) in plain(read[each["turn"]][2])]
    listed = [each for each in asked if plain(each["answer"]) in sheet]
    return Answers(
        len(asked), len(right), len(listed), len([e for e in asked if e in right + listed])
    )


def rank_of(memory: Memory, question: Question) -> int | None:
    """The rank of the turn with the answer among those the question recalls; None if not."""
    found = [each.turn for each in memory.recall(question["question"], RECALLED)]
    return found.index(question["turn"]) + 1 if question["turn"] in found else None


def oldest_fact(
    memory: Memory,
    questions: Sequence[Question],
    views: dict[str, View],
    lines: dict[str, list[list[Line]]],
) -> Fact | None:
    """The oldest answer in the smallest type that OCR read right and recall brings back."""
    found: list[Fact] = []
    for name, pages in lines.items():
        read = read_turns(views[name], pages)
        for each in questions:
            if each["turn"] not in read:
                continue
            part, number, text = read[each["turn"]]
            rank = rank_of(memory, each)
            if rank is None or plain(each["answer"]) not in plain(text):
                continue
            [turn] = memory.recall_marks([each["turn"]])
            found.append(
                Fact(
                    name,
                    each["question"],
                    each["answer"],
                    each["turn"],
                    part.type_px or 0,
                    number,
                    text,
                    rank,
                    turn.text,
                )
            )
    return min(found, key=lambda fact: (fact.type_px, fact.turn), default=None)


def fact_panel(fact: Fact, folder: str) -> Panel:
    return Panel(
        f"[bold]Question[/]  {fact.question}\n"
        f"[bold]OCR read[/]  {escape(fact.read)}\n"
        f"          in {fact.type_px:g} px type on {folder}/{page_file(fact.page)}\n"
        f"[bold]Recalled[/]  #{fact.turn}, rank {fact.rank} of {RECALLED}, verbatim:\n"
        f"          {escape(fact.recalled)}\n"
        f"[bold]Answer[/]    {escape(fact.answer)}",
        title="One fact, on an old page and recalled",
        title_align="left",
    )
