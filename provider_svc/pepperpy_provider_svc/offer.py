"""What the service offers now: its parts, made of the declaration, and made anew with it."""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, TypeAlias

from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log, hiding
from pepperpy_bus.state.batches import BatchedCells
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_provider_svc.cache.answers import Answers
from pepperpy_provider_svc.cache.in_flight import InFlight
from pepperpy_provider_svc.cache.similar import Similar
from pepperpy_provider_svc.declared.keys import Keys
from pepperpy_provider_svc.declared.models import Declaration, Provider
from pepperpy_provider_svc.declared.reading import read_declaration
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.guards.redaction import Redaction
from pepperpy_provider_svc.limits.rates import Rates
from pepperpy_provider_svc.limits.tenants import Tenants
from pepperpy_provider_svc.money.counters import UsageCounters
from pepperpy_provider_svc.money.prices import Prices
from pepperpy_provider_svc.routing.breakers import Breakers
from pepperpy_provider_svc.routing.route import declared_targets
from pepperpy_provider_svc.routing.router import Router
from pepperpy_provider_svc.upstreams.declared import make_upstreams
from pepperpy_provider_svc.upstreams.lent import Lent

log = get_log("pepperpy.provider")

Make: TypeAlias = Callable[[Declaration, Keys, Mapping[str, Lent]], dict[str, Lent]]
"""Makes the upstreams of a declaration; see `make_upstreams`."""


class Offer:
    """The parts in force, while its context is open.

    Args:
        client: The connected client.
        path: The declaration's file; without one the environment decides.
        environ: The environment, where keys are.
        make: Makes the upstreams of a declaration, with those that are known already.

    Attributes:
        parts: The parts in force.
    """

    parts: Parts

    def __init__(
        self,
        client: Client,
        path: Path | None,
        environ: Mapping[str, str],
        *,
        make: Make = make_upstreams,
    ) -> None:
        self._client = client
        self._path = path
        self._environ = environ
        self._make = make
        self._stack = contextlib.AsyncExitStack()
        self._upstreams: dict[str, tuple[Provider, Lent]] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def reload(self) -> None:
        """Reads the declaration and every key again; requests that run end with the old ones.

        Providers that have changed, or are gone, are closed with their last call.

        Raises:
            BadConfig: Something is wrong in it; everything stays as it was.
        """
        declaration = self._read()
        old = self.parts
        tenants = Tenants(declaration.tenants, self._cells, self._clock)
        keys = Keys(declaration, self._environ)
        redaction = Redaction(declaration.guards.redact, keys.secrets)
        self.parts = await self._parts(declaration, keys, tenants, redaction)
        log.info(
            "provider.reloaded",
            models=sorted(declaration.models),
            before=sorted(old.declaration.models),
        )

    def hide(self, text: str) -> str:
        """Returns a text as it may be shown by the declaration in force."""
        return self.parts.redaction.hide(text)

    # --- making ---------------------------------------------------------------------------------

    async def _open(self) -> None:
        declaration = self._read()
        keys = Keys(declaration, self._environ)
        connection, prefix = self._client.connection, self._client.prefix
        enter = self._stack.enter_async_context
        self._cells = await enter(BatchedCells(connection, prefix, bucket="provider"))
        self._clock = ServerClock(connection, prefix)
        await self._clock.fresh()
        self._breakers = await enter(Breakers(self._cells, self._clock))
        self._counters = await enter(UsageCounters(connection, prefix))
        self._emitter = await enter(Emitter(connection, prefix))
        self._in_flight = await enter(InFlight())
        self._answers = Answers(connection, prefix)
        self._similar = await enter(Similar(connection, prefix, self._answers))
        tenants = Tenants(declaration.tenants, self._cells, self._clock)
        redaction = Redaction(declaration.guards.redact, keys.secrets)
        self.parts = await self._parts(declaration, keys, tenants, redaction)
        self._stack.enter_context(hiding(self.hide))

    def _read(self) -> Declaration:
        return read_declaration(self._path, self._environ)

    async def _parts(
        self, declaration: Declaration, keys: Keys, tenants: Tenants, redaction: Redaction
    ) -> Parts:
        rates = Rates(self._cells, self._clock)
        prices = Prices(declaration.prices, declaration.providers)
        upstreams = self._upstreams_of(declaration, keys)
        # Routers are left open to the end: requests that run still use the old one.
        router = await self._stack.enter_async_context(
            Router(
                upstreams,
                keys,
                self._breakers,
                rates,
                prices,
                declared=declared_targets(declaration),
            )
        )
        return Parts(
            declaration=declaration,
            keys=keys,
            router=router,
            rates=rates,
            tenants=tenants,
            prices=prices,
            counters=self._counters,
            answers=self._answers,
            similar=self._similar,
            in_flight=self._in_flight,
            redaction=redaction,
            blobs=Blobs(self._client.connection, self._client.prefix),
            emitter=self._emitter,
            clock=time.monotonic,
        )

    def _upstreams_of(self, declaration: Declaration, keys: Keys) -> dict[str, Lent]:
        """The providers, those that have not changed with the connections that they have."""
        known = {
            name: upstream
            for name, (declared, upstream) in self._upstreams.items()
            if declaration.providers.get(name) == declared
        }
        made = self._make(declaration, keys, known)
        for name, upstream in made.items():
            if name not in known:
                self._stack.push_async_callback(upstream.close)
        for name, (_, upstream) in self._upstreams.items():
            if name not in known:
                upstream.retire()
        self._upstreams = {name: (declaration.providers[name], one) for name, one in made.items()}
        return made
