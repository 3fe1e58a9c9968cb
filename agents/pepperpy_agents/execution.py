"""The life of one delivery: read, start, perform, settle.

Every delivery ends in one of a closed set of outcomes, and each outcome has one way to settle it.
Nothing is acknowledged before its result is stored. What fails in between, because the broker is
away, is left unsettled: the broker delivers it again, and the journal and the first-result-wins
rule make that harmless.
"""

import asyncio
import time
from typing import Any, TypeAlias

import msgspec

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.attempt_log import say_failure, say_given_up
from pepperpy_agents.context import Context
from pepperpy_agents.handler import Handler
from pepperpy_agents.runner import Runner
from pepperpy_agents.task import Task, read_task
from pepperpy_bus.bodies import fingerprint
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.blobs import claim_check, redeem
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.tasks.deadletters import write_letter
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.timers import time_limit
from pepperpy_bus.trace import active, parse
from pepperpy_schemas.cloudevents import is_cloudevent, unwrap
from pepperpy_schemas.codec import encode
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
from pepperpy_schemas.headers import ATTEMPT, BLOB, FINGERPRINT, TOPIC, TRACEPARENT
from pepperpy_schemas.messages import AttemptRecord, DeadLetter, Result

log = get_log("pepperpy.worker")

MAX_ERROR = 32 * 1024
"""Bytes above which an error is cut down to its code and the beginning of its message."""
MAX_MESSAGE = 2000
"""Characters of the message that are kept then."""


class Completed(msgspec.Struct, frozen=True):
    """The handler returned."""

    data: bytes


class Failed(msgspec.Struct, frozen=True):
    """The task is given up, with its last error."""

    error: ErrorInfo


class Repeat(msgspec.Struct, frozen=True):
    """The attempt failed and is repeated after a wait."""

    error: ErrorInfo
    wait: float
    failures: int


class Released(msgspec.Struct, frozen=True):
    """The worker is stopping and gives the delivery back; it is no attempt."""


class Superseded(msgspec.Struct, frozen=True):
    """The task has a result already."""


class Lost(msgspec.Struct, frozen=True):
    """Another worker has claimed the task; this one must not touch it any more."""


Outcome: TypeAlias = Completed | Failed | Repeat | Released | Superseded | Lost


class _Overrun(Exception):
    """The attempt's time is over; told apart from a TimeoutError of the handler's own."""


class Attempt(msgspec.Struct):
    """One attempt while it runs.

    Attributes:
        task: The task.
        spec: What the agent does with it.
        number: Which attempt it is, from 1; 0 until that is known.
        journal: The task's journal, when it was read.
        began: Monotonic time of the start.
    """

    task: Task
    spec: TaskSpec
    number: int = 0
    journal: Journal | None = None
    began: float = 0.0


