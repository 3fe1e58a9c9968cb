"""The targets that a request may be answered by, as the declaration has them."""

import difflib
from typing import Final

import msgspec

from pepperpy_provider_svc.declared.models import Declaration, Routing, Timeouts
from pepperpy_schemas.errors import UnknownModel

LONGEST_NAME: Final = 200
"""Letters of a model's name; a target that is declared has fewer."""


class RouteTarget(msgspec.Struct, frozen=True):
    """A model of a provider that may answer.

    Attributes:
        provider: The provider's name.
        model: The provider's own name of the model.
        weight: Its share where targets are chosen by weight.
        context_window: Most tokens that it reads and writes; None when it is not declared.
        rank: 0 for a target of the model that was asked for, more for those of its fallbacks.
    """

    provider: str
    model: str
    weight: float = 1.0
    context_window: int | None = None
    rank: int = 0

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


class Route(msgspec.Struct, frozen=True):
    """Who may answer a request.

    Attributes:
        targets: The targets, those of fallbacks last; none of them twice.
        routing: How the first one is chosen among those of the same rank.
        timeouts: How long each may take.
    """

    targets: tuple[RouteTarget, ...]
    routing: Routing = "order"
    timeouts: Timeouts = Timeouts()


def declared_targets(declaration: Declaration) -> frozenset[str]:
    """Returns the targets that a declaration names; a caller may ask for any other name."""
    of_aliases = {one.model for alias in declaration.models.values() for one in alias.targets}
    return frozenset({*of_aliases, *declaration.prices})


def resolve(declaration: Declaration, name: str, fallbacks: list[str]) -> Route:
    """Returns the route of a model.

    Args:
        declaration: What there is.
        name: An alias, or ``provider/model``.
        fallbacks: The same, for when all of its targets fail.

    Raises:
        UnknownModel: One of them is neither an alias nor a model of a known provider.
    """
    for one in (name, *fallbacks):
        if len(one) > LONGEST_NAME:
            raise UnknownModel(f"a model's name has at most {LONGEST_NAME} letters: {one!r:.80}…")
    targets: dict[str, RouteTarget] = {}
    for rank, one in enumerate([name, *fallbacks]):
        for target in _targets(declaration, one, rank):
            targets.setdefault(target.name, target)
    alias = declaration.models.get(name)
    if alias is None:
        return Route(tuple(targets.values()))
    return Route(tuple(targets.values()), alias.routing, alias.timeouts)


def _targets(declaration: Declaration, name: str, rank: int) -> list[RouteTarget]:
    alias = declaration.models.get(name)
    if alias is not None:
        return [
            RouteTarget(*_split(one.model), one.weight, one.context_window, rank)
            for one in alias.targets
        ]
    provider, model = _split(name)
    if not model or provider not in declaration.providers:
        raise _unknown(declaration, name)
    return [RouteTarget(provider, model, rank=rank, context_window=_window(declaration, name))]


def _window(declaration: Declaration, name: str) -> int | None:
    """A model that is asked for directly has the window that an alias declares for it."""
    declared = (one for alias in declaration.models.values() for one in alias.targets)
    return next((one.context_window for one in declared if one.model == name), None)


def _split(name: str) -> tuple[str, str]:
    provider, _, model = name.partition("/")
    return provider, model


def _unknown(declaration: Declaration, name: str) -> UnknownModel:
    targets = {one.model for alias in declaration.models.values() for one in alias.targets}
    known = [*declaration.models, *sorted(targets), *(f"{p}/…" for p in declaration.providers)]
    close = difflib.get_close_matches(name, known, n=3)
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    return UnknownModel(
        f"there is no model {name!r:.160}{meant}", context={"model": name, "close": close}
    )
