"""How fast are pages drawn, and how large are they? sfumato beside its peers.

Wrapping, drawing and PNG encoding together, in one process: every round draws
the next piece of a text with each program, in turn, and the processor's time is
taken, so that a busy machine changes little; medians are compared. ``cold``
makes a new renderer for every piece, ``warm`` keeps one that has drawn other
pieces but not this one. sfumato's own time is split into its stages, and set
beside what Pillow takes to encode the finished pages alone.

    python benchmarks/speed.py [CONVERSATION] [--rounds 7]

CONVERSATION is any file ``sfumato import`` reads; the demo's without it.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import io
import operator
import pstats
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from peers import Missing, PixelPrompt, UnLOCC, png_bytes
from peers_published import DEJAVU, chinese_font
from peers_sfumato import PAGES, blocks
from PIL import Image, ImageDraw, ImageFont
from reporting import markdown
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from samples import Sample, samples

from sfumato.renderers import Renderer, fit_style, sheet

RESULTS = Path(__file__).parent / "results" / "speed.md"
TYPE_PX = 9.0
PIECE = 20_000
TARGETS = {"un-locc": 20, "pixelprompt": 3}
"""How many times faster than a peer sfumato is meant to be, warm."""
MOST_BY_PNG = 3
"""The whole is meant to take at most this many times what Pillow takes for the PNGs alone."""
PILLOW = {"bits": 4, "compress_level": 3}
"""As few bits a pixel as ours, at the level that gives about as many bytes."""


@dataclass
class Stages:
    """Seconds of sfumato's stages over one piece, and of Pillow's PNGs of the same pages."""

    wrap: float
    draw: float
    encode: float
    pillow: float = 0.0

    @property
    def all(self) -> float:
        return self.wrap + self.draw + self.encode


@dataclass
class Runs:
    """What one program took for the pieces of one text, round by round."""

    seconds: list[float] = field(default_factory=list)
    characters: list[float] = field(default_factory=list)
    png_bytes: list[int] = field(default_factory=list)

    def add(self, seconds: float, characters: float, pngs: list[bytes]) -> None:
        self.seconds.append(seconds)
        self.characters.append(characters)
        self.png_bytes.append(sum(map(len, pngs)))

    @property
    def characters_per_s(self) -> float:
        """The median over rounds."""
        pairs = zip(self.characters, self.seconds, strict=True)
        return statistics.median(count / seconds for count, seconds in pairs)

    @property
    def bytes_per_character(self) -> float:
        return sum(self.png_bytes) / sum(self.characters)


class Drawer:
    """Draws a text; ``kept`` is the share of its characters that gets onto the pictures."""

    def __call__(self, sample: Sample) -> list[bytes]:
        raise NotImplementedError

    def kept(self, sample: Sample) -> float:
        return 1.0


class Sfumato(Drawer):
    """Pages of one type size; the latest piece's stages are kept."""

    def __init__(self) -> None:
        self._renderer = Renderer()
        self._style = fit_style(PAGES, TYPE_PX, page_px2=PAGES.max_width_px * PAGES.max_height_px)
        self.stages = Stages(0, 0, 0)

    def __call__(self, sample: Sample) -> list[bytes]:
        turns = blocks(sample)
        started = time.process_time()
        for block in turns:
            self._renderer.height(block, self._style)
        wrapped = time.process_time()
        with encoding() as encode:
            pages = self._renderer.draw(turns, self._style)
        drawn = time.process_time() - wrapped
        self.stages = Stages(wrapped - started, drawn - encode[0], encode[0])
        return [page.png for page in pages]


class Lines(Drawer):
    """What anyone would write with Pillow: lines of text on one page, in the same type size."""

    _WIDTH_PX, _LETTERS, _PITCH_PX = 400, {"chinese": 40}, 11

    def __call__(self, sample: Sample) -> list[bytes]:
        chinese = sample.kind == "chinese"
        font = ImageFont.truetype(str(chinese_font() if chinese else DEJAVU), TYPE_PX)
        lines = [
            line
            for paragraph in sample.text.splitlines()
            for line in textwrap.wrap(paragraph, self._LETTERS.get(sample.kind, 70))
        ]
        page = Image.new("L", (self._WIDTH_PX, len(lines) * self._PITCH_PX), 255)
        draw = ImageDraw.Draw(page)
        for row, line in enumerate(lines):
            draw.text((2, row * self._PITCH_PX), line, font=font, fill=0)
        return [png_bytes(page)]


