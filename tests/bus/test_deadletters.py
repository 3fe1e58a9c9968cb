import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.reading import last_on, message_at
from pepperpy_bus.tasks.deadletters import DeadLetters, body_of, write_letter
from pepperpy_schemas.catalog.tasks import DEAD_LETTER
from pepperpy_schemas.errors import ErrorInfo, NotFound
from pepperpy_schemas.messages import AttemptRecord, DeadLetter

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def letters(
    connection: Connection, prefix: str, streams: Callable[..., Awaitable[None]]
) -> DeadLetters:
    await streams(connection, prefix, "DLQ", "TASKS", "AUDIT")
    return DeadLetters(connection, prefix)


def letter(
    task_id: str = "t",
    topic: str = "triage",
    code: str = "timeout",
    body: bytes = b'{"a":1}',
    headers: Mapping[str, str] | None = None,
) -> DeadLetter:
    return write_letter(
        task_id,
        topic,
        ErrorInfo(code=code, message="why"),
        body=body,
        headers=headers or {},
        attempts=[AttemptRecord(1, NOW, "i1", ErrorInfo(code=code))],
        deliveries=2,
    )


async def found(letters: DeadLetters, **wanted: Any) -> list[str]:
    return [one.letter.task_id async for one in letters.find(**wanted)]


async def test_a_letter_tells_everything_about_the_task(letters: DeadLetters) -> None:
    written = letter(headers={"pp-source": "ana", "x-own": "1"})
    seq = await letters.put(written)
    read = await letters.get(seq)
    assert (read.seq, read.letter) == (seq, written)
    assert (read.letter.source, read.letter.reason, read.letter.deliveries) == ("ana", "timeout", 2)
    assert body_of(read.letter) == b'{"a":1}'


async def test_a_letter_that_is_filed_twice_is_there_once(letters: DeadLetters) -> None:
    first = await letters.put(letter())
    assert await letters.put(letter()) == first
    assert await found(letters) == ["t"]


async def test_letters_are_found_by_topic_reason_and_time(letters: DeadLetters) -> None:
    assert await found(letters) == []
    await letters.put(letter("a", "triage", "timeout"))
    await letters.put(letter("b", "triage", "bad_payload"))
    seq = await letters.put(letter("c", "digest", "timeout"))
    assert await found(letters) == ["a", "b", "c"]
    assert await found(letters, topic="triage") == ["a", "b"]
    assert await found(letters, reason="timeout") == ["a", "c"]
    assert await found(letters, topic="triage", reason="timeout") == ["a"]
    stored = await message_at(letters._connection, letters._stream, seq)
    assert stored is not None
    at = datetime.fromisoformat(stored.time[:26].rstrip("Z")).replace(tzinfo=UTC)
    assert await found(letters, since=at - timedelta(hours=1)) == ["a", "b", "c"]
    assert "c" in await found(letters, since=at)
    assert await found(letters, since=at + timedelta(hours=1)) == []


async def test_a_letter_that_cannot_be_read_hides_no_other(
    letters: DeadLetters, connection: Connection, prefix: str
) -> None:
    await letters.put(letter("a"))
    await store(connection, f"{prefix}.dlq.triage", b"{")
    await letters.put(letter("b"))
    assert await found(letters) == ["a", "b"]


@pytest.mark.parametrize("body", [b"\xff\x00\xfe", b"", b"{", "ü".encode()])
async def test_every_body_is_kept_as_it_came(letters: DeadLetters, body: bytes) -> None:
    read = await letters.get(await letters.put(letter(body=body)))
    assert body_of(read.letter) == body
    assert (read.letter.body_base64 is None) == (body != b"\xff\x00\xfe")


async def test_a_letter_without_a_body_has_an_empty_one() -> None:
    written = DEAD_LETTER.decode(
        b'{"task_id":"t","topic":"x","ts":"2026-01-01T00:00:00Z","reason":"r","error":{"code":"r"}}'
    )
    assert body_of(written) == b""


async def test_a_replay_is_a_new_task_with_its_own_headers(
    letters: DeadLetters, connection: Connection, prefix: str
) -> None:
    kept = {"x-own": "1", "pp-timeout-ms": "5000", "baggage": "k=v", "pp-source": "ana"}
    dropped = {
        "pp-id": "t",
        "pp-replay-of": "s",
        "pp-parent": "p",
        "pp-root": "r",
        "traceparent": "00-1",
        "tracestate": "x",
        "nats-msg-id": "t",
        "nats-expected-last-subject-sequence": "0",
    }
    filed = await letters.get(await letters.put(letter(headers=kept | dropped)))
    first, second = await letters.replay(filed), await letters.replay(filed)
    assert len({first, second, "t"}) == 3
    task = await last_on(connection, f"{prefix.upper()}_TASKS", f"{prefix}.task.triage.{first}")
    assert task is not None
    assert task.body == b'{"a":1}'
    direct = {"nats-stream", "nats-subject", "nats-sequence", "nats-time-stamp"}
    headers = {name: value for name, value in task.headers.items() if name not in direct}
    assert headers == kept | {"pp-replay-of": "t", "nats-msg-id": first}
    assert await found(letters) == ["t"]


async def test_a_high_priority_task_is_replayed_on_its_lane(
    letters: DeadLetters, connection: Connection, prefix: str
) -> None:
    filed = await letters.get(await letters.put(letter(headers={"pp-priority": "high"})))
    task_id = await letters.replay(filed)
    stream = f"{prefix.upper()}_TASKS"
    assert await last_on(connection, stream, f"{prefix}.task.triage-hi.{task_id}") is not None
    assert await last_on(connection, stream, f"{prefix}.task.triage.{task_id}") is None


async def test_a_binary_body_is_replayed_byte_for_byte(
    letters: DeadLetters, connection: Connection, prefix: str
) -> None:
    filed = await letters.get(await letters.put(letter(body=b"\xff\x00")))
    task_id = await letters.replay(filed)
    task = await last_on(connection, f"{prefix.upper()}_TASKS", f"{prefix}.task.triage.{task_id}")
    assert task is not None
    assert task.body == b"\xff\x00"


async def test_a_dropped_letter_is_gone(letters: DeadLetters) -> None:
    kept = await letters.put(letter("a"))
    seq = await letters.put(letter("b"))
    await letters.drop(seq)
    assert await found(letters) == ["a"]
    with pytest.raises(NotFound, match=f"no dead letter {seq}") as missing:
        await letters.get(seq)
    assert missing.value.hint == "list them with: pepperpy dlq ls"
    with pytest.raises(NotFound):
        await letters.drop(seq)
    with pytest.raises(NotFound):
        await letters.drop(kept + 1000)


async def test_letters_are_json_for_everybody(
    letters: DeadLetters, connection: Connection, prefix: str
) -> None:
    await letters.put(letter())
    stored = await last_on(connection, f"{prefix.upper()}_DLQ", f"{prefix}.dlq.triage")
    assert stored is not None
    read = json.loads(stored.body)
    assert (read["task_id"], read["reason"], read["attempts"][0]["attempt"]) == ("t", "timeout", 1)
