from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from pepperpy_bus.tasks.cron import read_cron
from pepperpy_schemas.errors import BadSchedule

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("0 30 7 * * *", "2026-11-22T06:29:59Z", "2026-11-22T06:30:00Z"),
        ("0 30 7 * * *", "2026-11-22T06:30:00Z", "2026-11-23T06:30:00Z"),
        ("30 7 * * *", "2026-07-01T00:00:00Z", "2026-07-01T05:30:00Z"),
        ("* * * * * *", "2026-11-22T22:59:59.5Z", "2026-11-22T23:00:00Z"),
        ("*/20 * * * * *", "2026-11-22T00:00:20Z", "2026-11-22T00:00:40Z"),
        ("0 5/10 * * * *", "2026-11-22T00:50:00Z", "2026-11-22T00:55:00Z"),
        ("@hourly", "2026-12-31T22:30:00Z", "2026-12-31T23:00:00Z"),
        ("@weekly", "2026-11-22T00:00:00Z", "2026-11-28T23:00:00Z"),
        ("0 0 12 29 FEB ?", "2026-11-22T00:00:00Z", "2028-02-29T11:00:00Z"),
        # By month or by week when both are named, else by both.
        ("0 0 9 1,15 * mon", "2026-11-22T00:00:00Z", "2026-11-23T08:00:00Z"),
        ("0 0 9 */2 * mon", "2026-11-22T00:00:00Z", "2026-11-23T08:00:00Z"),
        ("0 0 9 * * mon-tue", "2026-11-24T09:00:00Z", "2026-11-30T08:00:00Z"),
        # The clocks jump over half past two in March, and pass it twice in October.
        ("0 30 2 * * *", "2026-03-28T02:00:00Z", "2026-03-30T00:30:00Z"),
        ("0 30 2 * * *", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
        ("0 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ("0 15,45 2 * * *", "2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z"),
    ],
)
def test_the_next_time_is_where_the_clock_of_the_zone_shows_it(
    text: str, moment: str, expected: str
) -> None:
    found = read_cron(text).after(datetime.fromisoformat(moment), BERLIN)
    assert found == datetime.fromisoformat(expected)


def test_the_server_gets_six_fields_or_a_name() -> None:
    assert read_cron(" 30  7 * * * ").text == "0 30 7 * * *"
    assert read_cron("0 30 7 * * *").text == "0 30 7 * * *"
    assert read_cron("@daily").text == "@daily"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("61 * * * * *", "'61' for the second"),
        ("0 5-1 * * * *", "'5-1' for the minute"),
        ("0 */0 * * * *", "'\\*/0' for the minute"),
        ("0 0 24 * * *", "'24' for the hour"),
        ("0 0 0 L * *", "'L' for the day of month"),
        ("0 0 0 1 mai *", "'mai' for the month"),
        ("0 0 0 * * 7", "'7' for the day of week"),
        ("0 0 0 * * *-2", "'\\*-2' for the day of week"),
        ("0 0 0 30 2 *", "no day of the next five years"),
        ("7 * * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("@often", "no name that the server knows"),
        ("@every 5m", "no name that the server knows"),
    ],
)
def test_an_error_names_the_field(text: str, named: str) -> None:
    with pytest.raises(BadSchedule, match=named) as caught:
        read_cron(text)
    assert caught.value.hint
    assert caught.value.context == {"option": "cron"}


def test_a_name_of_an_interval_leads_to_the_option() -> None:
    with pytest.raises(BadSchedule) as caught:
        read_cron("@every 5m")
    assert "every=" in caught.value.hint
