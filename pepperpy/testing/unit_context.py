"""The context of a handler that is called without a bus: it notes what the handler does."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from pepperpy.testing.model import ScriptedModel
from pepperpy.testing.noted import Asked, Child, Step, Told
from pepperpy.testing.unit_llm import UnitLLM
from pepperpy_agents.context import Context
from pepperpy_agents.durable.steps import result_type
from pepperpy_agents.durable.waiting import NO_DEFAULT, child_value
from pepperpy_agents.handler import decode_as
from pepperpy_bus.bodies import to_json
from pepperpy_bus.logs import get_log
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.errors import BadConfig, BadPayload, ChildFailed, NoAnswer, PepperError
from pepperpy_schemas.messages import Result

START: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""When unit calls begin, unless they say otherwise: a Monday."""
_ON_A_BUS: Final = "run it on a bus: await pepper.run(…)"


class UnitContext(Context):
    """`Context` without a bus; what is not told beforehand is refused with what to do.

    Args:
        model: What models say.
        answers: What people answer, in order.
        children: What children return, by topic: a value, an error, or a function of the data.
        memory: What ``ctx.memory`` is.
        fields: ``topic``, ``attempt``, ``key``, ``headers``, ``deadline`` of the task.
        now: The time at the beginning; only `sleep` moves it.

    Attributes:
        steps: The steps that were done.
        asked: The questions.
        told: The events.
        submitted: The children.
        streamed: The pieces of output.
        progressed: How far it said to be, with the messages.
        slept: Seconds of all sleeps together.
    """

    def __init__(
        self,
        model: ScriptedModel,
        *,
        answers: Sequence[Any] = (),
        children: Mapping[str, Any] | None = None,
        memory: Any = None,
        fields: Mapping[str, Any] | None = None,
        now: datetime = START,
    ) -> None:
        # Nothing of a worker's context is there; what needs it is overridden below.
        given = {"topic": "unit", "attempt": 1, "key": "", "headers": {}, "deadline": None}
        said = {**given, **(fields or {})}
        self.task_id = self.root = "unit"
        self.parent = ""
        self.topic = said["topic"]
        self.attempt = said["attempt"]
        self.headers = said["headers"]
        self.log = get_log("pepperpy.unit")
        self._key: str = said["key"]
        self._deadline: datetime | None = said["deadline"]
        self._model, self._memory = model, memory
        self._answers, self._children = list(answers), children or {}
        self._ends: dict[str, Any] = {}
        self._now = now
        self.steps: list[Step] = []
        self.asked: list[Asked] = []
        self.told: list[Told] = []
        self.submitted: list[Child] = []
        self.streamed: list[Any] = []
        self.progressed: list[tuple[float, str]] = []
        self.slept = 0.0

    # --- what it knows --------------------------------------------------------------------------

    @property
    def deadline(self) -> datetime | None:
        """The deadline that was given."""
        return self._deadline

    @property
    def now(self) -> datetime:
        """The time: that of the beginning, and all sleeps since."""
        return self._now

    @property
    def key(self) -> str:
        """The key that was given."""
        return self._key

    @property
    def fence(self) -> int:
        """As of a task without a key: 0."""
        return 0

    @property
    def replaying(self) -> bool:
        """Never: there is no earlier attempt."""
        return False

    # --- what it does ---------------------------------------------------------------------------

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        type: Any = None,  # noqa: A002 - as in Context
        **kwargs: Any,
    ) -> Any:
        """Does the step, and returns its result as it would come back from the journal."""
        if inspect.iscoroutinefunction(function):
            made = await function(*args, **kwargs)
        else:
            made = await asyncio.to_thread(function, *args, **kwargs)
            made = await made if inspect.isawaitable(made) else made
        value = decode_as(to_json(made), result_type(function) if type is None else type)
        self.steps.append(Step(name, value))
        return value

    async def ask(
        self,
        text: str,
        *,
        choices: Sequence[Any] = (),
        deadline: Duration | datetime | None = None,  # noqa: ARG002 - as in Context
        default: Any = NO_DEFAULT,
        remind: Duration | None = None,  # noqa: ARG002 - as in Context
        type: Any = Any,  # noqa: A002 - as in Context
    ) -> Any:
        """Returns the next of the answers; without one the default, as after the deadline."""
        if self._answers:
            given = self._answers.pop(0)
            if choices and given not in choices:
                raise BadPayload(f"answer {given!r} to {text!r} is none of {list(choices)}")
        elif default is not NO_DEFAULT:
            given = default
        else:
            raise NoAnswer(
                f"the handler asks {text!r:.200}, and the test says no answer",
                hint='say one: unit(handler, data, answers=["yes"])',
            )
        value = decode_as(to_json(given), type)
        self.asked.append(Asked(text, list(choices), value))
        return value

    async def sleep(self, duration: Duration) -> None:
        """Moves `now`, at once."""
        seconds = parse_duration(duration)
        self.slept += seconds
        self._now += timedelta(seconds=seconds)

    async def submit(self, topic: Any, data: Any = None, **options: Any) -> str:
        """Notes the child; what it returns is that of its topic in ``children``."""
        name = str(topic)
        child_id = options.get("id") or f"child-{len(self.submitted) + 1}"
        self.submitted.append(Child(child_id, name, data, dict(options)))
        if name in self._children:
            made = self._children[name]
            try:
                made = made(data) if callable(made) else made
            except PepperError as error:
                made = error
            self._ends[child_id] = made
        return child_id

    async def cancel(self, child: str, *, reason: str = "") -> None:
        """Does nothing: children end when they are submitted."""

    async def gather(
        self,
        *children: str,
        type: Any = Any,  # noqa: A002 - as in Context
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Returns what the children of these ids return."""
        values: list[Any] = []
        for child_id in children:
            try:
                values.append(child_value(child_id, self._end(child_id), type))
            except ChildFailed as error:
                if not return_exceptions:
                    raise
                values.append(error)
        return values

    async def first(self, *children: str, timeout: Duration | None = None) -> dict[str, Result]:  # noqa: ARG002
        """Returns the end of the first child: it is the first that has one."""
        return {one: self._end(one) for one in children[:1]}

    async def run(
        self,
        topic: Any,
        data: Any = None,
        *,
        type: Any = Any,  # noqa: A002 - as in Context
        **options: Any,
    ) -> Any:
        """Submits a child and returns what it returns."""
        child_id = await self.submit(topic, data, **options)
        return (await self.gather(child_id, type=type))[0]

    async def stream(self, chunk: Any) -> None:
        """Notes a piece of output."""
        to_json(chunk)
        self.streamed.append(chunk)

    @property
    def streams(self) -> bool:
        """Whether there has been output."""
        return bool(self.streamed)

    async def end_stream(self) -> None:
        """Does nothing."""

    async def progress(self, fraction: float, message: str = "", **data: Any) -> None:  # noqa: ARG002
        """Notes how far it is."""
        self.progressed.append((min(1.0, max(0.0, fraction)), message))

    async def emit(self, name: str, /, *, scope: str = "", event_id: str = "", **data: Any) -> None:  # noqa: ARG002
        """Notes an event."""
        to_json(data)
        self.told.append(Told(name, data))

    # --- what it uses ---------------------------------------------------------------------------

    @property
    def llm(self) -> UnitLLM:
        """The models, which say what the test wants."""
        return UnitLLM(self._model)

    @property
    def memory(self) -> Any:
        """What the test gave for it."""
        if self._memory is None:
            raise BadConfig("a unit call has no memory", hint=f"give one: memory=…; or {_ON_A_BUS}")
        return self._memory

    @property
    def registry(self) -> Any:
        """Refused: nobody is up."""
        raise _absent("registry")

    @property
    def state(self) -> Any:
        """Refused: nothing outlives a unit call."""
        raise _absent("state")

    @property
    def resources(self) -> Any:
        """Refused: nothing is shared."""
        raise _absent("resources")

    @property
    def budget(self) -> Any:
        """Refused: nothing is spent."""
        raise _absent("budget")

    def _end(self, child_id: str) -> Result:
        if child_id not in self._ends:
            topics = {one.id: one.topic for one in self.submitted}
            topic = topics.get(child_id, child_id)
            raise BadConfig(
                f"the handler waits for a child of topic {topic}, and the test says no end",
                hint=f'say it: unit(handler, data, children={{"{topic}": …}})',
            )
        made = self._ends[child_id]
        if isinstance(made, PepperError):
            return Result(ok=False, error=made.info())
        return Result(ok=True, data=msgspec.Raw(to_json(made)))


def _absent(name: str) -> BadConfig:
    return BadConfig(f"a unit call has no ctx.{name}", hint=_ON_A_BUS)
