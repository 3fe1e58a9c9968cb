"""The dashboard of the local stack: where it is, who may act there, what its monitor is told."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from pepperpy.stack.conf import new_password
from pepperpy.stack.local import LocalBroker
from pepperpy_bus.config import Settings
from pepperpy_bus.files import write_secret
from pepperpy_bus.trust.principals import Role

_ACTS_AS: Final[Role] = "operator"
_FILE: Final = "dashboard"

SECRET: Final = (
    "PEPPERPY_MONITOR_TOKEN",
    "PEPPERPY_MONITOR_ACTING_PASSWORD",
    "PEPPERPY_MONITOR_AUDIT_KEY",
)
"""Beginnings of the variables that the monitor alone gets."""


class Dashboard(msgspec.Struct, frozen=True):
    """A dashboard that is about to be served.

    Attributes:
        url: Its address.
        token_file: Where the token of those lies who act; empty when the person has set one.
        environment: What its monitor is told.
        taken: The port of the settings, which somebody else has; 0 where it is served there.
    """

    url: str
    token_file: str
    environment: Mapping[str, str]
    taken: int = 0


def dashboard(settings: Settings, local: LocalBroker | None) -> Dashboard:
    """Returns the dashboard of a stack.

    Args:
        settings: The settings in force.
        local: The stack's own broker; of another one nobody here knows who may act.
    """
    wanted = 0 if settings.stack.port == 0 and local is not None else settings.monitor.port
    port = _free(wanted)
    told = {"PEPPERPY_MONITOR_PORT": str(port)}
    token_file = ""
    if local is not None:
        told |= {
            "PEPPERPY_MONITOR_ACTING_USER": _ACTS_AS,
            "PEPPERPY_MONITOR_ACTING_PASSWORD_FILE": str(local.password_file(_ACTS_AS)),
            "PEPPERPY_MONITOR_SERVER_URL": local.broker.monitor_url,
        }
        if not settings.monitor.token:
            token_file = str(_token_file(local.folder / "secrets"))
            told["PEPPERPY_MONITOR_TOKEN_FILE"] = token_file
    taken = wanted if port != wanted else 0
    return Dashboard(f"http://127.0.0.1:{port}", token_file, told, taken)


def _free(wanted: int) -> int:
    """The port that is wanted; another one where that is taken, as by a second stack."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted


def _token_file(folder: Path) -> Path:
    file = folder / _FILE
    if not file.exists():
        write_secret(file, new_password())
    return file
