import asyncio
import hashlib
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import nats
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.js.errors import ObjectNotFoundError

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.blobs import CHUNK, Blobs, Reference, claim_check, parse_reference, redeem
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.reading import all_on, last_on
from pepperpy_schemas.errors import BadHeader, BadPayload, NotFound, TooLarge
from pepperpy_schemas.headers import BLOB, fold

Eventually = Callable[..., Awaitable[None]]


@pytest.fixture
async def blobs(connection: Connection, prefix: str, streams: Eventually) -> Blobs:
    await streams(connection, prefix, "blobs")
    return Blobs(connection, prefix, max_size=5_000_000)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3_000_000])
async def test_a_body_comes_back_as_it_was_put(blobs: Blobs, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    reference = await blobs.put(body)
    assert reference.endswith(f";sha256={hashlib.sha256(body).hexdigest()};size={size}")
    assert await blobs.get(reference) == body


async def test_a_body_of_tens_of_megabytes_is_hashed_beside_the_loop(
    connection: Connection, prefix: str, blobs: Blobs
) -> None:
    body = b"0123456789abcdef" * 1_250_000
    large = Blobs(connection, prefix)
    assert await large.get(await large.put(body)) == body


async def test_other_clients_read_what_was_put(blobs: Blobs, broker: Broker, prefix: str) -> None:
    body = b"otters" * 60_000
    name = parse_reference(await blobs.put(body)).name
    client = await nats.connect(broker.url)
    bucket = await client.jetstream().object_store(f"{prefix}_blobs")
    into = io.BytesIO()
    found = await bucket.get(name, writeinto=into)
    assert (into.getvalue(), found.info.chunks, found.info.size) == (body, 3, len(body))
    assert [one.name for one in await bucket.list()] == [name]
    await client.close()


async def test_what_other_clients_put_can_be_got(blobs: Blobs, broker: Broker, prefix: str) -> None:
    body = b"beavers" * 60_000
    client = await nats.connect(broker.url)
    bucket = await client.jetstream().object_store(f"{prefix}_blobs")
    await bucket.put("reports/2026=q1.txt", body)
    await client.close()
    sha256 = hashlib.sha256(body).hexdigest()
    reference = str(Reference("reports/2026=q1.txt", sha256, len(body)))
    assert await blobs.get(reference) == body


async def test_a_deleted_body_is_not_found_and_its_pieces_are_gone(
    blobs: Blobs, connection: Connection, broker: Broker, prefix: str, eventually: Eventually
) -> None:
    reference = await blobs.put(b"x" * 300_000)
    name = parse_reference(reference).name
    await blobs.delete(reference)
    await blobs.delete(reference)
    with pytest.raises(NotFound, match="deleted or has expired"):
        await blobs.get(reference)
    left = await all_on(connection, f"OBJ_{prefix}_blobs", f"$O.{prefix}_blobs.C.{name}")
    assert b"".join(one.body for one in left) == b""
    client = await nats.connect(broker.url)
    bucket = await client.jetstream().object_store(f"{prefix}_blobs")
    with pytest.raises(ObjectNotFoundError):
        await bucket.get(name)
    await client.close()


async def test_a_body_that_never_was_is_not_found(blobs: Blobs) -> None:
    reference = str(Reference("nothing", "0" * 64, 3))
    await blobs.delete(reference)
    with pytest.raises(NotFound, match="nothing"):
        await blobs.get(reference)


async def test_a_body_expires_after_its_own_time(blobs: Blobs, eventually: Eventually) -> None:
    reference = await blobs.put(b"x" * 200_000, ttl="1s")
    kept = await blobs.put(b"y")
    assert await blobs.get(reference)

    async def gone() -> bool:
        try:
            await blobs.get(reference)
        except NotFound:
            return True
        except BadPayload:  # in the moment between its pieces' ends
            pass
        return False

    async with asyncio.timeout(5):
        while not await gone():
            await asyncio.sleep(0.05)
    assert await blobs.get(kept) == b"y"


async def test_a_body_too_large_is_refused_before_it_is_sent_or_read(blobs: Blobs) -> None:
    with pytest.raises(TooLarge, match="5000001 bytes is more than 5000000"):
        await blobs.put(b"x" * 5_000_001)
    with pytest.raises(TooLarge):
        await blobs.get(str(Reference("a", "0" * 64, 5_000_001)))


async def test_a_wrong_hash_or_size_in_the_reference_is_noticed(blobs: Blobs) -> None:
    true = parse_reference(await blobs.put(b"x" * 200_000))
    with pytest.raises(BadPayload, match="another SHA-256"):
        await blobs.get(str(Reference(true.name, "0" * 64, true.size)))
    with pytest.raises(BadPayload, match="200000 bytes instead of 3"):
        await blobs.get(str(Reference(true.name, true.sha256, 3)))


@pytest.mark.parametrize("damage", ["changed", "shorter", "longer", "purged"])
async def test_damaged_pieces_are_noticed(
    blobs: Blobs, connection: Connection, prefix: str, damage: str
) -> None:
    reference = await blobs.put(b"x" * 200_000)
    name = parse_reference(reference).name
    stream, subject = f"OBJ_{prefix}_blobs", f"$O.{prefix}_blobs.C.{name}"
    if damage in ("changed", "shorter", "purged"):
        await api(connection, f"STREAM.PURGE.{stream}", {"filter": subject})
    if damage == "changed":
        await store(connection, subject, b"y" * 100_000)
        await store(connection, subject, b"x" * 100_000)
    elif damage == "shorter":
        await store(connection, subject, b"x" * 100_000)
    elif damage == "longer":
        # Pieces that nobody announced are not read.
        await store(connection, subject, b"x")
        assert await blobs.get(reference) == b"x" * 200_000
        return
    with pytest.raises(BadPayload, match=f"the body {name} is damaged"):
        await blobs.get(reference)


@pytest.mark.parametrize(
    "change", [{"nuid": ">"}, {"nuid": "a b"}, {"chunks": 10**9}, {"chunks": -1}, {"size": "x"}]
)
async def test_a_forged_description_reads_nothing_else(
    blobs: Blobs, connection: Connection, prefix: str, change: dict[str, Any]
) -> None:
    reference = await blobs.put(b"x" * 10)
    stream = f"OBJ_{prefix}_blobs"
    subject = (await _subjects(connection, stream, f"$O.{prefix}_blobs.M.>"))[0]
    stored = await last_on(connection, stream, subject)
    assert stored is not None
    await store(connection, subject, json.dumps({**json.loads(stored.body), **change}).encode())
    with pytest.raises(BadPayload):
        await blobs.get(reference)


async def _subjects(connection: Connection, stream: str, pattern: str) -> list[str]:
    info = await api(connection, f"STREAM.INFO.{stream}", {"subjects_filter": pattern})
    return list(info["state"]["subjects"])


async def test_small_bodies_travel_as_they_are_and_large_ones_by_reference(
    blobs: Blobs, connection: Connection, prefix: str
) -> None:
    small, large = b"x" * 100, b"x" * 101
    assert await claim_check(connection, prefix, small, {"a": "b"}, 100) == (small, {"a": "b"})
    body, headers = await claim_check(connection, prefix, large, {"a": "b"}, 100, ttl="1h")
    assert (body, set(headers)) == (b"null", {"a", BLOB})
    assert await redeem(connection, prefix, body, fold(headers)) == large
    assert await redeem(connection, prefix, small, {}) == small


@pytest.mark.parametrize(
    "text",
    ["x", "name;sha256=00;size=1", f"a b;sha256={'0' * 64};size=1", f"a;sha256={'0' * 64};size=-1"],
)
async def test_a_reference_that_cannot_be_read_is_refused(
    text: str, connection: Connection, prefix: str
) -> None:
    with pytest.raises(BadHeader, match="Pp-Blob") as refused:
        await redeem(connection, prefix, b"null", {"pp-blob": text})
    assert refused.value.context == {"header": "Pp-Blob"}


@given(
    st.text("abz019_-./=", min_size=1, max_size=128),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 10**15 - 1),
)
def test_a_reference_is_read_as_it_was_written(name: str, digest: bytes, size: int) -> None:
    reference = Reference(name, digest.hex(), size)
    assert parse_reference(str(reference)) == reference
