"""What the bus tests share: connections, a deployment, a worker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.opening import connect as connect_client
from pepperpy_bus.streams import consumers, topology
from pepperpy_bus.streams.blobs import redeem
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.provision import create_missing, ensure_consumer
from pepperpy_bus.streams.pull import Puller
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.messages import Result
from pepperpy_schemas.subjects import stream_name
from tests.links import proxy_to  # noqa: F401 - a fixture

Connect = Callable[..., Awaitable[Connection]]


@pytest.fixture
async def connect(broker: Broker) -> AsyncIterator[Connect]:
    """Opens connections with any options; they close with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(url: str = "", **options: Any) -> Connection:
            chosen = ConnectionOptions(servers=(url or broker.url,), **options)
            return await stack.enter_async_context(open_connection(chosen))

        yield open_one


@pytest.fixture
async def connection(connect: Connect) -> Connection:
    """A connection to the shared broker."""
    return await connect()


@pytest.fixture
async def own(connect: Connect, own_broker: Broker) -> Connection:
    """A connection to the broker that the test may kill."""
    return await connect(own_broker.url)


async def create_streams(connection: Connection, prefix: str, *suffixes: str) -> None:
    wanted = {f"{prefix.upper()}_{suffix}" for suffix in suffixes}
    wanted |= {f"{kind}_{prefix}_{suffix}" for suffix in suffixes for kind in ("KV", "OBJ")}
    declared = topology.streams(prefix, topology.Limits())
    await create_missing(connection, [one for one in declared if one["name"] in wanted])


@pytest.fixture
def streams() -> Callable[..., Awaitable[None]]:
    """Creates streams of a deployment by their suffixes: `await streams(connection, prefix, …)`."""
    return create_streams


async def wait_until(check: Callable[[], object], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not check():
            await asyncio.sleep(0.005)


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Returns when a check holds: `await eventually(lambda: …, within=5.0)`."""
    return wait_until


@pytest.fixture
async def bus(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    """A client of a deployment of its own."""
    async with connect_client(broker.url, bus__prefix=prefix, source="tester") as client:
        yield client


class Worker:
    """Answers the tasks of one topic with their own body, by the contract alone."""

    def __init__(self, client: Client, topic: str, *, hold: bool = False) -> None:
        self._client = client
        self._topic = topic
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = contextlib.AsyncExitStack()
        self.free = asyncio.Event()
        self.seen: list[Delivery] = []
        if not hold:
            self.free.set()

    async def __aenter__(self) -> "Worker":
        stream = stream_name(self._client.prefix, "TASKS")
        for high in (True, False):
            config = consumers.task_consumer(self._client.prefix, self._topic, high=high)
            await ensure_consumer(self._client.connection, stream, config)
            puller = Puller(
                self._client.connection,
                stream,
                config["name"],
                slots=1000,
                on_delivery=self._take,
            )
            await self._stack.enter_async_context(puller)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, delivery: Delivery) -> None:
        self.seen.append(delivery)
        task = asyncio.create_task(self._answer(delivery), name="answer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, delivery: Delivery) -> None:
        await self.free.wait()
        client = self._client
        body = await redeem(client.connection, client.prefix, delivery.body, delivery.headers)
        result = Result(ok=True, data=msgspec.Raw(body))
        if body.startswith(b'{"fail"'):
            result = Result(ok=False, error=BadPayload("no", hint="mend it").info())
        await client.results.put(delivery.subject.rpartition(".")[2], result, attempt=1)
        await delivery.ack()


@pytest.fixture
def worker() -> type[Worker]:
    """Answers tasks: `async with worker(bus, "topic"): …`; `hold=True` waits for `free.set()`."""
    return Worker
