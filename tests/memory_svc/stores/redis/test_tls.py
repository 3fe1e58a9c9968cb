"""Addresses that begin with ``rediss``: the wheel's server knows no TLS, one stands before it."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pepperpy_memory_svc.stores.redis import RedisStore
from pepperpy_schemas.errors import Unavailable
from tests.memory_svc.stores.making import NOW, entry, filled, fresh
from tests.requirements import missing


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("there is no openssl")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@contextlib.asynccontextmanager
async def tls_before(url: str, cert: Path, key: Path) -> AsyncIterator[int]:
    """Takes TLS off of what comes, and hands it on; the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    behind = urlsplit(url)
    running: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(behind.hostname, behind.port)
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            running.add(asyncio.create_task(pump(*pair)))

    server = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*running)


async def test_a_store_is_reached_by_tls_and_its_certificate_is_checked(
    redis: str, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path)
    async with tls_before(redis, cert, key) as port:
        address = f"rediss://localhost:{port}/0?prefix={fresh()}:"
        async with RedisStore(f"{address}&ssl_ca_certs={cert}") as store:
            await (await filled(store)).put(entry("a"))
            assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}
        with pytest.raises(Unavailable, match="certificate"):
            async with RedisStore(address):
                pass
