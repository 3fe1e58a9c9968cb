"""One value or more of every metric, as no deployment has them."""

from pepperpy_monitor_svc.metrics.gauges import Reading, families_of
from pepperpy_monitor_svc.metrics.names import METRICS, Kind
from pepperpy_monitor_svc.metrics.totals import Family, Totals


def filled() -> tuple[Totals, list[Family]]:
    """Returns totals and all families, gauges among them; labels hold what is hard to write."""
    totals, readings = Totals(lambda: 1000.0), []
    for metric in METRICS.values():
        words = ('quote " and\nline', "back\\slash", "ünï", "e", "")
        for labels in (words[: len(metric.labels)], ("x",) * len(metric.labels)):
            match metric.kind:
                case Kind.COUNTER:
                    totals.count(metric, *labels, by=2.5)
                case Kind.HISTOGRAM:
                    for size in (0.0, metric.buckets[0], 0.3, metric.buckets[-1] * 2):
                        totals.measure(metric, size, *labels)
                case Kind.GAUGE:
                    readings.append(Reading(metric, labels, 0.5))
    return totals, [*totals.families(), *families_of(readings)]
