import asyncio
import json
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.reading import all_on, last_on
from pepperpy_bus.tasks.results import Ended, Results
from pepperpy_schemas.catalog.tasks import RESULT
from pepperpy_schemas.errors import ErrorInfo, NotFound, TooLarge
from pepperpy_schemas.messages import Result

Streams = Callable[..., Awaitable[None]]
LARGE = Result(ok=True, data=msgspec.Raw(msgspec.json.encode("x" * 2000)))


@pytest.fixture
async def results(connection: Connection, prefix: str, streams: Streams) -> Results:
    await streams(connection, prefix, "RESULTS", "blobs")
    return Results(connection, prefix, threshold=1000)


async def stored(connection: Connection, prefix: str, task_id: str) -> tuple[object, str]:
    found = await last_on(connection, f"{prefix.upper()}_RESULTS", f"{prefix}.result.{task_id}")
    assert found is not None
    return json.loads(found.body), found.headers.get("pp-blob", "")


async def blobs_kept(connection: Connection, prefix: str) -> int:
    """How many bodies lie in the object store, deleted ones aside."""
    stream = f"OBJ_{prefix}_blobs"
    subjects = {"subjects_filter": f"$O.{prefix}_blobs.M.>"}
    info = await api(connection, f"STREAM.INFO.{stream}", subjects)
    metas = [await last_on(connection, stream, one) for one in info["state"].get("subjects") or ()]
    return sum(one is not None and not json.loads(one.body).get("deleted") for one in metas)


async def test_a_result_up_to_the_threshold_is_stored_as_it_is(
    results: Results, connection: Connection, prefix: str
) -> None:
    size = len(RESULT.encode(Result(ok=True, data=msgspec.Raw(b'""'))))
    just = Result(ok=True, data=msgspec.Raw(b'"' + b"x" * (1000 - size) + b'"'))
    assert await results.put("small", just, attempt=1)
    body, reference = await stored(connection, prefix, "small")
    assert (body, reference) == (json.loads(RESULT.encode(just)), "")
    assert len(RESULT.encode(just)) == 1000


async def test_a_large_result_is_got_late_and_waited_for_live(
    results: Results, connection: Connection, prefix: str
) -> None:
    async with results.expect("t") as waiter:
        assert await results.put(
            "t", LARGE, attempt=2, headers={"Pp-Topic": "a", "Pp-Attempt": "2"}
        )
        live = await waiter.wait(5)
    late = await results.get("t")
    async with results.expect("t", submitted=True) as waiter:
        later = await waiter.wait(0)
    assert live == late == later == Ended("t", LARGE, "a", 2)
    body, reference = await stored(connection, prefix, "t")
    assert body == {"ok": True}
    assert reference.endswith(f"size={len(RESULT.encode(LARGE))}")


async def test_readers_without_references_see_how_a_task_failed(
    results: Results, connection: Connection, prefix: str
) -> None:
    cause = ErrorInfo(code="handler_error", message="deep" * 500)
    error = ErrorInfo(
        code="timeout", message="m" * 1500, hint="h", context={"list": ["x"] * 500}, cause=cause
    )
    assert await results.put("t", Result(ok=False, error=error), attempt=1)
    body, _ = await stored(connection, prefix, "t")
    seen = {"code": "timeout", "message": "m" * 1000, "hint": "h"}
    assert body == {"ok": False, "error": seen}
    found = await results.get("t")
    assert found is not None
    assert found.result.error == error


async def test_the_body_of_a_result_that_came_too_late_is_removed(
    results: Results, connection: Connection, prefix: str
) -> None:
    assert await results.put("t", LARGE, attempt=1)
    other = Result(ok=True, data=msgspec.Raw(b'"' + b"y" * 2000 + b'"'))
    assert not await results.put("t", other, attempt=2)
    assert await blobs_kept(connection, prefix) == 1
    found = await results.get("t")
    assert found is not None
    assert found.result == LARGE


async def test_a_repeated_put_of_one_attempt_is_the_result_and_keeps_one_body(
    results: Results, connection: Connection, prefix: str, broker: Broker
) -> None:
    assert await results.put("t", LARGE, attempt=1)
    assert await results.put("t", LARGE, attempt=1)
    found = await results.get("t")
    assert found is not None
    assert found.result == LARGE
    count = await all_on(connection, f"{prefix.upper()}_RESULTS", f"{prefix}.result.t")
    assert len(count) == 1


async def test_a_result_whose_body_is_gone_says_so_to_every_reader(
    results: Results, connection: Connection, prefix: str
) -> None:
    subject = f"{prefix}.result.t"
    reference = await Blobs(connection, prefix).put(RESULT.encode(LARGE))
    await Blobs(connection, prefix).delete(reference)
    async with results.expect("t") as waiter:
        await store(connection, subject, b'{"ok":true}', headers={"Pp-Blob": reference})
        with pytest.raises(NotFound, match="deleted or has expired"):
            await waiter.wait(5)
    with pytest.raises(NotFound):
        await results.get("t")
    async with results.expect("unread") as waiter:
        await store(
            connection, f"{prefix}.result.unread", b'{"ok":true}', headers={"Pp-Blob": reference}
        )
        await asyncio.wait({waiter._ended}, timeout=5)  # nobody asks: nothing is left to complain


async def test_a_result_above_the_largest_body_is_refused(
    connection: Connection, prefix: str, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streams(connection, prefix, "RESULTS", "blobs")
    defaults = Blobs.__init__.__kwdefaults__ | {"max_size": 1500}
    monkeypatch.setattr(Blobs.__init__, "__kwdefaults__", defaults)
    with pytest.raises(TooLarge):
        await Results(connection, prefix, threshold=1000).put("t", LARGE, attempt=1)


async def test_the_body_is_kept_a_little_longer_than_its_result(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "RESULTS", "blobs")
    await Results(connection, prefix, threshold=1000, keep=60).put("t", LARGE, attempt=1)
    stream = f"OBJ_{prefix}_blobs"
    found = await api(connection, f"STREAM.MSG.GET.{stream}", {"seq": 1})
    assert b"Nats-TTL: 3660s" in msgspec.convert(found["message"]["hdrs"], bytes)


async def test_large_results_are_read_again_after_a_restart(
    own_broker: Broker, own: Connection, prefix: str, streams: Streams
) -> None:
    await streams(own, prefix, "RESULTS", "blobs")
    results = Results(own, prefix, threshold=1000)
    gone = asyncio.Event()
    own.on_disconnect.append(gone.set)
    async with results.expect("t") as waiter:
        # Stored over a link of its own while the waiter's is down.
        own_broker.kill()
        await gone.wait()
        await own_broker.start()
        assert await results.put("t", LARGE, attempt=1)
        ended = await waiter.wait(10)
    assert ended.result == LARGE
