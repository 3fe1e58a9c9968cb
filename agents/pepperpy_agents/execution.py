"""The life of one delivery: read, start, perform, settle.

Every delivery ends in one of a closed set of outcomes, and each outcome has one way to settle it.
Nothing is acknowledged before its result is stored. What fails in between, because the broker is
away, is left unsettled: the broker delivers it again, and the journal and the first-result-wins
rule make that harmless.
"""

import asyncio
import contextlib
import time
from functools import partial
from typing import Any, Final

import msgspec

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.attempt import (
    Attempt,
    Completed,
    Failed,
    Lost,
    Outcome,
    Parked,
    Released,
    Repeat,
    Stopped,
    Superseded,
)
from pepperpy_agents.attempt_log import say_failure, say_given_up
from pepperpy_agents.beginning import Beginning, for_topic
from pepperpy_agents.blocking import BlockingContext
from pepperpy_agents.context import Context
from pepperpy_agents.durable.durability import Durability
from pepperpy_agents.durable.replay import Replay
from pepperpy_agents.giving_up import file_letter, shorten, withdraw_letter
from pepperpy_agents.handler import Handler
from pepperpy_agents.parking import Parking
from pepperpy_agents.resuming import Resuming
from pepperpy_agents.runner import Runner
from pepperpy_agents.sharing import Sharing
from pepperpy_agents.task import Task, read_task
from pepperpy_agents.telling import Teller
from pepperpy_bus.bodies import fingerprint
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.in_hand import CLEAN_UP, InHand
from pepperpy_bus.tasks.answers import OpenQuestions
from pepperpy_bus.tasks.cancels import cancel_child, canceled
from pepperpy_bus.tasks.keys import Keys
from pepperpy_bus.tasks.waits import Waits, wake_parent
from pepperpy_bus.timers import time_limit
from pepperpy_bus.trace import active, parse
from pepperpy_schemas.errors import (
    BadPayload,
    DeadlineExceeded,
    ErrorInfo,
    Fenced,
    HandlerError,
    PepperError,
    TaskTimeout,
    TooLarge,
    info_of,
)
from pepperpy_schemas.headers import ATTEMPT, BLOB, FINGERPRINT, REPLY_TO, TOPIC, TRACEPARENT
from pepperpy_schemas.messages import CancelRequest, Result

log = get_log("pepperpy.worker")

REMEMBERED = 60.0
"""Seconds that a cancellation is remembered for a task that is just being delivered."""

_BLOB = BLOB.lower()
_REPLY_TO = REPLY_TO.lower()


STALE_WAKE: Final = 0.2
"""Seconds after which a wake that met a running attempt looks at the task again."""


_untraced = contextlib.nullcontext()


class _Overrun(Exception):
    """The attempt's time is over; told apart from a TimeoutError of the handler's own."""


