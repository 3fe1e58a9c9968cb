"""Live output of an attempt: pieces that every watcher sees, now or later."""

from typing import Any

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_bus.outbox import Outbox
from pepperpy_schemas.catalog.tasks import TOKEN
from pepperpy_schemas.errors import QueueFull, TooLarge
from pepperpy_schemas.messages import Token

MAX_PIECE = 64 * 1024
"""Bytes of one piece; what is larger belongs into the result."""


class Output:
    """The output of one attempt.

    Args:
        outbox: Where pieces are watched until the server has them.
        prefix: The deployment's prefix.
        task_id: The task.
        attempt: The attempt's number, higher each time that it begins.
    """

    def __init__(self, outbox: Outbox, prefix: str, task_id: str, attempt: int) -> None:
        self._outbox = outbox
        self._subject = TOKEN.of(prefix, id=task_id)
        self._task_id = task_id
        self._attempt = attempt
        self._seq = 0

    async def write(self, chunk: Any) -> None:
        """Sends a piece: text, or any value that JSON can carry.

        Raises:
            TooLarge: It is larger than a piece may be.
            QueueFull: Too many pieces wait for a broker that is away.
        """
        if isinstance(chunk, str):
            await self._send(t=chunk)
        else:
            await self._send(data=msgspec.Raw(to_json(chunk)))

    async def end(self) -> None:
        """Says that nothing follows in this attempt."""
        await self._send(end=True)

    async def _send(self, **what: Any) -> None:
        token = Token(self._seq + 1, self._attempt, **what)
        body = TOKEN.encode(token)
        if len(body) > MAX_PIECE:
            raise TooLarge(
                f"a piece of output has {len(body)} bytes, at most {MAX_PIECE} travel",
                hint="stream smaller pieces, and return what is large",
            )
        if self._outbox.full:
            raise QueueFull("too many pieces of output wait for the broker")
        self._seq += 1
        await self._outbox.send(
            self._subject, body, f"{self._task_id}:t:{self._attempt}:{self._seq}"
        )
