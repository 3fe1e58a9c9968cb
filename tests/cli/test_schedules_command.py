import json

import pytest

from tests.cli.inline import Inline

HALF_PAST_SEVEN = ("--cron", "30 7 * * *", "--tz", "Europe/Berlin", "--no-check")


@pytest.fixture
def kept(inline: Inline) -> Inline:
    """A recurring schedule of report and two tasks of later."""
    assert inline.run("publish", "report", "n:=1", "--id", "daily", *HALF_PAST_SEVEN) == 0
    for name in ("one", "two"):
        assert inline.run("publish", "later", "--id", name, "--delay", "2h", "--no-check") == 0
    return inline


def ids(inline: Inline, *arguments: str) -> list[str]:
    return [row["id"] for row in inline.json("schedules", "ls", *arguments)]


def test_publish_prints_the_id_of_what_it_has_scheduled(inline: Inline) -> None:
    assert inline.run("publish", "later", "--at", "2099-01-01T09:00:00+01:00", "--no-check") == 0
    printed = inline.out.strip()
    assert inline.json("publish", "later", "--every", "1d", "--no-check")["topic"] == "later"
    one, other = inline.json("schedules", "ls")
    assert (one["id"], one["when"]) == (printed, "@at 2099-01-01T08:00:00.000000Z")
    assert one["next"] == "2099-01-01T08:00:00+00:00"
    assert other["when"] == "@every 86400s"


def test_ls_shows_when_each_fires_next(kept: Inline) -> None:
    assert kept.run("schedules", "ls") == 0
    head, *lines = kept.out.splitlines()
    assert head.split() == ["ID", "TOPIC", "WHEN", "TZ", "NEXT", "PAUSED"]
    assert [line.split()[0] for line in lines] == ["daily", "one", "two"]
    assert "0 30 7 * * *" in lines[0]
    assert ids(kept, "--topic", "report") == ["daily"]
    (row,) = kept.json("schedules", "ls", "--topic", "report")
    assert row["next"][11:] in ("05:30:00+00:00", "06:30:00+00:00")
    assert (row["tz"], row["paused"]) == ("Europe/Berlin", False)


def test_show_tells_everything_about_one(kept: Inline) -> None:
    shown = kept.json("schedules", "show", "daily")
    assert json.loads(shown["body"]) == {"n": 1}
    assert (shown["recurring"], shown["priority"]) == (True, "normal")
    assert shown["headers"]["pp-schedule-id"] == "daily"
    assert kept.run("schedules", "show", "daily") == 0
    assert "when      0 30 7 * * *" in kept.out
    assert '{"n": 1}' in kept.out
    assert kept.run("schedules", "show", "never") == 1
    assert "hint: list them with: pepperpy schedules ls" in kept.err


def test_pause_and_resume_by_id_by_topic_and_all(kept: Inline) -> None:
    def paused() -> list[str]:
        return [row["id"] for row in kept.json("schedules", "ls") if row["paused"]]

    assert kept.run("schedules", "pause", "daily", "one") == 0
    assert kept.out.split() == ["daily", "one"]
    assert "paused 2" in kept.err
    assert paused() == ["daily", "one"]
    (row,) = [one for one in kept.json("schedules", "ls") if one["id"] == "daily"]
    assert row["next"] is None
    assert kept.run("schedules", "resume", "--topic", "later", "--json") == 0
    assert [json.loads(line)["paused"] for line in kept.out.splitlines()] == [False, False]
    assert paused() == ["daily"]
    assert kept.run("schedules", "resume", "--all") == 0
    assert paused() == []


def test_rm_asks_before_it_removes_what_was_not_named(kept: Inline) -> None:
    assert kept.run("schedules", "rm", "one") == 0
    assert kept.out == "one\n"
    assert kept.run("schedules", "rm", "--all") == 2
    assert "add --yes" in kept.err
    assert ids(kept) == ["daily", "two"]
    assert kept.run("schedules", "rm", "--all", "--yes") == 0
    assert ids(kept) == []
    assert kept.run("schedules", "rm", "one") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("publish", "later", "--at", "tomorrow"), "at is 'tomorrow'"),
        (("publish", "later", "--at", "2020-01-01T00:00:00Z"), "ago by the broker's clock"),
        (("publish", "later", "--delay", "1h", "--every", "1h"), "delay and every"),
        (("publish", "later", "--tz", "UTC"), "tz is 'UTC' without cron"),
        (("publish", "later", "--cron", "61 * * * * *"), "'61' for the second"),
        (("publish", "later", "--every", "1h", "--wait"), "--wait waits for one task"),
        (("schedules", "pause"), "give either ids"),
        (("schedules", "rm", "one", "--all"), "give either ids"),
        (("schedules", "show", "a.b"), "not a valid name"),
    ],
)
def test_wrong_arguments_are_wrong_usage(
    inline: Inline, arguments: tuple[str, ...], words: str
) -> None:
    known = ("--no-check",) if arguments[0] == "publish" else ()
    assert inline.run(*arguments, *known) == 2
    assert words in inline.err
    assert ids(inline) == []
