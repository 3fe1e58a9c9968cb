"""Large payloads by reference: the body goes to the object store, a header says where.

Objects are in the standard format of NATS object stores (ADR-20), so that any client can read
what is put here, and what others put can be read here.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.reading import Stored, all_on, last_on
from pepperpy_bus.units import format_time, now
from pepperpy_schemas.catalog.server import BLOB_CHUNK, BLOB_META
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadHeader, BadPayload, NotFound, PepperError, TooLarge
from pepperpy_schemas.headers import BLOB, ROLLUP
from pepperpy_schemas.subjects import bucket_name
from pepperpy_schemas.tokens import TOKEN, new_id

THRESHOLD: Final = 512 * 1024
"""Bytes above which a body travels by reference."""
CHUNK: Final = 128 * 1024
"""Bytes of a piece, as the other clients have it."""
MAX_SIZE: Final = 256 * 1024 * 1024
"""Bytes of the largest body that is put or got: it is held in memory."""
BODY_BY_REFERENCE: Final = b"null"
"""What stands in the body's place: JSON, for readers that do not know the header."""

_REFERENCE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_./=-]{1,128});sha256=(?P<sha256>[0-9a-f]{64});size=(?P<size>[0-9]{1,15})"
)
_ROLLUP: Final = {ROLLUP: "sub"}
_IN_A_THREAD: Final = 4 * 1024 * 1024
_DIGEST: Final = "SHA-256="
_LISTED: Final = 100_000
_FORGET: Final = "1h"
"""How long it is known that an object was deleted."""


class Reference(msgspec.Struct, frozen=True):
    """Where a body lies, and what it must be.

    Attributes:
        name: The object's name.
        sha256: Its hash in hexadecimal digits.
        size: Its bytes.
    """

    name: str
    sha256: str
    size: int

    def __str__(self) -> str:
        return f"{self.name};sha256={self.sha256};size={self.size}"


class _Options(msgspec.Struct, frozen=True):
    max_chunk_size: int = CHUNK


