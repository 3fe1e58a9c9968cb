import pytest

from pepperpy_bus import children
from pepperpy_bus.children import BACK_OFF, Crashes


def test_each_crash_in_a_row_keeps_a_child_down_longer_up_to_a_bound() -> None:
    crashes = Crashes()
    assert tuple(crashes.add() for _ in BACK_OFF) == BACK_OFF
    crashes.begin()
    assert crashes.add() == BACK_OFF[-1]


def test_a_child_that_ran_long_enough_has_its_crashes_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crashes = Crashes((1.0, 5.0))
    assert [crashes.add(), crashes.add()] == [1.0, 5.0]
    monkeypatch.setattr(children, "STEADY", -1.0)
    crashes.begin()
    assert crashes.add() == 1.0
