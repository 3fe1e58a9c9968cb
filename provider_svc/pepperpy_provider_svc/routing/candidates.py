"""Who can still be asked on one request's way."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

from pepperpy_provider_svc.declared.keys import HeldKey
from pepperpy_provider_svc.routing.breakers import Breakers
from pepperpy_provider_svc.routing.choice import Prices
from pepperpy_provider_svc.routing.route import RouteTarget

Pair: TypeAlias = tuple[str, str]
"""The names of a target and of a key."""


class Keys(Protocol):
    """The keys of providers."""

    def of(self, provider: str) -> Sequence[HeldKey]:
        """Returns the keys of a provider, in the order in which they are used."""
        ...


class Candidates:
    """The targets that are left, with their keys.

    Args:
        targets: The targets in the order in which they are asked.
        keys: The keys.
        breakers: The breakers.
        prices: What is known of models.
        tokens: Estimated tokens of the request.
    """

    def __init__(
        self,
        targets: list[RouteTarget],
        *,
        keys: Keys,
        breakers: Breakers,
        prices: Prices,
        tokens: int,
    ) -> None:
        self._targets = targets
        self._keys = keys
        self._breakers = breakers
        self._prices = prices
        self._tokens = tokens
        self._left_out: set[str] = set()
        self._refused: set[Pair] = set()
        self._window = 0

    def leave_out(self, target: RouteTarget) -> None:
        """A target is not asked again."""
        self._left_out.add(target.name)

    def refuse(self, pair: Pair) -> None:
        """A target is not asked again with this key."""
        self._refused.add(pair)

    def outgrow(self, target: RouteTarget) -> None:
        """Only targets that read more than this one are asked from now on."""
        self._window = self._beyond(target)

    def __iter__(self) -> Iterator[tuple[RouteTarget, HeldKey]]:
        """Those that are left, in their order."""
        for target in self._targets:
            if target.name in self._left_out:
                continue
            if self._window and self._window_of(target) <= self._window:
                continue
            for key in self._keys.of(target.provider):
                if (target.name, key.name) not in self._refused:
                    yield target, key

    def all(self) -> Iterator[Pair]:
        """Everyone, in their order, whether they are left or not."""
        for target in self._targets:
            for key in self._keys.of(target.provider):
                yield target.name, key.name

    def admitted(self) -> Iterator[tuple[RouteTarget, HeldKey]]:
        """Those that are left and whose breakers let a call through."""
        for target, key in self:
            if self._breakers.wait(target.name, key.name) <= 0:
                yield target, key

    def has_other_key(self, target: RouteTarget, key: HeldKey) -> bool:
        """Whether a target could be asked with another key."""
        return any(one == target and held.name != key.name for one, held in self.admitted())

    def has_other(self, target: RouteTarget) -> bool:
        """Whether another target could be asked."""
        return any(one.name != target.name for one, _ in self.admitted())

    def has_larger(self, target: RouteTarget) -> bool:
        """Whether a target could be asked that reads more."""
        beyond = self._beyond(target)
        return any(self._window_of(one) > beyond for one, _ in self.admitted())

    def _beyond(self, target: RouteTarget) -> int:
        """What was too long for a window that nobody knows has at least its estimated tokens."""
        return max(self._window, self._window_of(target) or self._tokens)

    def _window_of(self, target: RouteTarget) -> int:
        """A window that nobody knows is larger than none."""
        if target.context_window is not None:
            return target.context_window
        return self._prices.context_window(target.name) or 0