class Executor:
    """Takes deliveries through their life, for one instance of an agent.

    Args:
        client: The client.
        emitter: Where events go.
        clock: The server's clock.
        runner: Where handlers run.
        instance: The instance, ``agent/instance``, written into journals and events.

    Attributes:
        stopping: What is delivered from now on is given back without a start.
        done: Tasks ended.
        failed: Tasks ended otherwise than completed.
    """

    def __init__(
        self, client: Client, emitter: Emitter, clock: ServerClock, runner: Runner, instance: str
    ) -> None:
        self._client = client
        self._emitter = emitter
        self._clock = clock
        self._runner = runner
        self._instance = instance
        self._away_ns = 0
        self.stopping = False
        self.done = 0
        self.failed = 0

    def broker_is_away(self) -> None:
        """Trusts no count of deliveries of what is older: after a crash it begins at one again."""
        self._away_ns = self._clock.now_ns()

    async def execute(self, spec: TaskSpec, delivery: Delivery) -> None:
        """Takes one delivery through its life."""
        task, wrong = read_task(delivery, spec.topic)
        attempt = Attempt(task, spec, began=time.monotonic())
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
        task = attempt.task
        repeated = task.redelivered or task.delivery.time_ns < self._away_ns
        if (task.chosen or repeated) and await self._client.results.get(task.id) is not None:
            return Superseded()
        attempt.number = 1
        if repeated:
            await self._claim(attempt)
        if wrong is not None:
            return Failed(wrong.info())
        try:
            data = await self._read_input(attempt)
        except PepperError as error:
            if error.category == "bus":
                raise
            return Failed(_for_topic(error.info(), attempt.spec.topic))
        except Exception as error:
            # A type's own validation may raise anything; the body is to blame all the same.
            refused = BadPayload(f"$: {type(error).__name__}: {error}")
            return Failed(_for_topic(refused.info(), attempt.spec.topic))
        return await self._perform(attempt, data)

    # --- start ----------------------------------------------------------------------------------

    async def _claim(self, attempt: Attempt) -> None:
        """Finds a repeated attempt's number and claims the task before user code runs."""
        task = attempt.task
        journal = attempt.journal = await self._read_journal(task)
        if task.redelivered or journal.history.entries:
            attempt.number = journal.history.next_attempt(task.delivery.deliveries)
            await journal.claim(attempt.number)

    async def _read_journal(self, task: Task) -> Journal:
        client = self._client
        journal = Journal(client.connection, client.prefix, task.id, self._instance)
        await journal.read()
        return journal

    async def _own_journal(self, attempt: Attempt) -> Journal:
        """The journal to write in; a first attempt reads it only now, and may come too late.

        Raises:
            Fenced: A later attempt has claimed the task.
        """
        if attempt.journal is None:
            journal = await self._read_journal(attempt.task)
            if attempt.number and journal.history.next_attempt(0) > attempt.number:
                raise Fenced(f"task {attempt.task.id} was claimed after attempt {attempt.number}")
            attempt.journal = journal
        return attempt.journal

    async def _read_input(self, attempt: Attempt) -> Any:
        delivery, schema = attempt.task.delivery, attempt.task.headers.schema
        if schema:
            await self._client.schemas.check_name(attempt.spec.topic, schema)
        body, headers = delivery.body, delivery.headers
        if headers:
            if BLOB.lower() in headers:
                client = self._client
                body = await redeem(client.connection, client.prefix, body, headers)
            if is_cloudevent(headers):
                body = unwrap(body, headers)
        return attempt.spec.handler.decode(body)

    # --- perform --------------------------------------------------------------------------------

    async def _perform(self, attempt: Attempt, data: Any) -> Outcome:
        task, spec = attempt.task, attempt.spec
        left = task.seconds_left(self._clock)
        if left is not None and left <= 0:
            return Failed(
                DeadlineExceeded(f"task {task.id} was not started before its deadline").info()
            )
        await self._tell(attempt, "started", {"instance": self._instance}, certain=True)
        limit = min((s for s in (left, spec.timeout) if s is not None), default=None)
        try:
            value = await self._within(limit, attempt, data)
        except _Overrun:
            if limit == left:
                return Failed(DeadlineExceeded(f"task {task.id} ran past its deadline").info())
            overrun = TaskTimeout(f"{spec.topic} ran longer than {spec.timeout:g} s")
            return await self._after_error(attempt, overrun)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            canceled = HandlerError("the handler raised CancelledError")
            return await self._after_error(attempt, canceled)
        except (Exception, SystemExit) as error:
            return await self._after_error(attempt, error)
        return _completed(spec, value)

    async def _within(self, limit: float | None, attempt: Attempt, data: Any) -> Any:
        if limit is None:
            return await self._call(attempt, data)
        watch = time_limit(self._client.connection.timers, limit)
        try:
            with watch:
                return await self._call(attempt, data)
        except TimeoutError:
            if watch.expired:
                raise _Overrun from None
            raise

    async def _call(self, attempt: Attempt, data: Any) -> Any:
        task = attempt.task
        bound = log.bind(task_id=task.id, topic=task.topic, attempt=attempt.number)
        context = Context(task, attempt.number, self._client, self._emitter, bound)
        headers = task.delivery.headers
        if headers and TRACEPARENT in headers:
            with active(parse(headers)):
                return await call_handler(self._runner, attempt.spec.handler, data, context)
        return await call_handler(self._runner, attempt.spec.handler, data, context)

    async def _after_error(self, attempt: Attempt, error: BaseException) -> Outcome:
        """Decides between repeating and giving up, and records the failure."""
        info = _short(info_of(error))
        try:
            journal = await self._own_journal(attempt)
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
                await self._tell(attempt, "retry", told)
                await delivery.nak(delay=wait)
            case Released():
                await self._give_back(attempt)
            case Superseded():
                await delivery.ack()
            case Lost():
                _say_lost(attempt)

    async def _end(self, attempt: Attempt, result: Result) -> None:
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
            await self._tell(attempt, result.state.verb, data, certain=True)
        # Last, so that event and acknowledgement leave in one piece.
        await task.delivery.ack()

    async def _give_up(self, attempt: Attempt, error: ErrorInfo) -> None:
        """Files the dead letter first: a failed result always has one."""
        task, error, filed = attempt.task, _short(error), 0
        if error.category != "control":
            delivery = task.delivery
            letter = write_letter(
                task.id,
                task.topic,
                error,
                body=delivery.body,
                headers=delivery.headers,
                attempts=self._attempts(attempt, error),
                deliveries=delivery.deliveries,
            )
            filed = await self._file(letter, delivery.body)
        result = Result(ok=False, error=error)
        await self._end(attempt, result)
        say_given_up(task, attempt.number, result, filed)

    async def _file(self, letter: DeadLetter, body: bytes) -> int:
        try:
            return await self._client.dead_letters.put(letter)
        except TooLarge:
            # What fitted as a body need not fit inside JSON: it goes by reference.
            client = self._client
            ours = {k: v for k, v in letter.headers.items() if k.startswith("pp-")}
            text, headers = await claim_check(client.connection, client.prefix, body, ours, 0)
            letter = msgspec.structs.replace(
                letter, body=text.decode(), body_base64=None, headers=headers
            )
            return await client.dead_letters.put(letter)

    def _attempts(self, attempt: Attempt, error: ErrorInfo) -> list[AttemptRecord]:
        number = max(1, attempt.number)
        known = attempt.journal.history.attempts() if attempt.journal is not None else []
        if known and known[-1].attempt == number and known[-1].error is not None:
            return known
        last = AttemptRecord(number, self._clock.now(), self._instance, error)
        return [*(one for one in known if one.attempt != number), last]

    async def _give_back(self, attempt: Attempt) -> None:
        try:
            await (await self._own_journal(attempt)).released()
        except Fenced:
            # To give back what another worker has now would start it a second time.
            _say_lost(attempt)
            return
        except PepperError as error:
            log.debug("task.release_unrecorded", task_id=attempt.task.id, error=str(error))
        await attempt.task.delivery.nak()

    async def _tell(
        self, attempt: Attempt, verb: str, data: dict[str, Any], *, certain: bool = False
    ) -> None:
        task = attempt.task
        await self._emitter.emit(
            "task",
            verb,
            scope=task.topic,
            id=task.id,
            correlation=task.root,
            causation=task.headers.parent,
            attempt=attempt.number,
            priority=task.headers.priority,
            data=data,
            certain=certain,
            event_id=f"{task.id}:{attempt.number}:{verb}",
        )


