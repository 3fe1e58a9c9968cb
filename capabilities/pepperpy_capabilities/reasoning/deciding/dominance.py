"""Which options dominate which, whatever the weights; and the fronts that follow from it."""

from operator import ge

Rows = list[list[float]]


def dominators(rows: Rows) -> list[list[int]]:
    """Returns for each option those that dominate it: nowhere worse, and somewhere better.

    Args:
        rows: Values, more being better.
    """
    # Who dominates comes before in this order, so that only half of the pairs are looked at.
    order = sorted(range(len(rows)), key=lambda n: rows[n], reverse=True)
    found: list[list[int]] = [[] for _ in rows]
    for place, n in enumerate(order):
        row = rows[n]
        found[n] = [m for m in order[:place] if rows[m] != row and _nowhere_worse(rows[m], row)]
    return found


def _nowhere_worse(one: list[float], other: list[float]) -> bool:
    return all(map(ge, one, other))


def fronts(dominated_by: list[list[int]]) -> list[int]:
    """Returns each option's front: 1 where nothing dominates it, else one more than of who does.

    That is non-dominated sorting: front 2 is what nothing dominates when front 1 is taken away.

    Args:
        dominated_by: For each option those that dominate it.
    """
    found = [0] * len(dominated_by)
    # Dominance is transitive: who dominates an option has fewer dominators than it.
    for n in sorted(range(len(found)), key=lambda n: len(dominated_by[n])):
        found[n] = 1 + max((found[m] for m in dominated_by[n]), default=0)
    return found
