"""What tasks share, for callers in another thread: scripts, and handlers that are no coroutines."""

import contextlib
from collections.abc import Iterator

from pepperpy_bus.facades import Facade, waits
from pepperpy_bus.state.budget import Spending, TaskBudget
from pepperpy_bus.state.lease import Lease
from pepperpy_bus.state.leases import TTL
from pepperpy_bus.state.resources import Resources
from pepperpy_bus.state.values import AgentState, State
from pepperpy_bus.units import Duration


class SyncState(Facade[State]):
    """Values by name within one scope; see `State`."""

    get = waits(State.get)
    set = waits(State.set)
    update = waits(State.update)
    delete = waits(State.delete)
    keys = waits(State.keys)


class SyncAgentState(Facade[AgentState]):
    """The values of an agent; see `AgentState`."""

    get = waits(AgentState.get)
    set = waits(AgentState.set)
    update = waits(AgentState.update)
    delete = waits(AgentState.delete)
    keys = waits(AgentState.keys)

    @property
    def family(self) -> SyncState:
        """Values that a task shares with all tasks of its family, whatever agent runs them."""
        return SyncState(self._thread, self._inner.family)

    def keyed(self, key: str) -> SyncState:
        """Returns the values that the agent keeps for one key: a customer, an order."""
        return SyncState(self._thread, self._inner.keyed(key))


class SyncResources(Facade[Resources]):
    """The resources of a deployment; see `Resources`."""

    define = waits(Resources.define)
    remove = waits(Resources.remove)
    get = waits(Resources.get)
    ls = waits(Resources.ls)
    check = waits(Resources.check)

    @contextlib.contextmanager
    def acquire(
        self,
        name: str,
        n: int = 1,
        *,
        capacity: int | None = None,
        ttl: Duration = TTL,
        wait: Duration | None = None,
        holder: str = "",
    ) -> Iterator[Lease]:
        """Holds a share while the block runs; see `Leases.acquire`.

        A block that has no event loop cannot be cancelled: it is told of a loss by ``lost`` of the
        lease, and by LeaseLost at its end.
        """
        lease = self._thread.wait(
            lambda: self._inner.take(name, n, capacity=capacity, ttl=ttl, wait=wait, holder=holder)
        )
        try:
            yield lease
        finally:
            self._thread.wait(lease.release)
        lease.refuse_lost()


class SyncTaskBudget(Facade[TaskBudget]):
    """The budgets that one attempt of a task spends from; see `TaskBudget`."""

    left = waits(TaskBudget.left)

    @contextlib.contextmanager
    def spend(
        self,
        *,
        tokens: int = 0,
        usd: float = 0.0,
        seconds: float = 0.0,
        tasks: int = 0,
        name: str = "",
    ) -> Iterator[Spending]:
        """Reserves before the block, and counts what `settle` says; see `TaskBudget.spend`."""
        spending = self._inner.spend(
            tokens=tokens, usd=usd, seconds=seconds, tasks=tasks, name=name
        )
        given = self._thread.wait(spending.__aenter__)
        try:
            yield given
        finally:
            self._thread.wait(lambda: spending.__aexit__(None, None, None))
