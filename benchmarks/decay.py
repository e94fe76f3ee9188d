"""Does it pay to let older turns fade, tier by tier? Seven ways to spend the same tokens.

For LoCoMo conversations, hosts and budgets: the older turns are shown as sfumato
plans them, in three tiers of shrinking type, in tiers of one type, in one type
with the oldest evicted, in one type resampled to what the tiers cost, or not at
all. OCR reads the pages (a stand-in for the host's eyes). Of the turns that
LoCoMo's questions have as evidence those count that stand in the view, and of
those on pages the ones read with at most 5 % of their characters wrong.

    python benchmarks/decay.py LOCOMO.json [--shares 0.25 0.12] [--reader tesseract]

Writes results/decay.md (below any verdict that stands there) and decay.png beside
it (matplotlib draws the latter: pip install matplotlib). What was read is kept in
``--kept``; nothing of the conversations is written anywhere else.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from decay_pages import Bench, Shown
from decay_reading import (
    EM_PX,
    FIFTHS,
    PROCESSES,
    Case,
    Outcome,
    Question,
    case,
    outcome,
    questions_of,
    read_all,
)
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sfumato.importers import read_conversations
from sfumato.memory import Memory
from sfumato.store import Store

HOSTS = ("qwen3-vl", "claude-high-res", "deepseek-ocr")
WAYS = (
    "plan",
    "plan, one size",
    "progressive",
    "downscaled",
    "single legible",
    "single dense",
    "trimmed",
)
RESULTS = Path(__file__).parent / "results"
MEASURED = "## Measured"
READABLE = 0.05
SIZES_SHOWN = 3
RESAMPLES = 2_000
CURVE_PX = (12.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0)
CURVE_HOST, CURVE_DRAWN_PX, CURVE_TURNS = "qwen3-vl", 16.0, 12


@dataclass
class Job:
    """A bench, its questions, and what each way shows."""

    bench: Bench
    share: float
    asked: list[Question]
    shown: list[Shown]


Key = tuple[str, float, str]


def ways_of(bench: Bench) -> list[Shown]:
    """All ways but reading: what each shows."""
    # Sizes asked for may lie below the host's own: then the largest is the legible one.
    legible = min(bench.host.profiles["legible"].min_px, bench.sizes[0])
    return [
        bench.shrinking_plan(),
        bench.merging_plan(),
        bench.progressive(),
        bench.downscaled(),
        bench.single("single legible", legible),
        bench.single("single dense", bench.sizes[-1]),
        bench.trimmed(),
    ]


# -- figures ---------------------------------------------------------------


def readable(outcomes: Sequence[Outcome], most: float = READABLE) -> float:
    return sum(each.error <= most for each in outcomes) / max(1, len(outcomes))


def interval(
    groups: Sequence[Sequence[Outcome]], figure: Callable[[list[Outcome]], float]
) -> tuple[float, float]:
    """The middle 95 % over resampled conversations, and turns within each."""
    draw = random.Random(0)
    values: list[float] = []
    for _ in range(RESAMPLES):
        chosen = draw.choices(groups, k=len(groups))
        values.append(
            figure([each for group in chosen for each in draw.choices(group, k=len(group))])
        )
    values.sort()
    return values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES)]


def difference(one: Sequence[Case], other: Sequence[Case]) -> tuple[float, float, float]:
    """How much more of the evidence ``one`` keeps readable, paired turn by turn."""
    pairs = [
        [
            Outcome(
                a.thread,
                a.mark,
                a.fifth,
                "",
                float(a.error <= READABLE) - (b.error <= READABLE),
                "",
            )
            for a, b in zip(left.outcomes, right.outcomes, strict=True)
        ]
        for left, right in zip(one, other, strict=True)
    ]

    def mean(found: Sequence[Outcome]) -> float:
        return sum(each.error for each in found) / max(1, len(found))

    return mean([each for group in pairs for each in group]), *interval(pairs, mean)


def occupancy_table(jobs: Sequence[Job]) -> list[str]:
    """How the turns on pages spread over the tiers of sfumato's plan, in the mean."""
    lines = ["| host | budget | tier 1 | tier 2 | tier 3 |", "|---|---|---|---|---|"]
    for host, share in dict.fromkeys((job.bench.host.name, job.share) for job in jobs):
        found = [
            [turns / sum(counts) for turns in counts]
            for job in jobs
            if (job.bench.host.name, job.share) == (host, share)
            for counts in job.bench.occupancy
            if sum(counts)
        ]
        means = [percent(sum(tier) / len(found)) for tier in zip(*found, strict=True)]
        lines.append(f"| {host} | {share:.0%} | " + " | ".join(means) + " |")
    return lines


