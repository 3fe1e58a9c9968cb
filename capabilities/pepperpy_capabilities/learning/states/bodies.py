"""The bodies of states: the small ones lie in their key, the large ones in the object store.

An object is never changed. A new state is a new object, the key says which one counts, and what it
counted before is removed.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.blobs import Blobs, Listed, parse_reference
from pepperpy_bus.units import format_time, now
from pepperpy_schemas.errors import PepperError, TooBig
from pepperpy_schemas.learner_state import LEARNED, LearnerState

log = get_log("pepperpy.learning")

INLINE: Final = 64 * 1024
"""Bytes of the largest state that lies in its key."""
MAX_STATE: Final = 32 * 1024 * 1024
"""Bytes of the largest state."""
_LEFT = timedelta(hours=1)
"""A body that no key names for so long will be named by none: writing is tried for 30 s."""


class Bodies:
    """Where the bodies of states are put and got.

    Args:
        connection: The connection.
        prefix: The deployment's.
        inline: Bytes above which a state goes to the object store.
    """

    def __init__(self, connection: Connection, prefix: str, *, inline: int = INLINE) -> None:
        self._blobs = Blobs(connection, prefix, bucket=LEARNED, max_size=MAX_STATE)
        self._inline = inline

    async def put(self, key: str, record: LearnerState, body: bytes) -> LearnerState:
        """Returns the record with the body in it, or with a reference to the body."""
        if len(body) <= self._inline:
            return msgspec.structs.replace(record, state=body, blob="")
        blob = await self._blobs.put(body, metadata={"key": key, "put": format_time(now())})
        return msgspec.structs.replace(record, state=b"", blob=blob)

    async def get(self, record: LearnerState) -> bytes:
        """Returns the body of a record.

        Raises:
            NotFound: Another state has taken its place meanwhile.
            BadPayload: What lies there is not what was put.
        """
        return await self._blobs.get(record.blob) if record.blob else record.state

    async def remove(self, record: LearnerState) -> None:
        """Removes the body of a record that counts no longer, or never did."""
        if record.blob:
            try:
                await self._blobs.delete(record.blob)
            except PepperError as error:
                log.warning("learning.body_left", blob=record.blob, reason=str(error))

    async def sweep(self, key: str, record: LearnerState) -> int:
        """Removes what replicas that died have left of a key; returns how many bodies.

        Args:
            key: The key.
            record: The record that counts.
        """
        current = parse_reference(record.blob).name if record.blob else ""
        left = [
            one
            for one in await self._blobs.listed()
            if one.metadata.get("key") == key and one.name != current and _is_left(one)
        ]
        for one in left:
            await self._blobs.remove(one.name)
        return len(left)


def _is_left(one: Listed) -> bool:
    try:
        put = datetime.fromisoformat(one.metadata.get("put", ""))
    except ValueError:
        return False
    return now() - put > _LEFT


def check_size(body: bytes) -> None:
    """Looks whether a state is small enough.

    Raises:
        TooBig: It is not.
    """
    if len(body) > MAX_STATE:
        raise TooBig(
            f"the state of the learner would have {len(body)} bytes, more than {MAX_STATE}",
            hint="choose a smaller learner, or reset it",
            context={"bytes": len(body), "limit": MAX_STATE},
        )
