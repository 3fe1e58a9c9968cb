"""The check of the models: whether somebody serves them, and which targets are left alone."""

from typing import Final

from pepperpy.diagnosis.finding import Finding
from pepperpy_bus.config import Settings
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.registry import Registry
from pepperpy_bus.services.asking import place_of
from pepperpy_bus.services.calls import call, is_unheard
from pepperpy_bus.trust.principals import principal_of
from pepperpy_schemas.catalog.provider import PROVIDER_STATUS
from pepperpy_schemas.errors import Overloaded, Unavailable
from pepperpy_schemas.provider import ProviderStatus, TenantRequest

_RUN: Final = "pepperpy provider run"
_TIMEOUT: Final = 5.0


async def check_models(connection: Connection, settings: Settings) -> Finding:
    """Says whether models can be asked; a deployment that has none is well, too."""
    try:
        found = await _status(connection, settings.bus.prefix)
    except Overloaded as error:
        return Finding("models", "warn", error.message, f"start more replicas: {_RUN}")
    except Unavailable as error:
        if not is_unheard(error):
            raise
        return Finding("models", "ok", f"nobody serves any; to have some: {_RUN}", _RUN)
    replicas = len(await Registry(connection, settings.bus.prefix).instances(agent="provider"))
    message = f"{_counted(replicas, 'replica')}, {_counted(len(_targets(found)), 'target')}"
    if alone := _left_alone(found):
        fix = "see why, and until when: pepperpy provider status"
        return Finding("models", "warn", f"{message}; left alone: {', '.join(alone)}", fix)
    return Finding("models", "ok", message)


async def _status(connection: Connection, prefix: str) -> ProviderStatus:
    principal = principal_of(connection.options.inbox_prefix)
    return await call(
        connection,
        prefix,
        *place_of(PROVIDER_STATUS),
        TenantRequest(),
        principal=principal,
        type=ProviderStatus,
        timeout=_TIMEOUT,
    )


def _targets(found: ProviderStatus) -> list[str]:
    return list(dict.fromkeys(one.target for one in found.targets))


def _left_alone(found: ProviderStatus) -> list[str]:
    """The targets that no key can be used for now, with the reason."""
    reasons = {one.target: one.reason for one in found.targets if one.breaker == "open"}
    usable = {one.target for one in found.targets if one.breaker != "open"}
    return [f"{name} ({reason})" for name, reason in reasons.items() if name not in usable]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
