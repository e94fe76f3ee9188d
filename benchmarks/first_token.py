"""How long until a model's first token, as a conversation grows?

One run, one model (see first_token_model.py), the same conversation read four
ways, from the moment the user's turn is there:

    full text   every turn as text, nothing kept
    pixels      a view, its pages through processor and tower at every answer
    features    the same view, its visual tokens from the cache
    + prefix    the same, and keys and values kept up to where the view changed

and, since keeping them helps text as well, full text with its prefix kept. The
view has two fifths of the text's tokens. The last two are measured over the turns that
follow, in which aging steps fall: mean and median. Seconds depend on the machine;
read the ratios.

    python benchmarks/first_token.py [--tokens 1000 2000 4000 8000] [--turns 8]
                                     [--device cpu] [--dtype float32] [--threads 1]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import torch
from first_token_model import RandomHost, random_host
from PIL import Image
from rich.console import Console
from rich.markdown import Markdown

from sfumato import Memory, Store, View
from sfumato.adapters.transformers import OpticalHost
from sfumato.importers import read_conversations
from sfumato.plain import part_text
from sfumato.turn import Turn

RESULTS = Path(__file__).parent / "results"
DEMO = Path(__file__).parent / "demo" / "conversation.jsonl"
SHARE = 0.4
HOST, PROFILE = "qwen3-vl", "dense"


@dataclass
class Row:
    """One history's figures: tokens, and seconds to the first token."""

    text_tokens: int
    view_tokens: int
    pages: int
    full: float
    pixels: float
    features: float
    with_prefix: list[float] = field(default_factory=list)
    full_with_prefix: list[float] = field(default_factory=list)
    kept_bytes: int = 0
    full_kept_bytes: int = 0


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    wanted.add_argument("--tokens", type=int, nargs="+", default=[1000, 2000, 4000, 8000])
    wanted.add_argument("--turns", type=int, default=8)
    wanted.add_argument("--device", default="cpu")
    wanted.add_argument("--dtype", default="float32")
    wanted.add_argument("--threads", type=int, default=1)
    given = wanted.parse_args()
    torch.set_num_threads(given.threads)
    model = random_host(given.device, getattr(torch, given.dtype))
    turns = conversation()
    rows: list[Row] = []
    if given.device != "cpu":
        # Kernels are loaded at their first use, which is not to count.
        with tempfile.TemporaryDirectory() as folder:
            measured(model, turns, given.tokens[0], 1, Path(folder))
    for tokens in given.tokens:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measured(model, turns, tokens, given.turns, Path(folder)))
        print(f"{tokens}: {rows[-1]}", flush=True)
    text = report(rows, model, given)
    name = "first_token.md" if given.device == "cpu" else "first_token_gpu.md"
    (RESULTS / name).write_text(text, encoding="utf-8")
    Console().print(Markdown(text))


def conversation() -> list[Turn]:
    """The demo's turns; those with text alone."""
    [told] = read_conversations(DEMO)
    return [turn for turn in told.turns if turn.role in ("user", "assistant") and turn.parts]


