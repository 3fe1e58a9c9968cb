"""In which order the targets of a route are asked."""

import math
import random
from collections.abc import Callable
from typing import Final, Protocol

from pepperpy_provider_svc.routing.figures import Figures
from pepperpy_provider_svc.routing.route import Route, RouteTarget
from pepperpy_schemas.chat import Usage

TO_LEARN: Final = 3
"""Calls after which a target that has never answered is no longer tried for its time."""
ANSWER_SHARE: Final = 4
"""Prices are compared for a request whose answer has so many times fewer tokens."""


class Prices(Protocol):
    """What models cost, and how much they read."""

    def usd(self, target: str, usage: Usage) -> float | None:
        """Returns the price of what was used, if it is known."""
        ...

    def context_window(self, target: str) -> int | None:
        """Returns how many tokens a model reads and writes, if it is known."""
        ...


def order(
    route: Route, *, figures: Figures, prices: Prices, tokens: int, chance: random.Random
) -> list[RouteTarget]:
    """Returns the targets of a route in the order in which they are asked.

    Args:
        route: The route; targets of a lower rank come first whatever they cost.
        figures: How the targets do.
        prices: What they cost.
        tokens: Estimated tokens of the request.
        chance: Where chance comes from.
    """
    targets = list(route.targets)
    if len(targets) == 1:
        return targets
    match route.routing:
        case "order":
            return targets
        case "weight":
            return _drawn(targets, chance)
        case "latency":
            return _sorted(targets, lambda target: _slowness(target, figures))
        case "cost":
            usage = Usage(input_tokens=tokens, output_tokens=tokens // ANSWER_SHARE)
            return _sorted(targets, lambda target: _known(prices.usd(target.name, usage)))
        case "least_busy":
            return _sorted(targets, lambda target: figures.running(target.name))


def _sorted(targets: list[RouteTarget], cost: Callable[[RouteTarget], float]) -> list[RouteTarget]:
    return sorted(targets, key=lambda target: (target.rank, cost(target)))


def _known(value: float | None) -> float:
    return math.inf if value is None else value


def _slowness(target: RouteTarget, figures: Figures) -> float:
    """An unknown target comes first, until it has had its chance to become known."""
    seconds = figures.seconds(target.name)
    if seconds is None:
        return -1.0 if figures.calls(target.name) < TO_LEARN else math.inf
    return seconds


def _drawn(targets: list[RouteTarget], chance: random.Random) -> list[RouteTarget]:
    """The first of each rank is drawn, the rest follows by weight."""
    drawn: list[RouteTarget] = []
    for rank in sorted({target.rank for target in targets}):
        rest = [target for target in targets if target.rank == rank]
        first = chance.choices(rest, [target.weight for target in rest])[0]
        rest.remove(first)
        drawn += [first, *sorted(rest, key=lambda target: -target.weight)]
    return drawn
