"""Saying what one does, for the audit log: before it is done, under one's own name.

Tasks, cancels and answers need not be said: the broker keeps them, and the log is made of that.
What it does not keep is said here: who steered agents, changed a split, a schedule, a setting.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from pepperpy_bus.facades import Facade, waits
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.trust.principals import principal_of
from pepperpy_bus.units import now
from pepperpy_schemas.audit import Value
from pepperpy_schemas.catalog.events import AUDIT
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.messages import AuditRecord
from pepperpy_schemas.tokens import new_id

AS: Final = "as"
"""Names who acts, beside the principal that the broker knows: ``cli/ana``."""
WHO: Final = (AS, "who")
"""Values that say on whose behalf a process acts."""
FAILED: Final = "failed"
"""The action of a record that says of the one before that it was refused, or failed."""


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

    @contextlib.asynccontextmanager
    async def act(self, /, action: str, target: str = "", **data: Value) -> AsyncIterator[None]:
        """Says what its context is about to do, and when that fails, that it did.

        The arguments are those of `say`. A failure is said as `FAILED`, with the action and the
        error's code.

        Raises:
            PepperError: It could not be said: then nothing is done.
        """
        await self.say(action, target, **data)
        try:
            yield
        except PepperError as error:
            told: dict[str, Value] = {"of": action, "code": error.info().code}
            told |= {name: data[name] for name in WHO if name in data}
            # What went wrong is what the caller is told of, whether or not this can be said.
            with contextlib.suppress(PepperError):
                await self.say(FAILED, target, **told)
            raise


class SyncAudit(Facade[Audit]):
    """The same for callers in another thread; see `Audit`."""

    say = waits(Audit.say)
