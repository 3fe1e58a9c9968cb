"""The life of an agent's instance: its states, the ways between them, and hooks on each way."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import IllegalTransition

log = get_log("pepperpy.lifecycle")


class State(StrEnum):
    """Where an instance is in its life."""

    INITIALIZED = "initialized"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ERROR = "error"


_WAYS: dict[State, frozenset[State]] = {
    State.INITIALIZED: frozenset({State.STARTING, State.ERROR}),
    State.STARTING: frozenset({State.RUNNING, State.STOPPING, State.ERROR}),
    State.RUNNING: frozenset({State.PAUSED, State.STOPPING, State.ERROR}),
    State.PAUSED: frozenset({State.RUNNING, State.STOPPING, State.ERROR}),
    State.STOPPING: frozenset({State.STOPPED, State.ERROR}),
    State.STOPPED: frozenset({State.ERROR}),
    State.ERROR: frozenset({State.STARTING, State.STOPPED}),
}

TransitionHook = Callable[[State, State], Awaitable[None] | None]


class Lifecycle:
    """A state with its hooks; one change at a time.

    A hook that raises is logged and does not stop the change: nobody's clean-up may depend on
    somebody else's hook.
    """

    def __init__(self) -> None:
        self.state = State.INITIALIZED
        self._hooks: list[TransitionHook] = []
        self._one_at_a_time = asyncio.Lock()

    def on_transition(self, hook: TransitionHook) -> TransitionHook:
        """Calls the hook with the old and the new state of every change."""
        self._hooks.append(hook)
        return hook

    async def to(self, state: State) -> None:
        """Changes the state and runs the hooks.

        Raises:
            IllegalTransition: There is no way from the present state to that one.
        """
        async with self._one_at_a_time:
            before = self.state
            if state not in _WAYS[before]:
                raise IllegalTransition(
                    f"an agent cannot go from {before} to {state}",
                    hint=f"from {before} it can go to {', '.join(sorted(_WAYS[before]))}",
                    context={"from": before.value, "to": state.value},
                )
            self.state = state
            for hook in self._hooks:
                await _run(hook, before, state)


async def _run(hook: TransitionHook, before: State, after: State) -> None:
    try:
        done = hook(before, after)
        if done is not None:
            await done
    except Exception:
        log.exception("lifecycle.hook_failed", hook=getattr(hook, "__qualname__", repr(hook)))
