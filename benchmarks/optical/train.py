"""Train the optical host: to see letters, then words; to read ideal tokens; then seen ones.

    python benchmarks/optical/train.py letters --data DIR --out DIR --seconds 200
    python benchmarks/optical/train.py glyphs --data DIR --out DIR --seconds 200 --resume DIR
    python benchmarks/optical/train.py words --data DIR --out DIR --seconds 200 --resume DIR
    python benchmarks/optical/train.py language --data DIR --out DIR --seconds 200 --resume DIR

``--data`` holds corpus.jsonl.gz, tokenizer.json.gz and the chunks of SmolLM2's weights. All
stages are bounded by the wall clock and keep checkpoints, so that a run that is cut off
leaves weights. The pages are drawn while the model trains.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pages
import torch
import wiring
from checkpoint import resume, save
from evaluate import draw_exam, evaluate
from feed import GLYPH_WEIGHTS, LANGUAGE_WEIGHTS, Feed, Loader, largest
from language import load_language
from model import Reader, joined
from naming import Naming
from optimizing import Optimizer, Optimizers, adam, muon, rates, step
from pool import Pool
from talk import Speaker
from tokenizers import Tokenizer
from torch import Tensor, nn
from wiring import READ_DEPTH


class Log:
    """Losses by time, in a CSV file and now and then on the terminal."""

    def __init__(self, path: Path, every: int) -> None:
        self._file = path.open("a", newline="", buffering=1)
        self._rows = csv.writer(self._file)
        self._every, self._steps, self._begun = every, 0, time.monotonic()

    def step(
        self, stage: str, tier: int, losses: dict[str, Tensor], drawn: Callable[[], int]
    ) -> None:
        """One step of training; values leave the device only when they are shown."""
        self._steps += 1
        if self._steps % self._every and self._steps > 5:
            return
        seconds = round(time.monotonic() - self._begun, 1)
        values = {name: round(value.item(), 4) for name, value in losses.items()}
        row = [stage, self._steps, seconds, tier, *(f"{k}={v}" for k, v in values.items())]
        self._rows.writerow(row)
        if self._steps % (self._every * 5) == 0 or self._steps <= 5:
            print(*row, f"drawn={drawn()}", flush=True)


def steps(
    seconds: float,
    optimizer: Optimizer,
    feed: Feed,
    keep: Callable[[], None],
) -> Iterator[float]:
    """Progress from 0 to 1 by the wall clock; sets learning rates and keeps checkpoints."""
    begun = kept = time.monotonic()
    highest = [group["lr"] for group in optimizer.param_groups]
    while (progress := (time.monotonic() - begun) / seconds) < 1:
        feed.progress = progress
        for group, rate in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = rate * rates(progress)
        yield progress
        if time.monotonic() - kept > 60:
            keep()
            kept = time.monotonic()
    keep()


def train_letters(args: argparse.Namespace, reader: Reader, feed: Feed, pool: Pool) -> None:
    """The tower's first layers alone: which characters stand in each patch.

    Letters are near what tells them apart, so parts of pages teach as much a patch as whole
    ones: many small steps, of many pages each, where whole pages would allow few.
    """
    seeing = [
        *reader.tower.embeddings.patch_embedding.parameters(),
        *reader.tower.encoder.layers[:READ_DEPTH].parameters(),
        *reader.local_head.parameters(),
    ]
    optimizer = adam([{"params": seeing, "lr": 8e-4}])
    loader = Loader(feed.letters(args.crops), 2, args.seed)
    log = Log(args.out / "losses.csv", 20)
    for _ in steps(args.seconds, optimizer, feed, args.keep):
        batch = loader.next()
        with _halves(batch.pixels):
            middle = reader.look_closely(batch.pixels, batch.places)
            local, named = reader.letters_loss(middle, batch.local)
        step(local, optimizer, seeing)
        log.step("letters", -1, {"local": local, "named": named}, pool.drawn)
    with torch.no_grad():
        middle = reader.look_closely(Loader(feed.glyphs(8), 1, args.seed).next().pixels)
    wiring.wire_look_ups(reader.tower, middle, args.tiers)
    args.keep()


def train_glyphs(args: argparse.Namespace, reader: Reader, feed: Feed, pool: Pool) -> None:
    """The tower's last layers: what stands along the lines, and what that adds to ideal tokens.

    What the first layers see stays as the letters' stage left it. The connector adds up what
    stretches say, by one map for all of them.
    """
    stretch_map = nn.Parameter(reader.stretch_map())

    def keep() -> None:
        reader.join(stretch_map)
        args.keep()

    behind = [
        *reader.tower.encoder.layers[READ_DEPTH:].parameters(),
        *reader.tower.post_layernorm.parameters(),
        *reader.strip_head.parameters(),
        stretch_map,
    ]
    # Muon for matrices, AdamW for the rest.
    rest = adam([{"params": [one for one in behind if one.ndim != 2], "lr": args.rate}])
    optimizer = Optimizers(muon([one for one in behind if one.ndim == 2], args.rate), rest)
    naming = Naming(reader.host.get_input_embeddings().weight)
    loader = Loader(feed.glyphs(args.pages), 2, args.seed)
    log = Log(args.out / "losses.csv", 10)
    for _ in steps(args.seconds, optimizer, feed, keep):
        batch = loader.next()
        with _halves(batch.pixels):
            with torch.no_grad():
                middle = reader.look_closely(batch.pixels)
            features = reader.look_along(middle)
            strip = reader.strip_loss(features, batch.strip)
            begun = reader.begun(features, stretch_map)
        word = naming.words_loss(begun, batch.words, batch.starts)
        aim = reader.aim_loss(begun, reader.spoken(batch.words, batch.starts))
        named = naming.loss(joined(begun), batch.words, batch.starts)
        step(0.3 * strip + 0.3 * word + 2 * aim + 0.1 * named, optimizer, behind)
        shown = {"strip": strip, "word": word, "aim": aim, "named": named}
        log.step("glyphs", batch.tier, shown, pool.drawn)


def train_words(args: argparse.Namespace, reader: Reader, feed: Feed, pool: Pool) -> None:
    """The low-rank maps alone: to read ideal tokens. No page is looked at."""
    low_rank = [*reader.low_rank().values()]
    optimizer = adam([{"params": low_rank, "lr": 2e-3}])
    loader = Loader(feed.language(args.tokens), 3, args.seed + 1)
    log = Log(args.out / "losses.csv", 10)
    for _ in steps(args.seconds, optimizer, feed, args.keep):
        batch = loader.next()
        with _halves(batch.words):
            visual = reader.ideal(batch.words, batch.starts)
            answer, right = reader.answer_loss(*batch.said, visual)
        step(answer, optimizer, low_rank)
        log.step("words", batch.tier, {"answer": answer, "right": right}, pool.drawn)


def train_language(args: argparse.Namespace, reader: Reader, feed: Feed, pool: Pool) -> None:
    """Connector and low-rank maps, through the frozen language model.

    The tower stays as the glyphs' stage left it: learning along, it named fewer words.
    """
    low_rank = [*reader.low_rank().values()]
    connector = reader.projection.weight
    # A sum over 5,120 features moves fast: its rate is forty times less.
    optimizer = adam([{"params": low_rank, "lr": 1e-3}, {"params": [connector], "lr": 1.25e-5}])
    naming = Naming(reader.host.get_input_embeddings().weight)
    loader = Loader(feed.language(args.tokens), 3, args.seed + 2)
    log = Log(args.out / "losses.csv", 10)
    for progress in steps(args.seconds, optimizer, feed, args.keep):
        batch = loader.next()
        with _halves(batch.pixels):
            with torch.no_grad():
                features = reader.look_along(reader.look_closely(batch.pixels))
            visual = reader.visual_tokens(features)
            answer, right = reader.answer_loss(*batch.said, visual)
        aim = reader.aim_loss(visual, reader.ideal(batch.words, batch.starts))
        named = naming.loss(visual, batch.words, batch.starts)
        # Words are held on to while the language side does not yet lean on them.
        weight = 0.5 if progress < 0.5 else 0.2
        step(answer + weight * (aim + 0.3 * named), optimizer, [connector, *low_rank])
        shown = {"answer": answer, "right": right, "aim": aim, "named": named}
        log.step("language", batch.tier, shown, pool.drawn)


STAGES = {
    "letters": train_letters,
    "glyphs": train_glyphs,
    "words": train_words,
    "language": train_language,
}


def _halves(like: Tensor) -> torch.autocast:
    """Calculating in bfloat16 on the device of a tensor."""
    return torch.autocast(like.device.type, torch.bfloat16)


def read_tokenizer(data: Path) -> Tokenizer:
    """SmolLM2's tokenizer."""
    return Tokenizer.from_str(gzip.open(data / "tokenizer.json.gz", "rt").read())


