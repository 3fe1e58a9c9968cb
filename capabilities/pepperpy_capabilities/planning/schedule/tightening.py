"""A schedule drawn together: each task begins as early as those before it let it.

The solver leaves tasks where it found them, if the end does not depend on them. Drawn together, no
task ends later than it did, and each has a reason not to begin earlier: the critical path is made
of these.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from pepperpy_capabilities.planning.schedule.model import Placed
from pepperpy_capabilities.planning.schedule.shop import Shop
from pepperpy_capabilities.planning.schedule.windows import earliest


def tightened(shop: Shop, placed: Sequence[Placed]) -> list[Placed]:
    """Returns the same schedule with each task as early as can be, in the same order."""
    before: dict[int, list[int]] = {}
    release = [0] * len(placed)
    for one in shop.conditions:
        for first, second in one.orders:
            before.setdefault(second, []).append(first)
        for number, time in one.releases.items():
            release[number] = max(release[number], time)
    moved: dict[int, Placed] = {}
    used = {name: _Use() for name in shop.capacities}
    waiting = sorted(range(len(placed)), key=lambda n: (placed[n].start, placed[n].end))
    while waiting:
        # Tasks without a duration may be in any order; one whose turn it is not comes later.
        number = next(n for n in waiting if all(b in moved for b in before.get(n, ())))
        waiting.remove(number)
        free = max([release[number], *(moved[b].end for b in before.get(number, ()))])
        found = moved[number] = _earlier(shop, number, placed[number], free, used)
        for name, amount in found.mode.items() if found.end > found.start else ():
            used[name].add(found.start, found.end, amount)
    return [moved[number] for number in range(len(placed))]


def _earlier(shop: Shop, number: int, was: Placed, free: int, used: Mapping[str, "_Use"]) -> Placed:
    """Tries the time from which on it is free, and then each at which enough is given back."""
    item = shop.items[number]
    windows = shop.open_for(was.mode) if item.duration else None
    time = free
    while True:
        found = earliest(windows, time, item.duration, pausing=item.pausing)
        if found is None or found[0] >= was.start:
            return was
        later = [
            until
            for name, amount in was.mode.items()
            if item.duration
            and (until := used[name].too_much(*found, shop.capacities[name] - amount)) is not None
        ]
        if not later:
            return Placed(*found, was.mode)
        time = max(later)


class _Use:
    """How much of a resource is used over time: the same from each time to the next."""

    def __init__(self) -> None:
        self._times = [0]
        self._amounts = [0]

    def add(self, start: int, end: int, amount: int) -> None:
        """Uses more of it from a time to another."""
        for n in range(self._at(start), self._at(end)):
            self._amounts[n] += amount

    def too_much(self, start: int, end: int, most: int) -> int | None:
        """Returns until when more than so much is used in or after a span; None if never in it."""
        last = bisect_left(self._times, end) - 1
        for n in range(last, bisect_right(self._times, start) - 2, -1):
            if self._amounts[n] > most:
                # Until it is less again: after all tasks nothing is used.
                return next(
                    self._times[at]
                    for at in range(n, len(self._times))
                    if self._amounts[at] <= most
                )
        return None

    def _at(self, time: int) -> int:
        """The place of a time, which gets one."""
        n = bisect_left(self._times, time)
        if n == len(self._times) or self._times[n] != time:
            self._times.insert(n, time)
            self._amounts.insert(n, self._amounts[n - 1])
        return n
