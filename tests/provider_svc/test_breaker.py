from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pepperpy_provider_svc.routing import breaker
from pepperpy_provider_svc.routing.breaker import Tally
from pepperpy_provider_svc.routing.policy import CoolFor, Count, Effect, Nothing, OpenFor
from pepperpy_schemas.provider import Breaker

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Subject:
    """A tally and a record as one replica alone would carry them on."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.record: Breaker | None = None

    def fail(self, seconds: float, effect: Effect | None = None) -> None:
        effect = effect or Count()
        self.tally = breaker.failed(self.tally, at(seconds), effect)
        record = breaker.opening(self.tally, self.record, at(seconds), effect, "upstream_failed")
        if record is not None:
            self.tally, self.record = breaker.opened(self.tally, record), record

    def succeed(self, seconds: float) -> None:
        self.tally = breaker.succeeded(self.tally, at(seconds))

    def close(self, seconds: float) -> None:
        self.succeed(seconds)
        self.record = None

    def state(self, seconds: float) -> str:
        return breaker.state_of(self.record, at(seconds))


def test_it_opens_at_the_fifth_failure_in_a_row() -> None:
    one = Subject()
    for n in range(4):
        one.fail(n)
    assert one.state(4) == "closed"
    one.fail(4)
    assert one.state(4) == "open"
    assert one.record is not None
    assert one.record.reason == "upstream_failed"
    assert breaker.wait_of(one.record, at(4)) == 5.0
    assert one.state(9) == "half_open"


def test_a_success_in_between_begins_the_row_anew() -> None:
    one = Subject()
    for n in range(20):
        one.succeed(n)
    for n in range(4):
        one.fail(20 + n)
    one.succeed(25)
    for n in range(4):
        one.fail(26 + n)
    assert one.state(30) == "closed"


def test_it_opens_when_more_than_half_of_five_calls_fail_within_a_minute() -> None:
    one = Subject()
    for n in range(2):
        one.fail(n)
        one.succeed(n)
    assert one.state(2) == "closed"
    one.fail(3)
    assert one.state(3) == "open"


def test_half_of_the_calls_may_fail() -> None:
    one = Subject()
    for n in range(100):
        one.succeed(n)
        one.fail(n)
    assert one.state(100) == "closed"


def test_what_is_longer_ago_than_a_minute_does_not_count() -> None:
    one = Subject()
    one.fail(0)
    one.fail(1)
    one.succeed(2)
    one.succeed(63)
    one.fail(70)
    assert one.state(70) == "closed"


def test_a_pause_doubles_up_to_a_minute_while_probes_fail() -> None:
    one = Subject()
    for _ in range(5):
        one.fail(0)
    now, pauses = 0.0, []
    for _ in range(6):
        assert one.record is not None
        pauses.append(breaker.wait_of(one.record, at(now)))
        now += pauses[-1]
        assert one.state(now) == "half_open"
        one.fail(now)
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_success_forgets_the_pauses() -> None:
    one = Subject()
    for _ in range(5):
        one.fail(0)
    one.fail(5)
    one.close(15)
    for _ in range(5):
        one.fail(16)
    assert breaker.wait_of(one.record, at(16)) == 5


def test_an_answer_that_has_begun_opens_at_the_next_failure_for_longer() -> None:
    one = Subject()
    for _ in range(5):
        one.fail(0)
    begun = breaker.begun(one.tally)
    one.close(5)
    one.tally = begun
    one.fail(6)
    assert breaker.wait_of(one.record, at(6)) == 10


def test_it_cools_for_as_long_as_the_provider_says() -> None:
    one = Subject()
    one.fail(0, CoolFor(42))
    assert breaker.wait_of(one.record, at(0)) == 42
    one.fail(1, CoolFor(1))
    assert breaker.wait_of(one.record, at(1)) == 41
    one.fail(2, OpenFor(60))
    assert breaker.wait_of(one.record, at(2)) == 60
    for _ in range(10):
        one.fail(3)
    assert breaker.wait_of(one.record, at(3)) == 59


def test_what_is_not_the_providers_fault_opens_nothing() -> None:
    one = Subject()
    for _ in range(10):
        one.fail(0, Nothing())
    assert one.record is None
    assert one.tally == Tally()


def test_one_probe_is_let_through_until_it_ends_or_is_lost() -> None:
    record = Breaker(until=at(5), reason="upstream_failed", pause=5)
    assert breaker.probed(record, at(4)) is None
    mine = breaker.probed(record, at(5))
    assert mine is not None
    assert breaker.probed(mine, at(6)) is None
    assert breaker.wait_of(mine, at(6)) == breaker.PROBE - 1
    assert breaker.probed(mine, at(5 + breaker.PROBE)) is not None
    assert breaker.probed(breaker.released(mine), at(6)) is not None


def test_a_closed_breaker_has_no_probe_and_nothing_to_wait_for() -> None:
    assert breaker.probed(None, NOON) is None
    assert breaker.wait_of(None, NOON) == 0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=200))
def test_a_tally_stays_small_and_an_open_breaker_always_ends(
    calls: list[tuple[bool, float]],
) -> None:
    one, now = Subject(), 0.0
    for failed, pause in calls:
        now += pause
        if failed:
            one.fail(now)
        elif one.state(now) == "half_open":
            one.close(now)
        else:
            one.succeed(now)
        assert len(one.tally.slots) <= breaker.WINDOW / 5 + 1
        assert one.tally.in_a_row <= breaker.IN_A_ROW
        assert breaker.wait_of(one.record, at(now)) <= breaker.LONGEST_PAUSE
