"""A PostgreSQL as a child process: it keeps its data, and is started again when it crashes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from pepperpy_bus.children import Crashes, die_with_parent
from pepperpy_bus.logs import get_log
from pepperpy_memory_svc.stores.embedded.data import USER, create, disown, ready
from pepperpy_memory_svc.stores.embedded.holding import held
from pepperpy_memory_svc.stores.embedded.place import account, own_folder, place_of, socket_folder
from pepperpy_memory_svc.stores.embedded.programs import programs
from pepperpy_schemas.errors import BadConfig, Unavailable

log = get_log("pepperpy.memory.postgres")

_PORT: Final = 5432
"""No port is open; it is part of the socket's name."""
_POLL: Final = 0.01
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "256MB",
    "jit": "off",
    # Words are read from their index alone once its table was vacuumed: soon after it has grown.
    "autovacuum_naptime": "10s",
    # Opening every file before a recovery takes seconds; one call for all of them does not.
    "recovery_init_sync_method": "syncfs",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """A PostgreSQL with pgvector that lives as long as its ``async with`` block.

    It listens on a socket in a folder that only its user, and root, can enter; there is no password
    and no port. As root it runs as ``nobody``. It ends with this process, whatever happens to that.

    Args:
        folder: Where its data stay; nothing else may be in it.
        new: Whether to make them if there are none.
        settings: Settings of the server, beside and above our own.
        patience: Seconds until another process has to have left the folder.
        start_timeout: Seconds until a server that is not ready is given up.
        stop_grace: Seconds between its fast shutdown and SIGKILL.

    Raises:
        BadConfig: The folder is somebody else's, or what is in it does not fit.
        Unavailable: Another process has the folder, or the server does not start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        new: bool = True,
        settings: Mapping[str, str] | None = None,
        patience: float = 5.0,
        start_timeout: float = 30.0,
        stop_grace: float = 10.0,
    ) -> None:
        self._wanted = folder
        self._new = new
        self._settings = {**_SETTINGS, **(settings or {})}
        self._patience = patience
        self._start_timeout = start_timeout
        self._stop_grace = stop_grace
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached, as long as it is open; the same after a crash."""
        where = quote(str(self._socket), safe="")
        # The port is said, too: else the variable PGPORT would change it.
        return f"postgresql://{USER}@/postgres?host={where}&port={_PORT}"

    @property
    def pid(self) -> int:
        """The process that all others of the server are children of."""
        assert self._process is not None, "it is not open"
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._account = account()
        if not self._new and not (place_of(self._wanted, self._account) / "data").exists():
            raise BadConfig(f"there is no PostgreSQL in {self._wanted}", hint="look for its folder")
        self._folder = own_folder(self._wanted, self._account)
        async with contextlib.AsyncExitStack() as stack:
            self._lock = await stack.enter_async_context(held(self._folder, self._patience))
            self._programs = await asyncio.to_thread(programs, self._folder, self._account)
            # uvloop's processes cannot become another user.
            await asyncio.to_thread(create, self._folder, self._account, self._run)
            self._socket = stack.enter_context(socket_folder(self._folder, self._account))
            stack.push_async_callback(self._stop)
            await self._start()
            self._open = stack.pop_all()
        self._watching = asyncio.create_task(self._watch(), name="embedded postgres")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        finally:
            await self._open.aclose()

    def _run(self, program: str, *args: str) -> str:
        """Runs one of the programs to its end, and returns what it prints."""
        done = subprocess.run(  # noqa: S603 - the program is our own
            [self._programs / program, *args],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env={"TZ": "UTC", "LC_ALL": "C"},
            # Killed meanwhile, we leave it behind: the next one waits for its end.
            pass_fds=[self._lock],
            **self._account.options(),
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise Unavailable(f"{program} failed: {said}")
        out: bytes = done.stdout
        return out.decode()

    # -- its life ----------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    async def _start(self) -> None:
        deadline = time.monotonic() + self._start_timeout
        while not await self._started(deadline):
            # Children of a server that was killed hold its memory for a moment.
            if time.monotonic() > deadline or "still in use" not in self._last_words():
                raise Unavailable(f"PostgreSQL did not start: {self._last_words()}")
            await asyncio.sleep(_POLL * 5)

    async def _started(self, deadline: float) -> bool:
        try:
            self._spawn()
        except OSError as error:
            raise Unavailable(f"PostgreSQL cannot be started: {error}") from error
        while self._running():
            if ready(self._data, self._account, self.pid):
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL)
        return False

    def _spawn(self) -> None:
        disown(self._data, self._account)
        (self._socket / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)
        settings = [word for name, value in self._settings.items() for word in _flag(name, value)]
        with os.fdopen(self._log_handle(), "wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - the program is our own
                [
                    self._programs / "postgres",
                    *("-D", str(self._data), "-k", str(self._socket), "-p", str(_PORT)),
                    *settings,
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={"TZ": "UTC", "LC_ALL": "C"},
                # The folder is held as long as anything of the server lives.
                pass_fds=[self._lock],
                # A Ctrl-C of the terminal is ours to hand on.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - it only makes a system call
                **self._account.options(),
            )

    def _log_handle(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._log_file, flags, 0o600)

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def _watch(self) -> None:
        crashes = Crashes()
        while True:
            crashes.begin()
            while self._running():  # noqa: ASYNC110 - a process sets no event
                await asyncio.sleep(0.05)
            wait = crashes.add()
            log.warning("postgres.crashed", again_in=wait, last_words=self._last_words())
            await asyncio.sleep(wait)
            try:
                await self._start()
            except Exception as error:  # whatever was in the way may be gone the next time
                log.error("postgres.not_started", error=str(error))

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        deadline = time.monotonic() + self._stop_grace
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
            await asyncio.sleep(_POLL)

    @property
    def _log_file(self) -> Path:
        return self._folder / "postgres.log"

    def _last_words(self) -> str:
        try:
            lines = self._log_file.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return " | ".join(lines[-4:])[-800:] or "it said nothing"


def _flag(name: str, value: str) -> tuple[str, str]:
    return "-c", f"{name}={value}"
