"""The client: submit tasks, wait for results, watch and listen."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack, cast, overload

from pepperpy_bus.bodies import fingerprint, to_json
from pepperpy_bus.config import Settings, load
from pepperpy_bus.events import Emitter, Heard, listen
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.hooks import Hook
from pepperpy_bus.options import connection_options, limits_of
from pepperpy_bus.registry import Registry
from pepperpy_bus.routing import Addressee, addressed
from pepperpy_bus.streams.blobs import claim_check
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.jetstream import PubAck, message_at, store
from pepperpy_bus.streams.provision import provision, provisioned
from pepperpy_bus.streams.topology import streams
from pepperpy_bus.tasks.answers import Question, Questions
from pepperpy_bus.tasks.cancels import Cancels
from pepperpy_bus.tasks.deadletters import DeadLetters
from pepperpy_bus.tasks.results import Ended, Results
from pepperpy_bus.tasks.schedules import Schedules
from pepperpy_bus.tasks.timing import OPTIONS, read_timing, refuse_recurring
from pepperpy_bus.tasks.topic_schemas import TopicSchemas, schema_name, validate
from pepperpy_bus.tasks.watch import Position, Update, watch_task
from pepperpy_bus.trace import current
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas import headers as h
from pepperpy_schemas.budgets import Budget, budget_of, write_budget
from pepperpy_schemas.catalog import KEYED_TASK, RESUME, TASK
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import (
    BadConfig,
    BadHeader,
    Conflict,
    HandlerError,
    NotFound,
    error_from_info,
)
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.tokens import HIGH_LANE, check_token, check_topic, key_token, new_id

if TYPE_CHECKING:
    from pepperpy_bus.state.budget import Budgets
    from pepperpy_bus.state.cells import Cells
    from pepperpy_bus.state.resources import Resources
    from pepperpy_bus.state.values import AgentState
    from pepperpy_bus.tasks.explaining import Stories
    from pepperpy_bus.tasks.explanation import Explanation

T = TypeVar("T")


class SubmitOptions(TypedDict, total=False):
    """What may be said about a task besides topic and body.

    Attributes:
        id: An id of the caller's own: the same id twice is one run. Random by default.
        timeout: From the broker's receipt of the task to its deadline, such as ``"5m"``.
        priority: ``high`` goes to a lane of its own, which workers serve apart from the backlog.
        headers: More headers; ``Nats-*`` are dropped.
        check: Validate against the topic's announced schema before sending.
        parent: Id of the task on whose behalf this one is.
        root: Id of the first task of the family.
        at: Not before this time: an aware datetime, or text with its zone. The broker keeps it.
        delay: Not before this long from now, such as ``"2h"``.
        every: Again and again, each time a task of its own: ``"5m"``. The id is the schedule's.
        cron: The same at the times of a cron expression: ``"0 30 7 * * *"``, seconds first.
        tz: The time zone of ``cron``, such as ``"Europe/Berlin"``; UTC by default.
        reply_to: Where the task's end is told: the resume subject of a task that waits for it.
        budget: What the task and all its descendants may spend together: ``tokens``, ``usd``,
            ``seconds`` of running time, ``tasks`` that they submit.
    """

    id: str
    timeout: Duration
    priority: str
    headers: Mapping[str, str]
    check: bool
    parent: str
    root: str
    at: datetime | str
    delay: Duration
    every: Duration
    cron: str
    tz: str
    key: str
    reply_to: str
    budget: Mapping[str, float] | Budget


class ClientState(StrEnum):
    """Where a client's connection is."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    CLOSED = "closed"


