"""The life of one delivery: read, start, perform, settle.

Every delivery ends in one of a closed set of outcomes, and each outcome has one way to settle it.
Nothing is acknowledged before its result is stored. What fails in between, because the broker is
away, is left unsettled: the broker delivers it again, and the journal and the first-result-wins
rule make that harmless.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

import msgspec

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.attempt import Attempt, Completed, Failed, Lost, Outcome, Released, Stopped
from pepperpy_agents.beginning import Beginning, for_topic
from pepperpy_agents.blocking import BlockingContext
from pepperpy_agents.context import Context
from pepperpy_agents.durable.durability import Durability
from pepperpy_agents.durable.replay import Replay
from pepperpy_agents.failing import Failing, Overrun, too_late
from pepperpy_agents.giving_up import withdraw_letter
from pepperpy_agents.handler import Handler
from pepperpy_agents.parking import Parking
from pepperpy_agents.pauses import UNANSWERED, pause
from pepperpy_agents.resuming import Resuming
from pepperpy_agents.runner import Runner
from pepperpy_agents.running import Running
from pepperpy_agents.settling import Settling, tell_parent
from pepperpy_agents.sharing import Sharing
from pepperpy_agents.task import read_task
from pepperpy_agents.telling import Teller
from pepperpy_bus.bodies import fingerprint
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.in_hand import CLEAN_UP, InHand
from pepperpy_bus.tasks.answers import OpenQuestions
from pepperpy_bus.tasks.keys import Keys
from pepperpy_bus.tasks.waits import Waits
from pepperpy_bus.timers import time_limit
from pepperpy_bus.trace import Attempted, active
from pepperpy_schemas.errors import BadPayload, Fenced, HandlerError, PepperError, TooLarge
from pepperpy_schemas.headers import ATTEMPT, FINGERPRINT, REPLY_TO, TOPIC
from pepperpy_schemas.messages import Result

log = get_log("pepperpy.worker")

_REPLY_TO = REPLY_TO.lower()
_LAST_WORDS: Final = CLEAN_UP * 0.6
"""Seconds at the end of a worker's grace in which what is being settled may still be."""


