"""The search index in the store: which turns of a thread hold which terms.

Takes an open transaction. Derived from the journal and rebuilt from it. Rows
are (thread, keyed hash of a term, turn), so the index holds no text, a search
touches only its own thread, and statistics are the thread's own: what is found
in one thread does not depend on the others.

Knows nothing of turns' content: the journal files and removes.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from sfumato.database import Database, batches
from sfumato.index import ASKS, Word, said_by, wanted
from sfumato.ranking import (
    REACH,
    Candidate,
    Collection,
    asked_times,
    ranked,
    saturation,
    weight,
)
from sfumato.records import from_microseconds
from sfumato.schema import postings, turns

# Bits of a term's hash that are kept: SQLite stores such numbers in 6 bytes, and a
# million distinct terms collide with a probability of 0.2 %.
_HASH_BITS = 47

# How many of the best turns by BM25 alone are looked at closely, with those around
# them: so many for each that is asked for, and at least so many.
_POOL_SHARE = 6
_LEAST_POOL = 40


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
    database: Database,
    connection: Connection,
    thread_key: int,
    filed: Sequence[tuple[int, Sequence[str]]],
    salt: str,
) -> None:
    """File turns, given as (seq, terms), under their terms."""
    made = rows(filed, salt)
    if made:
        database.insert_rows(connection, postings, [(thread_key, *row) for row in made])


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


def search(
    connection: Connection,
    thread: Row[Any],
    query: str,
    salt: str,
    k: int,
    before: int | None = None,
) -> list[tuple[int, float]]:
    """The ``k`` best turns as (seq, score), best first; only those ``before`` a mark if given."""
    collection = Collection(thread.indexed_turns, thread.indexed_terms)
    mine = postings.c.thread_key == thread.thread_key
    if before is not None:
        mine &= postings.c.seq < before
    words = wanted(query)
    weights = _weights(connection, mine, words, collection, salt)
    if not weights or k < 1:
        return []
    seqs = _best(connection, mine, weights, collection, max(_LEAST_POOL, _POOL_SHARE * k))
    speakers = {_hashed(said_by(term), salt) for word in words for term in word.exact}
    near = [seq for seq in _around(seqs) if before is None or seq < before]
    found = _candidates(connection, thread, near, weights, speakers, collection, salt)
    return ranked(found, asked_times(query))[:k]


def _weights(
    connection: Connection,
    mine: sa.ColumnElement[bool],
    words: Sequence[Word],
    collection: Collection,
    salt: str,
) -> dict[int, float]:
    """The hashed terms to look for, each with how telling it is."""
    asked = [[{_hashed(t, salt) for t in ts} for ts in (w.exact, w.pieces)] for w in words]
    every = {term for exact, pieces in asked for term in exact | pieces}
    counts = (
        sa.select(postings.c.term, sa.func.count())
        .where(mine & postings.c.term.in_(every))
        .group_by(postings.c.term)
    )
    holders: dict[int, int] = {row[0]: row[1] for row in connection.execute(counts)}
    sought = {
        term
        for exact, pieces in asked
        for term in (pieces if exact.isdisjoint(holders) else exact)
        if term in holders
    }
    return {term: weight(collection.turns, holders[term]) for term in sought}


def _best(
    connection: Connection,
    mine: sa.ColumnElement[bool],
    weights: Mapping[int, float],
    collection: Collection,
    limit: int,
) -> Sequence[int]:
    """The turns with the highest BM25 scores: those worth a closer look."""
    score = sa.func.sum(
        sa.case(dict(weights), value=postings.c.term)
        * saturation(postings.c.frequency, postings.c.length, collection)
    )
    query = (
        sa.select(postings.c.seq)
        .where(mine & postings.c.term.in_(list(weights)))
        .group_by(postings.c.seq)
        .order_by(score.desc(), postings.c.seq.desc())
        .limit(limit)
    )
    return connection.execute(query).scalars().all()


def _around(seqs: Iterable[int]) -> list[int]:
    """These marks and those within reach of them, ascending."""
    return sorted({near for seq in seqs for near in range(seq - REACH, seq + REACH + 1)})


def _candidates(
    connection: Connection,
    thread: Row[Any],
    seqs: Sequence[int],
    weights: Mapping[int, float],
    speakers: Set[int],
    collection: Collection,
    salt: str,
) -> list[Candidate]:
    """Those of the turns that hold a wanted term, with all that ranking asks."""
    asking = _hashed(ASKS, salt)
    worth: defaultdict[int, dict[int, float]] = defaultdict(dict)
    asks: set[int] = set()
    named: set[int] = set()
    columns = (postings.c.term, postings.c.seq, postings.c.frequency, postings.c.length)
    for some in batches(seqs):
        query = sa.select(*columns).where(
            (postings.c.thread_key == thread.thread_key)
            & postings.c.term.in_([*weights, *speakers, asking])
            & postings.c.seq.in_(some)
        )
        for term, seq, frequency, length in connection.execute(query):
            if term in weights:
                worth[seq][term] = weights[term] * saturation(frequency, length, collection)
            if term in speakers:
                named.add(seq)
            if term == asking:
                asks.add(seq)
    times = _times(connection, thread, list(worth))
    return [
        Candidate(seq, time, worth[seq], seq in asks, seq in named) for seq, time in times.items()
    ]


def _times(connection: Connection, thread: Row[Any], seqs: Sequence[int]) -> dict[int, datetime]:
    """When live turns were said; the index follows their states, but this is what counts."""
    found: dict[int, datetime] = {}
    for some in batches(sorted(seqs)):
        query = sa.select(turns.c.seq, turns.c.time_us).where(
            (turns.c.thread_key == thread.thread_key)
            & turns.c.seq.in_(some)
            & (turns.c.state == "live")
        )
        found |= {seq: from_microseconds(time_us) for seq, time_us in connection.execute(query)}
    return found


def stored(connection: Connection, thread_key: int) -> Iterator[tuple[int, int, int, int]]:
    """All index rows of a thread, as ``rows`` makes them, in any order."""
    columns = (postings.c.term, postings.c.seq, postings.c.frequency, postings.c.length)
    query = sa.select(*columns).where(postings.c.thread_key == thread_key)
    for row in connection.execute(query.execution_options(yield_per=10_000)):
        yield tuple(row)
