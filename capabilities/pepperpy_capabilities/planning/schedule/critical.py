"""The critical path: from the last task back to what it waited for, and so on to the beginning."""

from collections.abc import Sequence

from pepperpy_capabilities.planning.schedule.model import Placed
from pepperpy_capabilities.planning.schedule.shop import Shop
from pepperpy_capabilities.planning.schedule.windows import opens_at
from pepperpy_schemas.resource_plans import CriticalStep


def critical_path(shop: Shop, placed: Sequence[Placed]) -> tuple[list[CriticalStep], set[int]]:
    """Returns the steps of the critical path of a tightened schedule, and their numbers."""
    steps: list[CriticalStep] = []
    seen: set[int] = set()
    number: int | None = max(range(len(placed)), key=lambda n: (placed[n].end, placed[n].start))
    while number is not None and number not in seen:
        seen.add(number)
        reason, before = _reason(shop, placed, number, seen)
        steps.append(CriticalStep(shop.items[number].name, reason))
        number = before
    return steps[::-1], seen


def _reason(
    shop: Shop, placed: Sequence[Placed], number: int, seen: set[int]
) -> tuple[str, int | None]:
    """Why a task does not begin earlier, and the task that this is about, if any."""
    one = placed[number]
    earlier = [
        before
        for condition in shop.conditions
        for before, after in condition.orders
        if after == number and before not in seen
    ]
    for before in earlier:
        if placed[before].end == one.start:
            return f"{shop.items[before].name} to be done", before
    if not one.start:
        return "nothing: it begins at once", None
    sharing = [
        (other, name)
        for other in range(len(placed))
        for name in one.mode
        if other not in seen and name in placed[other].mode and shop.items[other].duration
    ]
    for other, name in sharing:
        if placed[other].end == one.start:
            return f"{name}, which {shop.items[other].name} has", other
    releases = [condition.releases.get(number, -1) for condition in shop.conditions]
    if one.start in releases:
        return f"its release at {one.start}", None
    last = max(
        (n for n in (*earlier, *(other for other, _ in sharing)) if placed[n].end <= one.start),
        key=lambda n: placed[n].end,
        default=None,
    )
    opening = [
        name
        for name in one.mode
        if name in shop.windows and opens_at(shop.windows[name], one.start)
    ]
    closed = f"{' and '.join(opening)} to open" if opening else "its resources"
    if last is None:
        return closed, None
    return f"{closed}, after {shop.items[last].name}", last
