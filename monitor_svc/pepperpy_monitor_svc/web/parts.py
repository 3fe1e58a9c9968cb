"""What the handlers of the dashboard's requests work with."""

from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from pepperpy_monitor_svc.http.events import Seats
from pepperpy_monitor_svc.web.changes import Changes, Glance
from pepperpy_monitor_svc.web.doing import Doing
from pepperpy_monitor_svc.web.files import Files
from pepperpy_monitor_svc.web.sessions import Sessions

if TYPE_CHECKING:
    from pepperpy_monitor_svc.monitor import Monitor


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the handlers of requests work with.

    Attributes:
        monitor: What is shown.
        sessions: Who may act, and read from elsewhere.
        files: The page and what belongs to it.
        changes: What has changed, for those who listen.
        glance: The overview for those.
        seats: How many may listen.
        doing: Acts that go on.
        open: Whether reading needs no token: only this machine can.
    """

    monitor: "Monitor"
    sessions: Sessions
    files: Files
    changes: Changes
    glance: Glance
    seats: Seats
    doing: Doing
    open: bool


PARTS: Final = web.AppKey("parts", Parts)
