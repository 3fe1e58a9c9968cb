"""Commands in a sandbox: what they may take, what they see, and that nothing is left of them.

The sandbox itself is made by `inside`, in a process of its own; this is the worker's side of it.
"""

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from pepperpy_agents.tools.builtin.keeper import NOBODY, end, keeping, scratch
from pepperpy_agents.tools.builtin.outputs import Outputs
from pepperpy_agents.tools.scopes import Grants
from pepperpy_schemas.errors import BadArguments, NotGranted, ToolFailed, ToolTimeout

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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

        # What lies within a writable one is there already; by itself it could be a link that an
        # earlier command has made.
        writable = paths("write")
        return cls(
            read=tuple(one for one in paths("read") if not _lies_in(one, writable)),
            write=tuple(
                one
                for one in dict.fromkeys(writable)
                if not _lies_in(one, [other for other in writable if other != one])
            ),
            network=grants.allow(f"sandbox.network:{area}"),
            unconfined=grants.allow(f"sandbox.unconfined:{area}"),
        )


def _lies_in(path: str, folders: Iterable[str]) -> bool:
    return any(Path(path).is_relative_to(one) for one in folders)


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
    with scratch(confined=confined) as folder:
        order = order_of(argv, rights, limits, programs, confined=confined, folder=folder)
        async with keeping(order) as (process, told):
            outputs = Outputs(limits.output, partial(end, process, confined=confined))
            try:
                async with asyncio.timeout(limits.seconds):
                    await outputs.take(process, stdin)
                    said = await told
            except TimeoutError:
                raise ToolTimeout(
                    f"{argv[0]!r:.80} was ended after {limits.seconds:g} s{outputs.last()}"
                ) from None
    return _ended(argv[0], said, outputs)


def order_of(
    argv: Sequence[str],
    rights: Rights,
    limits: Limits,
    programs: Sequence[str],
    *,
    confined: bool,
    folder: str,
) -> dict[str, Any]:
    """Returns what the sandbox is told to do; see `inside`."""
    return {
        "argv": list(argv),
        "env": {"PATH": _PATH, "HOME": folder, "LANG": "C.UTF-8", "TMPDIR": folder},
        "cwd": folder,
        "confined": confined,
        "network": rights.network,
        "read": rights.read,
        "write": rights.write,
        "programs": list(programs),
        "parent": os.getpid(),
        "uid": os.geteuid() or NOBODY,
        "gid": os.getegid() if os.geteuid() else NOBODY,
        "limits": {
            "cpu": limits.cpu,
            "memory": limits.memory,
            "processes": limits.processes,
            "file": limits.file,
            "open_files": limits.open_files,
            "scratch": limits.scratch,
        },
    }


def _ended(program: str, said: Mapping[str, Any], outputs: Outputs) -> Ended:
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
    stdout, stderr = outputs.texts()
    return Ended(
        code=said.get("code"),
        killed=killed,
        stdout=stdout,
        stderr=stderr,
        cut=outputs.cut,
    )
