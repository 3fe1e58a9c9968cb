"""What the broker refuses: the login or a subject, carried to whoever asked for it."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator

from pepperpy_bus.link.dialing import server_of
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.link.replies import Awaited
from pepperpy_bus.link.wire import Wire
from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import PermissionDenied

log = get_log("pepperpy.bus")

_VIOLATION = re.compile(r'permissions violation for (\w+)[^"]* "([^"]+)"', re.IGNORECASE)
_AUTH = ("authorization violation", "authentication")


class Proof:
    """What the server has said against a subscription, if anything."""

    def __init__(self) -> None:
        self.denied: PermissionDenied | None = None


class Denials:
    """Finds out whom an error of the server's is for.

    Args:
        wire: The connection.
        options: How it is opened.
        awaited: The requests that wait for an answer.

    Attributes:
        login: Gets the error when the broker refuses the user.
        hooks: Called with the subject, in lower case, of every publish that is refused.
    """

    def __init__(self, wire: Wire, options: ConnectionOptions, awaited: Awaited) -> None:
        self._wire = wire
        self._options = options
        self._awaited = awaited
        self._proving: dict[str, Proof] = {}
        self.login: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.hooks: list[Callable[[str], None]] = []

    def take(self, text: str) -> bool:
        """Takes an error's text; returns whether it was a denial."""
        found = _VIOLATION.search(text)
        if found:
            self._deny(found[1].lower(), found[2])
        elif any(words in text.lower() for words in _AUTH):
            self._deny_login()
        else:
            return False
        return True

    @contextlib.contextmanager
    def against(self, subject: str) -> Iterator[Proof]:
        """Collects what is said against a subscription while its context is open."""
        proof = self._proving[subject.lower()] = Proof()
        try:
            yield proof
        finally:
            self._proving.pop(subject.lower(), None)

    def _deny_login(self) -> None:
        user, server = self._options.user, server_of(self._wire, self._options)
        who = f"user {user!r}" if user else "an anonymous client"
        log.error("bus.auth_refused", server=server, user=user)
        if not self.login.done():
            self.login.set_exception(
                PermissionDenied(
                    f"the broker at {server} refuses {who}",
                    hint="check PEPPERPY_NATS_USER and PEPPERPY_NATS_PASSWORD",
                )
            )

    def _deny(self, what: str, subject: str) -> None:
        # The library lowers the case of the server's words, and with it the subject.
        ours = self._awaited.subjects if what == "publish" else self._wire.subjects
        spelled = next((one for one in ours if one.lower() == subject), subject)
        verb = "publish to" if what == "publish" else "subscribe to"
        user = self._options.user or "the anonymous user"
        server = server_of(self._wire, self._options)
        denied = PermissionDenied(
            f"{user} may not {verb} {spelled}",
            context={"subject": spelled, "verb": what, "server": server},
        )
        log.warning("bus.permission_denied", subject=spelled, verb=what)
        if what != "publish":
            if subject in self._proving:
                self._proving[subject].denied = denied
            return
        self._awaited.deny(subject, denied)
        for hook in self.hooks:
            hook(subject)
