"""By when all is done, whatever the schedule: times beyond it need not be looked at.

A schedule in which no task can begin earlier, all others as they are, is never idle for longer than
it takes until the next task fits. So each task adds to the end no more than the longest that it can
take from any moment on, with its wait for what is closed.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from pepperpy_capabilities.planning.schedule.windows import Windows, earliest
from pepperpy_schemas.resource_plans import MAX_TIME

if TYPE_CHECKING:
    from pepperpy_capabilities.planning.schedule.shop import Item, Shop


def one_by_one(shop: "Shop", order: Sequence[int], releases: Sequence[int]) -> int | None:
    """Returns when all is done if nothing is done at the same time.

    This is a schedule where no task has a deadline, so that the shortest one ends no later.

    Args:
        shop: The problem, with its calendars until its horizon.
        order: The tasks, each behind those that it waits for.
        releases: Before when each cannot begin.

    Returns:
        The end; None when a task does not fit before the horizon.
    """
    now = 0
    for number in order:
        item = shop.items[number]
        begin = max(now, releases[number])
        fits = [
            found
            for mode in item.modes
            if _is_enough(shop, mode)
            and (found := earliest(shop.open_for(mode), begin, item.duration, pausing=item.pausing))
        ]
        if not fits:
            return None
        now = min(end for _, end in fits)
    return now if now <= MAX_TIME else None


def at_the_latest(shop: "Shop", releases: Sequence[int], regular: int) -> int | None:
    """Returns by when all is done in every schedule in which no task can begin earlier.

    Args:
        shop: The problem, with its calendars until its horizon.
        releases: Before when each task cannot begin.
        regular: When nothing of the calendars is new any more.

    Returns:
        The end; None when more of the calendars must be known for it.
    """
    if shop.windows and shop.horizon < min(regular, MAX_TIME):
        return None
    known: dict[tuple[Windows | None, int, bool], int | None] = {}

    def of(item: "Item", windows: Windows | None) -> int | None:
        key = windows, item.duration, item.pausing
        if key not in known:
            known[key] = _longest(*key)
        return known[key]

    end = max(releases)
    for item in shop.items:
        found = [of(item, shop.open_for(mode)) for mode in item.modes]
        if None in found and shop.horizon < MAX_TIME:
            return None
        # It may fit where one of the calendars does not count.
        found += [of(item, shop.open_for({name: 1})) for mode in item.modes for name in mode]
        longest = [one for one in found if one is not None]
        if not longest:
            return None
        end += max(item.duration, *longest)
    if shop.windows and 2 * end > shop.horizon and shop.horizon < MAX_TIME:
        return None
    return min(end, MAX_TIME)


def _is_enough(shop: "Shop", mode: Mapping[str, int]) -> bool:
    return all(amount <= shop.capacities[name] for name, amount in mode.items())


def _longest(windows: Windows | None, duration: int, pausing: bool) -> int | None:
    """Returns the most time from any moment to the end of a task that is begun as soon as it fits.

    Returns:
        The time; None when it never fits.
    """
    if windows is None or not duration:
        return duration
    return _resting(windows, duration) if pausing else _in_one_go(windows, duration)


def _in_one_go(windows: Windows, duration: int) -> int | None:
    fitting = [(begin, close) for begin, close in windows if close - begin >= duration]
    if not fitting:
        return None
    # The worst moments are the first, and those at which a window has just become too short.
    waits = [after[0] - (before[1] - duration + 1) for before, after in pairwise(fitting)]
    return duration + max([fitting[0][0], *waits])


def _resting(windows: Windows, duration: int) -> int | None:
    """An upper bound: from the end of each window to that of a task begun a window later."""
    totals = list(accumulate((close - begin for begin, close in windows), initial=0))
    if totals[-1] < duration:
        return None
    longest = 0
    for n, moment in enumerate([0, *(close for _, close in windows)]):
        done = min(totals[min(n + 1, len(windows))] + duration, totals[-1])
        last = bisect_left(totals, done) - 1
        end = windows[last][0] + done - totals[last]
        longest = max(longest, end - moment)
    return longest
