"""Three servers on loopback, any of which can be killed or held up."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.jetstream import api
from pepperpy_schemas.errors import PepperError


class Cluster:
    """Three servers on loopback.

    Args:
        broker_factory: Starts a server with options of ours; it ends with the test.
    """

    def __init__(self, broker_factory: Callable[..., Broker]) -> None:
        ports = [_free_port() for _ in range(3)]
        self._brokers = {}
        for n, port in enumerate(ports):
            options: dict[str, Any] = {
                "server_name": f"node{n}",
                "cluster_port": port,
                "routes": tuple(ports),
            }
            self._brokers[f"node{n}"] = broker_factory(options=options)

    @property
    def url(self) -> str:
        return ",".join(one.url for one in self._brokers.values())

    async def leader(self, client: Client, stream: str) -> Broker:
        """Returns the server that leads a stream, when there is one."""
        while True:
            with contextlib.suppress(PepperError):
                info = await api(client.connection, f"STREAM.INFO.{stream}")
                if leader := info["cluster"].get("leader", ""):
                    return self._brokers[leader]
            await asyncio.sleep(0.2)

    async def kill_leader(self, client: Client, stream: str) -> None:
        """Kills the server that leads a stream, and starts it again."""
        leader = await self.leader(client, stream)
        leader.kill()
        await asyncio.sleep(1.0)
        await leader.start()

    @contextlib.contextmanager
    def alone(self, leader: Broker) -> Iterator[None]:
        """Holds up the other servers: what the leader takes is stored by nobody else."""
        with _held_up([one for one in self._brokers.values() if one is not leader]):
            yield

    @contextlib.contextmanager
    def without_one(self, leader: Broker) -> Iterator[None]:
        """Holds up one of those that do not lead."""
        with _held_up([one for one in self._brokers.values() if one is not leader][:1]):
            yield


@contextlib.contextmanager
def _held_up(brokers: list[Broker]) -> Iterator[None]:
    pids = [one.pid for one in brokers]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
