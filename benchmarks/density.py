"""How many characters stand on a page that is still read almost without error?

For sfumato, two packages and two published recipes, on the same texts: the
characters of the source text (all of them, spaces too) per 1,000 square pixels
of whole pictures, at the densest type size tried at which at most 1 % of the
characters are read wrongly. White space is not compared. What is read is held
against the source, so whoever drops or alters text pays for it. sfumato's pages
are cut into columns; peers' pages whose rows touch are read both whole and with
their rows cut apart, and the better counts.

Each picture is read by Tesseract and PP-OCR at four magnifications; the pair
that reads the first excerpt best then reads all of them. Area is that of
a long text's pictures, so that pages are full; reading takes excerpts of it.
Sizes are tried from a contender's own, up or down, as long as it helps.

    python benchmarks/density.py [CONVERSATION]

CONVERSATION is any file ``sfumato import`` reads; the demo's without it. Needs
``tesseract-ocr`` with ``eng`` and ``chi_sim``, and the peers that peers.py and
peers_published.py name; those that are missing are left out.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import density_report
from demo.scoring import edit_distance, plain
from peers import Contender, Missing, PixelPrompt, UnLOCC
from peers_published import Glyph, SpleenGrid
from peers_sfumato import Sfumato
from readers import Engine, engines_for
from reporting import wilson
from rich.console import Console
from rich.progress import Progress
from samples import Sample, samples

CONTENDERS: dict[str, Callable[[], Contender]] = {
    "sfumato": Sfumato,
    "pixelprompt": PixelPrompt,
    "un-locc": UnLOCC,
    "Glyph": Glyph,
    "Spleen 5x8": SpleenGrid,
}
SCALES = (1.5, 2.0, 3.0, 4.0)
MOST_WRONG = 0.01
TEXT = 30_000
EXCERPTS, EXCERPT = 12, 550
_HOPELESS = 0.1
"""Above this share of errors on the first excerpt, the others are not read."""
_LOST = 0.5
"""Above this share, letters are missing rather than small: larger sizes are not tried."""


@dataclass(frozen=True)
class Reading:
    """What one contender's pictures of one text held, and how they were read."""

    contender: str
    kind: str
    size_px: float
    density: float
    dropped: float
    engine: str
    scale: float
    errors: int
    characters: int

    @property
    def rate(self) -> float:
        return self.errors / self.characters

    @property
    def within(self) -> bool:
        """Whether at most 1 % was read wrongly."""
        return self.rate <= MOST_WRONG

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the rate, every character taken on its own."""
        return wilson(min(self.errors, self.characters), self.characters)


def assess(contender: str, sample: Sample, size_px: float) -> Reading:
    """Draw a text and read excerpts of it."""
    program = _made(contender)
    area = sum(drawn.area_px2 for drawn in program.draw(sample, size_px))
    step = len(sample.text) // EXCERPTS
    excerpts = [sample.part(number * step, EXCERPT) for number in range(EXCERPTS)]
    drawn = [program.draw(part, size_px) for part in excerpts]
    known = [len(plain(part.text)) for part in excerpts]
    engines, cuts = engines_for(sample.kind), (False, True) if drawn[0][0].rows else (False,)

    def errors(each: int, engine: Engine, scale: float, cut: bool) -> int:
        read = ""
        for page in drawn[each]:
            pieces = page.rows if cut else page.columns
            lines = [line for piece in pieces for line in engine.read(piece, scale)]
            read += page.written("".join(lines))
        return edit_distance(plain(read), plain(excerpts[each].text))

    def read(cut: bool) -> tuple[float, int, int, Engine, float]:
        """Share of errors, errors and characters, by the engine and scale that do best."""
        wrong, scale, index = min(
            (errors(0, engine, scale, cut), scale, index)
            for (index, engine), scale in product(enumerate(engines), SCALES)
        )
        engine, characters = engines[index], known[0]
        if wrong <= _HOPELESS * characters:
            wrong += sum(errors(each, engine, scale, cut) for each in range(1, EXCERPTS))
            characters = sum(known)
        return wrong / characters, wrong, characters, engine, scale

    _, wrong, characters, engine, scale = min(map(read, cuts), key=lambda found: found[0])
    density = 1_000 * len(sample.text) / area
    dropped = program.dropped(sample, size_px)
    return Reading(
        contender, sample.kind, size_px, density, dropped, engine.name, scale, wrong, characters
    )


def next_size(sizes: Sequence[float], start: float, within: dict[float, bool]) -> float | None:
    """The size to try after those tried, or None: down from what is read, up from what is not.

    >>> next_size([8, 9, 10], 9, {9: True})
    8
    """
    if not within:
        return start
    read = [size for size, good in within.items() if good]
    if read:
        untried = [size for size in sizes if size < min(read)][-1:]
    else:
        untried = [size for size in sizes if size > max(within)][:1]
    return untried[0] if untried and untried[0] not in within else None


def measure(
    contenders: Sequence[str], texts: Sequence[Sample], processes: int, console: Console
) -> list[Reading]:
    """Every contender on every text, at as many sizes as it takes."""
    found: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    pending: dict[Future[Reading], Sample] = {}
    with ProcessPoolExecutor(processes) as pool, Progress(console=console) as progress:
        task = progress.add_task("reading", total=len(contenders) * len(texts))

        def submit(contender: str, sample: Sample) -> bool:
            program = _made(contender)
            within = {each.size_px: each.within for each in found[contender, sample.kind]}
            start = program.default_px(sample.kind)
            size_px = next_size(program.sizes_px(sample.kind), start, within)
            if any(each.rate > _LOST for each in found[contender, sample.kind]):
                size_px = None
            if size_px is not None:
                pending[pool.submit(assess, contender, sample, size_px)] = sample
            return size_px is not None

        for contender, sample in product(contenders, texts):
            submit(contender, sample)
        while pending:
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                sample, reading = pending.pop(future), future.result()
                found[reading.contender, sample.kind].append(reading)
                progress.console.print(
                    f"{reading.kind}, {reading.contender} at {reading.size_px:g} px: "
                    f"{reading.density:.1f}, {reading.rate:.2%} wrong "
                    f"({reading.engine} at {reading.scale:g}x)"
                )
                if not submit(reading.contender, sample):
                    progress.advance(task)
    return [
        reading
        for sample, contender in product(texts, contenders)
        for reading in sorted(found[contender, sample.kind], key=lambda each: each.size_px)
    ]


@cache
def _made(contender: str) -> Contender:
    return CONTENDERS[contender]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conversation", nargs="?", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    console = Console(stderr=True)
    contenders: list[str] = []
    for name in CONTENDERS:
        try:
            _made(name)
            contenders.append(name)
        except Missing as missing:
            console.print(f"[yellow]{name} is left out:[/] {missing}")
    texts = samples(options.conversation, TEXT)
    readings = measure(contenders, texts, options.processes, console)
    density_report.write(readings, texts, MOST_WRONG, console)


if __name__ == "__main__":
    main()
