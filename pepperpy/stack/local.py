"""The local stack's own broker: a folder, a user for each role, and a server that is kept up."""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy.stack.leftovers import LOCK, locked, temporary_folder
from pepperpy.stack.output import Output
from pepperpy.stack.secrets import private_folder, role_passwords
from pepperpy_bus.children import BACK_OFF, Crashes
from pepperpy_bus.config import Secret, Settings
from pepperpy_bus.trust.principals import ANONYMOUS, DEFAULT_INBOX, Role
from pepperpy_schemas.catalog.server import HOP
from pepperpy_schemas.errors import BrokerFailed

NAME = "broker"
"""The broker's name in the output."""

_LOOK = 0.25  # seconds between two looks at the server and its log
_RESERVED = 4 * 1024**3  # bytes; the streams ask for half of it, full or not
_LOUD = ("[WRN]", "[ERR]", "[FTL]")
_VIOLATIONS = ("Publish Violation", "Subscription Violation")


class LocalBroker(msgspec.Struct, frozen=True):
    """A running broker of our own.

    Attributes:
        broker: The server.
        folder: Where its data and secrets lie.
        memory: Where what is remembered lies.
    """

    broker: Broker
    folder: Path
    memory: Path

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return self.broker.url

    def password_file(self, role: Role) -> Path:
        """Return where the password of a role lies."""
        return self.folder / "secrets" / role

    def environment(self, role: Role) -> dict[str, str]:
        """Return the variables that make a process connect here in a role."""
        return {
            "PEPPERPY_NATS_URL": self.url,
            "PEPPERPY_NATS_USER": role,
            "PEPPERPY_NATS_PASSWORD_FILE": str(self.password_file(role)),
            # Only the operator may create streams.
            "PEPPERPY_BUS_PROVISION": "check",
        }

    def settings(self, role: Role, settings: Settings) -> Settings:
        """Return the settings with which this process connects here in a role."""
        replace = msgspec.structs.replace
        nats = replace(
            settings.nats,
            url=self.url,
            user=role,
            password=Secret(self.broker.logins[role].password),
            token=Secret(),
            credentials=None,
            inbox_prefix=DEFAULT_INBOX,
            tls_ca=None,
            tls_cert=None,
            tls_key=None,
        )
        return replace(settings, nats=nats)


@contextlib.asynccontextmanager
async def local_broker(settings: Settings) -> AsyncIterator[LocalBroker]:
    """Run a broker as the settings of the stack say.

    Raises:
        BrokerFailed: The port or the folder is taken, or the server does not start.
    """
    stack = settings.stack
    check_port(stack.port)
    with _folder(stack.persist) as folder, _memory_folder(stack.persist, folder) as memory:
        passwords = role_passwords(folder / "secrets")
        broker = Broker(
            folder / "broker",
            port=stack.port or -1,
            durability=stack.durability,
            logins=role_logins(passwords, prefix=settings.bus.prefix, anonymous=True),
            anonymous=ANONYMOUS,
            options={
                "max_file_store": _room(folder),
                "hops": HOP.format(p=settings.bus.prefix) if stack.hops else None,
            },
        )
        async with broker:
            yield LocalBroker(broker, folder, memory)


async def keep_running(
    broker: Broker,
    output: Output,
    *,
    back_off: Sequence[float] = BACK_OFF,
    refusals: bool = False,
) -> None:
    """Start the server again whenever it ends, and show what it warns of; runs for ever.

    Args:
        broker: The server.
        output: Where to show it.
        back_off: See `BACK_OFF`.
        refusals: Whether to show also what anonymous clients tried and may not do.
    """
    seen = _size(broker.log_file)
    crashes = Crashes(back_off)
    while True:
        await asyncio.sleep(_LOOK)
        seen = _show_warnings(broker.log_file, seen, output, refusals)
        if broker.running:
            continue
        delay = crashes.add()
        output.note(f"{NAME} ended; it starts again in {delay:g} s")
        await asyncio.sleep(delay)
        crashes.begin()
        try:
            await broker.restart()
        except BrokerFailed as error:
            output.note(f"{NAME} does not start: {error}")
        else:
            output.note(f"{NAME} is back at {broker.url}")


def check_port(port: int) -> None:
    """Refuse a port that somebody listens on.

    Raises:
        BrokerFailed: It is in use.
    """
    if port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BrokerFailed(
                f"port {port} cannot be used: {error.strerror}",
                hint=f"take a free one: --port 0; or use the broker that runs there: "
                f"--nats nats://127.0.0.1:{port}",
            ) from error


@contextlib.contextmanager
def _folder(persist: Path | None) -> Iterator[Path]:
    if persist is None:
        with temporary_folder() as folder:
            yield folder
        return
    folder = persist.expanduser().absolute()
    private_folder(folder)
    with locked(folder / LOCK) as mine:
        if not mine:
            raise BrokerFailed(
                f"another stack keeps its data in {folder}",
                hint="stop that one, or give another folder: --persist DIR",
            )
        yield folder


@contextlib.contextmanager
def _memory_folder(persist: Path | None, folder: Path) -> Iterator[Path]:
    """Inside of what is kept; else beside the rest, where another user may pass through.

    A PostgreSQL of root's runs as somebody else.
    """
    if persist is not None:
        yield folder / "memory"
        return
    with temporary_folder(_open_place()) as outside:
        outside.chmod(0o711)
        yield outside / "memory"


def _open_place() -> Path | None:
    """Where root makes temporary folders that somebody else can reach; None for the usual place."""
    usual = Path(tempfile.gettempdir())
    if os.geteuid() or all(each.stat().st_mode & 0o001 for each in (usual, *usual.parents)):
        return None
    return Path("/tmp")  # noqa: S108 - the folder in it has a name of its own


def _room(folder: Path) -> int:
    """Three quarters of the free disk, as the server does it, but never less than is reserved."""
    return max(_RESERVED, shutil.disk_usage(folder).free * 3 // 4)


def _show_warnings(log_file: Path, seen: int, output: Output, refusals: bool) -> int:
    size = _size(log_file)
    if size <= seen:
        return size
    with log_file.open("rb") as file:
        file.seek(seen)
        whole = file.read(size - seen)
    whole = whole[: whole.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        if any(level in line for level in _LOUD) and (refusals or not _refusal(line)):
            output.line(NAME, line)
    return seen + len(whole)


def _refusal(line: str) -> bool:
    """Whether an anonymous client was refused something: its error tells it, no fault of ours."""
    return f"user:{ANONYMOUS}" in line and any(what in line for what in _VIOLATIONS)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
