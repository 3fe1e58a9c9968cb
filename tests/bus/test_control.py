import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import Login
from pepperpy_bus import control
from pepperpy_bus.control import Command, Obeyed, steer
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.registry import Registry
from pepperpy_bus.streams.provision import create_missing
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_bus.trust.roles import permissions
from pepperpy_schemas.catalog.agents import AGENT_CONTROL
from pepperpy_schemas.errors import NotFound, PermissionDenied, Unavailable
from pepperpy_schemas.messages import AgentCommand, AgentInstance, Load

STATES = {"pause": "PAUSED", "resume": "RUNNING", "drain": "STOPPING"}


def instance(name: str, state: str = "RUNNING") -> AgentInstance:
    now = datetime.now(UTC)
    return AgentInstance(
        agent="support",
        instance=name,
        version="1.0.0",
        state=state,
        topics=["triage"],
        capabilities=[],
        load=Load(),
        host="h",
        pid=1,
        started=now,
        beat=now,
    )


@contextlib.asynccontextmanager
async def agents(
    connection: Connection, prefix: str, *names: str, deaf: tuple[str, ...] = ()
) -> AsyncIterator[list[AgentCommand]]:
    """Instances that are up and do what they are told; the deaf ones do not."""
    registry = Registry(connection, prefix)
    heard: list[AgentCommand] = []
    running: set[asyncio.Task[None]] = set()
    for name in names:
        await registry.beat(instance(name))

    def obey(message: Message) -> None:
        told = AGENT_CONTROL.decode(message.body)
        heard.append(told)
        command = AGENT_CONTROL.parse(prefix, message.subject)["command"]
        for name in names:
            if name not in deaf and told.instance in ("", name):
                beat = registry.beat(instance(name, STATES[command]))
                running.add(asyncio.create_task(beat, name=f"obey-{name}"))

    pattern = AGENT_CONTROL.pattern(prefix, agent="support")
    async with await connection.subscribe(pattern, obey, live=True):
        yield heard
        await asyncio.gather(*running)


@contextlib.asynccontextmanager
async def bus(broker: Broker, prefix: str) -> AsyncIterator[Connection]:
    async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
        await create_missing(connection, streams(prefix, Limits()))
        yield connection


@pytest.mark.parametrize("command", ["pause", "resume", "drain"])
async def test_every_instance_is_told_and_seen_to_obey(
    broker: Broker, prefix: str, command: Command
) -> None:
    async with bus(broker, prefix) as connection, agents(connection, prefix, "a", "b") as heard:
        done = await steer(connection, prefix, "support", command, by="me")
        # An instance may be in the wanted state before it is told.
        assert sorted(one.instance for one in done) == ["a", "b"]
        assert {one.state for one in done} == {STATES[command]}
        assert all(told == AgentCommand(by="me") for told in heard)


async def test_one_instance_of_several_can_be_addressed(broker: Broker, prefix: str) -> None:
    async with bus(broker, prefix) as connection, agents(connection, prefix, "a", "b"):
        done = await steer(connection, prefix, "support", "pause", instance="b")
        assert done == [Obeyed("support", "b", "PAUSED")]
        states = {one.instance: one.state for one in await Registry(connection, prefix).instances()}
        assert states == {"a": "RUNNING", "b": "PAUSED"}


async def test_an_instance_that_leaves_has_drained_but_not_paused(
    broker: Broker, prefix: str
) -> None:
    async with bus(broker, prefix) as connection, agents(connection, prefix, "a", deaf=("a",)):
        registry = Registry(connection, prefix)
        for command in ("drain", "pause"):
            await registry.beat(instance("a"))
            steering = asyncio.create_task(steer(connection, prefix, "support", command))
            leaving = asyncio.create_task(leave_once_told(connection, prefix, registry))
            if command == "drain":
                assert await steering == [Obeyed("support", "a", "STOPPED")]
            else:
                with pytest.raises(NotFound, match="has gone meanwhile"):
                    await steering
            await leaving


async def leave_once_told(connection: Connection, prefix: str, registry: Registry) -> None:
    told = asyncio.Event()
    pattern = AGENT_CONTROL.pattern(prefix)
    async with await connection.subscribe(pattern, lambda _: told.set(), live=True):
        await asyncio.wait_for(told.wait(), 5)
    await registry.forget(instance("a"))


async def test_who_does_not_obey_in_time_is_named(
    broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_TRY_AGAIN", 0.1)
    async with (
        bus(broker, prefix) as connection,
        agents(connection, prefix, "a", "b", deaf=("b",)) as heard,
    ):
        with pytest.raises(Unavailable, match=r"b did not pause within 1 s") as refused:
            await steer(connection, prefix, "support", "pause", timeout=1.0)
        assert refused.value.context == {"waiting": ["b"]}
        assert len(heard) > 1, "a command is repeated"


async def test_nobody_up_and_no_such_instance_are_said_at_once(broker: Broker, prefix: str) -> None:
    async with bus(broker, prefix) as connection:
        with pytest.raises(NotFound, match="no agent 'support' is up"):
            await steer(connection, prefix, "support", "pause")
        async with agents(connection, prefix, "a"):
            with pytest.raises(NotFound, match="no instance 'z'; up are a"):
                await steer(connection, prefix, "support", "pause", instance="z")


async def test_a_user_who_may_not_steer_learns_it_at_once(
    broker_factory: Callable[..., Broker],
) -> None:
    broker = broker_factory(
        logins=(
            Login(user="operator", password="o", permissions=permissions("operator")),
            Login(user="producer", password="p", permissions=permissions("producer")),
        )
    )

    def at(user: str) -> ConnectionOptions:
        password = broker.logins[user].password
        return ConnectionOptions(
            servers=(broker.url,), user=user, password=password, inbox_prefix=f"_INBOX_{user}"
        )

    async with open_connection(at("operator")) as operator, open_connection(at("producer")) as own:
        await create_missing(operator, streams("pp", Limits()))
        await Registry(operator, "pp").beat(instance("a"))
        async with asyncio.timeout(3):
            with pytest.raises(PermissionDenied, match="may not publish"):
                await steer(own, "pp", "support", "pause", timeout=30)
