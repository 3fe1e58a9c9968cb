"""Stored answers: the same request of the same tenant need not be asked twice."""

import asyncio
from typing import Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import ttl_text
from pepperpy_bus.streams.kv import Bucket
from pepperpy_schemas.catalog.provider import CACHED
from pepperpy_schemas.chat import ChatReply, ChatRequest, Usage
from pepperpy_schemas.errors import BadPayload, PepperError, TooLarge
from pepperpy_schemas.subjects import bucket_name

log = get_log("pepperpy.provider")

PATIENCE: Final = 2.0
"""Seconds to wait for the broker; a cache that does not answer has nothing."""


def may_keep(request: ChatRequest) -> bool:
    """Whether an equal request may be given the same answer.

    At temperature 0 the caller wants the likeliest answer, so it may unless that is off; at any
    other it must be asked for.
    """
    if request.cache == "auto":
        return request.temperature == 0
    return request.cache == "on"


def given(reply: ChatReply) -> ChatReply:
    """Returns an answer as those get it who do not pay for it."""
    return msgspec.structs.replace(reply, usage=Usage(), usd=0.0, attempts=[], cached=True)


class Receipt:
    """An answer that several have waited for: whoever takes it first pays for all of them.

    Args:
        reply: The answer.
    """

    def __init__(self, reply: ChatReply) -> None:
        self._reply = reply
        self._paid = False

    def take(self) -> ChatReply:
        """Returns the answer."""
        paid, self._paid = self._paid, True
        return given(self._reply) if paid else self._reply


class Answers:
    """The stored answers of a deployment.

    Args:
        connection: The connection.
        prefix: The deployment's.

    Attributes:
        hits: Requests that were answered from here.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._bucket = Bucket(connection, bucket_name(prefix, "provider"))
        self._prefix = prefix
        self.hits = 0

    async def get(self, tenant: str, digest: str) -> ChatReply | None:
        """Returns the stored answer of a request, which costs nothing, or None.

        Args:
            tenant: Whose it is.
            digest: What `digest_of` says of the request.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                entry = await self._bucket.get(self._key(tenant, digest))
            reply = None if entry is None else CACHED.decode(entry.value)
        except BadPayload:
            return None  # another version wrote it
        except (PepperError, TimeoutError) as error:
            log.warning("provider.cache_unread", error=str(error) or "no answer")
            return None
        if reply is None:
            return None
        self.hits += 1
        return given(reply)

    async def put(self, tenant: str, digest: str, reply: ChatReply, *, ttl: float) -> bool:
        """Stores an answer, and returns whether it is stored.

        One that is too large for a message is not, nor is one that the provider's filter cut off.

        Args:
            tenant: Whose it is.
            digest: What `digest_of` says of the request.
            reply: The answer.
            ttl: Seconds for which it is kept.
        """
        if reply.finish == "content_filter":
            return False
        key, body = self._key(tenant, digest), CACHED.encode(reply)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._bucket.put(key, body, ttl=ttl_text(ttl))
                return True
        except TooLarge:
            log.debug("provider.answer_not_kept", size=len(body))
        except (PepperError, TimeoutError) as error:
            log.warning("provider.cache_unwritten", error=str(error) or "no answer")
        return False

    def _key(self, tenant: str, digest: str) -> str:
        return CACHED.of(self._prefix, tenant=tenant, digest=digest).split(".", 2)[2]
