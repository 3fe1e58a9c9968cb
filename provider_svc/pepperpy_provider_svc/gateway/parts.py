"""What every request is answered with."""

from collections.abc import Callable

import msgspec

from pepperpy_bus.events import Emitter
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_provider_svc.cache.answers import Answers
from pepperpy_provider_svc.cache.in_flight import InFlight
from pepperpy_provider_svc.cache.similar import Similar
from pepperpy_provider_svc.declared.keys import Keys
from pepperpy_provider_svc.declared.models import Declaration
from pepperpy_provider_svc.guards.redaction import Redaction
from pepperpy_provider_svc.limits.rates import Rates
from pepperpy_provider_svc.limits.tenants import Tenants
from pepperpy_provider_svc.money.counters import UsageCounters
from pepperpy_provider_svc.money.prices import Prices
from pepperpy_provider_svc.routing.router import Router


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a gateway; those that a new declaration changes are replaced together.

    Attributes:
        declaration: What is offered.
        keys: The keys of providers.
        router: Asks providers.
        rates: How much of the keys' limits is used.
        tenants: Who may ask, and how much.
        prices: What it costs.
        counters: What was used.
        answers: Stored answers.
        similar: Which of them answer similar questions.
        in_flight: Answers that several wait for.
        redaction: What is hidden from logs and events.
        blobs: Pictures by reference.
        emitter: Tells what happened.
        clock: Monotonic seconds.
    """

    declaration: Declaration
    keys: Keys
    router: Router
    rates: Rates
    tenants: Tenants
    prices: Prices
    counters: UsageCounters
    answers: Answers
    similar: Similar
    in_flight: InFlight
    redaction: Redaction
    blobs: Blobs
    emitter: Emitter
    clock: Callable[[], float]
