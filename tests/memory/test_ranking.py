"""How candidates are put in order, and which dates a question names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.ranking import (
    AskedTime,
    Candidate,
    Collection,
    asked_times,
    ranked,
    saturation,
    weight,
)

NOON = datetime(2023, 5, 7, 12, tzinfo=UTC)


def candidate(
    seq: int, *, minutes: int = 0, asks: bool = False, named: bool = False, **worth: float
):
    terms = {hash(term): value for term, value in worth.items()}
    return Candidate(seq, NOON + timedelta(minutes=minutes), terms, asks, named)


def order(*candidates: Candidate, asked: tuple[AskedTime, ...] = ()) -> list[int]:
    return [seq for seq, _ in ranked(candidates, asked)]


def test_later_turns_come_first_among_equals() -> None:
    assert order(candidate(1, a=1), candidate(20, a=1)) == [20, 1]


def test_a_word_next_to_it_helps_a_turn_but_counts_once() -> None:
    assert order(candidate(1, a=2), candidate(2, b=1), candidate(30, b=2.2)) == [1, 2, 30]
    lone = dict(ranked([candidate(5, a=1)], ()))[5]
    beside = dict(ranked([candidate(5, a=1), candidate(6, a=1)], ()))[5]
    assert lone == beside


def test_an_answer_gets_more_of_a_question_than_of_a_statement() -> None:
    asked = dict(ranked([candidate(1, a=3, asks=True), candidate(2, b=1)], ()))
    stated = dict(ranked([candidate(1, a=3), candidate(2, b=1)], ()))
    assert asked[2] > stated[2]
    assert asked[1] == stated[1]


def test_words_do_not_reach_over_a_pause() -> None:
    far = dict(ranked([candidate(1, a=3), candidate(2, b=1, minutes=31)], ()))
    assert far[2] == 1


def test_a_named_speaker_and_a_named_date_raise_a_score() -> None:
    assert order(candidate(1, a=1, named=True), candidate(9, a=1)) == [1, 9]
    april = candidate(9, a=1, minutes=-60 * 24 * 30)
    assert order(candidate(1, a=1), april, asked=(AskedTime(5, None, 2023),)) == [1, 9]


@given(
    st.lists(
        st.builds(
            Candidate,
            st.integers(1, 30),
            st.integers(0, 100).map(lambda m: NOON + timedelta(minutes=m)),
            st.dictionaries(st.integers(0, 3), st.floats(0.01, 9), min_size=1),
            st.booleans(),
            st.booleans(),
        ),
        unique_by=lambda c: c.seq,
    )
)
def test_every_candidate_is_given_once_and_scores_no_less_than_alone(
    candidates: list[Candidate],
) -> None:
    scores = dict(ranked(candidates, ()))
    assert scores.keys() == {c.seq for c in candidates}
    assert all(scores[c.seq] >= sum(c.worth.values()) * 0.999 for c in candidates)


@given(st.integers(1, 10**6), st.data())
def test_rarer_terms_weigh_more_and_all_weigh_something(turns: int, data: st.DataObject) -> None:
    few, many = sorted(data.draw(st.tuples(st.integers(1, turns), st.integers(1, turns))))
    assert weight(turns, few) >= weight(turns, many) > 0


def test_repetition_saturates_and_length_holds_back() -> None:
    collection = Collection(10, 100)
    once, twice, often = (saturation(n, 10, collection) for n in (1, 2, 50))
    assert once < twice < often < 2 * twice
    assert saturation(1, 40, collection) < once


@pytest.mark.parametrize(
    ("question", "times"),
    [
        ("What happened in May 2023?", [AskedTime(5, None, 2023)]),
        ("What happened on 7 May 2023?", [AskedTime(5, 7, 2023)]),
        ("What happened on the 7th of May?", [AskedTime(5, 7)]),
        ("What happened on May 7th, 2023?", [AskedTime(5, 7, 2023)]),
        ("In August, who called?", [AskedTime(8)]),
        ("from 2023-05-07 to 2023-06", [AskedTime(5, 7, 2023), AskedTime(6, None, 2023)]),
        ("between Jan 3 and Feb. 4", [AskedTime(1, 3), AskedTime(2, 4)]),
        ("What may I do in early may?", [AskedTime(5)]),
        ("What may I do?", []),
        ("Did they march on?", []),
        ("Who is Jane?", []),
    ],
)
def test_dates_in_a_question(question: str, times: list[AskedTime]) -> None:
    assert asked_times(question) == times
