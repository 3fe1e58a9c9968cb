"""Connections to Redis: few, shared, made again after the server was away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib import resources
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from pepperpy_memory_svc.stores.addresses import malformed
from pepperpy_memory_svc.stores.redis.address import HINT, Address
from pepperpy_memory_svc.stores.redis.preparing import is_emptied, prepare
from pepperpy_memory_svc.stores.redis.translating import translated
from pepperpy_schemas.errors import BadConfig, Overloaded

_Answer = TypeVar("_Answer")

_PARTS: Final = ("keys", "indexing", "writing", "reading", "searching", "generating", "main")
_encode: Final = msgspec.msgpack.encode


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a store asks of its server at most.

    Attributes:
        connections: Connections at a time.
        waiting: Calls that wait for one; the next is refused as Overloaded.
        patience: Seconds that a call waits for a connection, then it is refused.
        statement: Seconds that an answer may take.
    """

    connections: int = 8
    waiting: int = 256
    patience: float = 10.0
    statement: float = 30.0


class Pool:
    """The connections of one store.

    Every operation is one script, so that it happens at once or not at all: Redis runs nothing
    beside a script. Its source is sent when the server does not have it.

    Args:
        address: Where the store is.
        limits: See `Limits`.
    """

    def __init__(self, address: Address, limits: Limits) -> None:
        self._address = address
        self._limits = limits
        self._free = asyncio.Semaphore(limits.connections)
        self._waiting = 0
        self._client: Redis | None = None
        self._script = _source()

    async def __aenter__(self) -> Self:
        with translated():
            client = Redis.from_pool(self._pool())
            try:
                await prepare(client, self._address.prefix)
            except BaseException:
                await client.aclose()
                raise
        self._client = client
        return self

    def _pool(self) -> ConnectionPool:
        try:
            pool = ConnectionPool.from_url(
                self._address.url,
                max_connections=self._limits.connections,
                socket_timeout=self._limits.statement,
                socket_connect_timeout=self._limits.patience,
                # What may have been done is not done again: the caller decides.
                retry=Retry(NoBackoff(), 0),
                protocol=3,
                client_name="pepperpy-memory",
            )
            # The first connection would be the first to look at the parameters.
            pool.connection_class(**pool.connection_kwargs)
        except TypeError:
            names = ", ".join(dict(parse_qsl(urlsplit(self._address.url).query)))
            raise BadConfig(
                f"the client of Redis does not take all of these parameters: {names}", hint=HINT
            ) from None
        except ValueError:
            raise malformed("Redis", HINT) from None
        return pool

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.patience):
                for _ in range(self._limits.connections):
                    await self._free.acquire()
        await self._client.aclose()
        self._client = None
        self._free = asyncio.Semaphore(self._limits.connections)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Redis]:
        """Gives the client for one command at a time.

        Raises:
            Overloaded: Too many wait for it, or it took too long.
        """
        assert self._client is not None, "the store is not open"
        await self._turn()
        try:
            with translated():
                yield self._client
        finally:
            self._free.release()

    async def _turn(self) -> None:
        if self._waiting >= self._limits.waiting:
            raise Overloaded(f"{self._waiting} calls wait for Redis already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise Overloaded(
                f"no connection to Redis was free for {self._limits.patience:g} s"
            ) from error
        finally:
            self._waiting -= 1

    async def run(
        self,
        operation: str,
        asked: Mapping[str, Any],
        answer: type[_Answer],
        beside: Sequence[bytes] = (),
    ) -> _Answer:
        """Runs an operation of the script, and returns what it answers."""
        return (await self.fetch(operation, asked, answer, beside))[0]

    async def fetch(
        self,
        operation: str,
        asked: Mapping[str, Any],
        answer: type[_Answer],
        beside: Sequence[bytes] = (),
    ) -> tuple[_Answer, list[bytes]]:
        """Runs an operation of the script; returns what it answers, and what stands beside it.

        Bytes stand beside what is asked and answered, because the scripts' packed form has texts
        alone.
        """
        async with self.client() as client:
            script = client.register_script(self._script)
            args: list[bytes | str] = [operation, _encode(asked), *beside]
            keys = [self._address.prefix]
            try:
                said = await script(keys=keys, args=args)
            except ResponseError as error:
                # A script asks for an index before it writes anything: nothing is done twice.
                if not is_emptied(error):
                    raise
                await prepare(client, self._address.prefix)
                said = await script(keys=keys, args=args)
        return msgspec.msgpack.decode(said[0], type=answer), said[1:]

    @property
    def address(self) -> Address:
        """Where the store is."""
        return self._address


def _source() -> str:
    folder = resources.files(__package__) / "scripts"
    return "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in _PARTS)