class Executor:
    """Takes deliveries through their life, for one instance of an agent.

    Args:
        client: The client.
        emitter: Where events go.
        clock: The server's clock.
        runner: Where handlers run.
        instance: The instance, ``agent/instance``, written into journals and events.
        in_hand: What the instance works on.

    Attributes:
        keys: The keys that its tasks hold.
        sharing: What its tasks share with others.
        running: The attempts whose handlers run now.
        stopping: What is delivered from now on is given back without a start.
        done: Tasks ended.
        failed: Tasks ended otherwise than completed.
    """

    def __init__(
        self,
        client: Client,
        emitter: Emitter,
        clock: ServerClock,
        runner: Runner,
        instance: str,
        in_hand: InHand,
    ) -> None:
        self._client = client
        self._emitter = emitter
        self._clock = clock
        self._runner = runner
        self._instance = instance
        connection, prefix = client.connection, client.prefix
        teller = self._teller = Teller(emitter, clock, instance)
        questions = OpenQuestions(connection, prefix)
        waits = self._waits = Waits(
            connection, prefix, client.results, clock, teller.refused_answer
        )
        self.keys = Keys(connection, prefix, client.results, clock)
        self.sharing = Sharing(client, clock, instance)
        self.running = Running()
        beginning = self._beginning = Beginning(client, questions, instance)
        self._resuming = Resuming(client, waits, clock, instance, teller.reminder, self.keys)
        self._failing = Failing(beginning)
        parking = self._parking = Parking(waits, questions, self.keys, teller, clock)
        self._settling = Settling(client, beginning, parking, teller, self._end, in_hand, instance)
        self.stopping = False
        self.done = 0
        self.failed = 0

    def broker_is_away(self) -> None:
        """Trusts no count of deliveries of what is older: after a crash it begins at one again."""
        self._beginning.away_ns = self._clock.now_ns()
        self._settling.away = time.monotonic()

    async def execute(self, spec: TaskSpec, delivery: Delivery) -> None:
        """Takes one delivery of a task through its life."""
        task, wrong = read_task(delivery, spec.topic)
        await self._run(Attempt(task, spec, began=time.monotonic()), wrong)

    async def resume(self, spec: TaskSpec, delivery: Delivery) -> None:
        """Goes on with a suspended task, if what it waits for is there."""
        try:
            if self.stopping:
                await delivery.nak()
                return
            attempt = await self._resuming.attempt(spec, delivery)
        except asyncio.CancelledError:
            # The grace is over, and nothing has begun.
            await delivery.nak()
            raise
        except PepperError as error:
            await self._unsettled(delivery, error, subject=delivery.subject)
            return
        if attempt is not None:
            await self._run(attempt, None)
            await self._parking.free_key(attempt.task)

    async def _run(self, attempt: Attempt, wrong: PepperError | None) -> None:
        task = attempt.task
        try:
            outcome = Released() if self.stopping else await self._live(attempt, wrong)
        except Fenced:
            outcome = Lost()
        except asyncio.CancelledError:
            outcome = Released()
        except PepperError as error:
            await self._unsettled(task.delivery, error, task_id=task.id)
            return
        try:
            await self._settle(attempt, outcome)
        except PepperError as error:
            await self._unsettled(task.delivery, error, task_id=task.id)

    async def _settle(self, attempt: Attempt, outcome: Outcome) -> None:
        """Settles it; what is not settled when a worker's grace ends is given back."""
        settle = self._ended(attempt, outcome)
        try:
            await (_with_last_words(settle) if self.stopping else settle)
        except asyncio.CancelledError:
            if not isinstance(outcome, Lost):
                await attempt.task.delivery.nak()
            raise

    async def _unsettled(self, delivery: Delivery, error: PepperError, **about: Any) -> None:
        """Leaves a delivery that could not be settled: it comes again, and that is harmless.

        A broker that is there, and did not answer in time, is told to deliver it soon; it would
        wait as for a dead worker otherwise.
        """
        log.warning("task.unsettled", error=str(error), **about)
        if self._client.connection.connected:
            with contextlib.suppress(PepperError):
                await delivery.nak(delay=pause(delivery.deliveries, UNANSWERED))

    async def _live(self, attempt: Attempt, wrong: PepperError | None) -> Outcome:
        ended = await self._beginning.begin(attempt)
        if ended is not None:
            return ended
        if wrong is not None:
            return Failed(wrong.info())
        try:
            data = await self._beginning.read_input(attempt)
        except PepperError as error:
            if error.category == "bus":
                raise
            return Failed(for_topic(error.info(), attempt.spec.topic))
        except Exception as error:
            # A type's own validation may raise anything; the body is to blame all the same.
            refused = BadPayload(f"$: {type(error).__name__}: {error}")
            return Failed(for_topic(refused.info(), attempt.spec.topic))
        return await self._perform(attempt, data)

    # --- perform ---

    async def _perform(self, attempt: Attempt, data: Any) -> Outcome:
        task, spec = attempt.task, attempt.spec
        left = task.seconds_left(self._clock)
        if left is not None and left <= 0:
            return Failed(too_late(attempt))
        limit = min((s for s in (left, spec.timeout) if s is not None), default=None)
        attempt.canceled = self.running.canceled(task.id)
        if attempt.canceled is not None:
            return Stopped(attempt.canceled)
        with self.running.of(attempt):
            try:
                known = self._teller.what_is_known(attempt)
                await self._teller.tell(attempt, "started", known, certain=True)
                value = await self._within(limit, attempt, data)
                if attempt.parked is None:
                    self._check_journal(attempt)
            except BaseException as error:
                return await self._failing.outcome(attempt, error, limit == left)
            finally:
                if attempt.replay is not None:
                    await attempt.replay.close()
        if attempt.canceled is not None:
            return Stopped(attempt.canceled)  # its handler would not be stopped
        if attempt.journal is not None and attempt.journal.fenced:
            return Lost()  # whatever its handler made of that
        return attempt.parked or outcome_of(spec, value)

    def _check_journal(self, attempt: Attempt) -> None:
        """Refuses the return of a handler that left out what an earlier attempt did."""
        if attempt.replay is None and attempt.journal is not None:
            self._durability(attempt)
        if attempt.replay is not None:
            attempt.replay.finish()

    async def _within(self, limit: float | None, attempt: Attempt, data: Any) -> Any:
        if limit is None:
            return await self._metered(attempt, data)
        watch = time_limit(self._client.connection.timers, limit)
        try:
            with watch:
                return await self._metered(attempt, data)
        except TimeoutError:
            if watch.expired:
                raise Overrun from None
            raise

    async def _metered(self, attempt: Attempt, data: Any) -> Any:
        if not attempt.task.headers.budget:
            return await self._call(attempt, data)
        async with self.sharing.metered(attempt.task, attempt.number):
            return await self._call(attempt, data)

    async def _call(self, attempt: Attempt, data: Any) -> Any:
        task = attempt.task
        bound = log.bind(task_id=task.id, topic=task.topic, attempt=attempt.number)
        durable = partial(self._durability, attempt)
        context = Context(
            task,
            attempt.number,
            self._client,
            self._emitter,
            bound,
            self.sharing,
            durable,
            begun_anew=attempt.journal.history.releases if attempt.journal else 0,
        )
        family = (task.headers.parent, task.root)
        trace = Attempted(task.delivery.headers or {}, task.id, *family, attempt.number)
        try:
            with active(trace):
                value = await call_handler(self._runner, attempt.spec.handler, data, context)
        except Exception:
            if attempt.replay is not None:
                await attempt.replay.fail()
            raise
        if context.streams:
            await context.end_stream()
        return value

    def _durability(self, attempt: Attempt) -> Durability:
        history = None if attempt.journal is None else attempt.journal.history
        open_journal = partial(self._beginning.journal, attempt)
        replay = attempt.replay = Replay(attempt.task, attempt.number, open_journal, history)
        task = attempt.task
        budget = self.sharing.budget(task, attempt.number) if task.headers.budget else None
        return Durability(replay, self._client, self._runner, self._waits, self._clock, budget)

    # --- settle ---

    async def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        """Does what an outcome asks for."""
        if await self._settling.went_to_another(attempt):
            outcome = Lost()
        if not isinstance(outcome, Completed):
            await self._settling.settle(attempt, outcome)
            return
        try:
            await self._end(attempt, Result(ok=True, data=msgspec.Raw(outcome.data)))
        except TooLarge as error:
            await self._settling.give_up(attempt, error.info())

    async def _end(self, attempt: Attempt, result: Result, *, letter: int = 0) -> None:
        """Writes the result, tells of it and settles the delivery.

        Args:
            attempt: The attempt that ends the task.
            result: The result, if it is the first one.
            letter: Place of the dead letter that was filed for it, or 0.
        """
        task = attempt.task
        headers = {TOPIC: task.topic, ATTEMPT: str(attempt.number)}
        if task.chosen:
            given = task.delivery
            headers[FINGERPRINT] = fingerprint(task.topic, given.body, given.headers)
        first = await self._client.results.put(
            task.id, result, attempt=attempt.number, headers=headers
        )
        self.done += 1
        if not result.ok:
            self.failed += 1
        if first:
            duration = round((time.monotonic() - attempt.began) * 1e3, 3)
            data: dict[str, Any] = {"instance": self._instance, "duration_ms": duration}
            if result.error is not None:
                data["code"], data["message"] = result.error.code, result.error.message
            await self._teller.tell(attempt, result.state.verb, data, certain=True)
        elif letter:
            await withdraw_letter(self._client, task.id, letter)
        if task.delivery.headers and _REPLY_TO in task.delivery.headers:
            await tell_parent(self._client, task)
        # Last, so that event and acknowledgement leave in one piece.
        await task.delivery.ack()


