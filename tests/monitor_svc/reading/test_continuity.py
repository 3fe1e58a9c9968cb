from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.units import now
from pepperpy_monitor_svc.reading.continuity import Continuity, Hole, StreamState, gap

DAY = 86_400.0


def state(**changed: object) -> StreamState:
    fields = {
        "created": "c",
        "first_seq": 1,
        "last_seq": 100,
        "messages": 100,
        "bytes": 1000,
        "now": 10 * DAY,
    }
    return StreamState(**{**fields, **changed})  # type: ignore[arg-type]  # a test's own choice


def reason(hole: Hole, **changed: object) -> str:
    return gap("S", hole, state(**changed), now()).reason


@given(st.integers(0, 40), st.sets(st.integers(1, 60)), st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_every_number_after_what_is_known_is_seen_or_missed_and_none_is_both(
    last: int, kept: set[int], known: int
) -> None:
    continuity = Continuity(last, known=known)
    seen = sorted(seq for seq in kept if seq > last)
    missed: list[int] = []
    for seq in seen:
        hole = continuity.seen(seq, 0.0)
        if hole is not None:
            missed += range(hole.first, hole.last + 1)
    everything = range(max(last, known) + 1, max(seen, default=0) + 1)
    assert sorted({*missed, *(seq for seq in seen if seq > known)}) == list(everything)
    assert not set(missed) & set(seen)


def test_numbers_that_are_given_out_again_are_no_gap_and_gaps_behind_them_are() -> None:
    continuity = Continuity(0, known=10)
    assert [continuity.seen(seq, 0.0) for seq in (9, 10, 11)] == [None] * 3
    assert continuity.seen(8, 0.0) is None  # the stream lost 8 to 11 and goes on
    assert continuity.seen(9, 0.0) is None
    assert continuity.seen(12, 0.0) == Hole(10, 11)


def test_a_hole_says_why() -> None:
    front = Hole(5, 9, before=1 * DAY)
    assert reason(front, first_seq=20, max_age=3 * DAY) == "expired"
    assert reason(front, first_seq=20, max_age=30 * DAY) == "purged"
    assert reason(front, first_seq=20, max_age=30 * DAY, full=True) == "expired"
    assert reason(front, first_seq=2, max_age=3 * DAY) == "purged"  # in its middle
    assert reason(front, first_seq=20, max_age=3 * DAY, broken=True) == "lost"
    assert gap("S", front, state(), now(), "away").reason == "away"
    assert gap("S", front, state(), now()).count == 5