class Peer(Drawer):
    """A package at its default size."""

    def __init__(self, peer: PixelPrompt | UnLOCC) -> None:
        self._peer = peer

    def __call__(self, sample: Sample) -> list[bytes]:
        return self._peer.pngs(sample, self._peer.default_px(sample.kind))

    def kept(self, sample: Sample) -> float:
        return 1 - self._peer.dropped(sample, self._peer.default_px(sample.kind))


PROGRAMS: dict[str, Callable[[], Drawer]] = {
    "sfumato": Sfumato,
    "pixelprompt": lambda: Peer(PixelPrompt()),
    # It gets the whole text, as from its users.
    "un-locc": lambda: Peer(UnLOCC(fitting=False)),
    "Pillow lines": Lines,
}


@contextmanager
def encoding() -> Iterator[list[float]]:
    """Seconds that sfumato spends on PNG encoding meanwhile."""
    spent = [0.0]
    encoded = sheet.encoded

    def timed(image: Image.Image) -> bytes:
        started = time.process_time()
        png = encoded(image)
        spent[0] += time.process_time() - started
        return png

    sheet.encoded = timed  # type: ignore[attr-defined]
    try:
        yield spent
    finally:
        sheet.encoded = encoded  # type: ignore[attr-defined]


def pillow_seconds(pngs: list[bytes]) -> float:
    """Processor seconds in which Pillow encodes the same pictures, of the same 16 greys."""
    spent = 0.0
    for png in pngs:
        with Image.open(io.BytesIO(png)) as page:
            indexes = page.point([grey // 17 for grey in range(256)])
        indexes.putpalette([grey for grey in range(0, 256, 17) for _ in range(3)])
        started = time.process_time()
        indexes.save(io.BytesIO(), "PNG", **PILLOW)
        spent += time.process_time() - started
    return spent


def measure(
    sample: Sample, programs: list[str], rounds: int, step: Callable[[], None]
) -> tuple[dict[tuple[str, str], Runs], dict[str, list[Stages]]]:
    """Runs by (program, cold or warm), and sfumato's stages cold and warm."""
    runs = {(name, heat): Runs() for name in programs for heat in ("cold", "warm")}
    stages: dict[str, list[Stages]] = {"cold": [], "warm": []}
    kept = {name: PROGRAMS[name]() for name in programs}
    length = min(PIECE, len(sample.text) // (rounds + 2))
    for number in range(rounds + 2):
        piece = sample.part(number * length, length)
        for name in programs:
            for heat in ("cold", "warm"):
                # What the one before left behind is not cleared away in this one's time.
                gc.collect()
                started = time.process_time()
                drawer = PROGRAMS[name]() if heat == "cold" else kept[name]
                pngs = drawer(piece)
                seconds = time.process_time() - started
                # The first two pieces load what is loaded once and warm what stays warm.
                if number >= 2:
                    runs[name, heat].add(seconds, len(piece.text) * drawer.kept(piece), pngs)
                    if isinstance(drawer, Sfumato):
                        drawer.stages.pillow = pillow_seconds(pngs)
                        stages[heat].append(drawer.stages)
            step()
    return runs, stages


def profile(sample: Sample, top: int = 14) -> str:
    """sfumato's hot spots on a piece it has not seen, warm."""
    drawer = Sfumato()
    drawer(sample.part(0, PIECE))
    profiler = cProfile.Profile()
    profiler.enable()
    drawer(sample.part(PIECE, PIECE))
    profiler.disable()
    out = io.StringIO()
    pstats.Stats(profiler, stream=out).sort_stats("tottime").print_stats(top)
    return out.getvalue()


def speeds(found: dict[str, dict[tuple[str, str], Runs]]) -> list[list[str]]:
    """Rows: text, renderer, speed, size, and how many times faster sfumato is."""
    rows: list[list[str]] = []
    for kind, runs in found.items():
        for (name, heat), run in runs.items():
            ratio = runs["sfumato", heat].characters_per_s / run.characters_per_s
            rows.append(
                [
                    kind,
                    name,
                    heat,
                    f"{run.characters_per_s:,.0f}",
                    f"{run.bytes_per_character:.2f}",
                    f"{ratio:.1f}x",
                ]
            )
    return rows


def splits(found: dict[str, dict[str, list[Stages]]]) -> list[list[str]]:
    """Rows: text, warmth, share of each stage, the whole by PNG encoding, ours and Pillow's."""
    rows: list[list[str]] = []
    for kind, heats in found.items():
        for heat, stages in heats.items():
            parts = [
                statistics.median(getattr(each, part) / each.all for each in stages)
                for part in ("wrap", "draw", "encode")
            ]
            wholes = [
                statistics.median(each.all / alone(each) for each in stages)
                for alone in (operator.attrgetter("encode"), operator.attrgetter("pillow"))
            ]
            rows.append(
                [
                    kind,
                    heat,
                    *(f"{part:.0%}" for part in parts),
                    *(f"{each:.1f}x" for each in wholes),
                ]
            )
    return rows


def another_process(rounds: int) -> float:
    """Processor seconds until a new process has drawn its first page (the median)."""
    program = (
        "import time\n"
        "from sfumato.renderers import Block, PageRules, Renderer, fit_style\n"
        "from sfumato.turn import Text\n"
        "block = Block(1, 'user', None, None, False, (Text('a page'),))\n"
        "style = fit_style(PageRules(32, 1568, 1568), 9, page_px2=1_000_000)\n"
        "Renderer().draw([block], style)\n"
        "print(time.process_time())"
    )
    command = [sys.executable, "-c", program]
    return statistics.median(
        float(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(rounds)
    )


SPEEDS = ["text", "renderer", "renderer's state", "characters/s", "bytes/character", "sfumato is"]
SPLITS = ["text", "state", "wrap", "draw", "encode", "whole ÷ encode", "whole ÷ Pillow's encode"]


def verdicts(
    runs: dict[str, dict[tuple[str, str], Runs]], stages: dict[str, dict[str, list[Stages]]]
) -> Iterator[str]:
    """A sentence for every target."""
    for peer, wanted in TARGETS.items():
        ratios = [
            each["sfumato", "warm"].characters_per_s / each[peer, "warm"].characters_per_s
            for kind, each in runs.items()
            if (peer, "warm") in each and kind != "chinese"
        ]
        if ratios:
            verdict = "met" if min(ratios) >= wanted else "missed"
            yield (
                f"At least {wanted}x {peer} on every text it can draw, warm: **{verdict}** "
                f"({min(ratios):.1f}x to {max(ratios):.1f}x)."
            )
    wholes = [
        statistics.median(each.all / each.pillow for each in heats["warm"])
        for heats in stages.values()
    ]
    verdict = "met" if max(wholes) <= MOST_BY_PNG else "missed"
    yield (
        f"At most {MOST_BY_PNG}x Pillow's PNG encoding alone on every text, warm: **{verdict}** "
        f"({min(wholes):.1f}x to {max(wholes):.1f}x)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conversation", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="print sfumato's hot spots only")
    options = parser.parse_args()
    console = Console(stderr=True)
    texts = samples(options.conversation, PIECE * (options.rounds + 3))
    if options.profile:
        for sample in texts:
            print(f"== {sample.kind}\n{profile(sample)}")
        return
    programs: list[str] = []
    for name, make in PROGRAMS.items():
        try:
            make()
            programs.append(name)
        except Missing as missing:
            console.print(f"[yellow]{name} is left out:[/] {missing}")
    runs: dict[str, dict[tuple[str, str], Runs]] = {}
    stages: dict[str, dict[str, list[Stages]]] = {}
    with Progress(console=console) as progress:
        task = progress.add_task("", total=len(texts) * len(programs) * (options.rounds + 2))
        for sample in texts:
            progress.update(task, description=sample.kind)
            runs[sample.kind], stages[sample.kind] = measure(
                sample, programs, options.rounds, lambda: progress.advance(task)
            )
    for header, rows in ((SPEEDS, speeds(runs)), (SPLITS, splits(stages))):
        table = Table(*header)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    sentences = list(verdicts(runs, stages))
    started, prose = another_process(options.rounds), runs["prose"]
    sentences.append(
        f"Drawing is not spread over processes: in the {started:.2f} s that another takes to draw "
        f"its first page, one process draws "
        f"{started * prose['sfumato', 'cold'].characters_per_s:,.0f} characters of prose cold, "
        f"{started * prose['sfumato', 'warm'].characters_per_s:,.0f} warm."
    )
    console.print("\n".join(sentences))
    sources = ", ".join(f"{sample.kind} ({sample.source})" for sample in texts)
    report = [
        "# Speed and size of pages",
        f"`python benchmarks/speed.py`: {sources}; {options.rounds} rounds of up to {PIECE:,} "
        f"characters each, medians, one core. sfumato and plain Pillow at {TYPE_PX:g} px, "
        "the others at their defaults. What un-locc drops counts for nothing. pixelprompt and "
        "un-locc have no Chinese letters: they draw empty boxes, quickly.",
        markdown(SPEEDS, speeds(runs)),
        "Where sfumato's time goes:",
        markdown(SPLITS, splits(stages)),
        "\n".join(f"- {sentence}" for sentence in sentences),
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n\n".join(report) + "\n", encoding="utf-8")
    console.print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
