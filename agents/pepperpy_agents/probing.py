"""The health of several worker processes as one, for a probe that knows one port.

Each process serves its own health on a port of the loopback, where it is asked when the pool is.
"""

import asyncio
import socket
from collections.abc import Mapping

_HOST = "127.0.0.1"
_WITHIN = 2.0
"""Seconds that a process may take to answer."""
_STATUS_LINE = 256


class Probes:
    """Asks the processes of a pool."""

    def __init__(self) -> None:
        self._ports: dict[int, int] = {}

    def admit(self, number: int) -> Mapping[str, str]:
        """Expects a process to be started; returns the variables that tell it where to serve.

        Should somebody take the port meanwhile, the process fails and gets another one.
        """
        with socket.socket() as free:
            free.bind((_HOST, 0))
            self._ports[number] = free.getsockname()[1]
        return {
            "PEPPERPY_WORKER_HEALTH_HOST": _HOST,
            "PEPPERPY_WORKER_HEALTH_PORT": str(self._ports[number]),
        }

    def dismiss(self, number: int) -> None:
        """Asks a process no more: it has ended and stays away."""
        self._ports.pop(number, None)

    async def ready(self) -> bool:
        """Whether all of them take tasks."""
        answers = await self._ask("/readyz")
        return bool(answers) and all(answers)

    async def live(self) -> bool:
        """Whether none of them hangs; one that is just being started is the pool's to mend."""
        return False not in await self._ask("/livez")

    async def _ask(self, path: str) -> list[bool | None]:
        return await asyncio.gather(*(_answer(port, path) for port in self._ports.values()))


async def _answer(port: int, path: str) -> bool | None:
    """What a process says of itself: False when it hangs, None when it does not serve (yet)."""
    try:
        async with asyncio.timeout(_WITHIN):
            try:
                reader, writer = await asyncio.open_connection(_HOST, port, limit=_STATUS_LINE)
            except OSError:
                return None
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {_HOST}\r\n\r\n".encode())
                return b" 200 " in await reader.readuntil(b"\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
        return False
