"""What a command writes: kept as far as was agreed, and read to its end."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

_POURED_AWAY: Final = 64 * 1024 * 1024
"""Bytes of output beyond the limit after which the command is ended."""
_SHOWN: Final = 500
"""Characters of the output that the error of a time-out shows."""


class Outputs:
    """What a command writes, as much as is kept of it.

    Args:
        most: Bytes that are kept of each of its outputs.
        kill: Ends the command, for the case that it never stops writing.

    Attributes:
        cut: Whether it has written more.
        poured: Whether it was ended for that.
    """

    def __init__(self, most: int, kill: Callable[[], None]) -> None:
        self._most = most
        self._kill = kill
        self._kept = (bytearray(), bytearray())
        self.cut = False
        self.poured = False

    async def take(self, process: asyncio.subprocess.Process, stdin: bytes) -> None:
        """Gives it its input, and reads until both outputs end: all that could write is gone."""
        assert process.stdin is not None, "it is a pipe"
        outputs = [one for one in (process.stdout, process.stderr) if one is not None]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_write(process.stdin, stdin), name="sandbox-stdin")
            for stream, kept in zip(outputs, self._kept, strict=True):
                tasks.create_task(self._keep(stream, kept), name="sandbox-output")

    async def _keep(self, stream: asyncio.StreamReader, kept: bytearray) -> None:
        away = 0
        while piece := await stream.read(64 * 1024):
            room = self._most - len(kept)
            kept += piece[:room]
            away += max(0, len(piece) - room)
            self.cut = self.cut or away > 0
            if away > _POURED_AWAY and not self.poured:
                self.poured = True
                self._kill()

    def texts(self) -> tuple[str, str]:
        """What is kept of its output, and of its errors."""
        return _text(self._kept[0]), _text(self._kept[1])

    def last(self) -> str:
        """What it wrote last, for an error."""
        text = _text(self._kept[1] or self._kept[0]).strip()
        return f"; it had written: {text[-_SHOWN:]}" if text else ""


async def _write(stream: asyncio.StreamWriter, data: bytes) -> None:
    # One that does not read its input is no failure.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.close()
        await stream.wait_closed()


def _text(data: bytes | bytearray) -> str:
    # In JSON a control character has six.
    return data.decode(errors="replace").translate(_CONTROLS)


_CONTROLS: Final = {sign: 0xFFFD for sign in range(32) if chr(sign) not in "\t\n\r"}
