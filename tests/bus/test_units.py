import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepperpy_bus.units import (
    BadUnit,
    format_duration,
    format_size,
    format_time,
    now,
    parse_duration,
    parse_size,
    parse_time,
)
from pepperpy_schemas.errors import BadConfig


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        ("2d", 172_800.0),
        ("1w1d", 691_200.0),
        ("1.5h", 5400.0),
        ("10us", 0.00001),
        (" 30 ", 30.0),
        ("0", 0.0),
        ("0.5", 0.5),
        (30, 30.0),
        (2.5, 2.5),
        (timedelta(minutes=2), 120.0),
    ],
)
def test_a_duration_is_read_in_every_form_people_write(
    written: str | float | timedelta, seconds: float
) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "5 minutes",
        "m5",
        "30m1h",
        "5m5m",
        "1h 30m",
        "5M",
        "-5m",
        "1e3",
        "١m",
        "inf",
        "5m!",
        True,
    ],
)
def test_a_wrong_duration_is_refused_with_its_value_and_examples(wrong: str) -> None:
    with pytest.raises(BadUnit) as caught:
        parse_duration(wrong)
    assert repr(wrong) in caught.value.message
    assert "1h30m" in caught.value.hint


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "36501d", 1e300])
def test_a_duration_beyond_any_clock_is_refused(wrong: float | str) -> None:
    with pytest.raises(BadUnit, match=r"^duration "):
        parse_duration(wrong)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0s"),
        (90, "1m30s"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (86_400, "1d"),
        (5400, "1h30m"),
        (-90, "-1m30s"),
        (0.0000005, "0.0005ms"),
    ],
)
def test_a_duration_is_written_in_its_shortest_exact_form(seconds: float, written: str) -> None:
    assert format_duration(seconds) == written


@given(st.floats(min_value=0, max_value=36_500 * 86_400, allow_subnormal=False))
def test_a_written_duration_reads_back_as_the_same_number(seconds: float) -> None:
    if seconds == 0 or seconds > 1e-12:  # shorter ones have more digits than the form allows
        assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("64MiB", 64 * 2**20),
        ("512KiB", 524_288),
        ("10MB", 10_000_000),
        ("64mib", 64 * 2**20),
        ("1.5 KiB", 1536),
        ("2TB", 2 * 10**12),
        ("7B", 7),
        ("7", 7),
        (7, 7),
        (7.0, 7),
    ],
)
def test_a_size_is_read_in_every_form_people_write(written: str | float, count: int) -> None:
    assert parse_size(written) == count


@pytest.mark.parametrize("wrong", ["", "64 Mi", "MiB", "10 bits", "-1MB", "1e6", "x" * 500, False])
def test_a_wrong_size_is_refused_with_its_value_and_examples(wrong: str) -> None:
    with pytest.raises(BadUnit, match=r"^size ") as caught:
        parse_size(wrong)
    assert "64MiB" in caught.value.hint
    assert len(caught.value.message) < 150


@pytest.mark.parametrize("wrong", [-1, 0.5, "0.3B", 2**63, "9000000TiB", float("nan")])
def test_a_size_that_is_no_countable_number_of_bytes_is_refused(wrong: float | str) -> None:
    with pytest.raises(BadUnit, match=r"^size "):
        parse_size(wrong)


@pytest.mark.parametrize(
    ("count", "written"),
    [(0, "0B"), (524_288, "512KiB"), (10_000_000, "10MB"), (1023, "1023B"), (2**40, "1TiB")],
)
def test_a_size_is_written_in_its_shortest_exact_form(count: int, written: str) -> None:
    assert format_size(count) == written


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_written_size_reads_back_as_the_same_number(count: int) -> None:
    assert parse_size(format_size(count)) == count


@given(st.text(max_size=20))
def test_no_text_makes_the_readers_fail_in_another_way(text: str) -> None:
    for read in (parse_duration, parse_size, parse_time):
        with contextlib.suppress(BadUnit):
            read(text)


def test_a_bad_unit_is_a_value_error_for_validators_and_a_config_error_for_people() -> None:
    assert issubclass(BadUnit, ValueError)
    assert issubclass(BadUnit, BadConfig)


def test_now_is_aware_and_in_utc() -> None:
    assert now().tzinfo is UTC


@given(
    st.datetimes(
        min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
        max_value=datetime(9000, 1, 1),  # noqa: DTZ001
        timezones=st.timezones(),
    )
)
def test_a_written_time_reads_back_as_the_same_moment(moment: datetime) -> None:
    # Compared in UTC: within a fold, comparing wall clocks of one zone says nothing.
    assert parse_time(format_time(moment)) == moment.astimezone(UTC)


def test_a_time_is_written_in_utc_with_z() -> None:
    lisbon = datetime(2026, 7, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(lisbon, timespec="seconds") == "2026-07-01T08:30:00Z"


def test_the_servers_nanoseconds_are_cut_to_microseconds() -> None:
    assert parse_time("2026-01-31T08:00:00.123456789Z").microsecond == 123_456


@pytest.mark.parametrize(
    "wrong",
    ["2026-01-31", "2026-01-31T08:00:00", "2026-02-30T08:00:00Z", "0001-01-01T00:00:00+01:00"],
)
def test_a_time_without_zone_or_off_the_calendar_is_refused(wrong: str) -> None:
    with pytest.raises(BadUnit, match=r"^time "):
        parse_time(wrong)


def test_a_naive_time_is_never_written() -> None:
    with pytest.raises(BadUnit, match="no time zone"):
        format_time(datetime(2026, 1, 31))  # noqa: DTZ001