def _say_lost(attempt: Attempt) -> None:
    log.warning("task.lost", task_id=attempt.task.id, attempt=attempt.number)


def _for_topic(info: ErrorInfo, topic: str) -> ErrorInfo:
    """The general hint of a bad body, with the topic in it."""
    if info.hint != BadPayload.hint:
        return info
    return msgspec.structs.replace(info, hint=info.hint.replace("TOPIC", topic))


def _completed(spec: TaskSpec, value: Any) -> Outcome:
    try:
        return Completed(spec.handler.encode(value))
    except PepperError as error:
        return Failed(HandlerError(f"what {spec.handler.name} returned {error}").info())
    except Exception as error:
        # A model's own serialiser may raise anything.
        told = f"what {spec.handler.name} returned cannot be written as JSON: {error}"
        return Failed(HandlerError(told).info())


def _short(info: ErrorInfo) -> ErrorInfo:
    """An error that fits into a journal, an event and a dead letter, whatever was raised."""
    if len(encode(info)) <= MAX_ERROR:
        return info
    message = info.message[:MAX_MESSAGE] + ("…" if len(info.message) > MAX_MESSAGE else "")
    return msgspec.structs.replace(info, message=message, hint="", context={}, cause=None)


async def call_handler(runner: Runner, handler: Handler, data: Any, context: Context) -> Any:
    """Returns what a handler returns, from where it belongs.

    A canceled handler in the loop gets CancelledError. A thread cannot be stopped: it runs on and
    its result is dropped. A process is killed.

    Raises:
        Unavailable: The handler's process died, or was killed with another that overran.
    """
    if handler.where != "loop":
        return await runner.run(handler, data, context)
    if handler.takes_context:
        return await handler.call(data, context)
    return await handler.call(data)
