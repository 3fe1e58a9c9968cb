"""A process of the stack: what it is, and one run of it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping

import msgspec

from pepperpy_bus.children import die_with_parent
from pepperpy_bus.trust.principals import Role

Write = Callable[[str], None]

_CHUNK = 65_536
_LAST_LINES = 1.0  # seconds for what a child wrote just before its end


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A process that the stack runs.

    Attributes:
        name: Stands before each of its lines.
        command: The program and its arguments.
        role: Whose user it becomes at the broker.
        environment: Variables of its own.
        orphan_signal: What the kernel sends it when the stack is killed. Its own children get
            nothing: one that has some must be told to end itself.
    """

    name: str
    command: tuple[str, ...]
    role: Role
    environment: dict[str, str] = {}
    orphan_signal: int = signal.SIGKILL


class Run:
    """One run of a child, from its start to its end.

    Args:
        child: What to run.
        environment: All of its variables.
        write: Takes each line that it writes.
    """

    def __init__(self, child: Child, environment: Mapping[str, str], write: Write) -> None:
        self.child = child
        self._environment = environment
        self._write = write
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: asyncio.ReadTransport | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's too."""
        assert self._process is not None, "the child is not started"
        return self._process.pid

    async def start(self) -> None:
        """Start the process; call it in the main thread, see `die_with_parent`."""
        # A pipe of our own: asyncio takes a child with one of its pipes for running as long as
        # any of its own children holds it.
        reading, writing = os.pipe()
        try:
            await self._open(reading)
            self._process = await asyncio.create_subprocess_exec(
                *self.child.command,
                env=dict(self._environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                # Ctrl-C at a terminal is for the stack, which stops its children in order.
                start_new_session=True,
                preexec_fn=die_with_parent(self.child.orphan_signal),
            )
        finally:
            os.close(writing)

    async def ended(self) -> int:
        """Wait for its end and its last lines; return its exit code, negative for a signal."""
        assert self._process is not None
        assert self._reader is not None
        try:
            code = await self._process.wait()
            self.signal(signal.SIGKILL)  # to what it leaves behind
            await asyncio.wait([self._reader], timeout=_LAST_LINES)
        finally:
            await self._close()
        return code

    async def _open(self, handle: int) -> None:
        stream = asyncio.StreamReader()
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(handle, "rb", 0)
        )
        self._reader = asyncio.create_task(
            _lines(stream, self._write), name=f"lines-{self.child.name}"
        )

    async def _close(self) -> None:
        assert self._pipe is not None
        assert self._reader is not None
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        self._pipe.close()

    def signal(self, number: int) -> None:
        """Send a signal: SIGKILL to it and all that it started, others to it alone."""
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


async def _lines(stream: asyncio.StreamReader, write: Write) -> None:
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _CHUNK:  # no line ends here for long: show what there is
            lines, rest = [*lines, rest], b""
        for line in lines:
            write(_text(line))
    if rest:
        write(_text(rest))


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")
