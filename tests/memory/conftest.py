"""A store with a conversation in it, and a way to run commands on it."""

from __future__ import annotations

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
