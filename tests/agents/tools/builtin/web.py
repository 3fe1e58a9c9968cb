"""A web server of the tests, its name server, and what it has seen."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

Serve = Callable[[asyncio.StreamWriter, str, bytes], Awaitable[None]]
"""Answers a request: where to write, its head, its body."""


@dataclass
class Web:
    """A server on loopback, and what it was asked."""

    port: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    sent: int = 0
    pages: dict[str, Serve] = field(default_factory=dict)

    def page(self, path: str, body: bytes, *headers: str, status: int = 200) -> None:
        async def serve(writer: asyncio.StreamWriter, head: str, sent: bytes) -> None:
            lines = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers])
            writer.write(f"{lines}\r\n\r\n".encode() + body)

        self.pages[path] = serve

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.page(path, b"", f"Location: {to}", status=status)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lower = head.lower()
            length = (
                int(lower.split("content-length:")[1].split()[0])
                if "content-length:" in lower
                else 0
            )
            body = await reader.readexactly(length)
            self.heads.append(head)
            self.bodies.append(body)
            await self.pages[head.split()[1]](writer, head, body)
            await writer.drain()


@contextlib.asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    web = Web()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # At the end of a test it is cancelled, which asyncio's streams would complain of.
        with contextlib.suppress(asyncio.CancelledError), contextlib.closing(writer):
            await web.answer(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Names:
    """Answers for names, one answer after the other; the last one from then on."""

    def __init__(self, **answers: Iterable[str]) -> None:
        self._answers: dict[str, Iterator[str]] = {
            name.replace("_", "."): iter(several) for name, several in answers.items()
        }
        self._last: dict[str, str] = {}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answer = next(self._answers[host], None) or self._last[host]
        self._last[host] = answer
        return [answer]
