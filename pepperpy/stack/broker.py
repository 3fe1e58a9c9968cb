"""A nats-server of our own as a child process."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import msgspec

from pepperpy.stack.conf import Durability, Login, ServerConf, render
from pepperpy_bus.children import die_with_parent
from pepperpy_bus.files import write_secret
from pepperpy_bus.installing import install
from pepperpy_schemas.errors import BrokerFailed

POLL = 0.01  # seconds between two looks at a file or a process


class _Ports(msgspec.Struct, frozen=True):
    """The server's ports file."""

    nats: list[str]
    monitoring: list[str] = []


def find_server() -> Path:
    """Return the nats-server binary: beside this Python first, then on PATH.

    Raises:
        BrokerFailed: There is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    if beside.is_file() and os.access(beside, os.X_OK):
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise BrokerFailed(
            f"no nats-server beside {sys.executable} or on PATH",
            hint=f"{install('stack')}, or give the URL of a running broker",
        )
    return Path(found)


class Broker:
    """A nats-server that lives as long as its `with` or `async with` block.

    Args:
        folder: Where configuration, log and store live; a temporary one, removed at the
            end, when None.
        port: -1 takes a free one from the kernel; it stays the same over restarts.
        durability: See `ServerConf.durability`.
        logins: The users; without any the server is open to every local client.
        anonymous: The user that a client without credentials becomes.
        options: Other fields of `ServerConf`.
        binary: The server to run; found by `find_server` when None.
        start_timeout: Seconds until a server that is not ready is given up.
        stop_grace: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int = -1,
        durability: Durability = "fast",
        logins: tuple[Login, ...] = (),
        anonymous: str | None = None,
        options: dict[str, object] | None = None,
        binary: Path | None = None,
        start_timeout: float = 10.0,
        stop_grace: float = 5.0,
    ) -> None:
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="pepperpy-broker-"))
        self._conf = ServerConf(
            server_name="pepperpy",
            store_dir=self.folder / "store",
            ports_file_dir=self.folder,
            port=port,
            monitor_port=-1,
            durability=durability,
            logins=logins,
            anonymous=anonymous,
        )
        self._conf = msgspec.structs.replace(self._conf, **(options or {}))
        self._binary = binary
        self._start_timeout = start_timeout
        self._stop_grace = stop_grace
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: _Ports | None = None

    # -- what it is ---------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The client URL, without credentials."""
        return self._known_ports().nats[0]

    @property
    def monitor_url(self) -> str:
        """The URL of the HTTP monitoring endpoints."""
        return self._known_ports().monitoring[0]

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the broker is not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def log_file(self) -> Path:
        """The server's own log."""
        return self.folder / "nats-server.log"

    @property
    def logins(self) -> dict[str, Login]:
        """The users by name."""
        return {login.user: login for login in self._conf.logins}

    def url_for(self, user: str) -> str:
        """Return the client URL with the credentials of one user."""
        login = self.logins[user]
        scheme, address = self.url.split("://", 1)
        return f"{scheme}://{quote(login.user, safe='')}:{quote(login.password, safe='')}@{address}"

    # -- its life -----------------------------------------------------------------------

    async def start(self) -> None:
        """Start the server and wait until it takes clients."""
        for _ in self._starting():
            await asyncio.sleep(POLL)

    async def stop(self) -> None:
        """Stop the server: SIGTERM, then SIGKILL after the grace."""
        for _ in self._stopping():
            await asyncio.sleep(POLL)

    async def restart(self) -> None:
        """Start the server again on the same store and port, whether it still runs or not."""
        await self.stop()
        await self.start()

    def start_sync(self) -> None:
        """Start like `start`, without an event loop."""
        for _ in self._starting():
            time.sleep(POLL)

    def stop_sync(self) -> None:
        """Stop like `stop`, without an event loop."""
        for _ in self._stopping():
            time.sleep(POLL)

    def kill(self) -> None:
        """Kill the server with SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            await self.stop()
        finally:
            self._clean()

    def __enter__(self) -> Self:
        self.start_sync()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            self.stop_sync()
        finally:
            self._clean()

    # -- steps --------------------------------------------------------------------------

    def _starting(self) -> Iterator[None]:
        assert not self.running, "the broker runs already"
        self._spawn()
        deadline = time.monotonic() + self._start_timeout
        try:
            while not self._ready():
                if not self.running:
                    raise BrokerFailed(f"nats-server ended at once; {self._last_words()}")
                if time.monotonic() > deadline:
                    raise BrokerFailed(
                        f"nats-server was not ready after {self._start_timeout:g} s; "
                        f"{self._last_words()}"
                    )
                yield
        except BaseException:
            self.kill()
            raise
        # A client that reconnects must find a restarted server where it was.
        port = int(self.url.rsplit(":", 1)[1])
        self._conf = msgspec.structs.replace(self._conf, port=port)

    def _stopping(self) -> Iterator[None]:
        if self._process is None:
            return
        deadline = time.monotonic() + self._stop_grace
        try:
            self._process.terminate()
            while self.running and time.monotonic() < deadline:
                yield
        finally:
            self.kill()

    def _spawn(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in self.folder.glob("nats-server_*.ports"):
            stale.unlink()  # of a crashed server whose process id may come again
        conf_file = self.folder / "nats.conf"
        write_secret(conf_file, render(self._conf))
        command = [str(self._binary or find_server()), "-c", str(conf_file)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # a fixed argument list
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C at a terminal is for the owner, who stops the broker last.
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509  # makes system calls only
            )

    def _ready(self) -> bool:
        try:
            self._ports = msgspec.json.decode(self._ports_file().read_bytes(), type=_Ports)
        except (FileNotFoundError, msgspec.DecodeError):
            return False
        return True

    def _forget(self) -> None:
        self._ports_file().unlink(missing_ok=True)
        self._process = None

    def _clean(self) -> None:
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ports_file(self) -> Path:
        return self.folder / f"nats-server_{self.pid}.ports"

    def _known_ports(self) -> _Ports:
        assert self._ports is not None, "the broker is not started"
        return self._ports

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").strip().splitlines()
        return f"{self.log_file} says: {lines[-1] if lines else 'nothing'}"
