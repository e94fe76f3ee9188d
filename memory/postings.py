"""The search index in the store: which turns of a thread hold which terms.

Takes an open transaction. Derived from the journal and rebuilt from it. Rows
are (thread, keyed hash of a term, turn), so the index holds no text, a search
touches only its own thread, and statistics are the thread's own: what is found
in one thread does not depend on the others.

Knows nothing of turns' content or states: the journal files and removes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy import Connection

from sfumato.ranking import Collection, saturation, weight
from sfumato.schema import postings

# Bits of a term's hash that are kept: SQLite stores such numbers in 6 bytes, and a
# million distinct terms collide with a probability of 0.2 %.
_HASH_BITS = 47


@lru_cache(maxsize=1 << 17)
def _hashed(term: str, salt: str) -> int:
    made = hashlib.blake2b(
        term.encode("utf-8", "surrogatepass"), digest_size=8, key=bytes.fromhex(salt)
    )
    return int.from_bytes(made.digest(), "big") >> (64 - _HASH_BITS)


def rows(filed: Iterable[tuple[int, Sequence[str]]], salt: str) -> list[tuple[int, int, int, int]]:
    """Index rows (term, seq, frequency, length) of turns given as (seq, terms)."""
    made: list[tuple[int, int, int, int]] = []
    for seq, found in filed:
        length = len(found)
        made.extend(
            (_hashed(term, salt), seq, count, length) for term, count in Counter(found).items()
        )
    # Neighbours in the table are written together.
    made.sort()
    return made


def add(
    connection: Connection, thread_key: int, filed: Sequence[tuple[int, Sequence[str]]], salt: str
) -> None:
    """File turns, given as (seq, terms), under their terms."""
    made = rows(filed, salt)
    if made:
        statement = str(sa.insert(postings).compile(connection.engine))
        connection.exec_driver_sql(statement, [(thread_key, *row) for row in made])


def remove(
    connection: Connection, thread_key: int, filed: Sequence[tuple[int, Sequence[str]]], salt: str
) -> None:
    """Take turns, given as (seq, terms), out of the index."""
    condition = (
        (postings.c.thread_key == sa.bindparam("in_thread"))
        & (postings.c.term == sa.bindparam("of_term"))
        & (postings.c.seq == sa.bindparam("of_seq"))
    )
    gone = [
        {"in_thread": thread_key, "of_term": term, "of_seq": seq}
        for term, seq, _, _ in rows(filed, salt)
    ]
    if gone:
        connection.execute(sa.delete(postings).where(condition), gone)


def clear(connection: Connection, thread_key: int) -> None:
    """Take all turns of a thread out of the index."""
    connection.execute(sa.delete(postings).where(postings.c.thread_key == thread_key))


def best(
    connection: Connection,
    thread_key: int,
    collection: Collection,
    wanted: Mapping[str, float],
    salt: str,
    limit: int,
) -> list[tuple[int, float]]:
    """The ``limit`` best turns as (seq, BM25 score), best first, later ones first among equals.

    ``wanted`` gives each term its importance.
    """
    hashes = {_hashed(term, salt): importance for term, importance in wanted.items()}
    if not hashes or limit < 1:
        return []
    mine = (postings.c.thread_key == thread_key) & postings.c.term.in_(list(hashes))
    holding = connection.execute(
        sa.select(postings.c.term, sa.func.count()).where(mine).group_by(postings.c.term)
    ).all()
    if not holding:
        return []
    weights = {term: hashes[term] * weight(collection.turns, holders) for term, holders in holding}
    score = sa.func.sum(
        sa.case(weights, value=postings.c.term)
        * saturation(postings.c.frequency, postings.c.length, collection)
    ).label("score")
    found = connection.execute(
        sa.select(postings.c.seq, score)
        .where(mine)
        .group_by(postings.c.seq)
        .order_by(score.desc(), postings.c.seq.desc())
        .limit(limit)
    )
    return [(seq, float(value)) for seq, value in found]


def stored(connection: Connection, thread_key: int) -> Iterator[tuple[int, int, int, int]]:
    """All index rows of a thread, as ``rows`` makes them, in any order."""
    columns = (postings.c.term, postings.c.seq, postings.c.frequency, postings.c.length)
    query = sa.select(*columns).where(postings.c.thread_key == thread_key)
    for row in connection.execute(query.execution_options(yield_per=10_000)):
        yield tuple(row)
