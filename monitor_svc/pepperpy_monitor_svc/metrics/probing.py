"""Whether the services work: each is asked for something small, as its callers ask it."""

from typing import Any, Final, Literal, TypeVar

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.services.asking import place_of
from pepperpy_bus.services.calls import call, is_unheard
from pepperpy_bus.trust.principals import principal_of
from pepperpy_schemas.catalog.memory import MEMORY_GET
from pepperpy_schemas.catalog.provider import PROVIDER_STATUS
from pepperpy_schemas.errors import PepperError, PermissionDenied
from pepperpy_schemas.memory_requests import Entries, GetRequest
from pepperpy_schemas.monitor import Status
from pepperpy_schemas.provider import ProviderStatus, TargetStatus, TenantRequest
from pepperpy_schemas.subjects import Subject

T = TypeVar("T")

PATIENCE: Final = 5.0
"""Seconds until an answer that has not come counts as none."""
_NOBODY: Final = "pepperpy-health"
"""An entry of the memory that nobody has: to look for it takes the way to the database and back."""

Probed = Literal["provider", "memory"]


class Found(msgspec.Struct, frozen=True):
    """How a service answered.

    Attributes:
        status: How it is; ``unknown`` when nobody offers it.
        reason: Why.
    """

    status: Status = "unknown"
    reason: str = "nobody offers it"


class Probes:
    """Asks the services.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.

    Attributes:
        found: How each answered last.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self.found: dict[Probed, Found] = {}

    async def look(self) -> None:
        """Asks each of them."""
        self.found["provider"] = await self._provider()
        self.found["memory"] = await self._memory()

    async def _provider(self) -> Found:
        try:
            status = await self._ask(PROVIDER_STATUS, TenantRequest(), ProviderStatus)
        except PepperError as error:
            return _refused(error)
        return _targets(status.targets)

    async def _memory(self) -> Found:
        try:
            await self._ask(MEMORY_GET, GetRequest(ids=[_NOBODY], touch=False), Entries)
        except PermissionDenied:
            # Its declaration keeps the monitor out: an answer, too.
            return Found("ok", "")
        except PepperError as error:
            return _refused(error)
        return Found("ok", "")

    async def _ask(self, subject: Subject[Any], request: object, reply: type[T]) -> T:
        principal = principal_of(self._connection.options.inbox_prefix)
        return await call(
            self._connection,
            self._prefix,
            *place_of(subject),
            request,
            principal=principal,
            type=reply,
            timeout=PATIENCE,
        )


def _refused(error: PepperError) -> Found:
    return Found() if is_unheard(error) else Found("down", str(error))


def _targets(targets: list[TargetStatus]) -> Found:
    """Models that answer with at least one key are well; the others are named."""
    well = {one.target for one in targets if one.breaker != "open"}
    ill = {one.target: one.reason for one in targets if one.target not in well}
    if not ill:
        return Found("ok", "")
    told = ", ".join(f"{target} ({reason})" for target, reason in sorted(ill.items()))
    return Found("degraded" if well else "down", f"let through nothing: {told}")