class _Meta(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object's description as NATS clients write it."""

    name: str
    bucket: str
    nuid: str
    size: int = 0
    chunks: int = 0
    digest: str = ""
    mtime: str = ""
    deleted: bool = False
    options: _Options | None = None
    metadata: dict[str, str] = {}


class Listed(msgspec.Struct, frozen=True):
    """An object of the store.

    Attributes:
        name: Its name.
        reference: What `Blobs.get` gets it by; empty where its description is damaged.
        size: Its bytes.
        metadata: What was said of it when it was put.
    """

    name: str
    reference: str = ""
    size: int = 0
    metadata: dict[str, str] = {}


class Blobs:
    """The object store of a deployment, or another one of its.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        max_size: Bytes above which a body is refused.
        bucket: Which store.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        *,
        max_size: int = MAX_SIZE,
        bucket: str = "blobs",
    ) -> None:
        self._connection = connection
        self._bucket = bucket_name(prefix, bucket)
        self._stream = f"OBJ_{self._bucket}"
        self._max_size = max_size

    async def put(
        self,
        body: bytes,
        *,
        ttl: str = "",
        name: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Stores a body and returns the reference to it.

        Args:
            body: The body.
            ttl: The server removes it after this long (``24h``); after the bucket's time else.
            name: What it is called, one token; a new id by default.
            metadata: What is to be said of it in a list.

        Raises:
            TooLarge: It is larger than a body may be.
            QueueFull: The bucket has reached its limit.
        """
        if len(body) > self._max_size:
            raise _too_large(len(body), self._max_size)
        name = name or new_id()
        chunks = range(0, len(body), CHUNK)
        for number, start in enumerate(chunks):
            # One after the other: their order in the stream is the body's.
            await store(
                self._connection,
                self._chunk_subject(name),
                body[start : start + CHUNK],
                msg_id=f"{name}:{number}",
                ttl=ttl,
            )
        digest = await _sha256(body)
        await self._describe(
            _Meta(
                name=name,
                bucket=self._bucket,
                nuid=name,
                size=len(body),
                chunks=len(chunks),
                digest=_DIGEST + base64.urlsafe_b64encode(digest).decode(),
                mtime=format_time(now()),
                options=_Options(),
                metadata=dict(metadata or {}),
            ),
            ttl=ttl,
        )
        return str(Reference(name, digest.hex(), len(body)))

    async def listed(self) -> list[Listed]:
        """Returns the objects that there are, in the order in which they were put."""
        subject = BLOB_META.format(bucket=self._bucket, name="*")
        found = await all_on(self._connection, self._stream, subject, limit=_LISTED)
        return [one for one in map(_listed, found) if one is not None]

    async def get(self, reference: str) -> bytes:
        """Returns the body of a reference.

        Raises:
            BadHeader: The reference cannot be read.
            NotFound: It was deleted, or its time is over.
            BadPayload: What lies there is not what the reference says.
            TooLarge: It is larger than a body may be.
        """
        wanted = parse_reference(reference)
        if wanted.size > self._max_size:
            raise _too_large(wanted.size, self._max_size)
        meta = await self._meta(wanted.name)
        if meta is None or meta.deleted:
            raise NotFound(
                f"the body {wanted.name} was deleted or has expired",
                context={"blob": wanted.name},
            )
        if meta.size != wanted.size:
            raise _corrupt(wanted, f"{meta.size} bytes instead of {wanted.size}")
        body = await self._read(wanted, meta)
        if (await _sha256(body)).hex() != wanted.sha256:
            raise _corrupt(wanted, "another SHA-256")
        return body

    async def delete(self, reference: str) -> None:
        """Removes a body; harmless when it is gone."""
        await self.remove(parse_reference(reference).name)

    async def remove(self, name: str) -> None:
        """Removes an object by its name; harmless when it is gone."""
        try:
            meta = await self._meta(name)
        except BadPayload:
            # Nothing tells where its pieces are; they are left, and its name is free.
            meta = _Meta(name=name, bucket=self._bucket, nuid=name)
        if meta is None or meta.deleted:
            return
        gone = _Meta(name=name, bucket=self._bucket, nuid=meta.nuid, deleted=True)
        await self._describe(msgspec.structs.replace(gone, mtime=format_time(now())), ttl=_FORGET)
        # To publish is all that every role may do here; a rollup purges without the permission to.
        await store(
            self._connection,
            self._chunk_subject(meta.nuid),
            b"",
            msg_id=f"{meta.nuid}:gone",
            headers=_ROLLUP,
            ttl="1s",
        )

    async def _read(self, wanted: Reference, meta: _Meta) -> bytes:
        if not wanted.size:
            return b""
        if not 0 < meta.chunks <= wanted.size:
            raise _corrupt(wanted, f"{meta.chunks} pieces")
        subject = self._chunk_subject(meta.nuid)
        found = await all_on(self._connection, self._stream, subject, limit=meta.chunks)
        body = b"".join(chunk.body for chunk in found)
        if len(body) != wanted.size:
            raise _corrupt(wanted, f"{len(body)} bytes instead of {wanted.size}")
        return body

    async def _meta(self, name: str) -> _Meta | None:
        stored = await last_on(self._connection, self._stream, self._meta_subject(name))
        if stored is None or not stored.body:
            return None
        meta = decode(stored.body, _Meta)
        if TOKEN.fullmatch(meta.nuid) is None:
            raise BadPayload(f"object {name} has the id {meta.nuid!r:.80}, which is no token")
        return meta

    async def _describe(self, meta: _Meta, *, ttl: str = "") -> None:
        msg_id = f"{meta.nuid}:{'deleted' if meta.deleted else 'meta'}"
        subject = self._meta_subject(meta.name)
        body = encode(meta)
        await store(self._connection, subject, body, msg_id=msg_id, headers=_ROLLUP, ttl=ttl)

    def _chunk_subject(self, nuid: str) -> str:
        return BLOB_CHUNK.format(bucket=self._bucket, nuid=nuid)

    def _meta_subject(self, name: str) -> str:
        encoded = base64.urlsafe_b64encode(name.encode()).decode()
        return BLOB_META.format(bucket=self._bucket, name=encoded)


def _listed(stored: Stored) -> Listed | None:
    """An object by its description; by its name alone where that is damaged."""
    try:
        meta = decode(stored.body, _Meta)
        digest = base64.urlsafe_b64decode(meta.digest.removeprefix(_DIGEST)).hex()
        reference = str(Reference(meta.name, digest, meta.size))
        if not meta.deleted:
            parse_reference(reference)
    except (PepperError, ValueError):
        encoded = stored.subject.rpartition(".")[2]
        name = base64.urlsafe_b64decode(encoded + "===").decode(errors="replace")
        return Listed(name)
    return None if meta.deleted else Listed(meta.name, reference, meta.size, meta.metadata)


def parse_reference(text: str) -> Reference:
    """Returns the reference that a header carries.

    Raises:
        BadHeader: It is none.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise BadHeader(
            f"{BLOB} is {text!r:.120}",
            hint="write <name>;sha256=<64 hexadecimal digits>;size=<bytes>",
            context={"header": BLOB},
        )
    return Reference(found["name"], found["sha256"], int(found["size"]))


async def claim_check(
    connection: Connection,
    prefix: str,
    body: bytes,
    headers: dict[str, str] | None = None,
    threshold: int = THRESHOLD,
    *,
    ttl: str = "",
) -> tuple[bytes, dict[str, str]]:
    """Returns what to send for a body: itself, or above the threshold a reference to it.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        body: The body.
        headers: Headers to send with it.
        threshold: Bytes above which it travels by reference.
        ttl: How long it is kept then; as long as the bucket keeps things by default.
    """
    fields = headers or {}
    if len(body) <= threshold:
        return body, fields
    reference = await Blobs(connection, prefix).put(body, ttl=ttl)
    return BODY_BY_REFERENCE, {**fields, BLOB: reference}


async def redeem(
    connection: Connection,
    prefix: str,
    body: bytes,
    folded: Mapping[str, str],
    *,
    max_size: int = MAX_SIZE,
) -> bytes:
    """Returns the body that was meant: the one at hand, or the one that a header refers to.

    Raises:
        BadHeader: The reference cannot be read.
        NotFound: What it refers to was deleted, or its time is over.
        BadPayload: What lies there is not what the reference says.
        TooLarge: It has more bytes than allowed; it was not fetched.
    """
    reference = folded.get(BLOB.lower(), "")
    if not reference:
        return body
    return await Blobs(connection, prefix, max_size=max_size).get(reference)


async def _sha256(body: bytes) -> bytes:
    if len(body) < _IN_A_THREAD:
        return hashlib.sha256(body).digest()
    return (await asyncio.to_thread(hashlib.sha256, body)).digest()


def _corrupt(wanted: Reference, fact: str) -> BadPayload:
    return BadPayload(
        f"the body {wanted.name} is damaged: {fact}",
        hint="send it again",
        context={"blob": wanted.name},
    )


def _too_large(size: int, limit: int) -> TooLarge:
    return TooLarge(f"a body of {size} bytes is more than {limit}", context={"limit": limit})
