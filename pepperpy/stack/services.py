"""What runs beside the broker, as data. A new service adds its line to `SERVICES`."""

import signal
import sys
from collections.abc import Sequence

from pepperpy.stack.child import Child

PEPPERPY = (sys.executable, "-m", "pepperpy")

SERVICES: tuple[Child, ...] = (
    Child(
        name="orchestrator",
        command=(*PEPPERPY, "worker", "pepperpy_agents.graphs.orchestrator:agent"),
        role="worker",
    ),
)
"""The services of every stack; each gets the user of its role."""


def workers(agents: Sequence[str], copies: int, *, reload: bool = False) -> tuple[Child, ...]:
    """Return the worker processes of some agents.

    Args:
        agents: `module:name` each, or `file.py:name`.
        copies: Processes per agent.
        reload: Whether each starts again when its code changes.
    """
    options = ("--reload",) if reload else ()
    # The reloading process has a child of its own, and must live to end it.
    orphan_signal = signal.SIGTERM if reload else signal.SIGKILL
    return tuple(
        Child(
            name=f"{label}.{number}",
            command=(*PEPPERPY, "worker", agent, *options),
            role="worker",
            orphan_signal=orphan_signal,
        )
        for agent, label in zip(agents, _labels(agents), strict=True)
        for number in range(1, copies + 1)
    )


def _labels(agents: Sequence[str]) -> list[str]:
    """A short, unique name for each agent: `worker` alone, else what tells them apart."""
    if len(agents) == 1:
        return ["worker"]
    short = [_short(agent) for agent in agents]
    return [
        label if short.count(label) == 1 else f"{label}-{position}"
        for position, label in enumerate(short, start=1)
    ]


def _short(agent: str) -> str:
    module, _, name = agent.rpartition(":")
    if name not in {"agent", ""}:
        return name
    parts = module.removesuffix(".py").replace("/", ".").strip(".").split(".")
    return parts[-2] if parts[-1] == "agent" and len(parts) > 1 else parts[-1]
