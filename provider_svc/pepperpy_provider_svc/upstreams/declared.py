"""The upstreams of a whole declaration."""

from collections.abc import Mapping
from functools import partial

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.declared.keys import Keys
from pepperpy_provider_svc.declared.models import Declaration, Provider
from pepperpy_provider_svc.upstreams.cassette import Source
from pepperpy_provider_svc.upstreams.lent import Lent
from pepperpy_provider_svc.upstreams.making import make_upstream


def make_upstreams(
    declaration: Declaration, keys: Keys, known: Mapping[str, Lent]
) -> dict[str, Lent]:
    """Returns an upstream for every provider; whoever gets it closes it.

    Args:
        declaration: The providers.
        keys: Their keys, for those that are recorded.
        known: Upstreams that are there already, and used on.

    Raises:
        BadConfig: A library is not installed, or a file cannot be read.
    """
    made = dict(known)
    recorders: dict[str, Provider] = {}
    for name, provider in declaration.providers.items():
        if provider.record:
            recorders[name] = provider
        elif name not in made:
            made[name] = Lent(partial(make_upstream, name, provider))
    for name, provider in recorders.items():
        if name not in made:
            source = _source(provider.record or "", made, keys)
            made[name] = Lent(partial(make_upstream, name, provider, source=source))
    return made


def _source(target: str, made: Mapping[str, Lent], keys: Keys) -> Source:
    provider, _, model = target.partition("/")
    return Source(made[provider], model, partial(_first, keys, provider))


def _first(keys: Keys, provider: str) -> Secret:
    return keys.of(provider)[0].secret
