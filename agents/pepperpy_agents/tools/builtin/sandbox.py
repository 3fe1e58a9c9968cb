"""Commands in a sandbox: what they may take, what they see, and that nothing is left of them.

The sandbox itself is made by `inside`, in a process of its own; this is the worker's side of it.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from pepperpy_agents.tools.scopes import Grants
from pepperpy_schemas.errors import BadArguments, NotGranted, ToolFailed, ToolTimeout

_SCRIPT: Final = str(Path(__file__).with_name("inside.py"))
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOBODY: Final = 65534
"""Whom commands of a worker run as that is root itself."""
_POURED_AWAY: Final = 64 * 1024 * 1024
"""Bytes of output beyond the limit after which the command is ended."""
_SHOWN: Final = 500
"""Characters of the output that the error of a time-out shows."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a command may take.

    Attributes:
        seconds: Time from its start to its end.
        cpu: Seconds of CPU time of each process.
        memory: Bytes of address space of each process, and of resident memory of all together.
        processes: Processes and threads at a time.
        file: Bytes of a file.
        open_files: Files that a process may have open.
        scratch: Bytes of all files in its scratch folder and its /tmp.
        output: Bytes that are kept of each of its outputs; the rest is thrown away.
    """

    seconds: float = 30.0
    cpu: int = 20
    memory: int = 512 * 1024 * 1024
    processes: int = 32
    file: int = 64 * 1024 * 1024
    open_files: int = 128
    scratch: int = 64 * 1024 * 1024
    output: int = 24 * 1024


class Rights(msgspec.Struct, frozen=True):
    """What a command is given by the grants of its agent.

    Attributes:
        read: Folders and files that it sees.
        write: Those that it may change.
        network: Whether it has a network.
        unconfined: Whether it may run where the machine gives no sandbox.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    network: bool = False
    unconfined: bool = False

    @classmethod
    def of(cls, grants: Grants, area: str) -> "Rights":
        """Returns what the grants say for the commands of an area: ``shell``, ``python``."""

        def paths(action: str) -> tuple[str, ...]:
            named = (one for one in grants.scopes if one.resource not in {None, "/"})
            return tuple(
                str(one.resource)
                for one in named
                if ("files", action)[: len(one.names)] == one.names
                and Path(str(one.resource)).exists()
            )

        return cls(
            read=paths("read"),
            write=paths("write"),
            network=grants.allow(f"sandbox.network:{area}"),
            unconfined=grants.allow(f"sandbox.unconfined:{area}"),
        )


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a command ended, as a model reads it.

    Attributes:
        code: Its exit code; None for one that was killed.
        killed: By what: a signal's name, ``memory``, ``output``.
        stdout: What it wrote.
        stderr: What it wrote as errors.
        cut: Whether it wrote more.
    """

    code: int | None = None
    killed: str = ""
    stdout: str = ""
    stderr: str = ""
    cut: bool = False


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes,
    rights: Rights,
    limits: Limits,
    programs: Sequence[str] = (),
) -> Ended:
    """Runs a command in a sandbox of its own, and ends all of it with the call.

    Args:
        argv: The program and its arguments; no shell reads them.
        stdin: What it reads.
        rights: What it is given.
        limits: What it may take.
        programs: More folders with programs that it sees.

    Raises:
        ToolTimeout: It took too long, and was ended.
        NotGranted: The machine gives no sandbox, and to do without one was not granted.
        BadArguments: There is no such program.
    """
    if not argv or not argv[0] or any("\0" in one for one in argv):
        raise BadArguments("a command is a list: a program, and its arguments without zero bytes")
    try:
        return await _run(argv, stdin, rights, limits, programs, confined=True)
    except _NoSandbox as error:
        if not (rights.unconfined and rights.network):
            raise NotGranted(
                f"this machine gives no sandbox: {error}",
                hint="allow user namespaces, or grant sandbox.unconfined and sandbox.network where "
                "the worker has a machine or container of its own",
                context={"scopes": ["sandbox.unconfined", "sandbox.network"]},
            ) from None
    return await _run(argv, stdin, rights, limits, programs, confined=False)


class _NoSandbox(Exception):
    """The sandbox could not be made."""


async def _run(
    argv: Sequence[str],
    stdin: bytes,
    rights: Rights,
    limits: Limits,
    programs: Sequence[str],
    *,
    confined: bool,
) -> Ended:
    with _scratch(confined=confined) as folder:
        order = {
            "argv": list(argv),
            "env": {"PATH": _PATH, "HOME": folder, "LANG": "C.UTF-8", "TMPDIR": folder},
            "cwd": folder,
            "confined": confined,
            "network": rights.network,
            "read": rights.read,
            "write": rights.write,
            "programs": list(programs),
            "parent": os.getpid(),
            "uid": os.geteuid() or _NOBODY,
            "gid": os.getegid() if os.geteuid() else _NOBODY,
            "limits": {
                "cpu": limits.cpu,
                "memory": limits.memory,
                "processes": limits.processes,
                "file": limits.file,
                "open_files": limits.open_files,
                "scratch": limits.scratch,
            },
        }
        async with _started(order) as (process, told):
            outputs = _Outputs(limits.output)
            try:
                async with asyncio.timeout(limits.seconds):
                    await outputs.take(process, stdin)
                    said = await told
            except TimeoutError:
                raise ToolTimeout(
                    f"{argv[0]!r:.80} was ended after {limits.seconds:g} s{outputs.last()}"
                ) from None
    return _ended(argv[0], said, outputs)


def _ended(program: str, said: Mapping[str, Any], outputs: "_Outputs") -> Ended:
    if "setup" in said:
        raise _NoSandbox(said["setup"])
    if "not_started" in said:
        raise BadArguments(f"{program!r:.80} cannot be run: {said['not_started']}")
    killed = ""
    if outputs.poured:
        killed = "output"
    elif said.get("memory"):
        killed = "memory"
    elif "signal" in said:
        killed = signal.Signals(said["signal"]).name
    elif "code" not in said:
        raise ToolFailed(f"{program!r:.80} was ended from outside")
    return Ended(
        code=said.get("code"),
        killed=killed,
        stdout=_text(outputs.kept[0]),
        stderr=_text(outputs.kept[1]),
        cut=outputs.cut,
    )


def _text(data: bytes | bytearray) -> str:
    # In JSON a control character has six.
    return data.decode(errors="replace").translate(_CONTROLS)


_CONTROLS: Final = {sign: 0xFFFD for sign in range(32) if chr(sign) not in "\t\n\r"}


class _Outputs:
    """What a command writes, as much as is kept of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.kept = (bytearray(), bytearray())
        self.cut = False
        self.poured = False

    async def take(self, process: asyncio.subprocess.Process, stdin: bytes) -> None:
        """Gives it its input, and reads until both outputs end: all that could write is gone."""
        assert process.stdin is not None, "it is a pipe"
        outputs = [one for one in (process.stdout, process.stderr) if one is not None]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_write(process.stdin, stdin), name="sandbox-stdin")
            for stream, kept in zip(outputs, self.kept, strict=True):
                tasks.create_task(self._keep(process, stream, kept), name="sandbox-output")

    async def _keep(
        self, process: asyncio.subprocess.Process, stream: asyncio.StreamReader, kept: bytearray
    ) -> None:
        away = 0
        while piece := await stream.read(64 * 1024):
            room = self._most - len(kept)
            kept += piece[:room]
            away += max(0, len(piece) - room)
            self.cut = self.cut or away > 0
            if away > _POURED_AWAY and not self.poured:
                self.poured = True
                _kill(process, signal.SIGKILL)

    def last(self) -> str:
        """What it wrote last, for an error."""
        text = _text(self.kept[1] or self.kept[0]).strip()
        return f"; it had written: {text[-_SHOWN:]}" if text else ""


