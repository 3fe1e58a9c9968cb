"""Notifications to a program: started for each, given the notification, ended in time.

No shell reads its arguments. It has a few variables of our environment and none of our secrets;
the notification is JSON on its stdin. What it has started ends with it, unless that made itself a
session of its own.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from pepperpy_bus.children import die_with_parent
from pepperpy_bus.groups import outlast
from pepperpy_bus.redaction import escape, scrub
from pepperpy_monitor_svc.alerts.receivers import Receiver
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import Unavailable

PASSED_ON: Final = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What it has of our own environment."""
LEAVES: Final = 2.0
"""Seconds that it has to end after SIGTERM."""

_SHOWN: Final = 400
_LARGEST: Final = 64 * 1024
_LAST_WORDS: Final = 0.5


async def run(receiver: Receiver, said: dict[str, Any], message_id: str) -> None:
    """Runs the program once.

    Args:
        receiver: The program, and how long it may take.
        said: The notification.
        message_id: Equal for each try of the same notification.

    Raises:
        Unavailable: It cannot be started, took too long, or ended with another code than 0.
    """
    own = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    told = {"PEPPERPY_ALERT_ID": message_id, "PEPPERPY_ALERT_STATUS": str(said["status"])}
    name = Path(receiver.command[0]).name
    kept = bytearray()
    async with _words(kept) as stderr:
        try:
            process = await asyncio.create_subprocess_exec(
                *receiver.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
                env=own | told,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        except (OSError, ValueError) as error:
            raise Unavailable(f"{name} cannot be started: {error}") from None
        try:
            async with asyncio.timeout(receiver.timeout):
                await _talk(process, encode(said) + b"\n")
        except TimeoutError:
            raise Unavailable(f"{name} took longer than {receiver.timeout:g} s: ended") from None
        finally:
            # Whatever it has left behind, also where it ended well.
            await outlast(asyncio.create_task(_end(process), name=f"alert-end-{name}"))
    if process.returncode != 0:
        shown = escape(scrub(kept.decode(errors="replace"))).strip()[-_SHOWN:]
        raise Unavailable(f"{name} ended with {process.returncode}{f': {shown}' if shown else ''}")


@contextlib.asynccontextmanager
async def _words(kept: bytearray) -> AsyncIterator[int]:
    """Where a program may write what it has to say; the end of that is in `kept` afterwards.

    It is a pipe of our own: asyncio would take a program to run for as long as any child of it
    holds its stderr open.
    """
    ours, theirs = os.pipe()
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(ours, "rb")
    )
    reading = asyncio.create_task(_read(stream, kept), name="alert-said")
    try:
        yield theirs
        # All that could write to it has ended, unless it made itself a session of its own.
    finally:
        os.close(theirs)
        await asyncio.wait({reading}, timeout=_LAST_WORDS)
        reading.cancel()
        transport.close()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(stream: asyncio.StreamReader, kept: bytearray) -> None:
    while chunk := await stream.read(8192):
        kept += chunk
        del kept[:-_LARGEST]


async def _talk(process: asyncio.subprocess.Process, body: bytes) -> None:
    """Writes the notification, and waits for the end of the program."""
    assert process.stdin is not None, "it is a pipe"
    with contextlib.suppress(ConnectionError):
        process.stdin.write(body)
        await process.stdin.drain()
    process.stdin.close()
    await process.wait()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends the program with all of its group."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVES):
                await process.wait()
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
