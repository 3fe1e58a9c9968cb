"""The process of a local model: started, waited for, started again when it dies, and ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from typing import Final

from pepperpy_bus.children import Crashes
from pepperpy_bus.logs import get_log
from pepperpy_provider_svc.upstreams.local_server import FAILED, READY
from pepperpy_schemas.errors import UpstreamFailed

log = get_log("pepperpy.provider")

_PROGRAM: Final = "pepperpy_provider_svc.upstreams.local_server"
_LAST_LINES: Final = 5


class LocalProcess:
    """A process that serves a model, from `start` to `close`.

    Args:
        provider: The provider's name, which errors have.
        command: What to run; it says where it listens.
    """

    def __init__(self, provider: str, command: Sequence[str]) -> None:
        self._provider = provider
        self._command = command
        self._keeping: asyncio.Task[None] | None = None
        self._url: asyncio.Future[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._closed = False
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._reason = ""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts it, once; it loads its model in the background."""
        if self._keeping is None and not self._closed:
            self._url = asyncio.get_running_loop().create_future()
            self._keeping = asyncio.create_task(self._keep(), name=f"local-{self._provider}")

    async def url(self) -> str:
        """Returns where it listens, when it does.

        Raises:
            UpstreamFailed: It ended before it listened, and is started again; or it is closed.
        """
        self.start()
        if self._closed or self._url is None:
            raise UpstreamFailed(f"the server of {self._provider} is closed")
        return await asyncio.shield(self._url)

    async def close(self) -> None:
        """Ends it for good."""
        self._closed = True
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        if self._url is not None and not self._url.done():
            self._url.cancel()

    async def _keep(self) -> None:
        crashes = Crashes()
        while True:
            crashes.begin()
            code = await self._run()
            pause = crashes.add()
            self._fail(code, pause)
            log.warning(
                "local_model.ended",
                provider=self._provider,
                code=code,
                pause=pause,
                reason=self._why,
                said=list(self._lines),
            )
            await asyncio.sleep(pause)

    async def _run(self) -> int:
        self._lines.clear()
        self._reason = ""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # The library writes its log in pieces, from a thread of its own: on one pipe with the
            # server's words it would tear their lines apart.
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C at a terminal is for the service, which finishes its requests first.
            start_new_session=True,
        )
        try:
            # Both to the end: a pipe that is full would hold it up.
            await asyncio.gather(self._listen(self._process), self._note(self._process))
            return await self._process.wait()
        finally:
            await _end(self._process)
            self._process = None

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Reads what it says to us."""
        assert process.stdout is not None
        async for said in process.stdout:
            line = _text(said)
            if line.startswith(READY):
                self._succeed(line.removeprefix(READY))
            elif line.startswith(FAILED):
                self._reason = line.removeprefix(FAILED)

    async def _note(self, process: asyncio.subprocess.Process) -> None:
        """Reads what the library logs."""
        assert process.stderr is not None
        async for said in process.stderr:
            if line := _text(said):
                self._lines.append(line)
                log.debug("local_model.said", provider=self._provider, line=line)

    def _succeed(self, url: str) -> None:
        self._next().set_result(url)
        log.info("local_model.ready", provider=self._provider, url=url, pid=self.pid)

    def _fail(self, code: int, pause: float) -> None:
        """Those who ask wait for the next start, if this one has come to listen."""
        assert self._url is not None, "it is started"
        if self._url.done() and self._url.exception() is None:
            self._next()
            return
        error = UpstreamFailed(
            f"the server of {self._provider} ended with {code} before it listened: {self._why}",
            context={"retry_after": pause},
        )
        failed = self._next()
        failed.set_exception(error)
        failed.exception()  # nobody may have asked

    @property
    def _why(self) -> str:
        """Why it has ended, as far as it has said so."""
        return self._reason or (self._lines[-1] if self._lines else "it said nothing")

    def _next(self) -> "asyncio.Future[str]":
        """What is waited for from now on: the same, unless it is known already."""
        assert self._url is not None, "it is started"
        if self._url.done():
            self._url = asyncio.get_running_loop().create_future()
        return self._url


def command_for(file: str, name: str) -> list[str]:
    """Returns how the server of a model is run."""
    return [sys.executable, "-m", _PROGRAM, file, name]


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip()


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    # Not to be left as a zombie, whatever interrupts this one.
    await asyncio.shield(asyncio.ensure_future(process.wait()))
