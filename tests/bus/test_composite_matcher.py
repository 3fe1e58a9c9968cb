"""The matcher of composite events beside a naive one that tries every combination."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations, permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.composites.composite import Composite, declare
from pepperpy_bus.composites.matcher import Match, Matcher
from pepperpy_bus.composites.patterns import covering, fits, pattern_tokens
from pepperpy_bus.events import Heard, event_subjects
from pepperpy_schemas.composites import Unfinished
from pepperpy_schemas.errors import BadConfig, BadName, BadPayload
from pepperpy_schemas.messages import Event

SECOND = 1_000_000_000
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def happened(name: str, number: int = 0, **data: Any) -> Heard:
    entity, verb = name.split(".")
    event = Event(id=f"e{number}", ts=NOON, correlation=f"c{number}", data=data)
    return Heard(entity, verb, "shop", "1", event, number)


def ids(matches: list[Match]) -> list[list[str]]:
    return [[one.id for one in match.events] for match in matches]


def run(matcher: Matcher, *told: tuple[float, str] | tuple[float, str, dict[str, Any]]) -> Any:
    """Feeds (seconds, name[, data]) and returns the ids of the matched events."""
    found: list[Match] = []
    for number, (at, name, *data) in enumerate(told, start=1):
        values: dict[str, Any] = data[0] if data else {}
        found += matcher.feed(happened(name, number, **values), round(at * SECOND))
    return ids(found)


# --- the four kinds -------------------------------------------------------------------------------


def test_a_sequence_matches_in_its_order_with_other_events_between() -> None:
    stuck = declare("a.b", sequence=["cart.filled", "payment.failed"], within="5m")
    found = run(
        Matcher(stuck),
        (1, "payment.failed"),
        (2, "cart.filled"),
        (3, "cart.viewed"),
        (4, "payment.failed"),
        (5, "payment.failed"),
    )
    assert found == [["e2", "e4"]]


def test_a_sequence_takes_the_latest_events_that_complete_it() -> None:
    stuck = declare("a.b", sequence=["t.a", "t.b", "t.c"], within=10)
    # The first one would be too old by the end.
    found = run(Matcher(stuck), (0, "t.a"), (9, "t.a"), (9.5, "t.b"), (11, "t.c"))
    assert found == [["e2", "e3", "e4"]]


def test_a_set_matches_in_any_order() -> None:
    both = declare("a.b", all_of=["t.a", "t.b", "t.c"], within=10)
    assert run(Matcher(both), (0, "t.c"), (1, "t.a"), (2, "t.a"), (3, "t.b")) == [
        ["e1", "e3", "e4"]
    ]


def test_a_set_takes_the_latest_events_that_complete_it() -> None:
    both = declare("a.b", all_of=["t.a", "t.b"], within=10)
    told = [*((float(n), "t.a") for n in range(5)), (5.0, "t.b"), (6.0, "t.b")]
    assert run(Matcher(both), *told) == [["e5", "e6"], ["e4", "e7"]]


def test_one_event_never_stands_for_two_parts_of_a_set() -> None:
    both = declare("a.b", all_of=["t.*", "t.a"], within=10)
    assert run(Matcher(both), (0, "t.a")) == []
    # The first can be both, the second only one: both find their place.
    assert run(Matcher(both), (0, "t.a"), (1, "t.x")) == [["e1", "e2"]]


def test_a_repeated_event_matches_at_its_nth_time_and_then_counts_anew() -> None:
    thrice = declare("a.b", repeated="t.a", times=3, within=10)
    told = [(float(n), "t.a") for n in range(7)]
    assert run(Matcher(thrice), *told) == [["e1", "e2", "e3"], ["e4", "e5", "e6"]]


def test_a_missing_event_is_raised_at_the_end_of_the_window() -> None:
    gone = declare("a.b", after="order.placed", missing="order.paid", within=10)
    matcher = Matcher(gone)
    matcher.feed(happened("order.placed", 1), 5 * SECOND)
    assert matcher.due == 15 * SECOND
    assert matcher.advance(15 * SECOND) == []
    (match,) = matcher.advance(15 * SECOND + 1)
    assert ids([match]) == [["e1"]]
    assert match.ended == 15 * SECOND
    assert matcher.due is None


def test_what_comes_in_time_is_not_missing() -> None:
    gone = declare("a.b", after="order.placed", missing="order.paid", within=10)
    matcher = Matcher(gone)
    told = ((0, "order.placed"), (1, "order.placed"), (10, "order.paid"), (12, "order.placed"))
    assert run(matcher, *told) == []
    assert ids(matcher.advance(99 * SECOND)) == [["e4"]]


def test_a_heartbeat_that_stops_is_missed_once() -> None:
    silent = declare("a.b", after="beat.on", missing="beat.on", within=10)
    assert run(Matcher(silent), (0, "beat.on"), (9, "beat.on"), (18, "beat.on"), (40, "x.y")) == [
        ["e3"]
    ]


# --- window, correlation, conditions --------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "second"),
    [({"sequence": ["t.a", "t.b"]}, "t.b"), ({"repeated": "t.a", "times": 2}, "t.a")],
)
def test_the_window_includes_its_end_and_nothing_after(kind: Any, second: str) -> None:
    one = declare("a.b", within=10, **kind)
    assert run(Matcher(one), (0, "t.a"), (10, second)) == [["e1", "e2"]]
    assert run(Matcher(one), (0, "t.a"), (10.000001, second)) == []


def test_events_match_only_with_those_of_the_same_value() -> None:
    stuck = declare("a.b", sequence=["t.a", "t.b"], by="data.customer", within=10)
    found = run(
        Matcher(stuck),
        (0, "t.a", {"customer": "ana"}),
        (1, "t.a", {"customer": "bo"}),
        (2, "t.b", {"customer": "cy"}),
        (3, "t.b", {}),
        (4, "t.b", {"customer": "ana"}),
        (5, "t.b", {"customer": "bo"}),
    )
    assert found == [["e1", "e5"], ["e2", "e6"]]


@pytest.mark.parametrize("value", [7, 7.5, True, ["a", 1], {"deep": "x"}, "x" * 5000])
def test_any_value_correlates_and_long_ones_are_held_short(value: Any) -> None:
    twice = declare("a.b", repeated="t.a", times=2, by="data.v", within=10)
    matcher = Matcher(twice)
    run(matcher, (0, "t.a", {"v": value}), (1, "t.a", {"v": "other"}))
    (held, _) = matcher.unfinished().held
    assert len(held.key) <= 66
    (match,) = matcher.feed(happened("t.a", 3, v=value), 2 * SECOND)
    assert ids([match]) == [["e1", "e3"]]


def test_the_number_7_and_the_text_7_are_not_the_same() -> None:
    twice = declare("a.b", repeated="t.a", times=2, by="data.v", within=10)
    assert run(Matcher(twice), (0, "t.a", {"v": 7}), (1, "t.a", {"v": "7"})) == []


def test_each_part_has_a_condition_of_its_own() -> None:
    stuck = declare("a.b", sequence=[("t.a", "data.n > 3"), ("t.a", "data.n < 3")], within=10)
    told = [(float(at), "t.a", {"n": n}) for at, n in enumerate((1, 5, 3, 2))]
    assert run(Matcher(stuck), *told) == [["e2", "e4"]]


def test_an_event_of_its_own_name_is_no_part() -> None:
    twice = declare("t.b", repeated="t.*", times=2, within=10)
    assert run(Matcher(twice), (0, "t.a"), (1, "t.b"), (2, "t.a")) == [["e1", "e3"]]


def test_a_time_that_runs_backwards_counts_as_the_latest_one() -> None:
    twice = declare("a.b", sequence=["t.a", "t.b"], within=10)
    assert run(Matcher(twice), (30, "t.x"), (5, "t.a"), (40, "t.b")) == [["e2", "e3"]]


# --- bounds ---------------------------------------------------------------------------------------


def test_what_is_held_is_bounded_and_the_oldest_goes_first() -> None:
    pair = declare("a.b", sequence=["t.a", "t.b"], by="data.c", within=10, limit=100)
    matcher = Matcher(pair)
    for n in range(1, 1001):
        matcher.feed(happened("t.a", n, c=n), n)
        assert len(matcher) <= 100
    assert matcher.dropped == 900
    assert matcher.feed(happened("t.b", 1001, c=900), 1001) == []
    assert ids(matcher.feed(happened("t.b", 1002, c=901), 1002)) == [["e901", "e1002"]]


def test_what_is_too_old_to_match_is_let_go() -> None:
    pair = declare("a.b", sequence=["t.a", "t.b"], by="data.c", within=10)
    matcher = Matcher(pair)
    for n in range(1000):
        matcher.feed(happened("t.a", n, c=n), n * SECOND)
    assert len(matcher) == 11
    assert len(matcher._stages) == 11
    assert matcher.dropped == 0


def test_the_largest_state_fits_into_one_message() -> None:
    wide = declare("a.b", sequence=["t.a", "t.a", "t.b"], by="data.c", within="1d")
    matcher = Matcher(wide)
    for n in range(wide.limit + 100):
        event = Event(id="\x00" * n, ts=NOON, correlation="i" * 64, data={"c": f"{n:064}"})
        matcher.feed(Heard("t", "a", "s", "1", event, n), 1_800_000_000 * SECOND + n)
    assert len(matcher) == wide.limit
    assert len(msgspec.json.encode(matcher.unfinished())) < 1024 * 1024 * 0.95


# --- beside a naive one ---------------------------------------------------------------------------


class Naive:
    """Tries every combination of the events that no match has used."""

    def __init__(self, composite: Composite) -> None:
        self._composite = composite
        self._within = round(composite.within * SECOND)
        self._unused: list[tuple[int, int, Heard]] = []

    def feed(self, number: int, event: Heard, time: int) -> list[list[int]]:
        found = self.advance(time)
        new = (number, time, event)
        if not any(self._is(event, part) for part in range(len(self._composite.parts))):
            return found
        if self._composite.kind == "missing":
            if self._is(event, 1):
                self._unused = [one for one in self._unused if not self._same(one[2], event)]
            if self._is(event, 0):
                self._unused.append(new)
            return found
        best = max(self._matches(new), default=None)
        if best is None:
            self._unused.append(new)
            return found
        used = sorted(best)
        self._unused = [one for one in self._unused if one[0] not in used]
        return [*found, used]

    def advance(self, time: int) -> list[list[int]]:
        over = [one for one in self._unused if one[1] + self._within < time]
        if self._composite.kind != "missing":
            return []
        self._unused = [one for one in self._unused if one not in over]
        return [[one[0]] for one in over]

    def _matches(self, new: tuple[int, int, Heard]) -> Iterator[tuple[int, ...]]:
        """Each match that the event completes, as the numbers of its events, latest first."""
        kind, parts = self._composite.kind, range(len(self._composite.parts))
        size = self._composite.times if kind == "repeated" else len(parts)
        near = [
            one
            for one in self._unused
            if one[1] >= new[1] - self._within and self._same(one[2], new[2])
        ]
        for others in combinations(near, size - 1):
            events = [*others, new]
            orders = {
                "sequence": [tuple(parts)],
                "all_of": permutations(parts),
                "repeated": [(0,) * size],
            }[kind]
            for order in orders:
                if all(self._is(one[2], part) for one, part in zip(events, order, strict=True)):
                    yield tuple(sorted((one[0] for one in events), reverse=True))
                    break

    def _same(self, one: Heard, other: Heard) -> bool:
        return not self._composite.by or one.data["k"] == other.data["k"]

    def _is(self, event: Heard, part: int) -> bool:
        pattern = self._composite.parts[part].pattern
        return pattern in ("t.*", event.name)


_names = st.sampled_from(["t.a", "t.b", "t.c", "t.d"])
_patterns = st.sampled_from(["t.a", "t.b", "t.c", "t.*"])
_kinds = st.one_of(
    st.lists(_patterns, min_size=2, max_size=4).map(lambda parts: {"sequence": parts}),
    st.lists(_patterns, min_size=2, max_size=4).map(lambda parts: {"all_of": parts}),
    st.tuples(_patterns, st.integers(2, 4)).map(lambda two: {"repeated": two[0], "times": two[1]}),
    st.tuples(_patterns, _patterns).map(lambda two: {"after": two[0], "missing": two[1]}),
)
_told = st.lists(st.tuples(_names, st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=24)


@given(kind=_kinds, by=st.sampled_from(["", "data.k"]), told=_told, moved=st.integers(0, 24))
@settings(max_examples=600, deadline=None)
def test_it_finds_what_trying_every_combination_finds_and_goes_on_elsewhere(
    kind: dict[str, Any], by: str, told: list[tuple[str, int, int]], moved: int
) -> None:
    composite = declare("x.y", within=6, by=by, **kind)
    naive, matcher = Naive(composite), Matcher(composite)
    time, expected, found = 0, [], []
    for number, (name, pause, key) in enumerate(told):
        if number == moved:
            stored = msgspec.json.encode(matcher.unfinished())
            matcher = Matcher(composite, msgspec.json.decode(stored, type=Unfinished))
        time += pause * SECOND
        event = happened(name, number, k=key)
        expected += naive.feed(number, event, time)
        found += ids(matcher.feed(event, time))
    expected += naive.advance(time + 7 * SECOND)
    found += ids(matcher.advance(time + 7 * SECOND))
    assert found == [[f"e{number}" for number in one] for one in expected]
    assert len(matcher) == 0


# --- declarations and patterns --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "it has none of the ways"),
        ({"sequence": ["a.b", "c.d"], "all_of": ["a.b", "c.d"]}, "it has sequence and all_of"),
        ({"sequence": ["a.b"]}, "sequence has one part"),
        ({"all_of": "a.b"}, "all_of has one part"),
        ({"sequence": ["a.b"] * 17}, "sequence has 17 parts"),
        ({"repeated": "a.b"}, "times is 0"),
        ({"repeated": "a.b", "times": 1}, "times is 1"),
        ({"sequence": ["a.b", "c.d"], "times": 3}, "times is 3"),
        ({"after": "a.b"}, "after and missing belong together"),
        ({"after": "a.b", "missing": "c.d", "within": 0}, "within is 0"),
        ({"after": "a.b", "missing": "c.d", "limit": 0}, "limit is 0"),
        ({"after": "a.b", "missing": "c.d", "limit": 5000}, "limit is 5000"),
        ({"after": "a.b", "missing": "c.d", "within": "soon"}, "duration 'soon'"),
    ],
)
def test_a_contradicting_declaration_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        declare("x.y", **{"within": "5m", **options})


def test_names_patterns_conditions_and_fields_are_checked() -> None:
    parts = ["a.b", "c.d"]
    with pytest.raises(BadConfig, match=r"not entity\.verb"):
        declare("alone", sequence=parts, within=1)
    with pytest.raises(BadName):
        declare("x.y.z", sequence=parts, within=1)
    with pytest.raises(BadName):
        declare("x.y", sequence=["a b", "c.d"], within=1)
    with pytest.raises(BadPayload, match="column"):
        declare("x.y", sequence=[("a.b", "data.n >"), "c.d"], within=1)
    with pytest.raises(BadPayload, match="name of a field"):
        declare("x.y", sequence=parts, within=1, by="1 == 1")


def test_a_changed_declaration_has_another_fingerprint() -> None:
    one = declare("x.y", sequence=["a.b", "c.d"], within=1)
    assert one.fingerprint() == declare("x.y", sequence=["a.b", "c.d"], within="1s").fingerprint()
    assert one.fingerprint() != declare("x.y", all_of=["a.b", "c.d"], within=1).fingerprint()


_tokens = st.tuples(*[st.sampled_from(["a", "b", "*"])] * 4)
_plain = st.tuples(*[st.sampled_from(["a", "b", "c"])] * 4)


@given(patterns=st.lists(_tokens, min_size=1, max_size=5), event=_plain)
def test_the_subjects_that_are_followed_cover_every_pattern_once(
    patterns: list[tuple[str, ...]], event: tuple[str, ...]
) -> None:
    covers = covering(patterns)
    times = sum(fits(one, event) for one in covers)
    assert times <= 1
    if any(fits(one, event) for one in patterns):
        assert times == 1


@pytest.mark.parametrize(
    ("pattern", "tokens"),
    [
        ("", ("*",) * 4),
        (">", ("*",) * 4),
        ("task", ("task", "*", "*", "*")),
        ("task.>", ("task", "*", "*", "*")),
        ("task.failed.*", ("task", "failed", "*", "*")),
        ("a.b.c.d", ("a", "b", "c", "d")),
    ],
)
def test_a_pattern_leaves_open_what_it_does_not_say(pattern: str, tokens: tuple[str, ...]) -> None:
    assert pattern_tokens(pattern) == tokens
    assert len(event_subjects("x", ".".join(tokens))) == 2
