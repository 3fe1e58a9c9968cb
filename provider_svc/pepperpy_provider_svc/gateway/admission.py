"""Letting a request in: for whom it is, whether they may, and what it may come to."""

import asyncio

import msgspec

from pepperpy_bus.services.service import Call
from pepperpy_provider_svc.cache.answers import may_keep
from pepperpy_provider_svc.cache.digest import digest_of
from pepperpy_provider_svc.cache.likeness import Likeness, likeness_of
from pepperpy_provider_svc.gateway.images import inline_images
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.guards.sizes import refuse_large_request
from pepperpy_provider_svc.guards.structured import refuse_bad_schema
from pepperpy_provider_svc.limits.accounts import TenantAccount
from pepperpy_provider_svc.limits.estimate import ANSWER, answer_tokens, input_tokens
from pepperpy_provider_svc.routing.route import Route, resolve
from pepperpy_schemas.chat import ChatRequest, Usage


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was let in.

    Attributes:
        request: What is asked, with its pictures in it.
        route: Whom it may be asked.
        account: Who pays.
        tokens: Most tokens that it may come to, an estimate.
        usd: What these would cost at the dearest target; None where a price is not known.
        digest: What equal requests have in common; empty when the answer is for this one alone.
        keep: Seconds for which the answer is stored; 0 for not at all.
        likeness: What may be said in other words for the same answer; None for nothing.
        deadline: When the answer must be there, by the loop's clock; None for a stream whose caller
            does not say.
    """

    request: ChatRequest
    route: Route
    account: TenantAccount
    tokens: int
    usd: float | None
    digest: str
    keep: float
    likeness: Likeness | None
    deadline: float | None


async def admit(parts: Parts, request: ChatRequest, call: Call) -> Admitted:
    """Lets a request in.

    Raises:
        PermissionDenied: The caller may not speak for this tenant, or not ask this model.
        UnknownModel: There is no such alias, and no such provider.
        TooLarge: The request, or its stored pictures, are larger than allowed.
        BadPayload: The schema of the answer is none, or a picture's reference is wrong.
        NotFound: A picture is not in the object store.
    """
    guards = parts.declaration.guards
    refuse_large_request(request, guards.max_request)
    account = parts.tenants.of(call.principal, request.tenant)
    for name in (request.model, *request.fallbacks):
        account.refuse_model(name)
    route = resolve(parts.declaration, request.model, request.fallbacks)
    request = await inline_images(request, parts.blobs, limit=guards.max_images)
    refuse_bad_schema(request)
    if account.limited and request.max_tokens is None:
        # What is reserved must be all that the provider may use.
        request = msgspec.structs.replace(request, max_tokens=ANSWER)
    usd, tokens = cost_of(parts, route, request)
    alias = parts.declaration.models.get(request.model)
    ttl = alias.cache_ttl if alias is not None else 0.0
    semantic = alias is not None and alias.semantic and account.semantic
    shared = may_keep(request)
    digest = digest_of(account.name, request, route) if shared or semantic else ""
    if semantic and request.cache == "off":
        parts.similar.doubt(digest)
    return Admitted(
        request=request,
        route=route,
        account=account,
        tokens=tokens,
        usd=usd,
        digest=digest if shared else "",
        keep=ttl if shared else 0.0,
        likeness=likeness_of(account.name, request, route) if shared and semantic else None,
        deadline=deadline_of(call, route),
    )


def deadline_of(call: Call, route: Route) -> float | None:
    """Returns when the answer must be there, by the loop's clock.

    A stream finds out whether its caller is still there. Nobody would notice that the caller of a
    whole answer is gone, so one that does not say how long it waits waits for the route's total.
    """
    if call.deadline or call.op == "stream":
        return call.deadline or None
    return asyncio.get_running_loop().time() + route.timeouts.total


def cost_of(parts: Parts, route: Route, request: ChatRequest) -> tuple[float | None, int]:
    """Returns what a request may cost at most, if that is known, and the tokens it may take."""
    most = Usage(input_tokens=input_tokens(request), output_tokens=answer_tokens(request))
    return dearest(parts, route, most), most.total_tokens


def dearest(parts: Parts, route: Route, usage: Usage) -> float | None:
    """Returns what this usage costs at the dearest of the targets; None when one is unknown."""
    prices = [parts.prices.usd(target.name, usage) for target in route.targets]
    known = [price for price in prices if price is not None]
    return max(known) if known and len(known) == len(prices) else None
