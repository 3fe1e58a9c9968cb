"""The evaluator against one that is written as simply as can be, and remembers everything."""

import math
from collections.abc import Sequence
from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given, settings

from pepperpy_monitor_svc.alerts.evaluator import Evaluator
from pepperpy_monitor_svc.alerts.history import History, change, quantile
from pepperpy_monitor_svc.alerts.labels import Matching, Pattern
from pepperpy_monitor_svc.alerts.reading import read_text
from pepperpy_monitor_svc.alerts.series import Series
from pepperpy_monitor_svc.metrics.samples import Sample

METRIC = "pepperpy_tasks_retried_total"
APART = 5

values = st.one_of(st.none(), st.integers(0, 12).map(float), st.just(math.nan))
columns = st.lists(values, min_size=1, max_size=30)


def naive(
    series: Sequence[Sequence[float | None]],
    *,
    above: float,
    resolve: float | None,
    hold: float,
    keep: float,
) -> list[bool]:
    """Whether one alert over the sum of all series fires at each step."""
    firing, since, ending = False, None, None
    found = []
    for n in range(max(map(len, series))):
        at = n * APART
        there = [one[n] for one in series if n < len(one) and one[n] is not None]
        value = sum(v for v in there if v is not None) if there else None
        holds = value is not None and value > above
        if firing and resolve is not None and value is not None and value > resolve:
            holds = True
        if holds:
            since = at if since is None else since
            firing, ending = firing or at - since >= hold, None
        elif firing:
            ending = at if ending is None else ending
            if at - ending >= keep:
                firing, since, ending = False, None, None
        else:
            since = None
        found.append(firing)
    return found


@settings(max_examples=150, deadline=None)
@given(
    series=st.lists(columns, min_size=1, max_size=4),
    above=st.integers(0, 12),
    below=st.one_of(st.none(), st.integers(1, 6)),
    hold=st.integers(0, 4),
    keep=st.integers(0, 4),
)
def test_an_alert_fires_when_the_simplest_evaluator_says_so(
    series: list[list[float | None]], above: int, below: int | None, hold: int, keep: int
) -> None:
    resolve = None if below is None else above - below
    keys = f"above: {above}, for: {hold * APART}s, keep_firing_for: {keep * APART}s"
    keys += "" if resolve is None else f", resolve: {resolve}"
    ready = read_text(f"rules: [{{name: A, kind: threshold, metric: {METRIC}, {keys}}}]")
    evaluator = Evaluator(ready.rules.values(), interval=APART)
    found = []
    for n in range(max(map(len, series))):
        now = [
            Sample(METRIC, (("topic", str(k)),), value)
            for k, one in enumerate(series)
            if n < len(one) and (value := one[n]) is not None
        ]
        evaluator.evaluate(now, float(n * APART))
        found.append(any(one.state == "firing" for one in evaluator.alerts.values()))
    assert found == naive(
        series, above=above, resolve=resolve, hold=hold * APART, keep=keep * APART
    )


def naive_increase(points: list[tuple[float, float]], begin: float, end: float) -> float | None:
    inside = [(t, v) for t, v in points if begin <= t <= end]
    if len(inside) < 2:
        return None
    grown = 0.0
    for (_, a), (_, b) in pairwise(inside):
        grown += b - a if b >= a else b
    return grown


@settings(max_examples=200, deadline=None)
@given(
    counts=st.lists(st.one_of(st.none(), st.integers(0, 50).map(float)), min_size=1, max_size=60),
    window=st.integers(2, 30),
)
def test_an_increase_is_what_was_added_carried_on_to_the_borders_of_the_window(
    counts: list[float | None], window: int
) -> None:
    history = History({METRIC: window * APART}, interval=APART)
    points: list[tuple[float, float]] = []
    for n, count in enumerate(counts):
        now = [] if count is None else [Sample(METRIC, (), count)]
        points += [] if count is None else [(float(n * APART), count)]
        history.add(now, float(n * APART))
    end = float((len(counts) - 1) * APART)
    begin = end - window * APART
    wanted = naive_increase(points, begin, end)
    found = [change(*p.since(begin), begin, end, counter=True) for _, p in history.series(METRIC)]
    if wanted is None:
        assert found in ([], [None])
        return
    (increase,) = found
    inside = [t for t, _ in points if begin <= t <= end]
    spanned = inside[-1] - inside[0]
    most = spanned + 2.2 * spanned / (len(inside) - 1)
    assert increase is not None
    assert wanted * 0.999 <= increase <= wanted * most / spanned * 1.001


@settings(max_examples=100, deadline=None)
@given(
    measured=st.lists(st.integers(1, 99), min_size=1, max_size=200),
    share=st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_the_bucket_of_the_value_that_it_stands_for(
    measured: list[int], share: float
) -> None:
    bounds = [*range(10, 101, 10)]
    buckets = [(float(b), float(sum(v <= b for v in measured))) for b in bounds]
    buckets.append((math.inf, float(len(measured))))
    found = quantile(share, buckets)
    rank = share * len(measured)
    upper = next(b for b, count in buckets if count >= rank)
    assert upper - 10 <= found <= upper


@settings(max_examples=300, deadline=None)
@given(
    text=st.text("ab*", max_size=8),
    value=st.text("abc", max_size=10),
)
def test_a_text_with_stars_fits_what_the_simplest_comparison_says(text: str, value: str) -> None:
    def fits(pattern: str, rest: str) -> bool:
        if not pattern:
            return not rest
        if pattern[0] == "*":
            return any(fits(pattern[1:], rest[n:]) for n in range(len(rest) + 1))
        return bool(rest) and rest[0] == pattern[0] and fits(pattern[1:], rest[1:])

    assert Pattern((text,)).fits(value) == fits(text, value)


def test_many_stars_take_no_longer_than_the_value_is() -> None:
    pattern = Pattern(("*a" * 500 + "b",))
    assert not pattern.fits("a" * 100_000)


def test_a_series_is_written_with_what_its_labels_must_be() -> None:
    where = Matching({"a": Pattern(("x.y*", "z")), "b": Pattern(('q"',), negated=True)})
    assert Series("m", where).promql() == 'm{a=~"x\\\\.y.*|z", b!="q\\""}'
