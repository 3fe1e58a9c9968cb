"""What a handler knows of its task and can do besides returning."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack

from pepperpy_agents.durable.durability import Durability
from pepperpy_agents.durable.waiting import NO_DEFAULT, child_value
from pepperpy_agents.output import Output
from pepperpy_agents.sharing import Sharing
from pepperpy_agents.task import Task
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import Log
from pepperpy_bus.registry import Registry
from pepperpy_bus.routing import Addressee, Group, addressed
from pepperpy_bus.streams.clock import to_datetime
from pepperpy_bus.submission import SubmitOptions
from pepperpy_bus.tasks.cancels import request_cancel
from pepperpy_bus.units import Duration
from pepperpy_schemas.errors import BadConfig, BadName, ChildFailed
from pepperpy_schemas.messages import Result

if TYPE_CHECKING:
    from pepperpy_bus.llm import LLM
    from pepperpy_bus.memory import Memory
    from pepperpy_bus.state.budget import TaskBudget
    from pepperpy_bus.state.resources import Resources
    from pepperpy_bus.state.values import AgentState


class Context:
    """The context of one attempt.

    Attributes:
        task_id: The task's id.
        topic: Its topic.
        attempt: The number of this attempt, from 1.
        deadline: When the task must have ended, or None.
        parent: Id of the task that submitted this one, or empty.
        root: Id of the first task of the family; the correlation of its events.
        headers: The headers it came with, names in lower case.
        log: A log that carries the task's id and topic.
    """

    def __init__(
        self,
        task: Task,
        attempt: int,
        client: Client,
        emitter: Emitter,
        log: Log,
        sharing: Sharing,
        durability: Callable[[], Durability] | None = None,
        *,
        begun_anew: int = 0,
    ) -> None:
        self.task_id = task.id
        self.topic = task.topic
        self.attempt = attempt
        self.parent = task.headers.parent
        self.root = task.root
        self.headers: Mapping[str, str] = task.delivery.headers
        self.log = log
        self._task = task
        self._client = client
        self._emitter = emitter
        self._sharing = sharing
        self._make_durability = durability
        self._made: Durability | None = None
        self._output: Output | None = None
        # An attempt that its worker gave back speaks again from its beginning, with other words.
        self._speaks_as = attempt + begun_anew

    @property
    def deadline(self) -> datetime | None:
        """When the task must have ended, by the server's clock; None without a deadline."""
        return self._task.deadline

    @property
    def sent(self) -> datetime:
        """When the server stored what was delivered, by its clock."""
        return to_datetime(self._task.delivery.time_ns)

    @property
    def now(self) -> datetime:
        """The time by the server's clock, which deadlines count by; this machine's may be wrong."""
        return self._sharing.clock.now()

    @property
    def key(self) -> str:
        """The task's key as its sender gave it; empty without one."""
        return self._task.headers.key if self._task.key else ""

    @property
    def fence(self) -> int:
        """A number that is higher for every later attempt and every later task of the key.

        A store that keeps the highest it has seen, and refuses what comes with a lower one, refuses
        a worker that stood still and does not know that another has its task. 0 without a key.
        """
        return self._task.order and (self._task.order << 16) + self.attempt

    @property
    def client(self) -> Client:
        """The client that the worker has: to look things up with; what it sends is no child."""
        return self._client

    @property
    def registry(self) -> Registry:
        """The live agents."""
        return self._client.registry

    # --- what outlives the worker ---------------------------------------------------------------

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        type: Any = None,  # noqa: A002 - reads as msgspec's own argument
        **kwargs: Any,
    ) -> Any:
        """Does something once, whatever happens to the worker, and returns its result.

        The result is in the journal before it is returned. An attempt after a crash or a failure
        gets it from there, and goes on at the first step that has none.

        Args:
            name: The step's name; it is how the journal tells that the code is still the same.
            function: What to do; a plain ``def`` runs in a thread.
            *args: Its arguments.
            type: The type of the result; by default what the function's annotation says.
            **kwargs: Its named arguments.

        Raises:
            JournalMismatch: The journal has something else at this place.
            BadPayload: The result cannot be written as JSON, or is not of the type.
        """
        return await self._durable.step(name, function, args, kwargs, type)

    async def ask(
        self,
        text: str,
        *,
        choices: Sequence[Any] = (),
        deadline: Duration | datetime | None = None,
        default: Any = NO_DEFAULT,
        remind: Duration | None = None,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
    ) -> Any:
        """Asks people and returns their answer, be it days later and in another worker.

        The handler is left here and called again from its beginning when there is an answer: steps
        before the question are not done again, what is no step is. The slot is free meanwhile.

        Args:
            text: The question.
            choices: The answers that are allowed; any by default.
            deadline: When the default counts, as a duration from now or a time.
            default: The answer that counts then.
            remind: Tell of the question again after every such time.
            type: Decode the answer into this type.

        Raises:
            NoAnswer: The deadline passed, and there is no default.
        """
        return await self._durable.waiting.ask(
            text, choices=choices, deadline=deadline, default=default, remind=remind, type=type
        )

    async def sleep(self, duration: Duration) -> None:
        """Waits for a time, without a slot and whatever happens to the worker meanwhile."""
        await self._durable.waiting.sleep(duration)

    async def submit(
        self, topic: str | Addressee, data: Any = None, **options: Unpack[SubmitOptions]
    ) -> str:
        """Publishes a child of this task, once in all its attempts; returns its id.

        See `Client.submit`. The child must have ended before this task's deadline. Where a group's
        task goes is chosen in a step.
        """
        if isinstance(topic, Group) and self._make_durability is not None:
            topic = str(await self.step(f"route {topic.name}", topic.pick, self._client.registry))
        topic, data = await addressed(topic, self._client.registry, data)
        if self._make_durability is not None:
            return await self._durable.children.submit(topic, data, options)
        options.setdefault("parent", self.task_id)
        options.setdefault("root", self.root)
        return await self._client.submit(topic, data, **options)

    async def cancel(self, child: str, *, reason: str = "") -> None:
        """Asks for the end of a child and of its own children; `gather` says how it ended."""
        await request_cancel(
            self._client.connection, self._client.prefix, child, reason=reason, by=self.task_id
        )

    async def gather(
        self,
        *children: str,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Returns what children returned, in the order of their ids, when all have ended.

        The handler is left meanwhile, as by `ask`.

        Args:
            *children: Ids from `submit`.
            type: Decode what they returned into this type.
            return_exceptions: Give back the errors of failed ones instead of raising the first.

        Raises:
            ChildFailed: A child failed; the cause is its error.
        """
        if not children:
            return []
        ends = await self._durable.waiting.children(children)
        values: list[Any] = []
        for child_id, end in zip(children, ends, strict=True):
            assert end is not None, "a wait for all children ends with all of them"
            try:
                values.append(child_value(child_id, end, type))
            except ChildFailed as error:
                if not return_exceptions:
                    raise
                values.append(error)
        return values

    async def first(self, *children: str, timeout: Duration | None = None) -> dict[str, Result]:
        """Returns the ends of those children that have ended, at least one, by id.

        Args:
            *children: Ids from `submit`.
            timeout: Return after this long at the latest, with none if none has ended.
        """
        if not children:
            return {}
        ends = await self._durable.waiting.children(children, first=True, timeout=timeout)
        return {one: end for one, end in zip(children, ends, strict=True) if end is not None}

    async def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        **options: Unpack[SubmitOptions],
    ) -> Any:
        """Publishes a child and returns what it returned; see `submit` and `gather`."""
        child_id = await self.submit(topic, data, **options)
        return (await self.gather(child_id, type=type))[0]

    @property
    def _durable(self) -> Durability:
        if self._made is None:
            if self._make_durability is None:
                raise BadConfig(
                    "a listener of events has no journal: no steps, questions or children to wait "
                    "for",
                    hint="submit a task from it: await ctx.submit(…)",
                )
            self._made = self._make_durability()
        return self._made

    @property
    def replaying(self) -> bool:
        """Whether what comes next was done by an earlier attempt and is in the journal."""
        return self._durable.replaying

    # --- what tasks share -----------------------------------------------------------------------

    @property
    def state(self) -> "AgentState":
        """The values that the agent keeps; ``family`` and ``keyed`` have those of other scopes."""
        return self._sharing.state(self.root)

    @property
    def resources(self) -> "Resources":
        """The resources with a capacity: ``async with ctx.resources.acquire("gpu", 2)``."""
        return self._sharing.resources

    @property
    def budget(self) -> "TaskBudget":
        """What the task may spend: ``async with ctx.budget.spend(tokens=500) as spending``."""
        return self._sharing.budget(self._task, self.attempt)

    @property
    def llm(self) -> "LLM":
        """The language models: ``await ctx.step("draft", ctx.llm.chat, "Write …")``.

        What they cost is spent from the task's budget, and they have until its deadline.
        """
        return self._sharing.llm(self._task, self.attempt)

    @property
    def memory(self) -> "Memory":
        """What is remembered: ``await ctx.step("recall", ctx.memory.search, "the parcel")``.

        Entries and searches are of this agent, and of the conversation that the task's key names;
        without a key, that is the family of tasks. They have until the task's deadline.
        """
        return self._sharing.memory(self._task)

    # --- what happens ---------------------------------------------------------------------------

    async def stream(self, chunk: Any) -> None:
        """Shows a piece of output to everybody who watches the task, now or later.

        Args:
            chunk: Text, or any value that JSON can carry.

        Raises:
            TooLarge: It is larger than 64 KiB.
        """
        if self._output is None:
            self._output = Output(
                self._emitter.outbox, self._client.prefix, self.task_id, self._speaks_as
            )
        await self._output.write(chunk)

    @property
    def streams(self) -> bool:
        """Whether there has been output."""
        return self._output is not None

    async def end_stream(self) -> None:
        """Says that there is no more output; the worker does so when the handler returns."""
        output, self._output = self._output, None
        if output is not None:
            await output.end()

    async def progress(self, fraction: float, message: str = "", **data: Any) -> None:
        """Tells how far the task is.

        Args:
            fraction: From 0 to 1.
            message: A line for people.
            **data: More values for the event.
        """
        share = min(1.0, max(0.0, fraction))
        await self._tell("task", "progress", {"fraction": share, "message": message, **data})

    async def emit(self, name: str, /, *, scope: str = "", event_id: str = "", **data: Any) -> None:
        """Tells of something that happened, as an event of this task.

        Args:
            name: Entity and verb: ``invoice.found``.
            scope: What it belongs to; the task's topic by default.
            event_id: Equal for repeats of the same fact, which is then told for certain, and once.
            **data: The event's values.

        Raises:
            BadName: The name is not two tokens.
        """
        entity, dot, verb = name.partition(".")
        if not dot or not verb:
            raise BadName(
                f"event name {name!r:.80} is not entity.verb", hint="for example invoice.found"
            )
        await self._tell(entity, verb, data, scope=scope, event_id=event_id)

    async def _tell(
        self,
        entity: str,
        verb: str,
        data: Mapping[str, Any],
        *,
        scope: str = "",
        event_id: str = "",
    ) -> None:
        await self._emitter.emit(
            entity,
            verb,
            scope=scope or self.topic,
            id=self.task_id,
            correlation=self.root,
            causation=self.task_id,
            attempt=self.attempt,
            priority=self._task.headers.priority,
            data=data,
            certain=bool(event_id),
            event_id=event_id,
        )
