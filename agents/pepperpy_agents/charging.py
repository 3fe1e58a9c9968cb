"""Models that a task asks are paid from its budget, within its deadline."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

from pepperpy_agents.task import Task
from pepperpy_bus.llm.account import Paid
from pepperpy_bus.state.budget import TaskBudget
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.chat import Usage
from pepperpy_schemas.errors import PepperError, StreamBroken
from pepperpy_schemas.headers import PARENT, ROOT

_SMALLEST: Final = 1e-9
"""US dollars that are reserved where the price is not known: an empty budget refuses them."""


class TaskAccount:
    """The account of one attempt of a task.

    Attributes:
        headers: Headers that tell for which task a request is.

    Args:
        task: The task.
        budget: What it may spend.
        clock: The server's clock.
    """

    def __init__(self, task: Task, budget: TaskBudget, clock: ServerClock) -> None:
        self._task = task
        self._budget = budget
        self._clock = clock
        self.headers: Mapping[str, str] = {PARENT: task.id, ROOT: task.root}

    def limit(self, seconds: float) -> float:
        """Returns those of these seconds before the task's deadline."""
        return self._task.limited(seconds, self._clock)

    @contextlib.asynccontextmanager
    async def paying(self, tokens: int) -> AsyncIterator[Paid]:
        """Reserves in the budgets of the task and of those above it.

        What failed costs nothing. An answer that broke, or that nobody waited for, costs what was
        reserved: nobody knows what the provider has charged.

        Raises:
            BudgetExceeded: Less is left; nothing is asked.
        """
        async with self._budget.spend(tokens=tokens, usd=_SMALLEST) as spending:

            def paid(usage: Usage, usd: float | None) -> None:
                spending.settle(tokens=usage.total_tokens, usd=usd or 0.0)

            try:
                yield paid
            except StreamBroken:
                raise
            except PepperError:
                spending.settle()
                raise