class Client:
    """A connected client; `connect` makes one.

    Attributes:
        connection: The connection below.
        settings: The settings in force.
        prefix: The deployment's prefix.
        source: Who this client says it is, sent with every task; empty for nobody.
        registry: The live agents.
        dead_letters: The tasks that failed for good.
        schemas: What each topic takes and gives.
        results: The tasks' ends.
        schedules: The tasks that the broker submits later.
    """

    def __init__(self, connection: Connection, settings: Settings, *, source: str = "") -> None:
        self.connection = connection
        self.settings = settings
        self.prefix = settings.bus.prefix
        self.source = source
        self.registry = Registry(connection, self.prefix)
        self.dead_letters = DeadLetters(connection, self.prefix)
        self.schemas = TopicSchemas(connection, self.prefix)
        self.results = Results(
            connection,
            self.prefix,
            threshold=settings.bus.blob_threshold,
            keep=settings.bus.result_ttl,
        )
        self.schedules = Schedules(connection, self.prefix, threshold=settings.bus.blob_threshold)
        self._cancels = Cancels(connection, self.prefix, self.results)
        self._questions = Questions(connection, self.prefix, self.results)
        self._clock = ServerClock(connection, self.prefix)
        self._slots = asyncio.Semaphore(settings.bus.max_in_flight)

    # --- state ----------------------------------------------------------------------------------

    @property
    def state(self) -> ClientState:
        """Where the connection is now."""
        if self.connection.closed:
            return ClientState.CLOSED
        return ClientState.CONNECTED if self.connection.connected else ClientState.DISCONNECTED

    def on_disconnect(self, hook: Hook) -> Hook:
        """Calls the hook whenever the connection is lost; usable as a decorator."""
        self.connection.on_disconnect.append(hook)
        return hook

    def on_reconnect(self, hook: Hook) -> Hook:
        """Calls the hook whenever the connection is back; usable as a decorator."""
        self.connection.on_reconnect.append(hook)
        return hook

    def on_close(self, hook: Hook) -> Hook:
        """Calls the hook when the connection ends for good; usable as a decorator."""
        self.connection.on_close.append(hook)
        return hook

    # --- tasks ----------------------------------------------------------------------------------

    async def submit(
        self, topic: str | Addressee, data: Any = None, **options: Unpack[SubmitOptions]
    ) -> str:
        """Publishes a task and returns its id when the broker has stored it.

        With ``every`` or ``cron`` it is the id of the schedule.

        Args:
            topic: The topic, where workers of any language listen; or a `Group` or `Graph`.
            data: The body: a Struct, dataclass, pydantic model or plain value; JSON as `bytes`.
            **options: See `SubmitOptions`.

        Raises:
            BadName: The topic or id is not a valid name.
            BadPayload: The body is no JSON, or does not fit the topic's schema.
            BadSchedule: The time is past, or is none.
            Conflict: The id was used with another body.
            QueueFull: The queue has reached its limit.
            Unreachable: The broker did not come back in time.
        """
        task_id = options.get("id") or new_id()
        topic, data = await addressed(topic, self.registry, data)
        await self.send(topic, task_id, to_json(data), options)
        return task_id

    @overload
    async def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        type: type[T],
        wait: Duration | None = None,
        **options: Unpack[SubmitOptions],
    ) -> T: ...
    @overload
    async def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        wait: Duration | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Any: ...
    async def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        wait: Duration | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Any:
        """Submits a task, waits for its end and returns what its handler returned.

        Args:
            topic: The topic, or a `Group` or `Graph`.
            data: The body; what a graph as a whole is given.
            type: Decode the answer into this type; plain values by default.
            wait: How long to wait for the end; for ever by default.
            **options: See `SubmitOptions`.

        Raises:
            TimeoutError: It had not ended in time. It goes on; `result` finds its end later.
            PepperError: The task failed; the error is the one it failed with.
        """
        refuse_recurring(options)
        task_id = options.get("id") or new_id()
        topic, data = await addressed(topic, self.registry, data)
        body = to_json(data)
        async with self.results.expect(task_id, submitted="id" in options) as waiter:
            mine = await self.send(topic, task_id, body, options)
            ended = await waiter.wait(_seconds(wait))
        _refuse_conflict(task_id, mine, ended.fingerprint)
        return answer(ended, type)

    async def result(
        self,
        task_id: str,
        *,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        wait: Duration | None = None,
    ) -> Any:
        """Returns what a task's handler returned.

        Args:
            task_id: The task.
            type: Decode the answer into this type; plain values by default.
            wait: How long to wait when it has not ended yet; not at all by default.

        Raises:
            NotFound: It has no result (yet, or any more) and ``wait`` was not given.
            TimeoutError: It had not ended in time.
            PepperError: The task failed; the error is the one it failed with.
        """
        return answer(await self.ended(task_id, wait=wait), type)

    async def ended(self, task_id: str, *, wait: Duration | None = None) -> Ended:
        """Returns a task's end, failed or not; see `result` for the rest."""
        if wait is None:
            found = await self.results.get(task_id)
            if found is None:
                raise NotFound(
                    f"task {task_id} has no result",
                    hint=f"see where it is: pepperpy explain {task_id}",
                )
            return found
        async with self.results.expect(task_id, submitted=True) as waiter:
            return await waiter.wait(_seconds(wait))

    async def cancel(
        self, task_id: str, *, reason: str = "", by: str = "", wait: Duration = 10.0
    ) -> bool:
        """Ends a task and all its children, wherever they are; returns whether that is done.

        A queued or scheduled task is not started, a suspended one not resumed. A running handler
        gets CancelledError and may clean up; what it returns counts no more.

        Args:
            task_id: The task.
            reason: Why, for people.
            by: Who says so, a claim; by default this client's source.
            wait: How long to wait until it is done. The request is stored: when that takes
                longer, because no worker is up, the first one that comes carries it out within a
                day.

        Raises:
            NotFound: There is no such task.
            Conflict: It has ended otherwise; ``context["state"]`` says how.
        """
        by = by or self.source
        seconds = parse_duration(wait)
        return await self._cancels.cancel(task_id, reason=reason, by=by, wait=seconds)

    # --- questions ------------------------------------------------------------------------------

    async def question(self, task_id: str) -> Question | None:
        """Returns what a task asks people now, or None."""
        return await self._questions.of(task_id)

    async def questions(self, *, topic: str = "") -> list[Question]:
        """Returns the questions that tasks ask people now, the oldest first.

        Args:
            topic: Only those of tasks of this topic.
        """
        return await self._questions.all(topic=topic)

    async def answer(
        self, task_id: str, value: Any, *, question: int | None = None, by: str = ""
    ) -> Question:
        """Answers what a task asks, and returns the question; the first answer counts.

        Args:
            task_id: The task.
            value: The answer, any JSON; one of the choices if the question has some.
            question: The question's number, when only that one is meant: a task may have asked
                another one meanwhile.
            by: Who answers, a claim; by default this client's source.

        Raises:
            NotFound: The task has no open question, or another than that one.
            BadPayload: The answer is none of the choices.
            Conflict: Somebody else has answered it.
        """
        by = by or self.source
        return await self._questions.answer(task_id, value, number=question or 0, by=by)

    def watch(
        self, task_id: str, *, start: int | tuple[int, int] | None = None
    ) -> AsyncIterator[Update]:
        """Yields a task's events, live output and end, from its beginning, until it has ended.

        Args:
            task_id: The task.
            start: The first piece of output to yield, from 1, or an attempt and a piece of it.
        """
        position = Position(*start) if isinstance(start, tuple) else Position(seq=start or 1)
        return watch_task(self.connection, self.prefix, self.results, task_id, position)

    # --- time travel ----------------------------------------------------------------------------

    async def explain(self, task_id: str, *, children: bool = False) -> "Explanation":
        """Returns the story of a task: attempts, steps, waits, children, cost, and its end.

        Args:
            task_id: The task.
            children: Tell those of its children too, and of theirs.

        Raises:
            NotFound: Nothing is known of it, or not any more.
        """
        return await self._stories.explain(task_id, children=children)

    async def task_state(self, task_id: str) -> TaskState:
        """Returns where a task is in its life; see `explain` for all of it.

        Raises:
            NotFound: Nothing is known of it, or not any more.
        """
        return await self._stories.state(task_id)

    async def rerun(
        self,
        task_id: str,
        *,
        from_step: int | str | None = None,
        unfinished: bool = False,
        changes: Mapping[str, Any] | None = None,
    ) -> str:
        """Does a task again, all of it or from a step on, and returns the id of the new task.

        What stands in the journal before that step is taken over and not done again.

        Args:
            task_id: The task.
            from_step: The first step that is done again: its name, or its place as `explain`
                shows it.
            unfinished: Begin after the last step, wait or child that the task came to.
            changes: New values in its input by path: ``{"customer.name": "Ana"}``.

        Raises:
            NotFound: What it was given is not kept any more, or it has no such step.
            BadPayload: A path leads nowhere.
        """
        from pepperpy_bus.tasks.rerunning import find_again

        if unfinished and from_step is not None:
            raise BadConfig(f"unfinished says where to begin, and from_step {from_step!r} too")
        again = await find_again(
            self.connection, self.prefix, self.results, self.dead_letters, task_id
        )
        first = again.last_place + 1 if unfinished else from_step
        body, options = await again.changed(self.connection, self.prefix, first, changes or {})
        new = new_id()
        await self.send(again.topic, new, body, cast("SubmitOptions", options))
        return new

    @functools.cached_property
    def _stories(self) -> "Stories":
        from pepperpy_bus.tasks.explaining import Stories

        return Stories(self.connection, self.prefix, self.results, self.dead_letters, self.budgets)

    # --- events ---------------------------------------------------------------------------------

    def events(
        self,
        pattern: str = ">",
        *,
        where: str = "",
        since: datetime | Duration | None = None,
        until_end: bool = False,
    ) -> AsyncIterator[Heard]:
        """Yields events as they happen, in order and without a gap, over reconnects.

        Args:
            pattern: Entity, verb, scope and id from the left: ``task.failed.*``, ``llm.>``.
            where: A condition on the fields: ``data.code == 'timeout' and attempt > 1``.
            since: Start this long ago (``"10m"``) or at this time; by default from now on.
            until_end: End with the last event that is there now.
        """
        start = since
        if start is not None and not isinstance(start, datetime):
            start = timedelta(seconds=parse_duration(start))
        return listen(
            self.connection, self.prefix, pattern, where=where, since=start, until_end=until_end
        )

    @contextlib.asynccontextmanager
    async def emitter(self) -> AsyncIterator[Emitter]:
        """Opens an emitter of events; what it has sent is with the broker at the end."""
        async with Emitter(self.connection, self.prefix) as emitter:
            yield emitter
            await emitter.flush()

    # --- what tasks share -----------------------------------------------------------------------

    @functools.cached_property
    def resources(self) -> "Resources":
        """The resources with a capacity: define them, hold shares of them, see who does."""
        from pepperpy_bus.state.resources import Resources

        return Resources(self._cells, self._clock, holder=self.source)

    @functools.cached_property
    def budgets(self) -> "Budgets":
        """What was spent of the budgets of tasks."""
        from pepperpy_bus.state.budget import Budgets

        return Budgets(self._cells, self._clock)

    def agent_state(self, agent: str) -> "AgentState":
        """Returns the values that an agent keeps.

        Raises:
            BadName: The agent's name is not valid.
        """
        from pepperpy_bus.state.values import AgentState

        return AgentState(self._cells, agent)

    @functools.cached_property
    def _cells(self) -> "Cells":
        from pepperpy_bus.state.cells import Cells

        return Cells(self.connection, self.prefix)

    # --- below ----------------------------------------------------------------------------------

    async def send(self, topic: str, task_id: str, body: bytes, options: SubmitOptions) -> str:
        """Publishes a task under an id; returns its fingerprint when the caller chose that.

        `submit` and `run` are made of it, and the children of tasks, whose ids are derived.
        """
        check_topic(topic)
        headers = self._headers(options)
        if options.get("check"):
            await self._check(topic, body, headers)
        timing = None if OPTIONS.isdisjoint(options) else await read_timing(options, self._clock)
        if timing is not None:
            await self.schedules.put(topic, task_id, timing, body, headers)
            return ""
        threshold = self.settings.bus.blob_threshold
        if len(body) > threshold:
            body, headers = await claim_check(
                self.connection, self.prefix, body, headers, threshold
            )
        subject = self._subject(topic, task_id, options)
        async with self._slots:
            ack = await store(
                self.connection,
                subject,
                body,
                msg_id=task_id,
                headers=headers,
                timeout=self.settings.bus.publish_timeout,
            )
        if "id" not in options:
            return ""
        mine = fingerprint(topic, body, h.fold(headers))
        if ack.duplicate:
            _refuse_conflict(task_id, mine, await self._earlier(task_id, ack))
        return mine

    def _subject(self, topic: str, task_id: str, options: SubmitOptions) -> str:
        if "key" in options:
            key = key_token(options["key"])
            return KEYED_TASK.of(self.prefix, topic=topic, key=key, id=task_id)
        lane = topic + HIGH_LANE if options.get("priority") == "high" else topic
        return TASK.of(self.prefix, topic=lane, id=task_id)

    def _headers(self, options: SubmitOptions) -> dict[str, str]:
        own: dict[str, str] = {}
        if "id" in options:
            own[h.ID] = check_token(options["id"], what="task id")
        if self.source:
            own[h.SOURCE] = self.source
        priority = options.get("priority", "normal")
        if priority not in h.PRIORITIES:
            raise BadHeader(
                f"priority is {priority!r}", hint=f"use one of {', '.join(h.PRIORITIES)}"
            )
        if priority != "normal":
            own[h.PRIORITY] = priority
        if "key" in options:
            _refuse_overtaking(options)
            own[h.KEY] = options["key"]
        if (timeout := options.get("timeout")) is not None:
            own[h.TIMEOUT_MS] = str(max(1, round(parse_duration(timeout) * 1e3)))
        for name, value in ((h.PARENT, options.get("parent")), (h.ROOT, options.get("root"))):
            if value:
                own[name] = check_token(value, what=name)
        if reply_to := options.get("reply_to"):
            RESUME.parse(self.prefix, reply_to)
            own[h.REPLY_TO] = reply_to
        if (budget := options.get("budget")) is not None:
            own[h.BUDGET] = write_budget(budget_of(budget))
        trace = current()
        if trace is not None:
            own |= trace.child().headers()
        given = options.get("headers")
        return _users(given, own) | own if given else own

    async def _check(self, topic: str, body: bytes, headers: dict[str, str]) -> None:
        schema = await self.schemas.latest(topic)
        if schema is not None:
            validate(schema, body)
            headers.setdefault(h.SCHEMA, schema_name(schema))

    async def _earlier(self, task_id: str, ack: PubAck) -> str:
        """The fingerprint of the task that took an id before, or empty when nothing tells it."""
        queued = await message_at(self.connection, ack.stream, ack.seq)
        if queued is not None:
            topic = queued.subject.split(".")[2].removesuffix(HIGH_LANE)
            return fingerprint(topic, queued.body, queued.headers)
        ended = await self.results.get(task_id)
        return ended.fingerprint if ended is not None else ""


