"""What a handler can do that outlives its worker, made when it first does so."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pepperpy_agents.durable.children import Children
from pepperpy_agents.durable.replay import Replay
from pepperpy_agents.durable.steps import do_step
from pepperpy_agents.durable.waiting import Waiting
from pepperpy_agents.runner import Runner
from pepperpy_bus.client import Client
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.tasks.waits import Waits

if TYPE_CHECKING:
    from pepperpy_bus.state.budget import TaskBudget


class Durability:
    """The steps, children and waits of one attempt.

    Args:
        replay: The attempt's way through the journal.
        client: The client.
        runner: Where plain functions run.
        waits: Where the outcomes of waits are looked up.
        clock: The server's clock.
        budget: What the task spends from; None when nothing limits it.

    Attributes:
        children: What it submits.
        waiting: What it waits for.
    """

    def __init__(
        self,
        replay: Replay,
        client: Client,
        runner: Runner,
        waits: Waits,
        clock: ServerClock,
        budget: "TaskBudget | None" = None,
    ) -> None:
        self.children = Children(replay, client, clock, budget)
        self.waiting = Waiting(replay, client, waits, clock)
        self._replay = replay
        self._client = client
        self._runner = runner

    @property
    def replaying(self) -> bool:
        """Whether something stands at the next place."""
        return self._replay.replaying

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        kind: Any,
    ) -> Any:
        """Does a step once; see `Context.step`."""
        return await do_step(
            self._replay, self._client, self._runner, name, function, tuple(args), kwargs, kind
        )
