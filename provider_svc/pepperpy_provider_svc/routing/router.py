"""The one loop that asks providers, for all kinds of requests.

Only here are calls repeated, targets changed and time-outs kept: upstreams try once, and callers
need not try again what was tried here.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping
from functools import cached_property, partial
from typing import Self, TypeVar

from pepperpy_bus.logs import get_log
from pepperpy_bus.timers import Timers
from pepperpy_provider_svc.routing import owing
from pepperpy_provider_svc.routing.answers import Answered, Bill, Restarted
from pepperpy_provider_svc.routing.breakers import Breakers
from pepperpy_provider_svc.routing.candidates import Candidates, Keys
from pepperpy_provider_svc.routing.choice import Prices, order
from pepperpy_provider_svc.routing.figures import Figures
from pepperpy_provider_svc.routing.patience import Pieces, in_time
from pepperpy_provider_svc.routing.route import Route
from pepperpy_provider_svc.routing.running import Running
from pepperpy_provider_svc.routing.sent import Sent
from pepperpy_provider_svc.routing.settling import Settling
from pepperpy_provider_svc.routing.trip import Call, Rates, Trip
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings, Upstream
from pepperpy_schemas.chat import ChatRequest, Finish, Usage
from pepperpy_schemas.errors import DeadlineExceeded, PepperError
from pepperpy_schemas.provider import TargetStatus

__all__ = ["Answered", "Restarted", "Router"]

log = get_log("pepperpy.provider")

A = TypeVar("A", Completion, Embeddings)


class Router:
    """Asks targets until one answers.

    As an async context manager it waits in the end for what it still has to tell.

    Args:
        upstreams: The providers by name.
        keys: Their keys.
        breakers: Which targets are left alone.
        rates: The fleet's limits.
        prices: What models cost.
        declared: Targets whose breakers are shared and whose figures are kept; all by default.
        chance: Where jitter and drawing come from.
    """

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        keys: Keys,
        breakers: Breakers,
        rates: Rates,
        prices: Prices,
        *,
        declared: Collection[str] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.figures = Figures(declared)
        if declared is not None:
            breakers.restrict(declared)
        self._upstreams = upstreams
        self._keys = keys
        self._breakers = breakers
        self._rates = rates
        self._prices = prices
        self._chance = chance or random.Random()  # noqa: S311 - jitter
        self._settling = Settling(rates)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._settling.close()

    async def complete(
        self,
        route: Route,
        request: ChatRequest,
        *,
        deadline: float | None,
        tokens: int,
        bill: Bill | None = None,
    ) -> Answered[Completion]:
        """Returns the answer of the first target that gives one.

        Args:
            route: Who may answer.
            request: What is asked.
            deadline: When the caller wants to hear no more, in the loop's time.
            tokens: Tokens to reserve for each call.
            bill: Hears what each call was paid.

        Raises:
            NoTargetLeft: Nobody has answered; ``context.retry_after`` says when to try again.
            DeadlineExceeded: The caller's deadline has passed.
            PepperError: The request itself is at fault, and nobody else would answer it.
        """

        def ask(call: Call) -> Awaitable[Completion]:
            upstream = self._upstreams[call.target.provider]
            return upstream.complete(call.target.model, request, call.key.secret)

        trip, owed = self._trip(route, deadline, tokens), partial(owing.of_answer, request)
        value, running = await self._whole(route, trip, ask, owed, bill)
        return running.answered(value, value.finish)

    async def embed(
        self,
        route: Route,
        texts: list[str],
        dimensions: int | None,
        *,
        deadline: float | None,
        tokens: int,
        bill: Bill | None = None,
    ) -> Answered[Embeddings]:
        """Returns the vectors of texts; what else there is to say is said in `complete`."""

        def ask(call: Call) -> Awaitable[Embeddings]:
            upstream = self._upstreams[call.target.provider]
            return upstream.embed(call.target.model, texts, dimensions, call.key.secret)

        trip, owed = (
            self._trip(route, deadline, tokens, vectors=True),
            partial(owing.of_vectors, texts),
        )
        value, running = await self._whole(route, trip, ask, owed, bill)
        return running.answered(value, None)

    async def stream(
        self,
        route: Route,
        request: ChatRequest,
        *,
        deadline: float | None,
        tokens: int,
        bill: Bill | None = None,
    ) -> AsyncGenerator[Chunk | Restarted | Answered[None], None]:
        """Yields an answer piece by piece, and who has given it last of all.

        After a `Restarted` the answer begins anew. Whoever does not read to the end closes the
        iterator, which closes the provider's socket; what else there is to say is said in
        `complete`.
        """
        trip = self._trip(route, deadline, tokens, no_restart=request.no_restart)
        while True:
            broken: PepperError | None = None
            finish: Finish | None = None
            if bill is not None:
                await bill.ready()
            with self._run(await trip.next(), trip, bill) as running:
                sent = Sent()
                pieces = self._pieces(running.call, route, request, deadline)
                try:
                    while finish is None:
                        piece = await pieces.next()
                        if not sent.started:
                            running.begun()
                        sent.add(piece)
                        yield piece
                        finish = piece.finish
                except PepperError as error:
                    broken = error
                finally:
                    running.usage = owing.of_stream(
                        request, pieces, sent, whole=finish is not None, error=broken
                    )
                    await pieces.close()
                if broken is None:
                    running.done()
                else:
                    running.failed(broken)
            if broken is None:
                yield running.answered(None, finish)
                return
            await trip.failed(running.call, broken, sent)
            if sent.started:
                yield Restarted(broken)

    async def count(
        self, route: Route, request: ChatRequest, *, deadline: float | None
    ) -> Answered[int | None]:
        """Returns the number of tokens of a request, or None where it is not counted.

        It is worth no failure: breakers, figures and limits do not hear of it.

        Raises:
            DeadlineExceeded: The caller's deadline has passed.
        """
        counted: int | None = None
        name, key = route.targets[0].name, ""
        for target, held in self._candidates(route, tokens=0).admitted():
            upstream = self._upstreams[target.provider]
            until = self._now() + route.timeouts.first_token
            counting = upstream.count(target.model, request, held.secret)
            try:
                counted = await in_time(
                    self._timers, counting, until=until, deadline=deadline, what="the count"
                )
            except DeadlineExceeded:
                raise
            except PepperError as error:
                log.info("provider.not_counted", target=target.name, error=str(error))
                continue
            name, key = target.name, held.name
            break
        return Answered(value=counted, target=name, key=key, attempts=[], usage=Usage())

    def status(self, targets: Iterable[str]) -> list[TargetStatus]:
        """Returns how targets are, with each of their keys."""
        return [
            self.figures.status(
                name,
                key.name,
                self._breakers.state(name, key.name),
                self._breakers.record(name, key.name),
            )
            for name in targets
            for key in self._keys.of(name.partition("/")[0])
        ]

    async def _whole(
        self,
        route: Route,
        trip: Trip,
        ask: Callable[[Call], Awaitable[A]],
        owed: Callable[[A | None], Usage],
        bill: Bill | None,
    ) -> tuple[A, Running]:
        while True:
            if bill is not None:
                await bill.ready()
            with self._run(await trip.next(), trip, bill) as running:
                until = self._now() + route.timeouts.total
                value: A | None = None
                broken: PepperError | None = None
                try:
                    value = await in_time(
                        self._timers,
                        ask(running.call),
                        until=until,
                        deadline=trip.deadline,
                        what="the answer",
                    )
                except PepperError as error:
                    broken = error
                finally:
                    running.usage = None if owing.is_refusal(broken) else owed(value)
                if broken is None:
                    assert value is not None, "a call answers or raises"
                    running.done()
                    return value, running
                running.failed(broken)
            await trip.failed(running.call, broken, Sent())

    def _trip(
        self,
        route: Route,
        deadline: float | None,
        tokens: int,
        *,
        no_restart: bool = False,
        vectors: bool = False,
    ) -> Trip:
        return Trip(
            self._candidates(route, tokens),
            self._breakers,
            self._rates,
            self._timers,
            self._settling.settle,
            deadline=deadline,
            tokens=tokens,
            no_restart=no_restart,
            vectors=vectors,
            chance=self._chance,
        )

    def _candidates(self, route: Route, tokens: int) -> Candidates:
        targets = order(
            route, figures=self.figures, prices=self._prices, tokens=tokens, chance=self._chance
        )
        return Candidates(
            targets,
            keys=self._keys,
            breakers=self._breakers,
            prices=self._prices,
            tokens=tokens,
        )

    def _run(self, call: Call, trip: Trip, bill: Bill | None) -> Running:
        return Running(call, trip, self.figures, self._breakers, self._settling.settle, bill)

    def _pieces(
        self, call: Call, route: Route, request: ChatRequest, deadline: float | None
    ) -> Pieces:
        upstream = self._upstreams[call.target.provider]
        source = upstream.stream(call.target.model, request, call.key.secret)
        return Pieces(self._timers, source, route.timeouts, deadline)

    @cached_property
    def _timers(self) -> Timers:
        return Timers(asyncio.get_running_loop())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