class Executor:
    """Takes deliveries through their life, for one instance of an agent.

    Args:
        client: The client.
        emitter: Where events go.
        clock: The server's clock.
        runner: Where handlers run.
        instance: The instance, ``agent/instance``, written into journals and events.

    Attributes:
        sharing: What its tasks share with others.
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
        self._in_hand = in_hand
        self._away = 0.0
        self._running: dict[asyncio.Task[Any], Attempt] = {}
        self._canceled: dict[str, CancelRequest] = {}
        connection, prefix = client.connection, client.prefix
        teller = self._teller = Teller(emitter, clock, instance)
        questions = OpenQuestions(connection, prefix)
        waits = self._waits = Waits(
            connection, prefix, client.results, clock, teller.refused_answer
        )
        self.keys = Keys(connection, prefix, client.results, clock)
        self.sharing = Sharing(client, clock, instance)
        self._beginning = Beginning(client, questions, instance)
        self._resuming = Resuming(client, waits, clock, instance, teller.reminder, self.keys)
        self._parking = Parking(waits, questions, self.keys, teller, clock)
        self.stopping = False
        self.done = 0
        self.failed = 0

    def broker_is_away(self) -> None:
        """Trusts no count of deliveries of what is older: after a crash it begins at one again."""
        self._beginning.away_ns = self._clock.now_ns()
        self._away = time.monotonic()

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
        except PepperError as error:
            log.warning("task.unsettled", subject=delivery.subject, error=str(error))
            return
        if attempt is not None:
            await self._run(attempt, None)
            await self._parking.free_key(attempt.task)

    @property
    def running(self) -> list[str]:
        """The ids of the tasks whose handlers run now."""
        return [attempt.task.id for attempt in self._running.values()]

    def cancel(self, task_id: str, request: CancelRequest) -> None:
        """Stops a task that runs here; its handler gets CancelledError and may clean up.

        One that arrives here a moment later is not started.
        """
        loop = asyncio.get_running_loop()
        self._canceled[task_id] = request
        loop.call_later(REMEMBERED, self._canceled.pop, task_id, None)
        for running, attempt in self._running.items():
            if attempt.task.id == task_id and attempt.canceled is None:
                attempt.canceled = request
                self._stop(running)

    def _stop(self, running: "asyncio.Task[Any]") -> None:
        """Cancels a handler, and again if it does not end: cleaning up has its time."""
        if running not in self._running:
            return
        if running.cancelling():
            task = self._running[running].task
            log.warning("task.cleans_up_too_long", task_id=task.id, topic=task.topic)
        running.cancel()
        asyncio.get_running_loop().call_later(CLEAN_UP, self._stop, running)

    async def _run(self, attempt: Attempt, wrong: PepperError | None) -> None:
        task = attempt.task
        try:
            outcome = Released() if self.stopping else await self._live(attempt, wrong)
        except Fenced:
            outcome = Lost()
        except asyncio.CancelledError:
            outcome = Released()
        except PepperError as error:
            # The broker did not answer: leave the delivery; it comes again.
            log.warning("task.unsettled", task_id=task.id, error=str(error))
            return
        try:
            await self._settle(attempt, outcome)
        except PepperError as error:
            log.warning("task.unsettled", task_id=task.id, error=str(error))

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

    # --- perform --------------------------------------------------------------------------------

    async def _perform(self, attempt: Attempt, data: Any) -> Outcome:
        task, spec = attempt.task, attempt.spec
        left = task.seconds_left(self._clock)
        if left is not None and left <= 0:
            return Failed(
                DeadlineExceeded(f"task {task.id} was not started before its deadline").info()
            )
        limit = min((s for s in (left, spec.timeout) if s is not None), default=None)
        running = asyncio.current_task()
        assert running is not None
        attempt.canceled = self._canceled.get(task.id)
        if attempt.canceled is not None:
            return Stopped(attempt.canceled)
        self._running[running] = attempt
        try:
            await self._teller.tell(
                attempt, "started", self._teller.what_is_known(attempt), certain=True
            )
            value = await self._within(limit, attempt, data)
            if _parked(attempt) is None:
                self._check_journal(attempt)
        except BaseException as error:
            return await self._after_raise(attempt, error, limit == left)
        finally:
            del self._running[running]
            if attempt.replay is not None:
                await attempt.replay.close()
        if attempt.canceled is not None:
            return Stopped(attempt.canceled)  # its handler would not be stopped
        if attempt.journal is not None and attempt.journal.fenced:
            return Lost()  # whatever its handler made of that
        return _parked(attempt) or outcome_of(spec, value)

    def _check_journal(self, attempt: Attempt) -> None:
        """Refuses the return of a handler that left out what an earlier attempt did."""
        if attempt.replay is None and attempt.journal is not None:
            self._durability(attempt)
        if attempt.replay is not None:
            attempt.replay.finish()

    async def _after_raise(
        self, attempt: Attempt, error: BaseException, by_deadline: bool
    ) -> Outcome:
        """Finds out what an exception means that left the handler."""
        task, spec = attempt.task, attempt.spec
        parked = _parked(attempt)
        if attempt.canceled is not None:
            return Stopped(attempt.canceled)
        if isinstance(error, asyncio.CancelledError):
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise error
            error = HandlerError("the handler raised CancelledError")
        if parked is not None:
            return parked
        if isinstance(error, _Overrun):
            if by_deadline:
                return Failed(DeadlineExceeded(f"task {task.id} ran past its deadline").info())
            error = TaskTimeout(f"{spec.topic} ran longer than {spec.timeout:g} s")
        if not isinstance(error, Exception | SystemExit):
            raise error
        return await self._after_error(attempt, error)

    async def _within(self, limit: float | None, attempt: Attempt, data: Any) -> Any:
        if limit is None:
            return await self._metered(attempt, data)
        watch = time_limit(self._client.connection.timers, limit)
        try:
            with watch:
                return await self._metered(attempt, data)
        except TimeoutError:
            if watch.expired:
                raise _Overrun from None
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
            task, attempt.number, self._client, self._emitter, bound, self.sharing, durable
        )
        headers = task.delivery.headers
        traced = active(parse(headers)) if headers and TRACEPARENT in headers else _untraced
        try:
            with traced:
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

    async def _after_error(self, attempt: Attempt, error: BaseException) -> Outcome:
        """Decides between repeating and giving up, and records the failure."""
        info = shorten(info_of(error))
        try:
            journal = await self._beginning.journal(attempt)
            await journal.failed(attempt.number, info)
        except PepperError:
            say_failure(attempt.task, attempt.number, error, info)
            raise
        failures = journal.history.failures
        policy = attempt.spec.retry
        if policy.repeats(error, info, failures):
            wait = policy.wait(failures)
            say_failure(attempt.task, attempt.number, error, info, wait=wait)
            return Repeat(info, wait, failures)
        say_failure(attempt.task, attempt.number, error, info)
        return Failed(info)

    # --- settle ---------------------------------------------------------------------------------

    async def _settle(self, attempt: Attempt, outcome: Outcome) -> None:
        delivery = attempt.task.delivery
        if await self._went_to_another(attempt):
            outcome = Lost()
        match outcome:
            case Completed(data):
                try:
                    await self._end(attempt, Result(ok=True, data=msgspec.Raw(data)))
                except TooLarge as error:
                    await self._give_up(attempt, error.info())
            case Failed(error):
                await self._give_up(attempt, error)
            case Repeat(error, wait, failures):
                told = {"error": msgspec.to_builtins(error), "wait": wait, "failures": failures}
                await self._teller.tell(attempt, "retry", told)
                await self._parking.rest(attempt, wait)
            case Parked(wait):
                await self._parking.park(attempt, wait)
            case Stopped(request):
                await self._cancel_children(attempt, request)
                await self._end(attempt, Result(ok=False, error=canceled(request)))
            case Released():
                await self._give_back(attempt)
            case Superseded():
                await self._tell_parent(attempt.task)
                await delivery.ack()
            case Lost():
                _say_lost(attempt)
                if attempt.over is not None:
                    # A wake that came too late is in the way of the next one until it is settled.
                    await delivery.nak(delay=STALE_WAKE)

    async def _went_to_another(self, attempt: Attempt) -> bool:
        """Whether a keyed task went to another worker while this process stood still.

        It must not be ended here then: the next of its key would begin beside it.
        """
        if not attempt.task.key or not attempt.number:
            return False
        if self._away < attempt.began and not self._in_hand.stalled_since(attempt.began):
            return False
        journal = await self._beginning.read_journal(attempt.task)
        return journal.history.last_attempt > attempt.number

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
            await self._tell_parent(task)
        # Last, so that event and acknowledgement leave in one piece.
        await task.delivery.ack()

    async def _cancel_children(self, attempt: Attempt, request: CancelRequest) -> None:
        """The journal may lack the last of them; this attempt knows what it has sent."""
        client = self._client
        for child_id in () if attempt.replay is None else attempt.replay.sent:
            await cancel_child(client.connection, client.prefix, attempt.task.id, child_id, request)

    async def _give_up(self, attempt: Attempt, error: ErrorInfo) -> None:
        """Files the dead letter first: a failed result always has one."""
        error, filed = shorten(error), 0
        if error.category != "control":
            filed = await file_letter(self._client, attempt, error, self._instance)
        result = Result(ok=False, error=error)
        await self._end(attempt, result, letter=filed)
        say_given_up(attempt.task, attempt.number, result, filed)

    async def _tell_parent(self, task: Task) -> None:
        client = self._client
        await wake_parent(client.connection, client.prefix, task.id, task.delivery.headers)

    async def _give_back(self, attempt: Attempt) -> None:
        try:
            await (await self._beginning.journal(attempt)).released()
        except Fenced:
            # To give back what another worker has now would start it a second time.
            _say_lost(attempt)
            return
        except PepperError as error:
            log.debug("task.release_unrecorded", task_id=attempt.task.id, error=str(error))
        await attempt.task.delivery.nak()


def _say_lost(attempt: Attempt) -> None:
    log.warning("task.lost", task_id=attempt.task.id, attempt=attempt.number)


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


def _parked(attempt: Attempt) -> Parked | None:
    """The wait that ended the attempt, whatever its handler made of being left."""
    replay = attempt.replay
    return None if replay is None or replay.suspended is None else Parked(replay.suspended)


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
