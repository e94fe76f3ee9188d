"""The plan that matches a stored thread to a framework's history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import ConflictError
from sfumato.reconcile import Incoming, Plan, Stored, plan


def live(*digests: str) -> list[Stored]:
    return [Stored(seq, f"id-{d}-{seq}", "live", (d,)) for seq, d in enumerate(digests, 1)]


def told(*digests: str) -> list[Incoming]:
    return [Incoming(None, (d,)) for d in digests]


def named(stored: list[Stored], *seqs: int) -> list[Incoming]:
    return [Incoming(stored[s - 1].id, stored[s - 1].aliases) for s in seqs]


def test_new_turns_at_the_end_are_appended() -> None:
    assert plan(live("a", "b"), told("a", "b", "c")) == Plan([1, 2, None], [], [], [])


def test_repeated_contents_are_matched_one_by_one() -> None:
    assert plan(live("ok", "x", "ok"), told("ok", "ok")).kept == [1, 3]
    assert plan(live("ok"), told("ok", "ok")).kept == [1, None]


def test_the_same_id_with_other_content_is_an_edit() -> None:
    stored = live("a", "b")
    made = plan(stored, [Incoming(stored[0].id, ("A",)), *named(stored, 2)])
    assert made == Plan([1, 2], [(1, 0)], [], [])


def test_missing_turns_are_shelved() -> None:
    stored = live("a", "b", "c")
    assert plan(stored, named(stored, 1, 3)).shelved == [2]
    assert plan(stored, []).shelved == [1, 2, 3]


def test_an_insertion_keeps_what_stands_before_it() -> None:
    stored = live("a", "b", "c")
    made = plan(stored, [*named(stored, 1), Incoming("new", ("n",)), *named(stored, 2, 3)])
    assert made == Plan([1, None, None, None], [], [2, 3], [])


def test_another_order_keeps_the_prefix() -> None:
    stored = live("a", "b", "c")
    made = plan(stored, named(stored, 1, 3, 2))
    assert made == Plan([1, 3, None], [], [2], [])


def test_shelved_turns_return_only_with_the_same_content_and_in_order() -> None:
    stored = [*live("a"), Stored(2, "b", "shelved", ("b",)), Stored(3, "c", "live", ("c",))]
    back = plan(stored, [*named(stored, 1), Incoming("b", ("b",)), *named(stored, 3)])
    assert back == Plan([1, 2, 3], [], [], [2])
    other = plan(stored, [*named(stored, 1), Incoming("b", ("B",)), *named(stored, 3)])
    assert other == Plan([1, None, None], [], [3], [])
    late = plan(stored, [*named(stored, 1, 3), Incoming("b", ("b",))])
    assert late == Plan([1, 3, None], [], [], [])


def test_a_turn_answers_to_all_its_digests() -> None:
    stored = [Stored(1, "a", "forgotten", ("tombstone", "former"))]
    assert plan(stored, told("former")) == Plan([1], [], [], [])
    assert plan(stored, [Incoming("a", ("former",))]).edited == []
    assert plan(stored, [Incoming("a", ("other",))]).edited == [(1, 0)]


def test_a_history_that_is_given_new_ids_each_time_is_matched_by_content() -> None:
    fresh = [Incoming("new1", ("a",)), Incoming("new2", ("b",)), Incoming("new3", ("c",))]
    assert plan(live("a", "b"), fresh) == Plan([1, 2, None], [], [], [])


def test_shelved_turns_whose_id_is_in_use_stay_shelved() -> None:
    stored = [Stored(1, "x", "shelved", ("a",)), Stored(2, "x", "live", ("b",))]
    assert plan(stored, told("a", "b")) == Plan([None, None], [], [2], [])
    versions = [Stored(1, "x", "shelved", ("a",)), Stored(2, "x", "shelved", ("b",))]
    assert plan(versions, told("a", "b")) == Plan([1, None], [], [], [1])


def test_a_current_turn_of_the_same_content_stays_rather_than_a_shelved_one_of_the_same_id() -> (
    None
):
    stored = [Stored(1, "x", "live", ("a",)), Stored(2, "y", "shelved", ("a",))]
    assert plan(stored, [Incoming("y", ("a",))]) == Plan([1], [], [], [])


def test_an_id_given_twice_is_refused() -> None:
    with pytest.raises(ConflictError, match="'a'"):
        plan([], [Incoming("a", ("x",)), Incoming("a", ("y",))])


digests = st.sampled_from("abcd")
states = st.sampled_from(["live", "shelved", "forgotten"])
threads = st.lists(st.tuples(digests, states), max_size=8).map(
    lambda rows: [Stored(seq, f"{seq}", state, (d,)) for seq, (d, state) in enumerate(rows, 1)]
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Stored], list[Incoming]]:
    stored = draw(threads)
    ids = draw(st.lists(st.integers(1, 10), max_size=8, unique=True))
    return stored, [Incoming(draw(st.sampled_from([None, str(n)])), (draw(digests),)) for n in ids]


def after(stored: list[Stored], incoming: list[Incoming], made: Plan) -> list[Stored]:
    """The thread as it stands when the plan is carried out."""
    rows = {turn.seq: turn for turn in stored}
    for seq in made.shelved:
        rows[seq] = Stored(seq, rows[seq].id, "shelved", rows[seq].aliases)
    for seq in made.restored:
        rows[seq] = Stored(seq, rows[seq].id, "live", rows[seq].aliases)
    for seq, index in made.edited:
        rows[seq] = Stored(seq, rows[seq].id, "live", incoming[index].aliases)
    for index in made.appended:
        seq = len(rows) + 1
        given_id = incoming[index].id
        rows[seq] = Stored(seq, given_id or f"auto{seq}", "live", incoming[index].aliases)
    return list(rows.values())


@given(histories())
def test_the_outcome_is_the_history_in_order(case: tuple[list[Stored], list[Incoming]]) -> None:
    stored, incoming = case
    outcome = after(stored, incoming, plan(stored, incoming))
    current = [turn for turn in outcome if turn.state != "shelved"]
    assert len(current) == len(incoming)
    for turn, wanted in zip(current, incoming, strict=True):
        assert set(turn.aliases) & set(wanted.aliases)
        if wanted.id in {known.id for known in stored if known.state != "shelved"}:
            assert turn.id == wanted.id


@given(histories())
def test_a_replay_plans_nothing(case: tuple[list[Stored], list[Incoming]]) -> None:
    stored, incoming = case
    outcome = after(stored, incoming, plan(stored, incoming))
    again = plan(outcome, incoming)
    assert (again.appended, again.edited, again.shelved, again.restored) == ([], [], [], [])


@given(histories())
def test_no_id_is_used_by_two_current_turns(case: tuple[list[Stored], list[Incoming]]) -> None:
    stored, incoming = case
    outcome = after(stored, incoming, plan(stored, incoming))
    ids = [turn.id for turn in outcome if turn.state != "shelved"]
    assert len(ids) == len(set(ids))
