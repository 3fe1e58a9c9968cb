"""Where snapshots are kept: an object store of their own, as any NATS client reads it."""

from datetime import datetime
from typing import Final

from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.blobs import Blobs, Listed
from pepperpy_bus.units import BadUnit, format_time, parse_time
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadPayload, NotFound, PepperError
from pepperpy_schemas.monitor import SnapshotRow
from pepperpy_schemas.snapshots import Snapshot
from pepperpy_schemas.tokens import check_token

log = get_log("pepperpy.snapshots")

BUCKET: Final = "snapshots"
DAMAGED: Final = "damaged"
"""The reason that a list gives of a snapshot whose description cannot be read."""
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class SnapshotStore:
    """The snapshots of a deployment.

    Args:
        client: The connection.
    """

    def __init__(self, client: Client) -> None:
        self._blobs = Blobs(client.connection, client.prefix, bucket=BUCKET)

    async def put(self, snapshot: Snapshot) -> SnapshotRow:
        """Keeps a snapshot; returns it as lists show it."""
        body = encode(snapshot)
        row = row_of(snapshot, size=len(body))
        told = {
            "at": format_time(row.at),
            "reason": row.reason,
            "by": row.by,
            "tasks": str(row.tasks),
            "firing": str(row.firing),
        }
        await self._blobs.put(body, name=snapshot.id, metadata=told)
        return row

    async def list(self) -> list[SnapshotRow]:
        """Returns the snapshots there are, the newest first; the damaged ones come last."""
        rows = [_row(one) for one in await self._blobs.listed()]
        return sorted(rows, key=lambda row: (row.at, row.id), reverse=True)

    async def get(self, snapshot_id: str) -> Snapshot:
        """Returns a snapshot.

        Raises:
            NotFound: There is none with this id.
            BadPayload: It is damaged: what is kept is not what was put; or another version of
                PepperPy has put what this one cannot read.
        """
        body = await self.read(snapshot_id)
        try:
            return decode(body, Snapshot)
        except BadPayload as error:
            raise BadPayload(
                f"snapshot {snapshot_id} is whole, but not as this version reads it: "
                f"{error.message}",
                hint=f"read it as JSON: pepperpy monitor snapshots export {snapshot_id}",
                context={"snapshot": snapshot_id},
            ) from error

    async def read(self, snapshot_id: str) -> bytes:
        """Returns a snapshot as it is kept, JSON; see `get`."""
        listed = await self._find(snapshot_id)
        try:
            if not listed.reference:
                raise BadPayload("its description cannot be read")
            return await self._blobs.get(listed.reference)
        except (BadPayload, NotFound) as error:
            raise _damaged(snapshot_id, error) from error

    async def remove(self, snapshot_id: str) -> None:
        """Removes a snapshot, damaged or not.

        Raises:
            NotFound: There is none with this id.
        """
        await self._blobs.remove((await self._find(snapshot_id)).name)

    async def damage(self, snapshot_id: str) -> str:
        """Returns what is wrong with a snapshot, or nothing."""
        try:
            await self.get(snapshot_id)
        except PepperError as error:
            return error.message
        return ""

    async def _find(self, snapshot_id: str) -> Listed:
        check_token(snapshot_id, what="snapshot id")
        for one in await self._blobs.listed():
            if one.name == snapshot_id:
                return one
        raise NotFound(
            f"no snapshot {snapshot_id}", hint="list them: pepperpy monitor snapshots ls"
        )


def _damaged(snapshot_id: str, error: PepperError) -> BadPayload:
    return BadPayload(
        f"snapshot {snapshot_id} is damaged: {error.message}",
        hint=f"remove it: pepperpy monitor snapshots rm {snapshot_id}",
        context={"snapshot": snapshot_id},
    )


def row_of(snapshot: Snapshot, *, size: int = 0) -> SnapshotRow:
    """Returns a snapshot as lists show it."""
    return SnapshotRow(
        id=snapshot.id,
        at=snapshot.at,
        reason=snapshot.reason,
        by=snapshot.by,
        bytes=size,
        tasks=sum(snapshot.overview.states.values()),
        firing=sum(one.state == "firing" for one in snapshot.alerts),
    )


def _row(listed: Listed) -> SnapshotRow:
    told = listed.metadata
    try:
        return SnapshotRow(
            id=listed.name,
            at=parse_time(told["at"]),
            reason=told["reason"],
            by=told.get("by", ""),
            bytes=listed.size,
            tasks=int(told["tasks"]),
            firing=int(told["firing"]),
        )
    except (KeyError, ValueError, BadUnit):
        return SnapshotRow(id=listed.name, at=_EPOCH, reason=DAMAGED, bytes=listed.size)
