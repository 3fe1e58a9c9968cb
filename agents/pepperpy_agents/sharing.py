"""What the tasks of one worker share with all others: values, resources, budgets.

Nothing of it is made before a task uses it: most tasks do not.
"""

import contextlib
import functools
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from pepperpy_agents.task import Task
from pepperpy_bus.client import Client
from pepperpy_bus.streams.clock import ServerClock

if TYPE_CHECKING:
    from pepperpy_bus.llm import LLM
    from pepperpy_bus.memory import Memory
    from pepperpy_bus.state.budget import Budgets, TaskBudget
    from pepperpy_bus.state.cells import Cells
    from pepperpy_bus.state.resources import Resources
    from pepperpy_bus.state.values import AgentState


class Sharing:
    """What tasks share, for one instance of an agent.

    Args:
        client: The client.
        clock: The server's clock.
        instance: The instance, ``agent/instance``: who holds what is acquired here.

    Attributes:
        clock: The server's clock.
    """

    def __init__(self, client: Client, clock: ServerClock, instance: str) -> None:
        self._client = client
        self.clock = clock
        self._instance = instance

    def state(self, root: str) -> "AgentState":
        """Returns the agent's values, and those of this family of tasks."""
        from pepperpy_bus.state.values import AgentState

        return AgentState(self._cells, self._instance.partition("/")[0], root=root)

    @functools.cached_property
    def resources(self) -> "Resources":
        """The resources with a capacity."""
        from pepperpy_bus.state.resources import Resources

        return Resources(self._cells, self.clock, holder=self._instance)

    def budget(self, task: Task, attempt: int) -> "TaskBudget":
        """Returns what an attempt spends from.

        Raises:
            BadHeader: The task's budget cannot be read.
        """
        return self._budgets.of(task.id, task.headers.budget, attempt)

    def llm(self, task: Task, attempt: int) -> "LLM":
        """Returns the models as an attempt asks them: from its budget, within its deadline.

        Raises:
            BadHeader: The task's budget cannot be read.
        """
        from pepperpy_agents.charging import TaskAccount

        account = TaskAccount(task, self.budget(task, attempt), self.clock)
        return self._client.llm.paid_by(account)

    def memory(self, task: Task) -> "Memory":
        """Returns the memory as a task uses it: as its agent, in its conversation, within its time.

        The conversation is the task's key, or the family that it belongs to.
        """

        def gate(op: str, seconds: float) -> float:  # noqa: ARG001 - as other gates
            return task.limited(seconds, self.clock)

        key = task.headers.key if task.key else ""
        agent = self._instance.partition("/")[0]
        return self._client.memory.within(session=key or task.root, agent=agent, gate=gate)

    @contextlib.asynccontextmanager
    async def metered(self, task: Task, attempt: int) -> AsyncIterator[None]:
        """Counts the running time of an attempt against the budgets that limit it.

        Raises:
            BudgetExceeded: There was none left to begin, or to go on.
        """
        from pepperpy_bus.state.meter import metered

        async with metered(self.budget(task, attempt)):
            yield

    @functools.cached_property
    def _budgets(self) -> "Budgets":
        from pepperpy_bus.state.budget import Budgets

        return Budgets(self._cells, self.clock)

    @functools.cached_property
    def _cells(self) -> "Cells":
        from pepperpy_bus.state.cells import Cells

        return Cells(self._client.connection, self._client.prefix)
