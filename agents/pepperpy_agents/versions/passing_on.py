"""What is done with a delivery of a topic that is split: run it here, or give it to its version.

The topic's own queue, which everybody fills and every version pulls from, is only read to give each
task to the lane of its version. There it is run, and there it is tried again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.execution import Executor
from pepperpy_agents.pauses import UNANSWERED, pause
from pepperpy_agents.task import read_task
from pepperpy_agents.versions.knowing import SideBySide
from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.topology import shard_of
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.lanes import is_of_version, move_task, move_wake
from pepperpy_bus.versions.sharing_out import homes
from pepperpy_schemas.catalog.tasks import RESUME
from pepperpy_schemas.errors import PepperError, QueueFull, TooLarge
from pepperpy_schemas.headers import VERSION
from pepperpy_schemas.tokens import HIGH_LANE, version_lane

log = get_log("pepperpy.versions")

_VERSION = VERSION.lower()


class PassingOn:
    """Runs deliveries, or gives them to the versions that they belong to.

    Args:
        client: The client.
        executor: What runs them.
        beside: What is known of the other versions.
    """

    def __init__(self, client: Client, executor: Executor, beside: SideBySide) -> None:
        self._client = client
        self._executor = executor
        self._beside = beside

    def take(self, spec: TaskSpec, delivery: Delivery) -> Awaitable[None]:
        """Takes one delivery of a task, from the topic's queue or a lane."""
        if self._is_shared(spec.topic):
            return self._move_or(self._moved, self._executor.execute, spec, delivery)
        return self._executor.execute(spec, delivery)

    def take_wake(self, spec: TaskSpec, delivery: Delivery) -> Awaitable[None]:
        """Takes one wake of a suspended task, from the topic's queue or a lane."""
        if self._is_shared(spec.topic):
            return self._move_or(self._moved_wake, self._executor.resume, spec, delivery)
        return self._executor.resume(spec, delivery)

    def _is_shared(self, topic: str) -> bool:
        return self._beside.is_split(topic) and not self._executor.stopping

    async def _move_or(
        self,
        moved: Callable[[TaskSpec, Delivery], Awaitable[bool]],
        run: Callable[[TaskSpec, Delivery], Awaitable[None]],
        spec: TaskSpec,
        delivery: Delivery,
    ) -> None:
        try:
            if await moved(spec, delivery):
                return
        except asyncio.CancelledError:
            # The grace is over, and nothing has begun.
            await delivery.nak()
            raise
        except PepperError as error:
            # It comes again, by itself when the broker is away, and is moved or run then.
            log.warning("task.unsettled", subject=delivery.subject, error=str(error))
            if self._client.connection.connected:
                with contextlib.suppress(PepperError):
                    await delivery.nak(delay=pause(delivery.deliveries, UNANSWERED))
            return
        await run(spec, delivery)

    async def _moved(self, spec: TaskSpec, delivery: Delivery) -> bool:
        """Whether a task was given to its version."""
        lane = _lane(delivery)
        if lane and delivery.deliveries > 1:
            return False  # it was begun there, and its journal goes on
        task, wrong = read_task(delivery, spec.topic)
        if wrong is not None:
            return False  # it is refused, whoever does that
        version = self._beside.target(spec.topic, task.id)
        if self._runs_here(spec.topic, lane, version):
            return False
        client = self._client
        try:
            await move_task(client.connection, client.prefix, delivery, task.id, version)
        except (QueueFull, TooLarge):
            # What would empty the queue must not wait for room in it; and what is as large as can
            # be has no room for more headers.
            return False
        return True

    async def _moved_wake(self, spec: TaskSpec, delivery: Delivery) -> bool:
        """Whether a wake was given to the version that its task began with."""
        lane = _lane(delivery)
        if delivery.deliveries > 1:
            return False  # an attempt may have begun with it
        version = await self._of_wake(spec.topic, delivery)
        if self._runs_here(spec.topic, lane, version):
            return False
        client = self._client
        await move_wake(client.connection, client.prefix, delivery, spec.topic, version)
        return True

    def _runs_here(self, topic: str, lane: str, version: str) -> bool:
        """Whether what lies in a lane is not moved on: it is in its own, or is ours anyway."""
        return bool(lane) and (
            version == self._beside.version or lane == version_lane(topic, version)
        )

    async def _of_wake(self, topic: str, delivery: Delivery) -> str:
        """The version that a suspended task goes on with: its own, as long as that is up."""
        task_id = RESUME.parse(self._client.prefix, delivery.subject)["id"]
        journal = Journal(self._client.connection, self._client.prefix, task_id, "")
        await journal.read()
        given = journal.history.input
        if given is None:
            return self._beside.target(topic, task_id)
        own = given.headers.get(_VERSION, "")
        if own and self._beside.is_up(topic, own):
            return own
        if given.key:
            home = homes(self._beside.weights(topic))[shard_of(given.key)]
            return home or self._beside.version
        return self._beside.target(topic, task_id)


def _lane(delivery: Delivery) -> str:
    """The lane of a version that something lies in, the high one under the same name; or empty."""
    lane = delivery.subject.split(".")[2].removesuffix(HIGH_LANE)
    return lane if is_of_version(lane) else ""