def percent(value: float) -> str:
    return f"{value:.0%}"


def signed(found: tuple[float, float, float]) -> str:
    middle, low, high = (100 * value for value in found)
    return f"{middle:+.0f} ({low:+.0f} to {high:+.0f})"


def main_table(cases: dict[Key, list[Case]], host: str, share: float) -> list[str]:
    lines = [
        "| way | type px | page tokens | turns in view | **evidence readable** | at 1 % "
        "| answers' words | newest fifth | 2 | 3 | 4 | oldest |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for way in WAYS:
        found = cases[host, share, way]
        groups = [each.outcomes for each in found]
        every = [each for group in groups for each in group]
        low, high = interval(groups, readable)
        answers = [answer for each in found for answer in each.answers]
        fifths = [
            percent(readable([each for each in every if each.fifth == fifth]))
            for fifth in range(1, FIFTHS + 1)
        ]
        sizes = sorted({px for each in found for px in each.sizes}, reverse=True)
        shown = " ".join(f"{px:g}" for px in sizes)
        if len(sizes) > SIZES_SHOWN:
            shown = f"{sizes[0]:g} to {sizes[-1]:g}"
        cells = [
            way,
            shown or "–",
            f"{sum(each.tokens for each in found):,}" if sizes else "–",
            percent(sum(each.in_view for each in found) / len(found)),
            f"**{readable(every):.0%}** ({low:.0%} to {high:.0%})",
            percent(readable(every, 0.01)),
            percent(sum(answers) / max(1, len(answers))),
            *fifths,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def difference_table(cases: dict[Key, list[Case]]) -> list[str]:
    rivals = [way for way in WAYS if way != "progressive"]
    lines = [
        "| host | budget | " + " | ".join(f"against {way}" for way in rivals) + " |",
        "|---|---|" + "---|" * len(rivals),
    ]
    for host, share in dict.fromkeys((host, share) for host, share, _ in cases):
        cells = [
            signed(difference(cases[host, share, "progressive"], cases[host, share, way]))
            for way in rivals
        ]
        lines.append(f"| {host} | {share:.0%} | " + " | ".join(cells) + " |")
    return lines


def curve_table(curve: dict[tuple[float, bool], tuple[float, float, int]]) -> list[str]:
    lines = [
        "| type px | set in that size: readable | wrong | drawn at "
        f"{CURVE_DRAWN_PX:g} px, resampled: readable | wrong |",
        "|---|---|---|---|---|",
    ]
    for px in CURVE_PX:
        anew, small = curve[px, False], curve[px, True]
        lines.append(
            f"| {px:g} | {anew[0]:.0%} | {anew[1]:.1%} | {small[0]:.0%} | {small[1]:.1%} |"
        )
    return lines


def plot(cases: dict[Key, list[Case]], path: Path) -> None:
    """Readable share by age, a panel for each host and budget."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no plot: pip install matplotlib")
        return
    panels = list(dict.fromkeys((host, share) for host, share, _ in cases))
    shares = sorted({share for _, share in panels}, reverse=True)
    hosts = list(dict.fromkeys(host for host, _ in panels))
    figure = Figure(figsize=(4 * len(hosts), 3.2 * len(shares)), layout="constrained")
    axes = figure.subplots(len(shares), len(hosts), sharey=True, squeeze=False)
    for (row, share), (column, host) in (
        (r, c) for r in enumerate(shares) for c in enumerate(hosts)
    ):
        axis = axes[row][column]
        for way in WAYS:
            every = [each for found in cases[host, share, way] for each in found.outcomes]
            heights = [
                readable([each for each in every if each.fifth == fifth])
                for fifth in range(1, FIFTHS + 1)
            ]
            style = "--" if way in ("trimmed", "plan") else "-"
            axis.plot(range(1, FIFTHS + 1), heights, style, marker="o", markersize=3, label=way)
        axis.set_title(f"{host}, {share:.0%} of the text", fontsize=10)
        axis.set_xticks(range(1, FIFTHS + 1), ["newest", "2", "3", "4", "oldest"])
        axis.set_ylim(-0.03, 1.03)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("evidence turns readable")
    axes[-1][0].set_xlabel("fifth of the conversation")
    axes[0][-1].legend(fontsize=7)
    figure.savefig(path, dpi=110)


# -- the run ---------------------------------------------------------------


def lay_out(store: Store, options: argparse.Namespace, progress: Progress) -> list[Job]:
    jobs: list[Job] = []
    threads = store_threads(store, options)
    grid = [(t, h, s) for t in threads for h in options.hosts for s in options.shares]
    for thread, host, share in progress.track(grid, description="drawing pages"):
        memory = Memory(thread, host, store)
        asked = questions_of(options.file, memory)
        wanted = chosen(asked, options.turns)
        limits = (options.type_px[0], options.type_px[1]) if options.type_px else None
        bench = Bench(memory, int(share * memory.text_tokens()), wanted, limits)
        jobs.append(Job(bench, share, asked, ways_of(bench)))
    return jobs


def chosen(asked: Sequence[Question], most: int) -> set[int]:
    """Evidence turns, ``most`` of them drawn by chance, the same in every run."""
    marks = sorted({mark for each in asked for mark in each.marks})
    return set(random.Random(0).sample(marks, min(most, len(marks))))


def store_threads(store: Store, options: argparse.Namespace) -> list[str]:
    found = list(read_conversations(options.file))[: options.conversations]
    for each in found:
        Memory(each.name or "", "text-only", store).extend(each.turns)
    return [each.name or "" for each in found]


def specimens(store: Store, options: argparse.Namespace) -> dict[tuple[float, bool], list[Shown]]:
    """Some evidence turns of each conversation in shrinking type, set anew and resampled."""
    found: dict[tuple[float, bool], list[Shown]] = defaultdict(list)
    for each in list(read_conversations(options.file))[: options.conversations]:
        memory = Memory(each.name or "", CURVE_HOST, store)
        marks = chosen(questions_of(options.file, memory), CURVE_TURNS)
        bench = Bench(memory, memory.text_tokens() // 4, marks)
        for px in CURVE_PX:
            found[px, False].append(bench.specimen(px))
            found[px, True].append(bench.specimen(px, CURVE_DRAWN_PX))
    return found


def curve_of(
    shown: dict[tuple[float, bool], list[Shown]], read: dict[str, str]
) -> dict[tuple[float, bool], tuple[float, float, int]]:
    curve: dict[tuple[float, bool], tuple[float, float, int]] = {}
    for key, threads in shown.items():
        outcomes = [
            outcome("", mark, 1, each, read) for each in threads for mark in sorted(each.pieces)
        ]
        wrong = sum(each.error for each in outcomes) / len(outcomes)
        curve[key] = readable(outcomes), wrong, len(outcomes)
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="LoCoMo's JSON")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.12])
    parser.add_argument("--hosts", nargs="+", default=list(HOSTS))
    parser.add_argument("--conversations", type=int, default=5)
    parser.add_argument("--type-px", type=float, nargs=2, help="largest and smallest type")
    parser.add_argument("--turns", type=int, default=80, help="evidence turns read of each")
    parser.add_argument("--reader", choices=list(EM_PX), default="tesseract")
    parser.add_argument("--no-curve", action="store_true")
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "sfumato-decay")
    parser.add_argument("--out", type=Path, default=RESULTS / "decay.md")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # the page shows which characters no font has
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress,
    ):
        store = Store(f"sqlite:///{folder}/memory.db")
        jobs = lay_out(store, options, progress)
        tried = {} if options.no_curve else specimens(store, options)
        everything = [shown for job in jobs for shown in job.shown]
        everything += [shown for found in tried.values() for shown in found]
        bar = progress.add_task(f"{options.reader} reading turns")
        read = read_all(
            options.reader,
            (piece for shown in everything for found in shown.pieces.values() for piece in found),
            options.kept,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )
        cases: dict[Key, list[Case]] = defaultdict(list)
        for job in progress.track(jobs, description="comparing"):
            for shown in job.shown:
                found = case(job.bench, shown, job.share, job.asked, read)
                cases[found.host, found.share, found.way].append(found)
        store.close()
    options.out.parent.mkdir(exist_ok=True)
    report = written(options, jobs, cases, curve_of(tried, read), time.monotonic() - started)
    options.out.write_text(verdict(options.out) + report, "utf-8")
    plot(cases, options.out.with_suffix(".png"))
    print(report)


def verdict(path: Path) -> str:
    """What people wrote above the tables of an earlier run, which is kept."""
    if not path.exists() or MEASURED not in (old := path.read_text("utf-8")):
        return ""
    return old[: old.index(MEASURED)]


def written(
    options: argparse.Namespace,
    jobs: Sequence[Job],
    cases: dict[Key, list[Case]],
    curve: dict[tuple[float, bool], tuple[float, float, int]],
    seconds: float,
) -> str:
    """The report, as Markdown."""
    some = next(iter(cases.values()))
    turns = sum(len(each.outcomes) for each in some)
    arguments = " ".join(["LOCOMO.json", *(each for each in sys.argv[1:] if "/" not in each)])
    lines = [
        MEASURED,
        "",
        f"{len(some)} LoCoMo conversations, {turns} evidence turns, read by {options.reader}: "
        "an OCR engine, not the host's model. "
        f"`python benchmarks/decay.py {arguments}` ({PROCESSES} processes; {seconds:.0f} s, "
        "without what an earlier run had read).",
        "",
        "A turn is readable if it is in the view as text, or on a page and read with at most 5 % "
        "of its characters wrong. In brackets the middle 95 % of resampled conversations and "
        "turns. All ways have the same text window, note and factsheet, and spend at most the "
        "same on pages, by the host's formula.",
        "",
        "- **plan**: sfumato's plan with three sizes, as it is",
        "- **plan, one size**: the same plan with all three tiers in the smallest size: spans "
        "merge but do not shrink; its text window is its own, its budget the same",
        "- **progressive**: three sizes with equal shares of the tokens, each typeset anew",
        "- **downscaled**: the same turns, typeset once in the largest size, resampled "
        "(Lanczos) to what each tier of *progressive* costs",
        "- **single legible**, **single dense**: one size, the oldest turns evicted",
        "- **trimmed**: no pages, the newest turns as text",
        "",
    ]
    for host, share in dict.fromkeys((host, share) for host, share, _ in cases):
        lines += [f"### {host}, {share:.0%} of the text", "", *main_table(cases, host, share), ""]
    lines += ["### Progressive against the others: points of evidence readable, paired", ""]
    lines += [*difference_table(cases), ""]
    lines += ["### Where the plan keeps its paged turns, mean over the thread", ""]
    lines += [*occupancy_table(jobs), ""]
    if curve:
        count = next(iter(curve.values()))[2]
        lines += [f"### Smaller type: set anew or resampled ({count} turns, {CURVE_HOST})", ""]
        lines += [*curve_table(curve), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
