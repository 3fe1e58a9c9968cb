from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.metrics.names import PROCESS_DURATION
from pepperpy_monitor_svc.metrics.samples import samples_of
from pepperpy_monitor_svc.metrics.totals import Distribution, Totals

LABELS = ("nats", "process", "pp.task.a.{id}", "")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
@settings(max_examples=100)
def test_each_bucket_has_what_is_no_larger_than_its_bound(sizes: list[float]) -> None:
    totals = Totals()
    for size in sizes:
        totals.measure(PROCESS_DURATION, size, *LABELS)
    (family,) = totals.families()
    found = {dict(one.labels).get("le", one.name): one.value for one in samples_of([family])}
    for bound in PROCESS_DURATION.buckets:
        assert found[str(bound)] == sum(size <= bound for size in sizes)
    assert found["+Inf"] == found["messaging_process_duration_seconds_count"] == len(sizes)
    assert abs(found["messaging_process_duration_seconds_sum"] - sum(sizes)) < 1e-6
    (point,) = family.points
    assert isinstance(point.value, Distribution)
    assert (point.value.least, point.value.most) == (min(sizes), max(sizes))
