"""A PostgreSQL server for tests: started when its programs are there, else skipped."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

SETTINGS = {
    "fsync": "off",
    "max_connections": "60",
    "listen_addresses": "",
    "shared_buffers": "16MB",
}


def _programs() -> Path | None:
    """The folder with initdb and postgres; Debian keeps them off the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def _owner() -> str | None:
    """The server refuses to run as root: the name of an account to run it as then."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The folder of a running server's socket."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed")
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if owner:
        shutil.chown(folder, owner)
    as_owner = {"user": owner} if owner else {}
    data = folder / "data"
    made = subprocess.run(
        [programs / "initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync"],
        capture_output=True,
        cwd=folder,
        **as_owner,
    )
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"initdb failed: {made.stderr.decode(errors='replace')[-200:]}")
    options = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            **as_owner,
        )
    try:
        _wait(programs, folder)
        yield str(folder)
    finally:
        # At once: nothing on it is needed any more.
        server.send_signal(signal.SIGQUIT)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(programs: Path, folder: Path) -> None:
    ready = [programs / "pg_isready", "-h", folder, "-U", "test", "-t", "1"]
    for _ in range(300):
        if subprocess.run(ready, capture_output=True).returncode == 0:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.skip("the PostgreSQL server did not start")


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """A database of its own on the server."""
    return new_database(postgresql_server)


def new_database(server: str) -> str:
    """Create an empty database; its URL."""
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"host={server} user=test dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://test@/{name}?host={server}"
