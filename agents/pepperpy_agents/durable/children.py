"""Children: tasks that a task submits, each once, however often the code comes there."""

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from pepperpy_agents.durable.replay import Replay
from pepperpy_bus.bodies import to_json
from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.submission import SubmitOptions
from pepperpy_bus.units import now
from pepperpy_schemas.catalog.tasks import RESUME
from pepperpy_schemas.errors import Conflict, PepperError
from pepperpy_schemas.messages import Child, ChildrenEntry

if TYPE_CHECKING:
    from pepperpy_bus.state.budget import TaskBudget

log = get_log("pepperpy.worker")


class Children:
    """The children of one attempt's task.

    Args:
        replay: The attempt's way through the journal.
        client: The client.
        clock: The server's clock.
        budget: What the task spends from; None when nothing limits it.
    """

    def __init__(
        self,
        replay: Replay,
        client: Client,
        clock: ServerClock,
        budget: "TaskBudget | None" = None,
    ) -> None:
        self._budget = budget
        self._replay = replay
        self._client = client
        self._clock = clock
        self._unwritten: list[Child] = []
        self._writing = asyncio.Lock()

    async def submit(self, topic: str, data: Any, options: SubmitOptions) -> str:
        """Publishes a task on behalf of this one, once; returns its id."""
        replay, task = self._replay, self._replay.task
        n = replay.place()
        known = replay.find(n, Child, topic)
        if known is not None:
            await replay.turn(n)
            return known.id
        child_id = options.get("id") or derived_id(task.id, n)
        options.setdefault("parent", task.id)
        options.setdefault("root", task.root)
        options.setdefault("reply_to", RESUME.of(self._client.prefix, topic=task.topic, id=task.id))
        left = task.seconds_left(self._clock)
        if left is not None:
            options.setdefault("timeout", max(left, 0.001))
        replay.sent.append(child_id)
        child = Child(n, topic, child_id)
        with replay.doing(step=False):
            await self._send_within_budget(child, data, options)
        return child_id

    async def _send_within_budget(self, child: Child, data: Any, options: SubmitOptions) -> None:
        if self._budget is None:
            await self._send(child, data, options)
            return
        if (below := self._budget.for_child(options.get("budget"))) is not None:
            options["budget"] = below
        async with self._budget.spend(tasks=1, name=child.id) as spending:
            try:
                await self._send(child, data, options)
            except PepperError:
                spending.settle(tasks=0)
                raise

    async def _send(self, child: Child, data: Any, options: SubmitOptions) -> None:
        again = self._replay.attempt > 1 and "id" not in options
        if again:
            # An earlier attempt may have sent it longer ago than the server remembers ids. With a
            # chosen one its worker looks whether it has ended.
            options["id"] = child.id
        try:
            await self._client.send(child.topic, child.id, to_json(data), options)
        except Conflict:
            if not again:
                raise
            log.warning("children.sent_otherwise", task_id=self._replay.task.id, child=child.id)
        # Written after it was sent: a worker that dies between sends it again, under the same id.
        await self._write(child)

    async def _write(self, child: Child) -> None:
        """Adds a child to the journal; those that come while it is written go together."""
        self._unwritten.append(child)
        journal = await self._replay.journal()
        async with self._writing:
            if child not in self._unwritten:
                return
            together = list(self._unwritten)
            await journal.append(ChildrenEntry(self._replay.attempt, now(), together))
            del self._unwritten[: len(together)]


def derived_id(task_id: str, n: int) -> str:
    """Returns the id of the child at a place: the same in every attempt."""
    return hashlib.blake2b(f"{task_id}:{n}".encode(), digest_size=12).hexdigest()
