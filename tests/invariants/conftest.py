"""A store in a fresh folder for each example of a property."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sfumato import Memory


@contextmanager
def _opened(host: str, budget: int, **options: object) -> Iterator[Memory]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'memory.db'}"
        memory = Memory("thread", host, url, budget, profile="dense", **options)
        try:
            yield memory
        finally:
            memory.close()


@pytest.fixture(scope="session")
def opened() -> Callable[..., object]:
    """``with opened(host, budget) as memory``: a memory on an empty store."""
    return _opened
