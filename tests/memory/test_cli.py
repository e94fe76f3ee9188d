"""The command line: every command, its output, its errors and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO
from types import SimpleNamespace

import pytest
from PIL import Image
from sqlalchemy import create_engine, text
from trip import TURNS, messages, write_lines

from sfumato import cli_session
from sfumato.hosts import hosts as all_hosts

PART_KEYS = {
    "kind", "tokens", "first_turn", "last_turn", "tier", "type_px", "file", "width", "height",
    "role", "text",
}  # fmt: skip
VIEW_KEYS = {
    "thread", "host", "layout", "budget", "tokens", "overhead_tokens", "text_tokens",
    "turns_in_view", "archived", "parts",
}  # fmt: skip
VIEW = ("view", "trip", "--host", "qwen3-vl", "--profile", "dense", "--budget", "1500")


def shell(*arguments: str, **options) -> subprocess.CompletedProcess:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sfumato.cli", *arguments],
        capture_output=True,
        timeout=120,
        check=False,
        **options,
    )


# -- store, --json, errors -------------------------------------------------------


def test_store_and_json_may_stand_before_or_after_the_command(store, sfumato, monkeypatch):
    monkeypatch.delenv("SFUMATO_STORE")
    before = sfumato("--store", store, "--json", "threads")
    after = sfumato("threads", "--store", store, "--json")
    assert before.code == after.code == 0
    assert before.out == after.out
    assert json.loads(after.out)[0]["thread"] == "trip"


def test_the_store_after_the_command_wins_over_the_one_before(store, sfumato):
    result = sfumato("--store", "sqlite:///nowhere.db", "threads", "--store", store, "--json")
    assert result.code == 0
    assert json.loads(result.out)[0]["turns"] == TURNS


def test_the_default_store_is_in_the_working_directory(store, sfumato, monkeypatch, tmp_path):
    monkeypatch.delenv("SFUMATO_STORE")
    monkeypatch.chdir(tmp_path)
    assert sfumato("import", "copy/trip.jsonl").code == 0
    assert (tmp_path / "sfumato.db").exists()


def test_a_missing_store_is_not_made_by_reading_it(sfumato, tmp_path):
    result = sfumato("threads", "--store", f"sqlite:///{tmp_path}/typo.db")
    assert result.code == 2
    assert "no store" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_bad_store_url_is_a_bad_input(sfumato):
    result = sfumato("threads", "--store", "not a url")
    assert result.code == 2
    assert result.err.startswith("error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("recall",),
        ("view", "trip", "--budget"),
        ("recall", "trip", "x", "-k", "0"),
        ("view", "trip", "--dry-run", "--budget", "lots"),
        ("view", "trip", "--dry-run", "--host", "qwen4"),
        ("view", "trip", "--dry-run", "--profile", "tiny"),
        ("view", "trip"),
        ("hosts", "--profile", "tiny"),
        ("recall", "trip"),
        ("recall", "trip", "boat", "--mark", "3"),
        ("recall", "trip", "--mark", "900"),
        ("recall", "nobody", "boat"),
        ("view", "nobody", "--dry-run"),
        ("view", "nobody", "--dry-run", "--budget", "25%"),
        ("show", "nobody"),
        ("export", "nobody"),
        ("pin", "nobody", "3"),
        ("pin", "trip", "900"),
        ("unpin", "trip", "900"),
        ("forget", "nobody", "--yes"),
        ("forget", "trip", "--turn", "900", "--yes"),
        ("verify", "nobody"),
        ("import", "missing.jsonl"),
        ("import", "trip.jsonl", "--format", "word"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_message_but_no_traceback(store, sfumato, arguments):
    result = sfumato(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.strip()
    assert "Traceback" not in result.err


def test_an_unknown_host_is_answered_with_names_that_are_close(store, sfumato):
    result = sfumato("view", "trip", "--host", "qwen3vl", "--dry-run")
    assert result.code == 2
    assert "qwen3-vl" in result.err


def test_a_folder_that_cannot_be_written_is_named(store, sfumato, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = sfumato(*VIEW, "--out", str(tmp_path / "file" / "view"))
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert str(tmp_path / "file") in result.err


# -- import, threads, export, forget -----------------------------------------------


def test_importing_again_adds_nothing(store, sfumato):
    again = sfumato("import", "trip.jsonl", "--json")
    assert again.code == 0
    assert json.loads(again.out) == [
        {"thread": "trip", "format": "openai", "turns": TURNS, "added": 0}
    ]


def test_importing_a_file_that_has_grown_adds_what_is_new(store, sfumato, tmp_path):
    grown = write_lines(tmp_path / "trip.jsonl", messages(TURNS + 2))
    assert json.loads(sfumato("import", grown, "--json").out)[0]["added"] == 2


def test_a_file_with_several_conversations_names_threads_after_them(store, sfumato, tmp_path):
    records = [{"messages": messages(4)}, {"messages": messages(3)}]
    several = write_lines(tmp_path / "several.jsonl", records)
    names = [each["thread"] for each in json.loads(sfumato("import", several, "--json").out)]
    assert names == ["several/1", "several/2"]
    named = json.loads(sfumato("import", several, "--thread", "work", "--json").out)
    assert [each["thread"] for each in named] == ["work/1", "work/2"]


def test_a_bad_file_is_refused_with_line_and_reason_and_imports_nothing(store, sfumato, tmp_path):
    records = [*messages(5), {"role": "wizard", "content": "abracadabra"}]
    bad = write_lines(tmp_path / "bad.jsonl", records)
    result = sfumato("import", bad)
    assert result.code == 2
    assert "line 6" in result.err
    assert "wizard" in result.err
    assert [each["thread"] for each in json.loads(sfumato("threads", "--json").out)] == ["trip"]


def test_a_bad_file_does_not_even_make_a_store(sfumato, tmp_path):
    (tmp_path / "bad.jsonl").write_text("{not json\n")
    url = f"sqlite:///{tmp_path}/new.db"
    result = sfumato("import", str(tmp_path / "bad.jsonl"), "--store", url)
    assert result.code == 2
    assert "line 1" in result.err
    assert not (tmp_path / "new.db").exists()


def test_an_export_can_be_imported_elsewhere_and_gives_the_same_export(store, sfumato, tmp_path):
    exported = sfumato("export", "trip").out
    assert len(exported.splitlines()) == TURNS
    (tmp_path / "trip.jsonl").write_text(exported)
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    assert sfumato("import", str(tmp_path / "trip.jsonl"), "--store", elsewhere).code == 0
    assert sfumato("export", "trip", "--store", elsewhere).out == exported
    array = json.loads(sfumato("export", "trip", "--json").out)
    assert array == [json.loads(line) for line in exported.splitlines()]


def test_forgetting_a_turn_takes_its_words_out_of_everything(store, sfumato):
    assert sfumato(*VIEW, "--out", "view").code == 0
    result = sfumato("forget", "trip", "--turn", "70", "--yes", "--json")
    assert json.loads(result.out) == {"thread": "trip", "forgotten": [70]}
    found = json.loads(sfumato("recall", "trip", "guide number 910", "--json").out)
    assert 70 not in [each["turn"] for each in found]
    assert "guide number 910" not in sfumato("export", "trip").out
    assert sfumato("verify").code == 0


def test_forgetting_a_thread_asks_first(store, sfumato, monkeypatch):
    refused = sfumato("forget", "trip")
    assert refused.code == 2
    assert "--yes" in refused.err
    for answer, code in (("n\n", 2), ("y\n", 0)):
        typed = SimpleNamespace(isatty=lambda: True, readline=lambda answer=answer: answer)
        monkeypatch.setattr(sys, "stdin", typed)
        assert sfumato("forget", "trip").code == code
    assert json.loads(sfumato("threads", "--json").out) == []


# -- view and show ---------------------------------------------------------------


def test_a_view_is_written_as_view_json_and_pages(store, sfumato):
    result = sfumato(*VIEW, "--out", "view", "--json")
    assert result.code == 0
    with open("view/view.json", encoding="utf-8") as file:
        body = json.load(file)
    assert json.loads(result.out) == body
    assert set(body) == VIEW_KEYS
    assert body["thread"] == "trip"
    assert body["budget"] == 1500
    assert body["tokens"] <= 1500
    assert body["tokens"] == body["overhead_tokens"] + sum(p["tokens"] for p in body["parts"])
    assert all(set(part) == PART_KEYS for part in body["parts"])
    host = all_hosts()["qwen3-vl"]
    pages = [part for part in body["parts"] if part["kind"] == "page"]
    assert pages
    for page in pages:
        with open(f"view/{page['file']}", "rb") as file:
            image = Image.open(BytesIO(file.read()))
        assert image.size == (page["width"], page["height"])
        assert page["tokens"] == host.image_tokens(*image.size)
        assert page["text"] is None
    for part in body["parts"]:
        if part["kind"] == "text":
            assert part["first_turn"] == part["last_turn"]
            assert part["text"]
    shown = [
        mark
        for part in body["parts"]
        if part["kind"] in ("page", "text")
        for mark in range(part["first_turn"], part["last_turn"] + 1)
    ]
    first, last = body["archived"] or (2, 1)
    assert sorted([*shown, *range(first, last + 1)]) == list(range(1, TURNS + 1))
    assert body["turns_in_view"] == len(shown)


def test_a_view_for_people_shows_parts_totals_and_type_size(store, sfumato):
    out = sfumato(*VIEW, "--out", "view").out
    for word in ("page", "facts", "note", "#80", "saved", "turns in view", "px", "qwen3-vl"):
        assert word in out
    assert "…" not in out


def test_a_dry_run_writes_nothing(store, sfumato, tmp_path):
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    planned = sfumato(*VIEW, "--out", "view", "--dry-run", "--json")
    assert planned.code == 0
    after = [path for path in tmp_path.rglob("*") if "cache" not in str(path)]
    assert {str(path) for path in after} <= {
        *before,
        *(f"{b}-{x}" for b in before for x in ("wal", "shm")),
    }
    assert json.loads(sfumato("show", "trip", "--json").out)["layouts"] == []
    assert sfumato(*VIEW, "--out", "view", "--json").out == planned.out


def test_a_share_is_of_the_text_tokens_on_that_host(store, sfumato):
    command = ("view", "trip", "--host", "gemini-3", "--dry-run", "--json", "--budget")
    whole = json.loads(sfumato(*command, "100%").out)
    assert whole["budget"] == whole["text_tokens"] >= whole["tokens"]
    half = json.loads(sfumato(*command, "50%").out)
    assert half["budget"] == whole["text_tokens"] // 2
    assert half["text_tokens"] == whole["text_tokens"]


@pytest.mark.parametrize("budget", ["0", "0%", "60"])
def test_a_budget_that_cannot_be_met_exits_with_3(store, sfumato, budget):
    result = sfumato("view", "trip", "--budget", budget, "--dry-run")
    assert result.code == 3
    assert "budget" in result.err


def test_a_second_view_replaces_its_own_pages_and_no_one_elses(store, sfumato, tmp_path):
    assert sfumato(*VIEW, "--out", "view").code == 0
    (tmp_path / "copy/view/page-9999.png").write_bytes(b"mine")
    pages = sorted(path.name for path in (tmp_path / "copy/view").glob("page-0*"))
    assert (
        sfumato("view", "trip", "--host", "text-only", "--budget", "2000", "--out", "view").code
        == 0
    )
    left = sorted(path.name for path in (tmp_path / "copy/view").iterdir())
    assert pages
    assert left == ["page-9999.png", "view.json"]
    assert (tmp_path / "copy/view/page-9999.png").read_bytes() == b"mine"


def test_pages_of_someone_else_are_never_overwritten(store, sfumato, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "page-0001.png").write_bytes(b"holiday")
    result = sfumato(*VIEW, "--out", str(folder))
    assert result.code == 2
    assert "page-0001.png" in result.err
    (folder / "page-0001.png").rename(folder / "holiday.png")
    (folder / "view.json").write_text('["a view from the window"]')
    assert sfumato(*VIEW, "--out", str(folder)).code == 2
    assert sorted(path.name for path in folder.iterdir()) == ["holiday.png", "view.json"]


def test_a_host_that_cannot_see_gets_no_pages(store, sfumato):
    command = ("view", "trip", "--host", "text-only", "--budget", "1500", "--dry-run", "--json")
    body = json.loads(sfumato(*command).out)
    assert {part["kind"] for part in body["parts"]} == {"note", "text"}


def test_show_lists_layouts_with_tiers_pages_and_savings(store, sfumato):
    made = json.loads(sfumato(*VIEW, "--out", "view", "--json").out)
    body = json.loads(sfumato("show", "trip", "--json").out)
    assert (body["thread"], body["turns"], body["pins"]) == ("trip", TURNS, [])
    [layout] = body["layouts"]
    assert layout["layout"] == made["layout"]
    assert layout["host"] == "qwen3-vl"
    assert layout["profile"] == "dense"
    assert layout["tokens"] == made["tokens"]
    assert layout["pages"] == sum(part["kind"] == "page" for part in made["parts"])
    assert sum(tier["turns"] for tier in layout["tiers"]) == made["turns_in_view"]
    assert 0 < layout["saved"] < 1
    assert "qwen3-vl, dense" in sfumato("show", "trip").out


def test_show_says_so_when_a_layout_was_made_by_a_program(store, sfumato):
    from sfumato.aging import Policy
    from sfumato.memory import Memory

    policy = Policy(tiers=1)
    with Memory("trip", "qwen3-vl", store, profile="dense", policy=policy) as memory:
        memory.view(1500)
    [layout] = json.loads(sfumato("show", "trip", "--json").out)["layouts"]
    assert layout["tokens"] is None
    assert "program" in layout["problem"]
    assert "program" in sfumato("show", "trip").out


def test_pins_stay_in_view_until_unpinned(store, sfumato):
    assert json.loads(sfumato("pin", "trip", "5", "--json").out)["pins"] == [5]
    copies = [
        part
        for part in json.loads(sfumato(*VIEW, "--out", "view", "--json").out)["parts"]
        if part["kind"] == "copy"
    ]
    assert [part["first_turn"] for part in copies] == [5]
    assert json.loads(sfumato("show", "trip", "--json").out)["pins"] == [5]
    assert json.loads(sfumato("unpin", "trip", "5", "--json").out)["pins"] == []


def test_too_many_pins_for_the_budget_exit_with_3(store, sfumato):
    result = sfumato("pin", "trip", "5", "--budget", "40")
    assert result.code == 3
    assert "unpin" in result.err


# -- recall, verify, hosts -----------------------------------------------------------


def test_recall_brings_turns_back_verbatim(store, sfumato):
    found = json.loads(sfumato("recall", "trip", "which", "guide", "number", "130?", "--json").out)
    assert set(found[0]) == {"turn", "score", "role", "time", "text"}
    assert found[0]["turn"] == 10
    assert found[0]["text"] == messages()[9]["content"]
    assert len(found) == 5
    assert len(json.loads(sfumato("recall", "trip", "boat", "-k", "2", "--json").out)) == 2
    assert messages()[9]["content"] in sfumato("recall", "trip", "guide 130").out


def test_recall_by_mark_brings_neighbours(store, sfumato):
    command = ("recall", "trip", "--mark", "5", "--mark", "9", "--around", "1", "--json")
    found = json.loads(sfumato(*command).out)
    assert [each["turn"] for each in found] == [4, 5, 6, 8, 9, 10]


def test_recall_that_finds_nothing_says_so_on_stderr(store, sfumato):
    result = sfumato("recall", "trip", "xylophone", "--json")
    assert result.code == 0
    assert json.loads(result.out) == []
    assert "no turn" in result.err


def test_remembered_escape_sequences_do_not_reach_the_terminal(store, sfumato, tmp_path):
    evil = {"role": "user", "content": "zebra \x1b[2J\x1b]0;owned\x07 [bold red]x[/] \ud800"}
    write_lines(tmp_path / "evil.jsonl", [evil])
    assert sfumato("import", str(tmp_path / "evil.jsonl")).code == 0
    out = sfumato("recall", "evil", "zebra").out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[bold red]x[/]" in out
    assert "⟨U+D800⟩" in out
    assert (
        json.loads(sfumato("recall", "evil", "zebra", "--json").out)[0]["text"] == evil["content"]
    )


def test_verify_finds_what_was_damaged(store, sfumato):
    assert sfumato(*VIEW, "--out", "view").code == 0
    clean = sfumato("verify", "--json")
    assert (clean.code, json.loads(clean.out)) == (0, [])
    assert sfumato("verify", "trip").code == 0
    engine = create_engine(store)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sfumato_turns SET digest = 'x' WHERE seq = 12"))
    engine.dispose()
    found = sfumato("verify", "--json")
    assert found.code == 1
    assert {(each["thread"], each["turn"]) for each in json.loads(found.out)} >= {("trip", 12)}
    people = sfumato("verify", "trip")
    assert people.code == 1
    assert "#12" in people.out


def test_hosts_are_listed_as_the_contract_says(sfumato):
    listed = json.loads(sfumato("hosts", "--json").out)
    keys = {"name", "family", "formula", "image_roles", "max_images", "min_type_px", "evidence"}
    assert all(set(each) == keys for each in listed)
    by_name = {each["name"]: each for each in listed}
    assert by_name.keys() >= {
        "qwen3-vl", "claude-high-res", "claude-standard", "deepseek-ocr", "gpt-patch", "gemini-3",
        "text-only",
    }  # fmt: skip
    assert by_name["text-only"]["min_type_px"] is None
    dense = json.loads(sfumato("hosts", "--json", "--profile", "dense").out)
    smaller = {each["name"]: each["min_type_px"] for each in dense}
    assert smaller["qwen3-vl"] < by_name["qwen3-vl"]["min_type_px"]
    assert "deepseek-ocr" in sfumato("hosts").out


# -- a process of its own ---------------------------------------------------------------


def test_json_is_all_there_is_on_stdout_of_a_process(store):
    result = shell("view", "trip", "--budget", "30%", "--out", "view", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["thread"] == "trip"
    failed = shell("view", "trip", "--budget", "50", "--out", "view", "--json")
    assert failed.returncode == 3
    assert failed.stdout == b""
    assert failed.stderr.startswith(b"error: ")


def test_a_narrow_pipe_without_unicode_still_gets_everything(store, tmp_path):
    said = "Zażółć 東京 " + "word " * 40
    source = write_lines(tmp_path / "unicode.jsonl", [{"role": "user", "content": said}])
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "20", "TERM": "dumb"}
    assert b"unicode" in shell("import", source, env=ascii_only).stdout
    result = shell("recall", "unicode", "word", env=ascii_only)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(b"word") == 40
    assert b"\\u6771" in result.stdout


def test_control_characters_are_shown_as_code_points():
    assert cli_session.readable("a\x1b[0m\u202eb\n") == "a⟨U+001B⟩[0m⟨U+202E⟩b\n"
