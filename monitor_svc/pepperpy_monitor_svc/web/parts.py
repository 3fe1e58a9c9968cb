"""What the dashboard shows, as it sees it, and what its handlers have in common."""

from typing import Any, Final, Protocol

import msgspec
from aiohttp import web

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_monitor_svc.http.events import Seats
from pepperpy_monitor_svc.web.changes import Changes
from pepperpy_monitor_svc.web.doing import Doing
from pepperpy_monitor_svc.web.files import Files
from pepperpy_monitor_svc.web.sessions import Sessions


class Watched(Protocol):
    """The monitor, as far as the dashboard needs it."""

    @property
    def client(self) -> Client:
        """What reads from the bus, with the rights of a monitor."""
        ...

    @property
    def acting(self) -> Client | None:
        """What acts on the bus, with the rights of an operator; None when nobody may."""
        ...

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        ...

    @property
    def fleet(self) -> Any:
        """What happens on the bus."""
        ...

    @property
    def alerts(self) -> Any:
        """What is wrong."""
        ...

    @property
    def audit(self) -> Any:
        """Who did what."""
        ...

    @property
    def snapshots(self) -> Any:
        """How everything was."""
        ...

    @property
    def leads(self) -> bool:
        """Whether this replica is the one that tells of alerts and takes snapshots."""
        ...


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the handlers of requests work with.

    Attributes:
        monitor: What is shown.
        sessions: Who may act, and read from elsewhere.
        files: The page and what belongs to it.
        changes: What has changed, for those who listen.
        seats: How many may listen.
        doing: Acts that go on.
        open: Whether reading needs no token: only this machine can.
    """

    monitor: Watched
    sessions: Sessions
    files: Files
    changes: Changes
    seats: Seats
    doing: Doing
    open: bool


PARTS: Final = web.AppKey("parts", Parts)
