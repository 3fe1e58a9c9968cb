"""Patterns with variables over facts, and over events in time."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.composites.composite import declare
from pepperpy_bus.composites.matcher import Matcher
from pepperpy_bus.events import Heard
from pepperpy_capabilities.reasoning.patterns.matching import match
from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.messages import Event
from pepperpy_schemas.patterns import Matches, Part, PatternsProblem

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def find(records: Sequence[dict[str, Any]], *parts: Part, **more: Any) -> Matches:
    return match(PatternsProblem(records=list(records), find=list(parts), **more))


def numbers(answer: Matches) -> list[list[int | None]]:
    return [one.records for one in answer.matches]


FAMILY = [
    {"is": "parent", "of": "bo", "who": "ana"},
    {"is": "parent", "of": "cy", "who": "bo"},
    {"is": "parent", "of": "dan", "who": "bo"},
    {"is": "rich", "who": "cy"},
]
PARENT = {"is": "parent", "who": "?a", "of": "?b"}


def test_parts_are_joined_by_their_variables() -> None:
    answer = find(FAMILY, Part(fits=PARENT), Part(fits={"is": "parent", "who": "?b", "of": "?c"}))
    assert numbers(answer) == [[0, 1], [0, 2]]
    assert [one.values for one in answer.matches] == [
        {"a": "ana", "b": "bo", "c": "cy"},
        {"a": "ana", "b": "bo", "c": "dan"},
    ]


def test_a_part_may_be_absent() -> None:
    answer = find(FAMILY, Part(fits=PARENT), Part(fits={"is": "rich", "who": "?b"}, absent=True))
    assert numbers(answer) == [[0, None], [2, None]]
    assert "no record is like" in answer.explanation


def test_an_absent_part_may_have_variables_of_its_own() -> None:
    childless = {"is": "parent", "who": "?b", "of": "?anybody"}
    answer = find(FAMILY, Part(fits=PARENT), Part(fits=childless, absent=True))
    assert [one.values for one in answer.matches] == [
        {"a": "bo", "b": "cy"},
        {"a": "bo", "b": "dan"},
    ]


def test_conditions_are_on_fields_on_variables_and_on_both() -> None:
    orders = [{"who": "ana", "sum": 10}, {"who": "bo", "sum": 30}, {"who": "ana", "sum": 40}]
    order = Part(fits={"who": "?who", "sum": "?sum"})
    other = Part(fits={"who": "?other", "sum": "?more"}, where="sum > vars.sum")
    assert numbers(find(orders, Part(where="sum >= 30"))) == [[1], [2]]
    assert numbers(find(orders, order, other)) == [[0, 1], [0, 2], [1, 2]]
    assert numbers(find(orders, order, other, where="who == other")) == [[0, 2]]


@pytest.mark.parametrize(
    ("fits", "fitting"),
    [
        ({"n": 1}, [0, 1]),
        ({"n": 1.0}, [0, 1]),
        ({"n": True}, [2]),
        ({"n": "?"}, [0, 1, 2, 3, 4, 5, 6]),
        ({"n": {"b": 2}}, [4, 5]),
        ({"n": {"b": "?x"}, "m": "?x"}, [4]),
        ({"n": ["?", 2]}, [6]),
        ({"n": []}, []),
        ({"n": "??q"}, [3]),
        ({}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"m": None}, [7]),
    ],
)
def test_what_fits(fits: dict[str, Any], fitting: list[int]) -> None:
    records: list[dict[str, Any]] = [
        {"n": 1},
        {"n": 1.0},
        {"n": True},
        {"n": "?q"},
        {"n": {"a": 1, "b": 2}, "m": 2},
        {"n": {"b": 2}, "m": 3},
        {"n": [1, 2]},
        {"m": None},
    ]
    assert numbers(find(records, Part(fits=fits))) == [[n] for n in fitting]


LOGINS = [
    {"e": "fail", "u": "ana", "at": 0},
    {"e": "fail", "u": "bo", "at": 5},
    {"e": "fail", "u": "ana", "at": 10},
    {"e": "ok", "u": "ana", "at": 20},
    {"e": "ok", "u": "bo", "at": 500},
]
FAIL, OK = {"e": "fail", "u": "?u"}, {"e": "ok", "u": "?u"}


def test_one_event_follows_another_within_a_time() -> None:
    followed = find(LOGINS, Part(fits=FAIL), Part(fits=OK, within="1m"), time="at")
    assert numbers(followed) == [[0, 3], [2, 3]]
    whole = find(LOGINS, Part(fits=FAIL), Part(fits=FAIL), Part(fits=OK), time="at", within="20s")
    assert numbers(whole) == [[0, 2, 3]]
    shorter = find(LOGINS, Part(fits=FAIL), Part(fits=FAIL), Part(fits=OK), time="at", within="19s")
    assert numbers(shorter) == []


def test_what_must_not_come_between() -> None:
    parts = [Part(fits=FAIL), Part(fits=FAIL, absent=True), Part(fits=OK)]
    assert numbers(find(LOGINS, *parts, time="at")) == [[1, None, 4], [2, None, 3]]


def test_what_must_not_follow_in_time() -> None:
    parts = [Part(fits=FAIL), Part(fits=OK, absent=True, within="1m")]
    assert numbers(find(LOGINS, *parts, time="at")) == [[1, None]]


def test_a_window_that_is_not_over_is_no_absence() -> None:
    parts = [Part(fits={"e": "fail", "u": "?u"}), Part(fits=OK, absent=True, within="1m")]
    assert numbers(find(LOGINS[:3], *parts, time="at")) == []
    later = [*LOGINS[:3], {"e": "tick", "at": 65}]
    assert numbers(find(later, *parts, time="at")) == [[0, None], [1, None]]


def test_the_order_is_that_of_the_times_and_not_of_the_list() -> None:
    answer = find(LOGINS[::-1], Part(fits=FAIL), Part(fits=OK, within="15s"), time="at")
    assert numbers(answer) == [[2, 1]]


def test_times_may_be_texts() -> None:
    records = [
        {"e": "fail", "u": 1, "at": "2026-01-01T12:00:00Z"},
        {"e": "ok", "u": 1, "at": "2026-01-01T13:00:30+01:00"},
    ]
    parts = [Part(fits=FAIL), Part(fits=OK, within="30s")]
    assert numbers(find(records, *parts, time="at")) == [[0, 1]]
    with pytest.raises(BadProblem, match=r"records\[0\].at: 'noon' is no time"):
        find([{"at": "noon"}], Part(), time="at")


def test_there_are_no_more_matches_than_asked_for() -> None:
    answer = find(LOGINS, Part(), most=2)
    assert len(answer.matches) == 2
    assert answer.more


def test_a_part_that_nothing_fits_is_named() -> None:
    answer = find(LOGINS, Part(fits=FAIL), Part(fits={"e": "locked"}), time="at")
    assert answer.explanation == 'nothing matches\nno record is like part 2: {"e":"locked"}'


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=12),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3),
    st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_all_ways_in_their_order_are_found(
    events: list[tuple[str, int]], wanted: list[str], within: int
) -> None:
    records, at = [], 0
    for name, gap in events:
        at += gap
        records.append({"e": name, "at": at})
    answer = find(
        records,
        *(Part(fits={"e": name}) for name in wanted),
        time="at",
        within=f"{within}s",
        most=1000,
    )
    expected = [
        list(chosen)
        for chosen in combinations(range(len(records)), len(wanted))
        if [records[n]["e"] for n in chosen] == wanted
        and int(str(records[chosen[-1]]["at"])) - int(str(records[chosen[0]]["at"])) <= within
    ]
    assert numbers(answer) == expected


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 3)), max_size=14
    )
)
@settings(max_examples=60, deadline=None)
def test_used_once_it_matches_as_composite_events_do(events: list[tuple[str, str, int]]) -> None:
    composite = declare(
        "it.happened", sequence=["seen.a.*", "seen.b.*"], by="data.who", within="4s"
    )
    matcher, records, at = Matcher(composite), [], 0
    raised: list[list[int]] = []
    for n, (verb, who, gap) in enumerate(events):
        at += gap
        records.append({"entity": "seen", "verb": verb, "data": {"who": who}, "at": at})
        heard = Heard("seen", verb, "x", str(n), Event(str(n), NOW, data={"who": who}))
        raised += [
            [int(part.id) for part in one.events] for one in matcher.feed(heard, at * 1_000_000_000)
        ]
    answer = find(
        records,
        *(Part(fits={"verb": verb, "data": {"who": "?who"}}) for verb in "ab"),
        time="at",
        within="4s",
        once=True,
    )
    assert numbers(answer) == sorted(raised)
    json.dumps([one.values for one in answer.matches])


@pytest.mark.parametrize("at", [10**400, 1e300, float("inf"), float("nan"), True, None])
def test_what_is_no_time_is_refused(at: object) -> None:
    with pytest.raises(BadProblem, match=r"records\[0\].at: .* is no time"):
        find([{"at": at}], Part(), time="at")
