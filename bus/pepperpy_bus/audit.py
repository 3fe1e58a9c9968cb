"""Saying what one does, for the audit log: before it is done, under one's own name.

Tasks, cancels and answers need not be said: the broker keeps them, and the log is made of that.
What it does not keep is said here: who steered agents, changed a split, a schedule, a setting.
"""

from typing import Final

from pepperpy_bus.facades import Facade, waits
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.trust.principals import principal_of
from pepperpy_bus.units import now
from pepperpy_schemas.audit import Value
from pepperpy_schemas.catalog.events import AUDIT
from pepperpy_schemas.messages import AuditRecord
from pepperpy_schemas.tokens import new_id

AS: Final = "as"
"""Names who acts, beside the principal that the broker knows: ``cli/ana``."""


class Audit:
    """Says what a process does.

    Args:
        connection: The connection; its user is who acts, as the broker makes sure.
        prefix: The deployment's prefix.
        source: Who says to act, beside that; empty for nobody.
    """

    def __init__(self, connection: Connection, prefix: str, *, source: str = "") -> None:
        self._connection = connection
        self._prefix = prefix
        self._source = source

    async def say(self, /, action: str, target: str = "", **data: Value) -> None:
        """Has the broker keep what is about to be done, and returns when it has it.

        What cannot be said should not be done: let the error pass.

        Args:
            action: What is done, one token: ``agent-pause``.
            target: To what.
            **data: More values: ids, sizes, hashes, never a body; empty texts are left out.

        Raises:
            BadName: The action is no token.
            PermissionDenied: The broker does not know this user under the name it has.
            PepperError: The broker did not take it.
        """
        principal = principal_of(self._connection.options.inbox_prefix)
        subject = AUDIT.of(self._prefix, principal=principal, action=action)
        who: dict[str, Value] = {AS: self._source} if self._source else {}
        told = {name: value for name, value in (who | data).items() if value != ""}
        record = AuditRecord(id=new_id(), ts=now(), target=target, data=told)
        await store(self._connection, subject, AUDIT.encode(record), msg_id=record.id)


class SyncAudit(Facade[Audit]):
    """The same for callers in another thread; see `Audit`."""

    say = waits(Audit.say)
