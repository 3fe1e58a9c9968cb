"""Listeners at work: events to handlers, shared between instances or to every one of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from pepperpy_agents.agent import Agent, ListenerSpec
from pepperpy_agents.context import Context
from pepperpy_agents.execution import call_handler
from pepperpy_agents.runner import Runner
from pepperpy_agents.sharing import Sharing
from pepperpy_agents.task import event_task
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter, Heard, event_subjects, heard
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.consumers import listener_consumer
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.pull import WorkPuller
from pepperpy_bus.where import compile_where
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.listener")

SLOTS = 8
"""Events of one lane that one listener handles at once."""
RETRY_WAIT = 5.0
"""Seconds before an event whose listener failed is handed over again."""


class Listening:
    """One listener of one instance while its context is open.

    High-priority events travel on a lane of their own with slots of their own, so that a backlog
    of normal ones never holds them up.
    """

    def __init__(
        self,
        agent: Agent,
        spec: ListenerSpec,
        client: Client,
        emitter: Emitter,
        runner: Runner,
        sharing: Sharing,
    ) -> None:
        self._agent = agent
        self._spec = spec
        self._client = client
        self._emitter = emitter
        self._runner = runner
        self._sharing = sharing
        self._matches = compile_where(spec.where) if spec.where else None
        self._stream = stream_name(client.prefix, "EVENTS")
        self._in_hand = InHand()
        self._pullers: list[WorkPuller] = []
        self._unpaused = asyncio.Event()
        self._unpaused.set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listens until the end; what `drain` has not finished by then is canceled."""
        async with self._in_hand.pulsing(), contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._in_hand.finish, 0.0)
            for lane, subject in zip(
                ("high", "normal"),
                event_subjects(self._client.prefix, self._spec.pattern),
                strict=True,
            ):
                if self._spec.mode == "shared":
                    puller = await self._share(lane, subject)
                    await stack.enter_async_context(puller)
                    self._pullers.append(puller)
                else:
                    await stack.enter_async_context(self._broadcast(lane, subject))
            yield

    async def drain(self, grace: float) -> None:
        """Takes no more events of the shared mode and finishes those in hand within the grace."""
        await asyncio.gather(*(puller.stop() for puller in self._pullers))
        await self._in_hand.finish(grace)

    def pause(self) -> None:
        """Hands on no more events until `resume`; what happens meanwhile comes then."""
        self._unpaused.clear()
        for puller in self._pullers:
            puller.pause()

    def resume(self) -> None:
        """Hands on events again."""
        self._unpaused.set()
        for puller in self._pullers:
            puller.resume()

    # --- shared ---------------------------------------------------------------------------------

    async def _share(self, lane: str, subject: str) -> WorkPuller:
        config = listener_consumer(self._agent.name, self._spec.name, lane, subject)
        connection = self._client.connection

        async def ensure() -> None:
            await ensure_consumer(connection, self._stream, config)

        await ensure()

        return WorkPuller(
            connection,
            self._stream,
            config["name"],
            slots=SLOTS,
            work=self._handle_and_settle,
            in_hand=self._in_hand,
            ensure=ensure,
        )

    async def _handle_and_settle(self, delivery: Delivery) -> None:
        try:
            if await self._handle(delivery):
                await delivery.ack()
            else:
                await delivery.nak(delay=RETRY_WAIT)
        except PepperError as error:
            log.warning("listener.unsettled", listener=self._spec.name, error=str(error))

    # --- broadcast ------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _broadcast(self, lane: str, subject: str) -> AsyncIterator[None]:
        following = follow(self._client.connection, self._stream, [subject], new=True)
        async with following as follower:

            async def pump() -> None:
                try:
                    async for delivery in follower:
                        await self._unpaused.wait()
                        await self._handle(delivery)
                except PepperError:
                    log.exception("listener.deaf", listener=self._spec.name)

            pumping = asyncio.create_task(pump(), name=f"listen-{self._spec.name}-{lane}")
            try:
                yield
            finally:
                pumping.cancel()
                await asyncio.gather(pumping, return_exceptions=True)

    # --- both -----------------------------------------------------------------------------------

    async def _handle(self, delivery: Delivery) -> bool:
        """Hands one event to the listener; returns whether it is done with."""
        try:
            event = heard(delivery)
        except PepperError as error:
            log.warning("listener.unreadable", subject=delivery.subject, error=str(error))
            return True
        if self._matches is not None and not self._matches(event.fields()):
            return True
        try:
            context = self._context(event, delivery)
            await call_handler(self._runner, self._spec.handler, event, context)
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            log.error(
                "listener.failed",
                listener=self._spec.name,
                event_name=event.name,
                id=event.id,
                exc_info=error,
            )
            return False
        return True

    def _context(self, event: Heard, delivery: Delivery) -> Any:
        bound = log.bind(listener=self._spec.name, id=event.id)
        task = event_task(event, delivery)
        attempt = max(1, event.event.attempt)
        return Context(task, attempt, self._client, self._emitter, bound, self._sharing)
