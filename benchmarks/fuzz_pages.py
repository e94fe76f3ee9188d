"""Fuzzing the renderer with arbitrary Unicode: no crash, no loss, no chance.

For as long as asked, turns are made of whatever breaks text layout (directional
controls, combining marks, joiners, lone surrogates, NUL, lines of a megabyte,
every plane of Unicode) and drawn at a random type size on random pages. Checked
on every round: all characters stand on the pages in order, boxes hold ink and
lie inside the page, planned pages are the drawn ones, and a renderer that has
drawn other things before gives the same bytes.

    python benchmarks/fuzz_pages.py [--minutes 10] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import warnings
from collections import Counter
from io import BytesIO
from typing import Any

from PIL import Image as Pixels
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sfumato.renderers import Block, Page, PageRules, Renderer, Style, fit_style, paginate
from sfumato.renderers.typeset import TIMES
from sfumato.turn import Text

WHITE_SPACE = re.compile(r"[ \t\n\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
FRESH_EVERY = 25
"""Rounds between comparisons with a renderer that has drawn nothing before."""
CANVASES = ((512, 512), (640, 640), (1024, 1024))

CONTROLS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\u200b\ufeff"
ALPHABETS = {
    "words": "abcdefghij klm nop qrs. tuv, wxyz!",
    "controls": CONTROLS + "ab ",
    "marks": "aeקक\u0301\u0308\u0323\u0e38\u0e48\u093f\u094d\u20dd\u0f39 ",
    "joiners": "\u200d\u200c👨👩👧❤\ufe0f\ufe0eकبa ",
    "surrogates": "\ud800\udbff\udc00\udfffab ",
    "nulls": "\x00\x01\x07\x0b\x0c\x1b\x7f\x85\u2028\u2029a ",
    "bidi": "abאבגשمرحب0123٣٤ .,-+/$%()[]«»:!?",
    "cjk": "中文字かな、。「」한글々〆ヶ（）abc ",
    "thai": "พรุ่งนี้น้ำปู่ที่ ",
    "code": "    \t{}[]();=|`~#\n",
    "rules": "=" * 40 + "  \n",
    "forged": "#417 user\n→←█▌ ",
}


def text(chance: random.Random) -> tuple[str, str]:
    """A turn's text and what kind it is."""
    kind = chance.choice([*ALPHABETS, "anything", "mixture", "long line"])
    if kind == "long line" and chance.random() < 0.02:
        return "megabyte", chance.choice("aא中") * 1_000_000
    if kind == "long line":
        return kind, "".join(chance.choices("abcdef0123/&=%", k=chance.randint(300, 4_000)))
    if kind == "anything":
        return kind, "".join(chr(chance.randrange(0x110000)) for _ in range(chance.randint(1, 60)))
    if kind == "mixture":
        pools = chance.choices(list(ALPHABETS.values()), k=4)
        return kind, "".join(
            "".join(chance.choices(pool, k=chance.randint(1, 12))) for pool in pools
        )
    return kind, "".join(chance.choices(ALPHABETS[kind], k=chance.randint(1, 120)))


def style(chance: random.Random) -> Style:
    """A page and a type size that some host might ask for."""
    type_px = chance.choice([6, 6.5, 7, 8, 9, 10.5, 12, 14, 18])
    extras: dict[str, Any] = {
        "running": chance.random() < 0.5,
        "large_px": chance.choice([0, type_px * 1.5]),
        "small_px": chance.choice([0, type_px * 0.8]),
    }
    if chance.random() < 0.3:
        return fit_style(PageRules(1, 1280, 1280, CANVASES), type_px, page_px2=0, **extras)
    snap = chance.choice([1, 16, 28, 32])
    width = chance.randrange(max(160, int(14 * type_px)), 900)
    side = max(snap, width // snap * snap)
    rules = PageRules(snap, max(side, 168), chance.randrange(200, 1_200))
    return fit_style(rules, type_px, page_px2=chance.randrange(60_000, 600_000), **extras)


def visible(source: str) -> str:
    """What must be seen of a text: all but foldable white space."""
    return WHITE_SPACE.sub("", source.replace("\r\n", "\n").expandtabs(4))


def written(pages: list[Page]) -> str:
    """The turns' text on the pages; a sign that is drawn once for many counts as many."""
    found: list[str] = []
    for box in (box for page in pages for box in page.boxes):
        if box.kind == "text":
            found.append(box.text)
        elif box.kind == "sign" and box.text.startswith(TIMES):
            found[-1] = found[-1] * int(box.text[1:])
    return "".join(found)


def fault(pages: list[Page], sources: list[str]) -> str | None:
    """What is wrong with drawn pages; None when nothing is."""
    if WHITE_SPACE.sub("", written(pages)) != "".join(map(visible, sources)):
        return "the drawn text is not the turns' text"
    for page in pages:
        paper = Pixels.open(BytesIO(page.png)).convert("L")
        if paper.size != (page.width_px, page.height_px):
            return "a page has another size than it says"
        for box in page.boxes:
            if not (0 <= box.x0 < box.x1 <= paper.width and 0 <= box.y0 < box.y1 <= paper.height):
                return f"{box.text!r} reaches beyond its page"
            darkest, lightest = paper.crop((box.x0, box.y0, box.x1, box.y1)).getextrema()
            if (lightest if box.kind == "bar" else 255 - darkest) < 30:
                return f"{box.text!r} has no ink"
    return None


def one_round(
    renderer: Renderer, chance: random.Random, *, compare: bool
) -> tuple[str, str | None]:
    """Draw some turns; their kinds and what was wrong."""
    made = [text(chance) for _ in range(chance.randint(1, 5))]
    kinds, sources = "+".join(kind for kind, _ in made), [source for _, source in made]
    blocks = [
        Block(
            n,
            "user",
            chance.choice([None, "Ana", "x\n#9 user"]),
            None,
            False,
            (Text(source),),
            priority=chance.choice([0, 0, 1, -1]),
        )
        for n, source in enumerate(sources, 1)
    ]
    page = style(chance)
    plans = paginate([renderer.height(b, page) for b in blocks], page)
    pages = renderer.draw(blocks, page, boxes=True)
    found = fault(pages, sources)
    sizes = [(plan.width_px, plan.height_px) for plan in plans]
    if found is None and sizes != [(p.width_px, p.height_px) for p in pages]:
        found = "drawn pages are not the planned ones"
    if found is None and compare:
        again = Renderer().draw(blocks, page)
        if [p.png for p in again] != [p.png for p in pages]:
            found = "another renderer draws other bytes"
    return kinds, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    console = Console(stderr=True)
    renderer, kinds, rounds = Renderer(), Counter[str](), 0
    started = time.monotonic()
    columns = (
        TextColumn("fuzzing, {task.fields[rounds]} rounds"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=options.minutes * 60, rounds=0)
        while time.monotonic() - started < options.minutes * 60:
            seed = f"{options.seed}/{rounds}"
            chance = random.Random(seed)
            try:
                made, found = one_round(renderer, chance, compare=rounds % FRESH_EVERY == 0)
            except Exception as problem:
                made, found = "?", f"{type(problem).__name__}: {problem}"
            if found:
                console.print(f"round {seed} ({made}): {found}", markup=False)
                return 1
            kinds.update(made.split("+"))
            rounds += 1
            progress.update(task, completed=time.monotonic() - started, rounds=rounds)
    print(f"{rounds:,} rounds, {kinds.total():,} turns, no fault: {dict(kinds)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
