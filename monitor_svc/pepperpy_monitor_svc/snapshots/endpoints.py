"""What may be asked of a monitor about its snapshots, besides to see them."""

from typing import TYPE_CHECKING

from pepperpy_bus.services.service import Call, Endpoint
from pepperpy_schemas.monitor import SnapshotRow
from pepperpy_schemas.snapshots import SnapshotRequest

if TYPE_CHECKING:
    from pepperpy_monitor_svc.audit.log import AuditLog
    from pepperpy_monitor_svc.snapshots.snapshots import Snapshots


class SnapshotActs:
    """Answers those who want a snapshot.

    Args:
        snapshots: The snapshots.
        audit: Where it is written down who wanted one.
    """

    def __init__(self, snapshots: "Snapshots", audit: "AuditLog") -> None:
        self._snapshots = snapshots
        self._audit = audit

    def endpoints(self) -> list[Endpoint]:
        """Returns the operations for the monitor's service."""
        return [
            Endpoint(
                op="snapshot",
                request=SnapshotRequest,
                reply=SnapshotRow,
                handler=self.take,
                doc="Keep what the deployment is like now.",
            )
        ]

    async def take(self, request: SnapshotRequest, call: Call) -> SnapshotRow:
        """The snapshot that was taken."""
        who = {"who": call.principal, "as": request.by}
        async with self._audit.act("snapshot", data=who):
            return await self._snapshots.take(
                request.reason or "asked", by=request.by or call.principal
            )
