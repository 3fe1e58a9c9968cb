"""Clients that send too slowly, take too slowly, or are too many: the others notice nothing."""

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from pepperpy_bus.client import Client
from pepperpy_monitor_svc.http import bodies, serving

HEAD = b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What was said until the other side closed."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_who_sends_a_head_letter_by_letter_is_cut_off(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_IDLE", 0.3)
    browser = await opened()
    connections = [await asyncio.open_connection("127.0.0.1", browser.port) for _ in range(20)]
    for _, writer in connections:
        writer.write(b"GET /api/overview HTTP/1.1\r\nX-Slow: ")

    async def trickle(writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"a")
            await asyncio.sleep(0.02)

    trickling = [asyncio.create_task(trickle(writer)) for _, writer in connections]
    assert (await browser.get("/api/overview"))[0] == 200
    for reader, _ in connections:
        await closed(reader)
    for task in trickling:
        task.cancel()
    await asyncio.gather(*trickling, return_exceptions=True)
    for _, writer in connections:
        writer.close()
    assert (await browser.get("/api/overview"))[0] == 200


async def test_who_never_sends_the_body_is_answered_and_cut_off(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_PATIENCE", 0.2)
    browser = await opened()
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.port)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    said = await closed(reader)
    writer.close()
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"timeout"' in said


async def test_a_page_that_takes_nothing_is_told_later_what_it_has_missed(
    browser: Any, bus: Client
) -> None:
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(slow, ("127.0.0.1", browser.port))
    await loop.sock_sendall(slow, b"GET /api/live?since=10m HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with bus.emitter() as emitter:
        for n in range(5_000):
            await emitter.emit(
                "task", "progress", scope="echo", id=f"t{n}", data={"text": "x" * 4_000}
            )
        await emitter.emit("task", "progress", scope="echo", id="last", certain=True)
    status, _, _ = await browser.get("/api/overview")
    assert status == 200

    reader, writer = await asyncio.open_connection(sock=slow, limit=8 << 20)
    dropped, seen, last = 0, 0, ""
    async with asyncio.timeout(60):
        while last != "last":
            line = await reader.readline()
            if line.startswith(b"data: "):
                frame = json.loads(line[6:])
                dropped += frame.get("dropped", 0)
                seen += len(frame["events"])
                last = frame["events"][-1]["id"]
    writer.close()
    assert dropped > 0
    assert dropped + seen == 5_001


async def test_connections_are_bounded_and_there_is_room_again(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST", 10)
    browser = await opened()
    held = [await asyncio.open_connection("127.0.0.1", browser.port) for _ in range(9)]
    assert (await browser.get("/healthz"))[0] == 200
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", browser.port)
        assert await closed(reader) == b""
        writer.close()
    for _, writer in held:
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(10):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", browser.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            said = await closed(reader)
            writer.close()
            if said.startswith(b"HTTP/1.1 200"):
                return


async def test_listeners_that_leave_at_once_are_no_failures(
    browser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/api/changes", "/api/live") * 30:
        leaving = socket.create_connection(("127.0.0.1", browser.port))
        # To close it resets the connection.
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await asyncio.sleep(0)
        leaving.close()
    assert (await browser.get("/api/overview"))[0] == 200
    assert "http.failed" not in caplog.text
