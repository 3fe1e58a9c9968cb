"""What is done with a task that its shard hands out: run it, or set it aside until its turn."""

from typing import Any

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.execution import Executor
from pepperpy_agents.task import Task, read_task
from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadPayload, PepperError

log = get_log("pepperpy.shards")


class Turns:
    """Gives the tasks of a topic their turn, in the order of each key.

    Args:
        client: The client.
        spec: What the agent does with the topic.
        executor: What runs the tasks.
    """

    def __init__(self, client: Client, spec: TaskSpec, executor: Executor) -> None:
        self._client = client
        self._spec = spec
        self._executor = executor
        self._keys = executor.keys

    async def take(self, delivery: Delivery) -> None:
        """Runs the task of a delivery, or settles it otherwise."""
        try:
            if not self._executor.stopping and not await self._is_its_turn(delivery):
                return
        except PepperError as error:
            log.warning("task.unsettled", subject=delivery.subject, error=str(error))
            return
        await self._executor.execute(self._spec, delivery)

    async def _is_its_turn(self, delivery: Delivery) -> bool:
        """Whether it runs now; otherwise it was settled."""
        task, wrong = read_task(delivery, self._spec.topic)
        if wrong is not None or not _is_json(delivery.body):
            return True  # it is refused, whosever turn it is
        held = await self._keys.holder(task.topic, task.key)
        if held is not None and held.holder != task.id:
            await self._keys.advance(task.topic, task.key)
            held = await self._keys.holder(task.topic, task.key)
        if held is None:
            return True
        if held.holder != task.id:
            return await self._set_aside(task)
        if held.state == "suspended":
            return True  # its acknowledgement was lost: running it again settles that
        await delivery.ack()
        return False

    async def _set_aside(self, task: Task) -> bool:
        """Returns whether it runs after all, because its key has become free."""
        delivery = task.delivery
        if await self._keys.park(delivery, task.topic, task.key, task.id):
            await delivery.ack()
            return False
        if await self._client.results.get(task.id) is not None:
            await delivery.ack()
            return False
        return True


def _is_json(body: bytes) -> bool:
    try:
        decode(body or b"null", Any)
    except BadPayload:
        return False
    return True
