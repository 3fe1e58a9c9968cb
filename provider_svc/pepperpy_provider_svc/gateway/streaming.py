"""An answer in pieces: numbered, with signs of life, and one end."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from pepperpy_bus.groups import outlast
from pepperpy_provider_svc.cache.answers import Receipt
from pepperpy_provider_svc.gateway.admission import Admitted
from pepperpy_provider_svc.gateway.answering import repair
from pepperpy_provider_svc.gateway.cutting import cut
from pepperpy_provider_svc.gateway.keeping import keep, kept
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.gateway.paying import Bill, paid
from pepperpy_provider_svc.gateway.said import Said, bare, has_content, misfit
from pepperpy_provider_svc.routing.router import Answered, Restarted
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import Ack, ChatItem, ChatReply, Delta, End, KeepAlive, Reset
from pepperpy_schemas.errors import BadOutput, TooLarge, Unavailable

KEEPALIVE: Final = 5.0
"""Seconds between two signs of life, which find out as well whether the caller is still there."""

_AHEAD: Final = 256
"""Pieces that may wait for a caller's link before the provider is read more slowly."""

Piece = Chunk | Restarted | ChatReply


async def stream(
    parts: Parts, admitted: Admitted, request_id: str, *, keepalive: float = KEEPALIVE
) -> AsyncGenerator[ChatItem, None]:
    """Yields what the caller gets: ack, deltas, signs of life, resets, and the end.

    Raises:
        PepperError: There is no answer, or no whole one; the error says why.
    """
    n = 1
    yield Ack(n, request_id)
    async with contextlib.aclosing(beating(_pieces(parts, admitted), keepalive)) as pieces:
        async for piece in pieces:
            if piece is None:
                yield KeepAlive(n)
                continue
            for part in cut(piece) if isinstance(piece, Chunk) else (piece,):
                n += 1
                yield _item(n, part)


async def _pieces(parts: Parts, admitted: Admitted) -> AsyncGenerator[Piece, None]:
    """The answer from wherever it comes, the whole of it last."""
    if not admitted.digest:
        async with contextlib.aclosing(_asked(parts, admitted)) as asked:
            async for piece in asked:
                yield piece
        return
    stored = await kept(parts, admitted)
    if stored is not None:
        for chunk in Said.chunks(stored.message):
            yield chunk
        yield stored
        return
    # Who wants no restart would get those of the others.
    key = f"{admitted.digest} {'straight' if admitted.request.no_restart else ''}"
    shared = parts.in_flight.pieces(key, lambda: _asked_for_all(parts, admitted))
    async with contextlib.aclosing(shared):
        async for one in shared:
            yield one.take() if isinstance(one, Receipt) else one


async def _asked_for_all(
    parts: Parts, admitted: Admitted
) -> AsyncGenerator[Chunk | Restarted | Receipt, None]:
    """Asks for as long as anybody listens: the service ends each of those in its own time."""
    asked = _asked(parts, msgspec.structs.replace(admitted, deadline=None))
    async with contextlib.aclosing(asked):
        async for piece in asked:
            yield Receipt(piece) if isinstance(piece, ChatReply) else piece


async def _asked(parts: Parts, admitted: Admitted) -> AsyncGenerator[Piece, None]:
    """Has a provider answer, and stores the answer where that was asked for."""
    said = Said()
    async with paid(parts, admitted.account, usd=admitted.usd, tokens=admitted.tokens) as bill:
        forwarding = _forwarded(parts, admitted, said, bill)
        async with contextlib.aclosing(forwarding):
            async for piece in forwarding:
                yield piece
        reply, wrong = await _amended(parts, admitted, said.reply(bill.usage, bill.usd), bill)
        if wrong is not None:
            yield Restarted(wrong)
            for chunk in Said.chunks(reply.message):
                yield chunk
    await keep(parts, admitted, reply)
    yield reply


async def _forwarded(
    parts: Parts, admitted: Admitted, said: Said, bill: Bill
) -> AsyncGenerator[Chunk | Restarted, None]:
    """The provider's pieces as they come; ``said`` knows in the end who has answered."""
    streaming = parts.router.stream(
        admitted.route,
        admitted.request,
        deadline=admitted.deadline,
        tokens=admitted.tokens,
        bill=bill,
    )
    async with contextlib.aclosing(streaming):
        async for one in streaming:
            if isinstance(one, Answered):
                said.answered = one
                continue
            said.take(one)
            _refuse_large(said, parts.declaration.guards.max_answer)
            if isinstance(one, Restarted) or has_content(one):
                yield one


async def _amended(
    parts: Parts, admitted: Admitted, reply: ChatReply, bill: Bill
) -> tuple[ChatReply, BadOutput | None]:
    """The answer in the form that was asked for, and what was wrong with it before."""
    request = admitted.request
    wrong = misfit(request, reply)
    if wrong is not None:
        if request.no_restart:
            raise wrong
        return await repair(parts, admitted, reply, wrong, bill), wrong
    fitting = bare(request, reply)
    if request.no_restart or fitting.text == reply.text:
        return reply, None
    return fitting, BadOutput("the model has written words around its JSON")


async def beating(
    pieces: AsyncGenerator[Piece, None], interval: float
) -> AsyncGenerator[Piece | None, None]:
    """Yields the pieces, and None whenever so much time is over, whether pieces come or not."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Piece | BaseException] = asyncio.Queue(_AHEAD)

    async def pump() -> None:
        try:
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    await queue.put(piece)
                    if queue.qsize() == 1:
                        # Many may lie in one packet: the first must not wait for the last.
                        await asyncio.sleep(0)
            await queue.put(_no_end())
        except asyncio.CancelledError:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(_no_end())
            raise
        except BaseException as error:
            await queue.put(error)

    pumping = asyncio.create_task(pump(), name="provider-stream")
    due = loop.time() + interval
    try:
        while True:
            try:
                async with asyncio.timeout_at(due):
                    piece = await queue.get()
            except TimeoutError:
                due = loop.time() + interval
                yield None
                continue
            if isinstance(piece, BaseException):
                raise piece
            yield piece
            if isinstance(piece, ChatReply):
                return
            if loop.time() >= due:
                due = loop.time() + interval
                yield None
    finally:
        pumping.cancel()
        # It settles what was paid; a second cancellation must not end it there.
        await outlast(pumping)


def _no_end() -> Unavailable:
    return Unavailable("the answer has stopped without an end", hint="ask again")


def _item(n: int, piece: Piece) -> ChatItem:
    match piece:
        case Chunk():
            return Delta(
                n,
                text=piece.text,
                reasoning=piece.reasoning,
                signature=piece.signature,
                data=piece.data,
                tool_calls=list(piece.tool_calls),
            )
        case Restarted(error):
            return Reset(n, error.code, error.message)
        case ChatReply():
            return End(
                n,
                finish=piece.finish,
                usage=piece.usage,
                model=piece.model,
                usd=piece.usd,
                attempts=piece.attempts,
                cached=piece.cached,
                similarity=piece.similarity,
            )


def _refuse_large(said: Said, limit: int) -> None:
    if said.size > limit:
        raise TooLarge(
            f"the answer has more than {limit} bytes",
            hint="give max_tokens, or raise guards.max_answer of the provider service",
            context={"limit": limit},
        )
