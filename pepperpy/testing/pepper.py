"""What the fixture ``pepper`` is: a bus of one test's own, with workers, models, and a record."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Unpack

from pepperpy.testing import matching
from pepperpy.testing.broker import VARIABLE
from pepperpy.testing.calling import unit
from pepperpy.testing.crew import Crew
from pepperpy.testing.model import ScriptedModel
from pepperpy.testing.passing import Passing
from pepperpy.testing.recording import Recorder
from pepperpy_agents.handler import decode_as
from pepperpy_agents.lifecycle import State
from pepperpy_bus.routing import Addressee
from pepperpy_bus.submission import SubmitOptions
from pepperpy_bus.submitted import outcome
from pepperpy_bus.tasks.answers import Question
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.errors import BadConfig, PepperError
from pepperpy_schemas.states import TaskState

if TYPE_CHECKING:
    from pepperpy_agents.agent import Agent
    from pepperpy_agents.worker import Worker
    from pepperpy_bus.client import Client
    from pepperpy_bus.events import Heard

WITHIN: Final = "10s"
"""How long things may take that a test waits for."""
_SOON: Final = 0.005

_ENDED: Final = frozenset(f"task.{state.verb}" for state in TaskState if state.terminal)


class Pepper:
    """A bus of one test's own; `opening.opened` makes one.

    Attributes:
        client: A connected client.
        model: What the models say.
        url: The broker's address.
        prefix: The first token of all subjects of this test.
    """

    def __init__(
        self,
        client: "Client",
        url: str,
        model: ScriptedModel,
        recorder: Recorder,
        passing: Passing,
        crew: Crew,
    ) -> None:
        self.client = client
        self.model = model
        self.url = url
        self.prefix = client.prefix
        self._recorder = recorder
        self._passing = passing
        self._crew = crew
        self._loop = asyncio.get_running_loop()

    unit = staticmethod(unit)

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which another process finds this bus."""
        return {VARIABLE: self.url, "PEPPERPY_BUS_PREFIX": self.prefix}

    # --- workers --------------------------------------------------------------------------------

    async def worker(self, agent: "Agent", *, concurrency: int = 16) -> "Worker":
        """Starts a worker of an agent in this process, until the test ends.

        Args:
            agent: The agent.
            concurrency: Tasks of one topic at once.

        Returns:
            The worker, which takes tasks; ``worker.stop()`` ends it earlier.

        Raises:
            PepperError: The agent could not start.
        """
        self._check_loop()
        return await self._crew.start(agent, concurrency=concurrency)

    async def wait_for_agent(self, name: str, *, within: Duration = "30s") -> None:
        """Waits until an agent is up that runs elsewhere, in a process that got `environ`.

        Args:
            name: The agent.
            within: How long to wait.

        Raises:
            TimeoutError: It did not come up in time.
        """
        async with asyncio.timeout(parse_duration(within)):
            async for _, one in self.client.registry.watch():
                if one is not None and one.agent == name and one.state == State.RUNNING.name:
                    return

    # --- tasks ----------------------------------------------------------------------------------

    async def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        type: Any = None,  # noqa: A002 - as the client's
        wait: Duration = WITHIN,
        **options: Unpack[SubmitOptions],
    ) -> Any:
        """Submits a task, waits for its end and returns what its handler returned.

        When it returns, the task's events are there for `assert_events`.

        Args:
            topic: The topic, or a `Group` or `Graph`.
            data: The body.
            type: Decode the answer into this type; by default what the handler says it returns.
            wait: How long to wait for the end.
            **options: See `SubmitOptions`.

        Raises:
            BadConfig: No worker takes tasks of this topic.
            TimeoutError: It had not ended in time; a note says what had happened until then.
            PepperError: The task failed; the error is the one it failed with.
        """
        self._check_loop()
        if isinstance(topic, str):
            await self._check_topic(topic)
        task_id = await self.client.submit(topic, data, **options)
        return await self.result(task_id, topic=topic, type=type, wait=wait)

    async def result(
        self,
        task_id: str,
        *,
        topic: str | Addressee = "",
        type: Any = None,  # noqa: A002 - as the client's
        wait: Duration = WITHIN,
    ) -> Any:
        """Waits for a task's end and returns what its handler returned; see `run`.

        Args:
            task_id: The task, of ``pepper.client.submit``.
            topic: Its topic, which says the type of the answer.
            type: Decode the answer into this type.
            wait: How long to wait.
        """
        try:
            ended = await self.client.ended(task_id, wait=wait)
        except TimeoutError as error:
            error.add_note(self._told(task_id))
            raise
        if ended.attempt:  # workers of other languages may tell no events
            await self._recorder.until(
                lambda heard: any(one.id == task_id and one.name in _ENDED for one in heard),
                parse_duration(WITHIN),
            )
        if ended.result.ok:
            kind = self._crew.returned(topic or ended.topic) if type is None else type
            return decode_as(bytes(ended.result.data), kind)
        try:
            return outcome(ended)
        except PepperError as error:
            if error.hint:
                error.add_note(f"hint: {error.hint}")
            error.add_note(self._told(task_id))
            raise

    async def answer(self, value: Any, *, task: str = "", within: Duration = WITHIN) -> Question:
        """Answers a task's question as a person would, as soon as there is one.

        Args:
            value: The answer.
            task: The task; by default the only one that asks.
            within: How long to wait for the question.

        Raises:
            AssertionError: Nothing, or more than one task, asks.
            BadPayload: The answer is none of the choices.
        """
        deadline = time.monotonic() + parse_duration(within)
        while True:
            asked = [one for one in await self.client.questions() if task in ("", one.task_id)]
            open_ = [one for one in asked if not one.answered]
            if open_ or time.monotonic() > deadline:
                break
            await asyncio.sleep(_SOON)
        if len(open_) != 1:
            texts = "; ".join(f"{one.task_id}: {one.wait.text}" for one in open_) or "nobody asks"
            raise AssertionError(f"one question was expected, and there are {len(open_)}: {texts}")
        return await self.client.answer(open_[0].task_id, value)

    async def advance(self, duration: Duration) -> list[str]:
        """Lets time pass at once for `ctx.sleep`, deadlines and schedules.

        The clocks of this test's workers go ahead, and what is due by then is fired: suspended
        tasks go on, scheduled ones begin. The broker's own clock cannot be moved: pauses between
        attempts, and what expires in its streams, take the time that they take.

        Args:
            duration: How long, such as ``"2d"``.

        Returns:
            The ids of the scheduled tasks that began.
        """
        return await self._passing.advance(self.client, duration)

    # --- events ---------------------------------------------------------------------------------

    @property
    def events(self) -> "Sequence[Heard]":
        """The events so far, in the broker's order, without those of workers that come and go."""
        return [one for one in self._recorder.events if one.entity != "agent"]

    def assert_events(self, *names: str, task: str = "", exact: bool = False) -> None:
        """Says that these events have come in this order; others may lie between.

        After `run` all events of the task are there. For those of others, wait first:
        `wait_for_events`.

        Args:
            *names: Names such as ``task.completed`` or ``llm.*``.
            task: Only events with this id.
            exact: No other events may have come.

        Raises:
            AssertionError: They have not; the message shows what came.
        """
        __tracebackhide__ = True
        told = matching.complaint(names, self._of(task), exact=exact)
        if told:
            raise AssertionError(told)

    async def wait_for_events(self, *names: str, task: str = "", within: Duration = WITHIN) -> None:
        """Waits until these events have come in this order.

        Args:
            *names: Names such as ``task.completed`` or ``llm.*``.
            task: Only events with this id.
            within: How long to wait.

        Raises:
            AssertionError: They have not come in time; the message shows what came.
        """
        __tracebackhide__ = True
        self._check_loop()
        await self._recorder.until(
            lambda _: not matching.complaint(names, self._of(task), exact=False),
            parse_duration(within),
        )
        self.assert_events(*names, task=task)

    def _of(self, task: str) -> "list[Heard]":
        return [one for one in self.events if task in ("", one.id)]

    def _told(self, task_id: str) -> str:
        lines = matching.shown(self._of(task_id))
        return "\n".join([f"events of task {task_id}:", *(f"  {line}" for line in lines)])

    # --- below ----------------------------------------------------------------------------------

    async def _check_topic(self, topic: str) -> None:
        served = self._crew.topics
        if topic in served or await self.client.registry.instances(topic=topic):
            return
        known = f"there is {', '.join(served)}" if served else "there is no worker at all"
        raise BadConfig(
            f"no worker of this test takes tasks of topic {topic!r}; {known}",
            hint="start one: await pepper.worker(agent), or @pytest.mark.pepper('module:agent')",
        )

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise BadConfig(
                "the test runs in another event loop than its fixtures",
                hint="give asyncio_default_test_loop_scope and asyncio_default_fixture_loop_scope "
                'the same value, "function"',
            )