def _refuse_conflict(task_id: str, mine: str, other: str) -> None:
    """Raises when an id stands for another task; a side that is not known agrees with all."""
    if mine and other and mine != other:
        raise Conflict(
            f"task id {task_id} is taken by a task with another topic or body",
            context={"task_id": task_id},
        )


def _refuse_overtaking(options: SubmitOptions) -> None:
    """Refuses what would break the order of a key."""
    if options.get("priority", "normal") != "normal":
        raise BadHeader(
            f"a task with a key has priority {options['priority']!r}, which would overtake",
            hint="leave out priority, or key",
            context={"header": h.PRIORITY},
        )
    timed = sorted(OPTIONS.intersection(options))
    if timed:
        raise BadHeader(
            f"a task with a key is given {', '.join(timed)}: it takes its turn when it is sent",
            hint=f"leave out {', '.join(timed)}, or key; a scheduled task may submit a keyed one",
            context={"header": h.KEY},
        )


_SET_BY_OPTION: Final = (
    (h.ID, "id"),
    (h.PRIORITY, "priority"),
    (h.BUDGET, "budget"),
    (h.KEY, "key"),
)


def _users(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """A user's headers without those that are set by options; some may only be set so."""
    kept = h.from_user(headers)
    for name, option in _SET_BY_OPTION:
        if any(one.lower() == name.lower() for one in kept):
            # It would contradict the subject, or go unchecked.
            raise BadHeader(
                f"{name} is not set among the headers",
                hint=f"give it as {option}=…",
                context={"header": name},
            )
    set_here = {name.lower() for name in own}
    return {name: value for name, value in kept.items() if name.lower() not in set_here}


def answer(ended: Ended, type: Any = Any) -> Any:  # noqa: A002 - reads as msgspec's own argument
    """Returns what a task's handler returned, or raises what it failed with.

    Raises:
        PepperError: The task failed.
        BadPayload: The answer is not of the type.
    """
    if ended.result.ok:
        return decode(bytes(ended.result.data), type)
    if ended.result.error is None:
        raise HandlerError(f"task {ended.id} failed and did not say why")
    raise error_from_info(ended.result.error)


@contextlib.asynccontextmanager
async def connect(
    url: str | None = None,
    *,
    settings: Settings | None = None,
    context: str | None = None,
    config: str | Path | None = None,
    source: str = "",
    patient: bool = False,
    **flags: object,
) -> AsyncIterator[Client]:
    """Connects to the bus while its context is open.

    Args:
        url: Address of the broker; by default what file and environment say (`PEPPERPY_NATS_URL`).
        settings: Ready settings; nothing is read then.
        context: The context to apply.
        config: The settings file to read.
        source: Who this client is, sent as a claim with every task.
        patient: Wait for the broker for ever, as workers do.
        **flags: More settings by name, with ``__`` for the dot: ``bus__prefix="test"``.

    Raises:
        Unreachable: No broker answered.
        PermissionDenied: The broker refuses the user.
        BadConfig: A setting is wrong, or the server lacks something that PepperPy needs.
    """
    if settings is None:
        given: dict[str, object] = {name.replace("__", "."): flags[name] for name in flags}
        if url is not None:
            given["nats.url"] = url
        settings = load(flags=given, context=context, config=config).settings
    options = connection_options(settings, patient=patient)
    async with open_connection(options) as connection, contextlib.AsyncExitStack() as stack:
        declared = streams(settings.bus.prefix, limits_of(settings))
        if settings.bus.provision == "auto":
            await stack.enter_async_context(provisioned(connection, declared, patient=patient))
        else:
            await provision(connection, declared, create=False)
        yield Client(connection, settings, source=source)


def _seconds(wait: Duration | None) -> float | None:
    return None if wait is None else parse_duration(wait)
