import asyncio
import contextlib
import socket
from typing import Any

import pytest

from pepperpy_bus.process import health
from pepperpy_bus.process.health import serve_health
from pepperpy_schemas.errors import BadConfig


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def test_each_check_answers_for_itself() -> None:
    state: dict[str, Any] = {"live": True, "ready": False}
    async with serve_health(
        "127.0.0.1", 0, live=lambda: state["live"], ready=lambda: state["ready"]
    ) as port:
        assert (await ask(port, get("/livez"))).startswith(b"HTTP/1.1 200 OK")
        assert (await ask(port, get("/readyz"))).startswith(b"HTTP/1.1 503")
        state.update(live=False, ready=True)
        assert (await ask(port, get("/livez"))).startswith(b"HTTP/1.1 503")
        answer = await ask(port, get("/readyz?verbose=1"))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\r\n\r\nok\n")


@pytest.mark.parametrize(
    "request_", [get("/"), get("/livez/x"), get("/livez", "POST"), b"nonsense\r\n\r\n"]
)
async def test_anything_else_is_not_found(request_: bytes) -> None:
    async with serve_health("127.0.0.1", 0, live=lambda: True, ready=lambda: True) as port:
        assert (await ask(port, request_)).startswith(b"HTTP/1.1 404")


async def test_a_head_request_gets_no_body() -> None:
    async with serve_health("127.0.0.1", 0, live=lambda: True, ready=lambda: True) as port:
        assert (await ask(port, get("/livez", "HEAD"))).endswith(b"Connection: close\r\n\r\n")


async def test_a_client_that_hangs_or_floods_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE", 0.1)
    async with serve_health("127.0.0.1", 0, live=lambda: True, ready=lambda: True) as port:
        assert await ask(port, b"GET /livez") == b""
        assert await ask(port, b"x" * 9000) == b""
        assert (await ask(port, get("/livez"))).startswith(b"HTTP/1.1 200")


async def test_a_silent_client_does_not_hold_up_the_end() -> None:
    async with serve_health("127.0.0.1", 0, live=lambda: True, ready=lambda: True) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await ask(port, get("/livez"))).startswith(b"HTTP/1.1 200")  # it is accepted too
        leaving = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - leaving < 2
    async with asyncio.timeout(2):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_a_taken_port_is_refused_by_name() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadConfig, match=rf"worker.health_port {port} on 127\.0\.0\.1"):
            async with serve_health("127.0.0.1", port, live=lambda: True, ready=lambda: True):
                pass
