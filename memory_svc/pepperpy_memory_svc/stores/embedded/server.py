"""A PostgreSQL as a child process: it keeps its data, and is started again when it crashes."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from pepperpy_bus.children import Crashes, die_with_parent
from pepperpy_bus.logs import get_log
from pepperpy_memory_svc.stores.embedded.place import (
    account,
    own_folder,
    programs,
    socket_folder,
)
from pepperpy_schemas.errors import BadConfig, Unavailable

log = get_log("pepperpy.memory.postgres")

USER: Final = "pepperpy"
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
        settings: Settings of the server, beside and above our own.
        start_timeout: Seconds until a server that is not ready is given up.
        stop_grace: Seconds between its fast shutdown and SIGKILL.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        start_timeout: float = 30.0,
        stop_grace: float = 10.0,
    ) -> None:
        self._wanted = folder
        self._settings = {**_SETTINGS, **(settings or {})}
        self._start_timeout = start_timeout
        self._stop_grace = stop_grace
        self._process: subprocess.Popen[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is reached, as long as it is open; the same after a crash."""
        return f"postgresql://{USER}@/postgres?host={quote(str(self._socket), safe='')}"

    @property
    def pid(self) -> int:
        """The process that all others of the server are children of."""
        assert self._process is not None, "it is not open"
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._account = account()
        self._folder = own_folder(self._wanted, self._account)
        self._programs = programs(self._folder, self._account)
        self._socket = socket_folder(self._folder, self._account)
        try:
            await self._create()
            await self._start()
        except BaseException:
            await self._stop()
            raise
        self._watching = asyncio.create_task(self._watch(), name="embedded postgres")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await self._stop()

    # -- its data ----------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    async def _create(self) -> None:
        """Makes the data folder, whole or not at all."""
        if self._data.exists():
            await self._check_version()
            return
        half = self._folder / "data.new"
        shutil.rmtree(half, ignore_errors=True)
        await self._run(
            *("initdb", "-D", str(half), "-U", USER, "--auth=trust", "--no-locale"),
            *("--encoding=UTF8", "--no-instructions", "--sync-method=syncfs"),
        )
        half.rename(self._data)

    async def _check_version(self) -> None:
        there = (self._data / "PG_VERSION").read_text().strip()
        ours = (await self._run("postgres", "--version")).split()[-1].partition(".")[0]
        if there != ours:
            raise BadConfig(
                f"the data in {self._data} are of PostgreSQL {there}, the server is {ours}",
                hint="export them with the old package and import them with the new one",
            )

    async def _run(self, program: str, *args: str) -> str:
        # uvloop's processes cannot become another user.
        return await asyncio.to_thread(self._run_here, program, args)

    def _run_here(self, program: str, args: Sequence[str]) -> str:
        done = subprocess.run(  # noqa: S603 - the program is our own
            [self._programs / program, *args],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env={"TZ": "UTC", "LC_ALL": "C"},
            **self._account.options(),
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise Unavailable(f"{program} failed: {said}")
        out: bytes = done.stdout
        return out.decode()

    # -- its life ----------------------------------------------------------------------------------

    async def _start(self) -> None:
        deadline = time.monotonic() + self._start_timeout
        while not await self._started(deadline):
            # Children of a server that was killed hold its memory for a moment.
            if time.monotonic() > deadline or "still in use" not in self._last_words():
                raise Unavailable(f"PostgreSQL did not start: {self._last_words()}")
            await asyncio.sleep(_POLL * 5)

    async def _started(self, deadline: float) -> bool:
        self._spawn()
        while self._running():
            if self._ready():
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL)
        return False

    def _spawn(self) -> None:
        settings = [word for name, value in self._settings.items() for word in _flag(name, value)]
        with self._log_file.open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - the program is our own
                [
                    self._programs / "postgres",
                    *("-D", str(self._data), "-k", str(self._socket)),
                    *settings,
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={"TZ": "UTC", "LC_ALL": "C"},
                # A Ctrl-C of the terminal is ours to hand on.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - it only makes a system call
                **self._account.options(),
            )

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _ready(self) -> bool:
        """Reads the file where the server says how far it is."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

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
            except Unavailable as error:
                log.error("postgres.not_started", error=str(error))

    async def _stop(self) -> None:
        if self._process is not None:
            await self._end(self._process)
            self._process = None
        if self._socket.parent != self._folder:
            shutil.rmtree(self._socket, ignore_errors=True)

    async def _end(self, process: subprocess.Popen[bytes]) -> None:
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
        text = self._log_file.read_text(errors="replace") if self._log_file.exists() else ""
        return " | ".join(text.strip().splitlines()[-4:])[-800:] or "it said nothing"


def _flag(name: str, value: str) -> tuple[str, str]:
    return "-c", f"{name}={value}"
