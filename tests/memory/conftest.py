"""A store with a conversation in it, a way to run commands on it, and one to write files."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
from trip import messages, write_lines

from sfumato import cli


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder with a store that holds the thread "trip", and the file it came from."""
    folder = tmp_path_factory.mktemp("filled")
    source = write_lines(folder / "trip.jsonl", messages())
    with pytest.raises(SystemExit) as ended:
        cli.main(["--store", f"sqlite:///{folder}/memory.db", "import", source])
    assert ended.value.code == 0
    return folder


@pytest.fixture
def store(filled, tmp_path, monkeypatch):
    """The URL of a copy of that store, also the default; the working directory is its folder."""
    shutil.copytree(filled, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    url = f"sqlite:///{tmp_path}/copy/memory.db"
    monkeypatch.setenv("SFUMATO_STORE", url)
    return url


@pytest.fixture
def sfumato(capsys):
    """Run a command in this process."""

    def run(*arguments: str) -> SimpleNamespace:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        out, err = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code or 0, out=out, err=err)

    return run


@pytest.fixture
def write(tmp_path):
    """Write a file: text as it is, bytes as they are, lists as JSON Lines or JSON."""

    def write(content, name="talk.json", *, lines=False, encoding="utf-8"):
        if lines:
            content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content)
        elif not isinstance(content, str | bytes):
            content = json.dumps(content, ensure_ascii=False, indent=1)
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write
