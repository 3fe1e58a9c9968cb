"""The store in Redis."""

from types import TracebackType
from typing import Self

from pepperpy_memory_svc.stores.redis.address import Address
from pepperpy_memory_svc.stores.redis.pool import Limits, Pool
from pepperpy_memory_svc.stores.redis.searching import RedisSearching


class RedisStore(RedisSearching):
    """A `Store` in a Redis with RediSearch.

    Args:
        url: ``redis://…``, see `Address.parse`.
        limits: What it asks of its server at most.
    """

    def __init__(self, url: str, *, limits: Limits | None = None) -> None:
        super().__init__(Pool(Address.parse(url), limits or Limits()))

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pool.__aexit__(kind, error, trace)
