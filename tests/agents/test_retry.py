import pytest

from pepperpy import Rejected, RetryPolicy
from pepperpy_schemas.errors import (
    BadOutput,
    BadPayload,
    Canceled,
    TaskTimeout,
    Unavailable,
    info_of,
)


def test_retries_are_repeats_after_the_first_failure() -> None:
    policy = RetryPolicy(retries=2)
    error = ValueError("no")
    assert [policy.repeats(error, info_of(error), n) for n in (1, 2, 3)] == [True, True, False]


def test_without_retries_the_first_failure_is_the_last() -> None:
    error = ValueError("no")
    assert not RetryPolicy(retries=0).repeats(error, info_of(error), 1)


@pytest.mark.parametrize(
    "error", [BadPayload("x"), Rejected("x"), Canceled("x"), BadOutput("x", retryable=False)]
)
def test_what_cannot_become_better_is_not_repeated(error: Exception) -> None:
    assert not RetryPolicy(retries=9).repeats(error, info_of(error), 1)


@pytest.mark.parametrize(
    "error", [BadOutput("x"), TaskTimeout("x"), Unavailable("x", retryable=False), OSError("x")]
)
def test_what_may_pass_is_repeated(error: Exception) -> None:
    assert RetryPolicy(retries=1).repeats(error, info_of(error), 1)


def test_only_the_named_exceptions_are_repeated() -> None:
    policy = RetryPolicy(retries=9, only=(OSError,))
    for error, repeats in ((ConnectionError("x"), True), (ValueError("x"), False)):
        assert policy.repeats(error, info_of(error), 1) is repeats
    assert not policy.repeats(SystemExit(1), info_of(SystemExit(1)), 1)


def test_each_wait_is_about_twice_the_last_up_to_the_limit() -> None:
    policy = RetryPolicy(delay=2.0, max_delay=10.0)
    for failures, full in ((1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0), (1000, 10.0)):
        waits = [policy.wait(failures) for _ in range(200)]
        assert min(waits) >= full / 2
        assert max(waits) <= full
        assert max(waits) - min(waits) > full / 10  # spread, not all at once