def main() -> None:
    """Parse the command line and train a stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--resume", type=Path, nargs="+", default=[])
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--slots", type=int, default=60_000)
    parser.add_argument("--once", action="store_true", help="draw every slot once; few cores")
    parser.add_argument("--crops", type=int, default=256, help="parts of pages a step, letters")
    parser.add_argument("--pages", type=int, default=128, help="pages a step, glyphs")
    parser.add_argument("--tokens", type=int, default=24_576, help="tokens a step, later stages")
    parser.add_argument("--tiers", type=int, default=len(pages.TIERS), help="largest types alone")
    parser.add_argument("--seldom", type=float, default=0, help="share of turns in rare words")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest, glyphs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="a toy language side, for tests")
    parser.add_argument(
        "--evaluate", type=float, default=0, help="then evaluate, for so many seconds"
    )
    parser.add_argument("--exam", type=int, default=40, help="held-out pages of each type size")
    args = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    args.out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    tokenizer = read_tokenizer(args.data)
    passages, held_out = pages.load_passages(args.data / "corpus.jsonl.gz")
    weights = GLYPH_WEIGHTS if args.stage in ("letters", "glyphs") else LANGUAGE_WEIGHTS
    pool = Pool(
        passages,
        tokenizer,
        workers=args.workers,
        slots=args.slots,
        seed=args.seed,
        weights=largest(args.tiers, weights),
        seldom=args.seldom,
        once=args.once,
    )
    examiner = ProcessPoolExecutor(1, multiprocessing.get_context("fork"))
    exam = examiner.submit(draw_exam, held_out, tokenizer, args.exam) if args.evaluate else None
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    reader = Reader(small=args.small)
    if not args.small:
        reader.load_language(load_language(sorted(args.data.glob("lm-*.npz"))))
    reader.adapt()
    wiring.keep_places(reader.tower, args.tiers)
    wiring.keep_look_ups(reader.tower, args.tiers)
    every, low_rank = set(reader.learned()), set(reader.low_rank())
    kept = {"words": low_rank, "language": every}.get(args.stage, every - low_rank)
    for folder in args.resume:
        kept |= resume(reader, folder)
    args.keep = partial(save, reader, args.out, kept)
    reader.to(device)
    for name, parameter in reader.named_parameters():
        if not parameter.requires_grad and "text_model" in name:
            parameter.data = parameter.data.bfloat16()
    reader.host.tie_weights()
    while pool.drawn() < args.workers * 40 and time.monotonic() - begun < 60:
        time.sleep(0.5)
    print(f"ready after {time.monotonic() - begun:.0f} s, {pool.drawn()} pages", flush=True)
    feed = Feed(pool.slots, device, Speaker(tokenizer), args.tiers)
    STAGES[args.stage](args, reader, feed, pool)
    if not pool.alive():
        print("a drawing process has ended early")
    pool.close()
    if device.type == "cuda":
        print(f"at most {torch.cuda.max_memory_allocated() / 2**30:.0f} GiB of GPU memory")
    if exam is not None:
        ideally = args.stage == "words"
        figures = evaluate(
            reader, tokenizer, exam.result(), args.evaluate, needles=args.exam, ideally=ideally
        )
        (args.out / "figures.json").write_text(json.dumps(figures))
    examiner.shutdown()


if __name__ == "__main__":
    main()
