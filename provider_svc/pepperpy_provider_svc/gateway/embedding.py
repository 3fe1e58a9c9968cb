"""Vectors, and the numbers of tokens."""

from pepperpy_bus.services.service import Call
from pepperpy_provider_svc.gateway.admission import admit, deadline_of, dearest
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.gateway.paying import paid
from pepperpy_provider_svc.guards.sizes import refuse_large_request
from pepperpy_provider_svc.limits.estimate import embedding_tokens, input_tokens
from pepperpy_provider_svc.routing.route import resolve
from pepperpy_schemas.chat import ChatRequest, Usage
from pepperpy_schemas.provider import CountReply, EmbedReply, EmbedRequest


async def embed(parts: Parts, request: EmbedRequest, call: Call) -> EmbedReply:
    """Returns a vector for every text.

    Raises:
        PepperError: There are none; the error says why.
    """
    refuse_large_request(request, parts.declaration.guards.max_request)
    account = parts.tenants.of(call.principal, request.tenant)
    account.refuse_model(request.model)
    route = resolve(parts.declaration, request.model, [])
    tokens = embedding_tokens(request.texts)
    usd = dearest(parts, route, Usage(input_tokens=tokens))
    async with paid(parts, account, usd=usd, tokens=tokens) as bill:
        answered = await parts.router.embed(
            route,
            request.texts,
            request.dimensions,
            deadline=deadline_of(call, route),
            tokens=tokens,
            bill=bill,
        )
    return EmbedReply(
        vectors=answered.value.vectors,
        usage=bill.usage,
        model=answered.target,
        usd=bill.usd,
        attempts=answered.attempts,
    )


async def count(parts: Parts, request: ChatRequest, call: Call) -> CountReply:
    """Returns how many tokens a request has; an estimate where the provider does not count."""
    admitted = await admit(parts, request, call)
    answered = await parts.router.count(
        admitted.route, admitted.request, deadline=admitted.deadline
    )
    exact = answered.value is not None
    tokens = answered.value if answered.value is not None else input_tokens(admitted.request)
    return CountReply(tokens=tokens, exact=exact, model=answered.target)