async def _with_last_words(settle: Coroutine[Any, Any, None]) -> None:
    """Settles in spite of a cancellation, if that takes no longer than a moment."""
    settling = asyncio.create_task(settle, name="settle")
    try:
        await asyncio.shield(settling)
    except asyncio.CancelledError:
        await asyncio.wait([settling], timeout=_LAST_WORDS)
        if settling.cancel():
            await asyncio.gather(settling, return_exceptions=True)
            raise
        settling.result()


def outcome_of(spec: TaskSpec, value: Any) -> Completed | Failed:
    """Returns what becomes of a task whose handler returned a value."""
    try:
        return Completed(spec.handler.encode(value))
    except PepperError as error:
        return Failed(HandlerError(f"what {spec.handler.name} returned {error}").info())
    except Exception as error:
        # A model's own serialiser may raise anything.
        told = f"what {spec.handler.name} returned cannot be written as JSON: {error}"
        return Failed(HandlerError(told).info())


async def call_handler(runner: Runner, handler: Handler, data: Any, context: Context) -> Any:
    """Returns what a handler returns, from where it belongs.

    A canceled handler in the loop gets CancelledError. A thread cannot be stopped: it runs on and
    its result is dropped. A process is killed.

    Raises:
        Unavailable: The handler's process died, or was killed with another that overran.
    """
    if handler.where == "loop":
        if handler.takes_context:
            return await handler.call(data, context)
        return await handler.call(data)
    if handler.takes_context:
        blocking = BlockingContext(context, asyncio.get_running_loop())
        return await runner.run(handler, data, blocking)
    return await runner.run(handler, data)
