"""Steering agents that run elsewhere: drain, pause, resume, seen through to the end."""

import asyncio
import contextlib
from typing import Final, Literal

import msgspec

from pepperpy_bus.audit import Audit
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.registry import Registry
from pepperpy_schemas.catalog.agents import AGENT_CONTROL
from pepperpy_schemas.errors import NotFound, Unavailable, Unreachable
from pepperpy_schemas.messages import AgentCommand, AgentInstance

Command = Literal["pause", "resume", "drain"]

#: What the registry says when the command is obeyed.
GOALS: Final[dict[Command, frozenset[str]]] = {
    "pause": frozenset({"PAUSED"}),
    "resume": frozenset({"RUNNING"}),
    "drain": frozenset({"STOPPING", "STOPPED"}),
}
_TRY_AGAIN = 1.0


class Obeyed(msgspec.Struct, frozen=True):
    """An instance did what it was told; its state is ``STOPPED`` too when it has gone."""

    agent: str
    instance: str
    state: str


async def steer(
    connection: Connection,
    prefix: str,
    agent: str,
    command: Command,
    *,
    instance: str = "",
    by: str = "",
    timeout: float = 15.0,
) -> list[Obeyed]:
    """Tells the instances of an agent what to do and returns when they have done so.

    The command is repeated until it is obeyed: commands are not stored, and an instance that
    reconnects just then would miss its own.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        agent: The agent's name.
        command: What to do.
        instance: Only this one; every instance that is up when empty.
        by: Who says so.
        timeout: Seconds until the rest is given up.

    Raises:
        NotFound: No such agent or instance is up, or it has gone without obeying.
        PermissionDenied: This user may not steer agents.
        Unavailable: Some did not do it in time; ``context.waiting`` names them.
    """
    registry = Registry(connection, prefix)
    subject = AGENT_CONTROL.of(prefix, agent=agent, command=command)
    body = AGENT_CONTROL.encode(AgentCommand(instance=instance, by=by))
    waiting = await _addressed(registry, agent, instance)
    await Audit(connection, prefix, source=by).say(f"agent-{command}", agent, instance=instance)
    done: list[Obeyed] = []
    seeing = asyncio.create_task(_see(registry, waiting, command, done), name="agents-seen")
    telling = asyncio.create_task(_tell(connection, subject, body), name="agents-told")
    try:
        ended, _ = await asyncio.wait(
            {seeing, telling}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        for task in ended:
            await task
    finally:
        for task in (seeing, telling):
            task.cancel()
        await asyncio.gather(seeing, telling, return_exceptions=True)
    if waiting:
        names = sorted(key.partition(".")[2] for key in waiting)
        raise Unavailable(
            f"{agent}: {', '.join(names)} did not {command} within {timeout:g} s",
            hint="it may hang, or may not hear commands: see its log, and: pepperpy agents",
            context={"waiting": names},
        )
    return done


async def _see(registry: Registry, waiting: set[str], command: Command, done: list[Obeyed]) -> None:
    """Returns when every instance that is waited for has done it."""
    async for key, value in registry.watch():
        if key not in waiting or (value is not None and value.state not in GOALS[command]):
            continue
        agent, _, name = key.partition(".")
        if value is None and command != "drain":
            raise NotFound(f"{agent}: instance {name} has gone meanwhile")
        waiting.discard(key)
        done.append(Obeyed(agent, name, "STOPPED" if value is None else value.state))
        if not waiting:
            return


async def _tell(connection: Connection, subject: str, body: bytes) -> None:
    """Says it again and again; ends only when it may not be said."""
    while True:
        # Nobody answers a command, but a request learns at once when it is not permitted.
        with contextlib.suppress(Unavailable, Unreachable):
            await connection.request(subject, body, timeout=_TRY_AGAIN)
        await asyncio.sleep(_TRY_AGAIN / 4)


async def _addressed(registry: Registry, agent: str, instance: str) -> set[str]:
    up = await registry.instances(agent=agent)
    found = {_key(one) for one in up if not instance or one.instance == instance}
    if found:
        return found
    if up:
        names = ", ".join(one.instance for one in up)
        raise NotFound(f"{agent} has no instance {instance!r:.80}; up are {names}")
    raise NotFound(f"no agent {agent!r:.80} is up", hint="see who is: pepperpy agents")


def _key(one: AgentInstance) -> str:
    return f"{one.agent}.{one.instance}"
