"""The process that keeps a sandbox: started for a call, and ended with it, whatever happens."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

NOBODY: Final = 65534
"""Whom commands of a worker run as that is root itself."""
FOLDER: Final = str(Path(__file__).parent)
INSIDE: Final = (
    "import sys; sys.path.append(sys.argv.pop(1)); from inside.making import main; main()"
)
"""The folder stands last, and takes no name of Python's own library."""


_PATIENCE: Final = 2.0
"""Seconds that a keeper has to end what is left."""


@contextlib.asynccontextmanager
async def keeping(
    order: Mapping[str, Any],
) -> AsyncIterator[tuple[asyncio.subprocess.Process, "asyncio.Task[dict[str, Any]]"]]:
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
                    "-c",
                    INSIDE,
                    FOLDER,
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
        told = asyncio.create_task(_told(process, reading), name="sandbox-told")
        try:
            yield process, told
        finally:
            told.cancel()
            await asyncio.shield(_ended(process, confined=order["confined"]))


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


async def _ended(process: asyncio.subprocess.Process, *, confined: bool) -> None:
    if process.returncode is not None:
        return
    end(process, confined=confined)
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        end(process, confined=True)
        await process.wait()


def end(process: asyncio.subprocess.Process, *, confined: bool) -> None:
    """Ends a keeper with its sandbox; one without a sandbox is asked to.

    It alone knows the children that have detached themselves, and takes them along.
    """
    with contextlib.suppress(ProcessLookupError):
        if confined:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.terminate()


@contextlib.contextmanager
def scratch(*, confined: bool) -> Iterator[str]:
    """Gives the command's folder: one within the sandbox, or else one that is removed after it."""
    if confined:
        yield "/scratch"
        return
    folder = tempfile.mkdtemp(prefix="pepperpy-")
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