async def _write(stream: asyncio.StreamWriter, data: bytes) -> None:
    # One that does not read its input is no failure.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.close()
        await stream.wait_closed()


@contextlib.asynccontextmanager
async def _started(
    order: Mapping[str, Any],
) -> AsyncIterator[tuple[asyncio.subprocess.Process, "asyncio.Future[dict[str, Any]]"]]:
    """Starts the keeper of a sandbox; whatever is left of it at the end is killed."""
    reading, writing = os.pipe()
    with contextlib.ExitStack() as files:
        files.callback(os.close, reading)
        with tempfile.TemporaryFile() as ordered:
            ordered.write(json.dumps(order).encode())
            ordered.seek(0)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-S",
                    _SCRIPT,
                    str(ordered.fileno()),
                    str(writing),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    pass_fds=(ordered.fileno(), writing),
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
            finally:
                os.close(writing)
        told = asyncio.ensure_future(_told(process, reading))
        try:
            yield process, told
        finally:
            told.cancel()
            await asyncio.shield(_end(process, confined=order["confined"]))


async def _told(process: asyncio.subprocess.Process, reading: int) -> dict[str, Any]:
    """What the sandbox said at its end; its first word is the fact."""
    await process.wait()
    os.set_blocking(reading, False)
    try:
        lines = os.read(reading, 65_536).splitlines()
    except BlockingIOError:
        return {}
    said: dict[str, Any] = json.loads(lines[0]) if lines else {}
    return said


async def _end(process: asyncio.subprocess.Process, *, confined: bool) -> None:
    if process.returncode is None and not confined:
        # It alone knows the children that have detached themselves.
        _kill(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 2.0)
    if process.returncode is None:
        _kill(process, signal.SIGKILL)
        await process.wait()


def _kill(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if number == signal.SIGTERM:
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)


@contextlib.contextmanager
def _scratch(*, confined: bool) -> Any:
    """Gives the command's folder: one within the sandbox, or else one that is removed after it."""
    if confined:
        yield "/scratch"
        return
    folder = tempfile.mkdtemp(prefix="pepperpy-")
    try:
        if os.geteuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
