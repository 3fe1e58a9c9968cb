"""What there is, and how it is."""

from typing import Final

from pepperpy_bus.services.service import Call
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.money.counters import tenant_label
from pepperpy_schemas.provider import (
    LimitStatus,
    ModelInfo,
    ModelList,
    ProviderStatus,
    TenantRequest,
)

OVERSEERS: Final = frozenset({"operator", "monitor"})
"""Principals who see the limits and the spending of all tenants, and of the keys."""


async def models(parts: Parts, request: TenantRequest, call: Call) -> ModelList:
    """Returns the models that a caller may ask for: aliases, then the targets behind them.

    Raises:
        PermissionDenied: The caller may not speak for this tenant.
    """
    account = parts.tenants.of(call.principal, request.tenant)
    declared = parts.declaration.models
    aliases = [
        ModelInfo(name=alias, targets=[target.model for target in model.targets])
        for alias, model in declared.items()
    ]
    targets = dict.fromkeys(target.model for model in declared.values() for target in model.targets)
    shown = [*aliases, *(_info(parts, target) for target in targets)]
    return ModelList([one for one in shown if account.allows(one.name)])


async def status(
    parts: Parts, request: TenantRequest, call: Call, *, replica: str, running: int
) -> ProviderStatus:
    """Returns how a replica is; limits and spending are those that the caller may know of.

    Raises:
        PermissionDenied: The caller may not speak for this tenant.
    """
    account = parts.tenants.of(call.principal, request.tenant)
    spend = await parts.counters.spend()
    if call.principal in OVERSEERS or not parts.declaration.tenants:
        limits = await _all_limits(parts)
    else:
        limits = await account.limits()
        spend = [one for one in spend if one.label == tenant_label(account.name)]
    return ProviderStatus(
        replica=replica,
        running=running,
        targets=parts.router.status(_targets(parts)),
        limits=limits,
        spend=spend,
        cache_hits=parts.answers.hits,
        coalesced=parts.in_flight.coalesced,
        similar=parts.similar.figures,
    )


async def _all_limits(parts: Parts) -> list[LimitStatus]:
    limits: list[LimitStatus] = []
    for provider in parts.declaration.providers:
        for key in parts.keys.of(provider):
            limits += await parts.rates.limits(key)
    for account in parts.tenants.accounts():
        limits += await account.limits()
    return limits


def _targets(parts: Parts) -> list[str]:
    models = parts.declaration.models.values()
    return list(dict.fromkeys(target.model for model in models for target in model.targets))


def _info(parts: Parts, target: str) -> ModelInfo:
    known = parts.prices.known(target)
    return ModelInfo(
        name=target,
        context_window=known.context_window if known else None,
        usd_per_million_input=known.usd_per_million_input if known else None,
        usd_per_million_output=known.usd_per_million_output if known else None,
    )
