"""A schedule drawn together: each task begins as early as those before it let it.

The solver leaves tasks where it found them, if the end does not depend on them. Drawn together, no
task ends later than it did, and each has a reason not to begin earlier: the critical path is made
of these.
"""

from collections.abc import Sequence

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
    waiting = sorted(range(len(placed)), key=lambda n: (placed[n].start, placed[n].end))
    while waiting:
        # Tasks without a duration may be in any order; one whose turn it is not comes later.
        number = next(n for n in waiting if all(b in moved for b in before.get(n, ())))
        waiting.remove(number)
        free = max([release[number], *(moved[b].end for b in before.get(number, ()))])
        moved[number] = _earlier(shop, number, placed[number], free, list(moved.values()))
    return [moved[number] for number in range(len(placed))]


def _earlier(shop: Shop, number: int, was: Placed, free: int, others: list[Placed]) -> Placed:
    """Tries each time at which something changes: its resources are given back then."""
    item = shop.items[number]
    windows = shop.open_for(was.mode) if item.duration else None
    sharing = [one for one in others if one.end > one.start and one.mode.keys() & was.mode.keys()]
    for time in sorted({free, *(one.end for one in sharing if one.end > free)}):
        found = earliest(windows, time, item.duration, pausing=item.pausing)
        if found is None or found[0] > was.start:
            break
        if _fits(shop, Placed(*found, was.mode), sharing):
            return Placed(*found, was.mode)
    return was


def _fits(shop: Shop, one: Placed, others: Sequence[Placed]) -> bool:
    """Whether there is enough of everything, at its begin and whenever another begins in it."""
    if one.start == one.end:
        return True
    meanwhile = [other for other in others if other.start < one.end and one.start < other.end]
    moments = {max(one.start, other.start) for other in meanwhile}
    return all(
        amount
        + sum(other.mode.get(name, 0) for other in meanwhile if other.start <= moment < other.end)
        <= shop.capacities[name]
        for name, amount in one.mode.items()
        for moment in moments
    )
