"""Why there is no schedule: conditions that exclude each other, none of which could be left out."""

from collections.abc import Callable, Sequence

from pepperpy_capabilities.planning.schedule.model import solve_model
from pepperpy_capabilities.planning.schedule.shop import Condition, Shop

Meets = Callable[[Sequence[Condition]], bool]


def conflict(shop: Shop, *, seed: int, end: float) -> tuple[list[str], bool]:
    """Returns the texts of conditions that exclude each other.

    Returns:
        The texts, and whether it is known that none of them could be left out: when the time was
        over before, some may be needless.
    """
    sure = True

    def meets(conditions: Sequence[Condition]) -> bool:
        nonlocal sure
        status = solve_model(shop, conditions, "none", seed=seed, end=end).status
        sure = sure and status != "unknown"
        return status != "infeasible"

    found = _needed([], shop.conditions, meets, changed=False)
    order = {one.text: place for place, one in enumerate(shop.conditions)}
    return sorted((one.text for one in found), key=order.__getitem__), sure


def _needed(
    given: list[Condition], asked: Sequence[Condition], meets: Meets, *, changed: bool
) -> list[Condition]:
    """Divides and asks (QuickXplain: Junker, 2004)."""
    if changed and not meets(given):
        return []
    if len(asked) <= 1:
        return list(asked)
    half = len(asked) // 2
    first, second = list(asked[:half]), list(asked[half:])
    of_second = _needed(given + first, second, meets, changed=True)
    of_first = _needed(given + of_second, first, meets, changed=bool(of_second))
    return of_first + of_second
