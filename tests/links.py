"""TCP links that can be broken on purpose. Conftests import the fixture `proxy_to`."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import pytest

Trip = Literal["", "before", "after"]


class Proxy:
    """A TCP link to a broker that can be cut, made silent in either direction, and made slow.

    Attributes:
        swallow: Whether bytes get lost: `up` to the broker, `down` from it.
        connections: How many were made so far.
        delay: Seconds that each piece takes, with the jitter that is added to them.
        rate: Bytes per second, or 0 for all that come.
        slice: Bytes that are written at once, or 0 for all that came.
        trip: Looks at what passes, and may reset the link before or after it.
    """

    def __init__(self, target: str) -> None:
        self._target = target.rpartition("/")[2].split(":")
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = {"up": asyncio.Event(), "down": asyncio.Event()}
        self.swallow = {"up": False, "down": False}
        self.connections = 0
        self.delay = (0.0, 0.0)
        self.rate = 0
        self.slice = 0
        self.trip: Callable[[str, bytes], Trip] | None = None
        for flow in self._flows.values():
            flow.set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Breaks every link."""
        for link in list(self._links):
            link.transport.abort()

    def freeze(self, *directions: str) -> None:
        """Takes no more bytes: `up` to the broker, `down` from it."""
        for direction in directions or ("up", "down"):
            self._flows[direction].clear()

    def thaw(self) -> None:
        for flow in self._flows.values():
            flow.set()

    def forget(self) -> None:
        """Makes every link there is silent for ever and for both sides; new ones are as usual."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._links |= {writer, far_writer}
        for name, source, sink in (("up", reader, far_writer), ("down", far_reader, writer)):
            task = asyncio.create_task(self._pump(name, source, sink), name=f"proxy-{name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, name: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await source.read(65536):
                await self._flows[name].wait()
                if not self.swallow[name]:
                    await self._pass(name, data, sink)
        except OSError:
            pass
        except asyncio.CancelledError:
            return  # both ends stay open, and hear nothing more
        sink.transport.abort()
        self._links.discard(sink)

    async def _pass(self, name: str, data: bytes, sink: asyncio.StreamWriter) -> None:
        trip = self.trip(name, data) if self.trip else ""
        if trip != "before":
            await self._write(data, sink)
        if trip:
            self.cut()

    async def _write(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        delay, jitter = self.delay
        if delay:
            await asyncio.sleep(delay + random.uniform(-jitter, jitter))
        size = self.slice or len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            sink.write(piece)
            await sink.drain()
            if self.rate:
                await asyncio.sleep(len(piece) / self.rate)


@pytest.fixture
async def proxy_to() -> AsyncIterator[Callable[[str], Awaitable[Proxy]]]:
    """Starts a breakable link to a broker's URL."""
    started: list[Proxy] = []

    async def start(url: str) -> Proxy:
        proxy = Proxy(url)
        started.append(proxy)
        await proxy.start()
        return proxy

    yield start
    for proxy in started:
        await proxy.stop()
