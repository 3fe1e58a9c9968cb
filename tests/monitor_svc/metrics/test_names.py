import re

import pytest
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics, messaging_metrics

from pepperpy_monitor_svc.metrics.names import METRICS, Kind, Metric

ALL = pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))


@ALL
def test_a_metric_is_described_in_a_sentence_and_has_words_as_labels(metric: Metric) -> None:
    assert re.fullmatch(r"[A-Z1].*\.", metric.description)
    assert all(re.fullmatch(r"[a-z][a-z_.]*", label) for label in metric.labels)
    assert len(set(metric.labels)) == len(metric.labels)


@ALL
def test_a_metric_has_a_name_at_prometheus_that_says_its_unit_and_how_it_moves(
    metric: Metric,
) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.prometheus)
    assert metric.prometheus.endswith("_total") == (metric.kind is Kind.COUNTER)
    unit = {"s": "_seconds", "By": "_bytes"}.get(metric.unit, "")
    assert unit in metric.prometheus


@ALL
def test_a_histogram_has_buckets_and_nothing_else_has(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@ALL
def test_names_that_are_not_ours_are_those_of_the_conventions(metric: Metric) -> None:
    known = {**vars(messaging_metrics), **vars(gen_ai_metrics)}.values()
    assert metric.name.startswith("pepperpy.") or metric.name in known


def test_no_two_metrics_have_one_name_at_prometheus() -> None:
    assert len({metric.prometheus for metric in METRICS.values()}) == len(METRICS)
