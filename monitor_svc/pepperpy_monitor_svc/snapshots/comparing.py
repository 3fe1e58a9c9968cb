"""How two snapshots differ: every value by its name, in both. Pure.

Values that differ in any two moments stand in no comparison: charts, the buckets of histograms.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from pepperpy_monitor_svc.snapshots.store import row_of
from pepperpy_schemas.monitor import Latency, Windows
from pepperpy_schemas.snapshots import Comparison, Difference, Scalar, SectionName, Snapshot

_OVERVIEW: Final = (
    "waiting",
    "letters",
    "questions",
    "usd",
    "usd_rate",
    "tokens",
    "health",
    "oldest_s",
)
_TOPIC: Final = (
    "waiting",
    "in_hand",
    "redelivered",
    "workers",
    "submitted_rate",
    "ended_rate",
    "error_ratio",
    "letters",
    "oldest_s",
)
_AGENT: Final = (
    "state",
    "reason",
    "version",
    "slots",
    "in_flight",
    "cpu_percent",
    "rss_bytes",
    "loop_lag_ms",
    "shards",
    "done",
    "failed",
)
_ERROR: Final = ("count", "rate")
_ALERT: Final = ("state", "severity", "value", "silence")
_MODEL: Final = (
    "requests",
    "failed",
    "canceled",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "usd",
)
_PERCENTILES: Final = ("p50_ms", "p95_ms", "p99_ms")
_DIGITS: Final = 6

_Place = tuple[SectionName, str]


def compared(a: Snapshot, b: Snapshot) -> Comparison:
    """Returns how two snapshots differ; the earlier one is taken first, however they are given."""
    if b.at < a.at:
        a, b = b, a
    before, after = dict(_values(a)), dict(_values(b))
    places = [*before, *(place for place in after if place not in before)]
    order: dict[SectionName, int] = {}
    for section, _ in places:
        order.setdefault(section, len(order))
    changes = [
        _difference(place, before.get(place), after.get(place))
        for place in sorted(places, key=lambda place: (order[place[0]], place[1]))
        if not _same(before.get(place), after.get(place))
    ]
    return Comparison(
        a=row_of(a),
        b=row_of(b),
        seconds=(b.at - a.at).total_seconds(),
        changes=changes,
        equal=len(places) - len(changes),
    )


def _values(of: Snapshot) -> Iterator[tuple[_Place, Scalar]]:
    """Every value of a snapshot with its place, in the order of the sections."""
    yield from _overview(of)
    for topic in of.topics:
        yield from _fields("topics", topic.topic, topic, _TOPIC)
        yield from _states("topics", f"{topic.topic} states", topic.states)
        yield from _latency("topics", topic.topic, topic.latency.m5)
    for agent in of.agents:
        yield from _fields("agents", f"{agent.agent}/{agent.instance}", agent, _AGENT)
    for error in of.errors:
        name = f"{error.code} {error.message}".strip() or error.fingerprint
        yield from _fields("errors", f"{name} [{error.fingerprint}]", error, _ERROR)
    for alert in of.alerts:
        yield from _fields("alerts", f"{alert.rule}{_labels(alert.labels)}", alert, _ALERT)
    for model in of.models:
        name = "/".join(filter(None, (model.provider, model.model, model.agent, model.tenant)))
        yield from _fields("models", name, model, _MODEL)
    for number in of.metrics:
        if not number.name.endswith("_bucket"):
            yield ("metrics", f"{number.name}{_labels(number.labels)}"), number.value
    for name, value in of.settings.items():
        yield ("settings", name), value
    for name, value in of.versions.items():
        yield ("versions", name), value


def _overview(of: Snapshot) -> Iterator[tuple[_Place, Scalar]]:
    overview = of.overview
    for name in _OVERVIEW:
        yield ("overview", name), _plain(getattr(overview, name))
    yield from _states("overview", "rate", overview.rates)
    yield from _states("overview", "tasks", overview.states)
    yield from _states("overview", "agents", overview.agents)
    yield from _states("overview", "error_ratio", overview.error_ratio)
    yield from _windows("latency", overview.latency)
    yield from _windows("queued", overview.queued)


def _windows(name: str, windows: Windows) -> Iterator[tuple[_Place, Scalar]]:
    for window in ("m1", "m5", "h1"):
        yield from _latency("overview", f"{name} {window}", getattr(windows, window))


def _latency(section: SectionName, name: str, of: Latency) -> Iterator[tuple[_Place, Scalar]]:
    return _fields(section, name, of, _PERCENTILES)


def _fields(
    section: SectionName, name: str, of: Any, fields: Iterable[str]
) -> Iterator[tuple[_Place, Scalar]]:
    for field in fields:
        yield (section, f"{name} {field}"), _plain(getattr(of, field))


def _states(section: SectionName, name: str, of: dict[str, Any]) -> Iterator[tuple[_Place, Scalar]]:
    for state, value in of.items():
        yield (section, f"{name} {state}"), _plain(value)


def _plain(value: Any) -> Scalar:
    return value if isinstance(value, float | int | str | bool | None) else str(value)


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f"{k}={v}" for k, v in sorted(labels.items())) + "}" if labels else ""


def _same(before: Scalar, after: Scalar) -> bool:
    if _is_number(before) and _is_number(after):
        return math.isclose(before, after, rel_tol=1e-9, abs_tol=1e-9)  # type: ignore[arg-type]  # both are numbers
    return before == after


def _difference(place: _Place, before: Scalar, after: Scalar) -> Difference:
    change = Difference(section=place[0], name=place[1], before=before, after=after)
    if not (_is_number(before) and _is_number(after)):
        return change
    old, new = float(before), float(after)  # type: ignore[arg-type]  # both are numbers
    delta = round(new - old, _DIGITS)
    percent = round((new - old) / abs(old) * 100, 1) if old else None
    return msgspec.structs.replace(change, delta=delta, percent=percent)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
