"""Series over time for tests of rules: the same for our evaluator and for promtool."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from pepperpy_monitor_svc.alerts.evaluator import Evaluator
from pepperpy_monitor_svc.alerts.labels import quoted
from pepperpy_monitor_svc.alerts.prometheus import document
from pepperpy_monitor_svc.alerts.reading import Ready
from pepperpy_monitor_svc.metrics.samples import Sample
from pepperpy_schemas.alerts import Alert
from tests.requirements import missing

Values = Sequence[float | None]


class Line(msgspec.Struct, frozen=True):
    """A series: its metric, its labels, and a value for each step; None where it is not there."""

    metric: str
    labels: dict[str, str]
    values: Values


def line(metric: str, values: Values, **labels: str) -> Line:
    return Line(metric, labels, values)


def at_step(lines: Sequence[Line], n: int) -> list[Sample]:
    """The series that are there at a step."""
    found = []
    for one in lines:
        value = one.values[n] if n < len(one.values) else None
        if value is not None:
            found.append(Sample(one.metric, tuple(sorted(one.labels.items())), value))
    return found


class Seen(msgspec.Struct, frozen=True):
    """An alert that fires: its labels and its texts."""

    labels: dict[str, str]
    annotations: dict[str, str]


def ours(rules: Sequence[Ready], lines: Sequence[Line], steps: int, apart: int) -> list[list[Seen]]:
    """What our evaluator has firing at each step."""
    evaluator = Evaluator(rules, interval=apart)
    found = []
    for n in range(steps):
        evaluator.evaluate(at_step(lines, n), float(n * apart))
        firing = [one for one in evaluator.alerts.values() if one.state == "firing"]
        found.append([_seen(one) for one in firing])
    return found


def _seen(alert: Alert) -> Seen:
    texts = {"summary": alert.summary, "description": alert.description}
    return Seen(alert.labels, {name: text for name, text in texts.items() if text})


def changes(seen: list[list[Seen]], apart: int) -> list[tuple[int, int]]:
    """How many fire from which second on, whenever that changes."""
    found: list[tuple[int, int]] = []
    for n, alerts in enumerate(seen):
        if not found or found[-1][1] != len(alerts):
            found.append((n * apart, len(alerts)))
    return found


def promtool(
    folder: Path,
    rules: Sequence[Ready],
    lines: Sequence[Line],
    seen: list[list[Seen]],
    apart: int,
) -> None:
    """Has Prometheus' own evaluator say the same at every step."""
    program = shutil.which("promtool")
    if program is None:
        missing("promtool is not installed: scripts/install-system-packages")
    (folder / "rules.yml").write_text(document(rules), "utf-8")
    names = sorted(one.rule.name for one in rules)
    checks = [
        {
            "eval_time": f"{n * apart}s",
            "alertname": name,
            "exp_alerts": [
                {"exp_labels": one.labels, "exp_annotations": one.annotations}
                for one in alerts
                if one.labels["alertname"] == name
            ],
        }
        for n, alerts in enumerate(seen)
        for name in names
    ]
    test: dict[str, Any] = {
        "interval": f"{apart}s",
        "input_series": [
            {"series": _series(one), "values": _values(one.values, len(seen))} for one in lines
        ],
        "alert_rule_test": checks,
    }
    whole = {"rule_files": ["rules.yml"], "evaluation_interval": f"{apart}s", "tests": [test]}
    (folder / "tests.yml").write_text(yaml.safe_dump(whole), "utf-8")
    done = subprocess.run(
        [program, "test", "rules", "tests.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:4000] + done.stderr[:4000]


def _series(one: Line) -> str:
    return one.metric + "{" + ",".join(f"{k}={quoted(v)}" for k, v in one.labels.items()) + "}"


def _values(values: Values, steps: int) -> str:
    told = []
    there = False
    for n in range(steps):
        value = values[n] if n < len(values) else None
        told.append(repr(float(value)) if value is not None else "stale" if there else "_")
        there = value is not None
    return " ".join(told)


def steps(*parts: tuple[int, float | Callable[[int], float] | None]) -> list[float | None]:
    """A value for each step: so many steps this value each, or what a function gives for each."""
    found: list[float | None] = []
    for many, value in parts:
        found += [value(n) if callable(value) else value for n in range(many)]
    return found


def climbing(*parts: tuple[int, float], start: float = 0.0) -> list[float | None]:
    """A counter: for so many steps it grows by this each."""
    found: list[float | None] = []
    value = start
    for many, by in parts:
        for _ in range(many):
            found.append(value)
            value += by
    return found
