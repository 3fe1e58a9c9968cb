"""What a server needs to be a store, looked at when it is opened, and when it was emptied."""

import asyncio
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import BadConfig, Unavailable

log = get_log("pepperpy.memory")

FORM: Final = "1"
"""The form of our keys; a service that writes them otherwise has another one."""

_TAGS: Final = ("ns", "facts")
NUMBERS: Final = ("at", "created", "updated", "expires", "importance", "seq")
"""Fields of an entry that the index has as numbers; times in microseconds since 1970."""
_ASKED: Final = 1000
"""How often a new index is asked whether it has taken in what was there before it."""
_PAUSE: Final = 0.03
"""Seconds in between."""
_GONE: Final = ("no such index", "index not found")


def is_emptied(error: ResponseError) -> bool:
    """Says whether the index is gone: a server that came back without its data has none."""
    said = str(error).lower()
    return any(each in said for each in _GONE)


async def prepare(client: Redis, prefix: str) -> None:
    """Looks at the server, and makes the index of the entries.

    Raises:
        BadConfig: The server cannot keep entries, or not find them.
        Unavailable: Its index has not taken in yet all that is there.
    """
    about: dict[str, Any] = await client.info()
    if about.get("cluster_enabled"):
        raise BadConfig("the memory's Redis is a cluster", hint="give a server of its own")
    policy = about.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise BadConfig(
            f"the memory's Redis throws entries away when it is full ({policy})",
            hint="set maxmemory-policy noeviction",
        )
    if not about.get("aof_enabled"):
        log.warning("memory.redis_not_durable", hint="set appendonly yes, appendfsync always")
    await _check_form(client, prefix)
    await _make_index(client, prefix)
    await _wait_until_indexed(client, prefix)


async def _check_form(client: Redis, prefix: str) -> None:
    await client.hsetnx(f"{prefix}last", "form", FORM)
    form = await client.hget(f"{prefix}last", "form")
    if form != FORM.encode():
        raise BadConfig(
            f"the keys {prefix}* in Redis have form {form!r}, this service knows {FORM}",
            hint="use the service that wrote them, or another prefix",
        )


async def _make_index(client: Redis, prefix: str) -> None:
    tags = [part for name in _TAGS for part in (name, "TAG", "CASESENSITIVE")]
    numbers = [part for name in NUMBERS for part in (name, "NUMERIC")]
    try:
        await client.execute_command(  # type: ignore[no-untyped-call]  # it has no types
            *("FT.CREATE", f"{prefix}entries", "ON", "HASH", "PREFIX", "1", f"{prefix}entry:"),
            *("SCHEMA", *tags, *numbers),
        )
    except ResponseError as error:
        if "already exists" in str(error):
            return
        if "db != 0" in str(error):
            raise BadConfig(
                "Redis searches its database 0 alone", hint="end the memory's URL with /0"
            ) from error
        if "unknown command" in str(error).lower():
            raise BadConfig(
                "the memory's Redis has no search",
                hint="use Redis 8, Redis Stack, or load the module RediSearch",
            ) from error
        raise
    await client.hdel(f"{prefix}last", "indexed")


async def _wait_until_indexed(client: Redis, prefix: str) -> None:
    """Waits for a new index, which takes in what was there before beside the work.

    Whoever searches meanwhile is told that there is none.
    """
    if await client.hexists(f"{prefix}last", "indexed"):
        return
    for _ in range(_ASKED):
        if await _indexed(client, prefix) >= await _there(client, prefix):
            await client.hset(f"{prefix}last", "indexed", "1")
            return
        await asyncio.sleep(_PAUSE)
    raise Unavailable("Redis is still making the index of the entries")


async def _indexed(client: Redis, prefix: str) -> int:
    found = await client.execute_command(  # type: ignore[no-untyped-call]  # it has no types
        "FT.SEARCH", f"{prefix}entries", "*", "LIMIT", "0", "0"
    )
    number: int = found[b"total_results"]
    return number


async def _there(client: Redis, prefix: str) -> int:
    namespaces: list[Any] = await client.hvals(f"{prefix}namespaces")
    async with client.pipeline(transaction=False) as asked:
        for each in namespaces:
            asked.zcard(f"{prefix}order:{each.decode()}")
        return sum(await asked.execute())
