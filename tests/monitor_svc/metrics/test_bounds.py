from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.metrics.bounds import LENGTH, SERIES, VALUES, Bound
from pepperpy_monitor_svc.metrics.names import MONITOR_LABELS, OTHER, TASKS_ENDED
from pepperpy_monitor_svc.metrics.totals import Family, Totals


def family(totals: Totals, name: str) -> Family:
    return next(one for one in totals.families() if one.metric.name == name)


def test_a_million_values_of_a_label_are_two_hundred_series_and_one_for_the_others() -> None:
    totals = Totals()
    for number in range(1_000_000):
        totals.count(TASKS_ENDED, f"topic-{number}", "support", "completed", "")
    series = {point.labels[0]: point.value for point in family(totals, TASKS_ENDED.name).points}
    assert len(series) == VALUES + 1
    assert series["topic-0"] == 1
    assert series[OTHER] == 1_000_000 - VALUES
    overflowed = family(totals, MONITOR_LABELS.name).points
    assert [(one.labels, one.value) for one in overflowed] == [(("topic",), 1_000_000 - VALUES)]


def test_labels_that_multiply_are_bounded_together() -> None:
    bound = Bound(("topic", "agent"), lambda _: None)
    seen = {bound.admit((f"t{a}", f"a{b}")) for a in range(VALUES) for b in range(VALUES)}
    assert len(seen) == SERIES + 1
    assert (OTHER, OTHER) in seen
    assert bound.admit(("t0", "a0")) == ("t0", "a0")


def test_a_value_that_was_there_before_the_bound_was_reached_keeps_its_series() -> None:
    bound = Bound(("topic",), lambda _: None)
    for number in range(VALUES * 2):
        bound.admit((f"t{number}",))
    assert bound.admit(("t7",)) == ("t7",)
    assert bound.admit((f"t{VALUES + 7}",)) == (OTHER,)


@given(st.text(st.characters(), max_size=300))
@settings(max_examples=100)
def test_whatever_a_label_says_can_be_sent(value: str) -> None:
    (admitted,) = Bound(("code",), lambda _: None).admit((value,))
    assert len(admitted.encode()) <= LENGTH * 4
    assert Bound(("code",), lambda _: None).admit((admitted,)) == (admitted,)


def test_ten_megabytes_in_a_label_are_cut_off() -> None:
    (admitted,) = Bound(("model",), lambda _: None).admit(("x" * 10_000_000,))
    assert admitted == "x" * LENGTH
