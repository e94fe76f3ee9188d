"""Where memory is kept: the journal (truth) and the cache (derived bytes).

One Store may serve any number of threads and Memory objects of a process.
Knows nothing of hosts, views or aging.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sfumato.cache import Cache
from sfumato.errors import StoreError
from sfumato.journal import Journal

DEFAULT_URL = "sqlite:///sfumato.db"
CACHE_BYTES = 1 << 30


class Store:
    """A journal and its page cache.

    ``url`` is an SQLAlchemy database URL. ``cache_dir`` defaults to a folder
    beside an SQLite file (``memory.db`` → ``memory.cache``), else to one in the
    system's temporary directory; it can be deleted at any time without loss.

    Raises StoreError for a URL or a file that is no store.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        cache_dir: str | Path | None = None,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.url = url
        self.cache_dir = Path(cache_dir) if cache_dir else _cache_beside(url)
        self.journal = Journal(url)
        self.cache = Cache(self.cache_dir, cache_bytes)

    def close(self) -> None:
        """Close files and connections. The store can be opened again."""
        self.journal.close()
        self.cache.close()


def _cache_beside(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError as problem:
        raise StoreError(f"{url!r} is no database URL: use e.g. sqlite:///memory.db") from problem
    if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return Path(str(parsed.database)).with_suffix(".cache")
    return Path(tempfile.gettempdir()) / "sfumato-cache"