def measured(model: RandomHost, turns: list[Turn], tokens: int, count: int, folder: Path) -> Row:
    """A history of that many text tokens, then ``count`` questions, each answered."""
    store = Store(f"sqlite:///{folder}/m.db")
    faded = Memory("alice", HOST, store, int(tokens * SHARE), profile=PROFILE)
    whole = Memory("alice", HOST, store, 40 * tokens, profile=PROFILE)
    said = iter(turns * (1 + tokens // 4000))
    text_tokens = 0
    while text_tokens < tokens:
        whole.extend([fresh(next(said)) for _ in range(4)])
        text_tokens = whole.view(dry_run=True).text_tokens
    whole.add("user", "Where were we?")
    view, text = faded.view(), whole.view()
    assert not text.pages
    forgetting = optical(model, store, prefix_bytes=0)
    forgetting.encoder.encode([part.png or b"" for part in view.pages], thread="alice")
    keeping, keeping_text = optical(model, store), optical(model, store)
    for host in (keeping, keeping_text):
        host.encoder.keys([])  # weights are hashed once, when a host is set up
    row = Row(
        text_tokens=len(forgetting.prompt(text)),
        view_tokens=len(forgetting.prompt(view)),
        pages=len(view.pages),
        full=timed(model, lambda: first(keeping_text, whole.view())),
        pixels=timed(model, lambda: first_from_pixels(model, forgetting, faded.view())),
        features=timed(model, lambda: first(keeping, faded.view())),
    )
    for _ in range(count):
        whole.add("assistant", "Noted.")
        whole.add("user", part_text(next(said).parts[0])[:160])
        row.with_prefix.append(timed(model, lambda: first(keeping, faded.view())))
        row.full_with_prefix.append(timed(model, lambda: first(keeping_text, whole.view())))
    row.kept_bytes, row.full_kept_bytes = kept_bytes(keeping), kept_bytes(keeping_text)
    store.close()
    return row


def fresh(turn: Turn) -> Turn:
    """The turn without its id, so that a conversation may be told twice."""
    return Turn(turn.role, turn.parts, time=turn.time)


def optical(model: RandomHost, store: Store, prefix_bytes: int = 8 << 30) -> OpticalHost:
    return OpticalHost(model.model, model.processor, store.cache, prefix_bytes=prefix_bytes)


def first(host: OpticalHost, view: View) -> None:
    """Run to the first token."""
    assert list(host.answer_ids(view, max_new_tokens=1))


def first_from_pixels(model: RandomHost, host: OpticalHost, view: View) -> None:
    """The first token as transformers alone gives it."""
    messages, images = host.messages(view)
    text = model.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    pictures = [Image.open(BytesIO(png)).convert("RGB") for png in images]
    inputs = model.processor(
        text=[text], images=[pictures] if pictures else None, return_tensors="pt"
    )
    inputs = inputs.to(model.model.device, model.model.dtype)
    with torch.no_grad():
        model.model(**inputs, use_cache=True, logits_to_keep=1)


def timed(model: RandomHost, act: Callable[[], None]) -> float:
    """Seconds of the processor, which a busy machine changes little; of the clock on a GPU."""
    on_gpu = model.model.device.type != "cpu"
    clock = time.perf_counter if on_gpu else time.process_time
    begun = clock()
    act()
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - begun


def kept_bytes(host: OpticalHost) -> int:
    prefix = host.reader.prefixes.take("alice")
    return prefix.bytes if prefix else 0


def report(rows: list[Row], model: RandomHost, given: argparse.Namespace) -> str:
    if given.device == "cpu":
        machine = f"cpu, {given.dtype}, {given.threads} thread(s), processor time"
    else:
        machine = f"{torch.cuda.get_device_name()}, {given.dtype}, time of the clock"
    settings = "".join(f" {word}" for word in sys.argv[1:])
    lines = [
        "# Time to first token",
        "",
        f"`python benchmarks/first_token.py{settings}`: random weights in Qwen3-VL's classes, "
        f"{model.language_parameters / 1e6:.0f} M parameters in the language model's layers and "
        f"{model.tower_parameters / 1e6:.0f} M in tower and connector, besides embeddings; "
        f"{machine}. The demo's conversation, views of two fifths of its tokens on `{HOST}` "
        f"({PROFILE}). Making the view, its pages and the prompt is part of every figure. "
        f"With a kept prefix: {given.turns} consecutive turns, with the aging steps that fell "
        "among them (none did where mean and median are close).",
        "",
        "How many times sooner than full text the first token comes:",
        "",
        "| history, tokens | view, tokens | pages | full text | pixels each time | cached features "
        "| + kept prefix, mean | + kept prefix, median | full text + kept prefix, mean |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = [
            f"{row.text_tokens:,}",
            f"{row.view_tokens:,}",
            f"{row.pages}",
            f"{row.full:.2f} s = 1x",
            times(row, row.pixels),
            times(row, row.features),
            times(row, statistics.mean(row.with_prefix)),
            times(row, statistics.median(row.with_prefix)),
            times(row, statistics.mean(row.full_with_prefix)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    last = rows[-1]
    lines += [
        "",
        f"Keys and values kept at {last.text_tokens:,} tokens of history: "
        f"{last.kept_bytes / 1e6:.0f} MB for the view, {last.full_kept_bytes / 1e6:.0f} MB for the "
        "full text, whose size grows with the conversation; the view's does not.",
        "",
        "Keeping the prefix helps full text as well: while all of it fits in memory and in the "
        "model's context, and nothing is edited, its next turn comes about as soon, on short "
        "histories sooner, since an aging step has the view read again from the page that changed. "
        "What the view saves is memory, the first reading, and every answer whose prefix is gone.",
        "",
    ]
    return "\n".join(lines)


def times(row: Row, seconds: float) -> str:
    return f"{row.full / seconds:.1f}x ({seconds:.2f} s)"


if __name__ == "__main__":
    main()
