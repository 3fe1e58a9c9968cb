"""A server is killed, away, slow or refuses: typed errors, nothing acknowledged is lost."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from pepperpy_memory_svc.stores.opening import open_store
from pepperpy_memory_svc.stores.qdrant import Limits
from pepperpy_memory_svc.stores.qdrant.addressing import qdrant_store
from pepperpy_memory_svc.stores.rows import Filling
from pepperpy_schemas.errors import (
    BadConfig,
    BadPayload,
    Overloaded,
    PepperError,
    Unavailable,
)
from tests.memory_svc.stores.killing import written_under_kills
from tests.memory_svc.stores.making import NOW, entry, filled, server_folder
from tests.memory_svc.stores.qdrant.server import QdrantServer


@pytest_asyncio.fixture
async def own() -> AsyncIterator[QdrantServer]:
    """A server of one's own, to be killed."""
    with server_folder() as folder:
        async with QdrantServer(folder) as server:
            yield server


async def test_no_acknowledged_write_is_lost_when_the_server_is_killed_under_load(
    own: QdrantServer,
) -> None:
    async with qdrant_store(own.address) as store:
        memory = await filled(store)
        there = await written_under_kills(memory, own.kill, own.start)
        found = await memory.find([1, 0, 0, 0], ["word"], limit=10_000)
        assert len(found.words) == len(found.vector) == len(there)


async def test_every_operation_says_that_the_server_is_away(own: QdrantServer) -> None:
    async with qdrant_store(own.address) as store:
        memory = await filled(store)
        await memory.put(entry("a"))
        own.kill()
        one = Filling(namespace="ours", id="a", version=1)
        for call in (
            store.ping(),
            memory.put(entry("b")),
            store.get("ours", ["a"], now=NOW),
            store.scan("ours", now=NOW),
            store.delete("ours", ["a"], now=NOW),
            store.touch("ours", ["a"], now=NOW),
            memory.find([1, 0, 0, 0], ["word"]),
            store.generations(),
            store.fill(memory.embedding, [one]),
            store.purge(now=NOW),
        ):
            with pytest.raises(Unavailable, match="cannot be reached") as caught:
                await call
            assert caught.value.retryable
        await own.start()
        assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}


async def test_a_server_that_is_not_there_is_said_to_be_away() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Bound and not listening: nobody else gets the port meanwhile.
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with open_store(f"qdrant://127.0.0.1:{listener.getsockname()[1]}"):
                pass


@asynccontextmanager
async def saying(status: str, body: bytes) -> AsyncIterator[str]:
    """A server that answers all that it is asked in the same way; with no status, never."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if status:
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nRetry-After: 3\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            writer.close()

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"qdrant://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for each in writers:
            each.close()
            await each.wait_closed()


@pytest.mark.parametrize(
    ("status", "said", "ours"),
    [
        ("401 Unauthorized", "no key", BadConfig),
        ("403 Forbidden", "no right", BadConfig),
        ("400 Bad Request", "not so", BadPayload),
        ("429 Too Many Requests", "slowly", Overloaded),
        ("500 Internal Server Error", "disk is full", Unavailable),
        ("503 Service Unavailable", "later", Unavailable),
    ],
)
async def test_what_the_server_refuses_is_told_by_our_names(
    status: str, said: str, ours: type[PepperError]
) -> None:
    async with saying(status, json.dumps({"status": {"error": said}}).encode()) as address:
        with pytest.raises(ours) as caught:
            async with open_store(address):
                pass
    assert caught.value.__cause__ is not None


async def test_what_is_no_qdrant_is_said_to_be_away() -> None:
    async with saying("200 OK", b"<html>") as address:
        with pytest.raises(Unavailable):
            async with open_store(address):
                pass


async def test_a_server_that_is_too_old_is_refused() -> None:
    body = json.dumps({"title": "qdrant", "version": "1.17.1", "commit": ""}).encode()
    async with saying("200 OK", body) as address:
        with pytest.raises(BadConfig, match=r"1\.17\.1, the memory needs 1\.18"):
            async with open_store(address):
                pass


async def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    async with saying("", b"") as address:
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with qdrant_store(address, limits=Limits(timeout=1)):
                pass


@pytest.mark.parametrize(
    "address",
    [
        "qdrant:",
        "qdrant-edge:",
        "qdrant://",
        "qdrant://:secret@",
        "qdrant+https:secret",
    ],
)
async def test_an_address_that_names_no_qdrant_is_refused_without_its_key(address: str) -> None:
    with pytest.raises(BadConfig, match="names no Qdrant") as caught:
        async with open_store(address):
            pass
    assert "secret" not in str(caught.value.info())
