"""A whole answer: stored, shared with an equal request, or asked of a provider."""

import asyncio
from functools import partial

import msgspec

from pepperpy_provider_svc.cache.answers import Receipt
from pepperpy_provider_svc.gateway.admission import Admitted, cost_of
from pepperpy_provider_svc.gateway.keeping import keep, kept
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.gateway.paying import Bill, paid
from pepperpy_provider_svc.gateway.said import bare, misfit
from pepperpy_provider_svc.guards.sizes import refuse_large_answer
from pepperpy_provider_svc.guards.structured import repair_request
from pepperpy_provider_svc.routing.patience import passed
from pepperpy_provider_svc.routing.router import Answered
from pepperpy_provider_svc.upstreams.upstream import Completion
from pepperpy_schemas.chat import ChatReply, ChatRequest
from pepperpy_schemas.errors import BadOutput


async def answer(parts: Parts, admitted: Admitted) -> ChatReply:
    """Returns the answer to a request.

    Raises:
        PepperError: There is none; the error says why.
    """
    if not admitted.digest:
        return await ask(parts, admitted)
    stored = await kept(parts, admitted)
    if stored is not None:
        return stored
    limit = asyncio.timeout_at(admitted.deadline)
    start = partial(_ask_for_all, parts, admitted)
    try:
        async with limit:
            return (await parts.in_flight.whole(admitted.digest, start)).take()
    except TimeoutError:
        if not limit.expired():
            raise
        raise passed("an answer") from None


async def _ask_for_all(parts: Parts, admitted: Admitted) -> Receipt:
    """Asks for as long as anybody waits, each of whom has a deadline of its own."""
    return Receipt(await ask(parts, msgspec.structs.replace(admitted, deadline=None)))


async def ask(parts: Parts, admitted: Admitted) -> ChatReply:
    """Has a provider answer, and stores the answer where that was asked for."""
    async with paid(parts, admitted.account, usd=admitted.usd, tokens=admitted.tokens) as bill:
        answered = await _complete(parts, admitted, admitted.request, bill)
        reply = reply_of(answered, bill)
        if (wrong := misfit(admitted.request, reply)) is not None:
            reply = await repair(parts, admitted, reply, wrong, bill)
        else:
            reply = bare(admitted.request, reply)
    await keep(parts, admitted, reply)
    return reply


async def repair(
    parts: Parts, admitted: Admitted, reply: ChatReply, wrong: BadOutput, bill: Bill
) -> ChatReply:
    """Shows the model what is wrong with its answer, once.

    Raises:
        BadOutput: The next answer does not fit either.
    """
    again = repair_request(admitted.request, reply.message, wrong)
    usd, tokens = cost_of(parts, admitted.route, again)
    bill.expect(usd=usd, tokens=tokens)
    answered = await _complete(parts, admitted, again, bill)
    second = reply_of(answered, bill)
    second = msgspec.structs.replace(second, attempts=[*reply.attempts, *second.attempts])
    if (still := misfit(admitted.request, second)) is not None:
        raise still
    return bare(admitted.request, second)


def reply_of(answered: Answered[Completion], bill: Bill) -> ChatReply:
    """Returns a provider's answer as the caller gets it."""
    completion = answered.value
    return ChatReply(
        message=completion.message,
        finish=completion.finish,
        usage=bill.usage,
        model=answered.target,
        usd=bill.usd,
        attempts=answered.attempts,
    )


async def _complete(
    parts: Parts, admitted: Admitted, request: ChatRequest, bill: Bill
) -> Answered[Completion]:
    answered = await parts.router.complete(
        admitted.route, request, deadline=admitted.deadline, tokens=bill.tokens, bill=bill
    )
    refuse_large_answer(answered.value.message, parts.declaration.guards.max_answer)
    return answered
