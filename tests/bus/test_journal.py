import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.tasks import journal as module
from pepperpy_bus.tasks.history import entry_attempt
from pepperpy_bus.tasks.journal import Journal
from pepperpy_schemas.errors import ErrorInfo, Fenced, Unavailable
from pepperpy_schemas.messages import ClaimEntry, InputEntry, ReleaseEntry, StepEntry, WaitEntry

Connect = Callable[..., Awaitable[Connection]]
NOW = datetime.now(UTC)
ERROR = ErrorInfo(code="timeout", message="too long")


@pytest.fixture
async def open_journal(
    connection: Connection, prefix: str, streams: Callable[..., Awaitable[None]]
) -> Callable[..., Awaitable[Journal]]:
    """Opens the journal of task t as one worker sees it."""
    await streams(connection, prefix, "STEPS")

    async def open_one(instance: str = "one", over: Connection | None = None) -> Journal:
        journal = Journal(over or connection, prefix, "t", instance)
        await journal.read()
        return journal

    return open_one


Open = Callable[..., Awaitable[Journal]]


async def test_an_empty_journal_starts_with_the_first_attempt(open_journal: Open) -> None:
    journal = await open_journal()
    assert (journal.history.entries, journal.history.failures, journal.history.attempts()) == (
        [],
        0,
        [],
    )
    assert journal.history.next_attempt(deliveries=1) == 1


async def test_entries_are_read_back_in_order(open_journal: Open) -> None:
    journal = await open_journal()
    entry = InputEntry("triage", msgspec.Raw(b'{"a":1}'), {"pp-id": "t"}, "00", NOW)
    await journal.append(entry)
    await journal.claim(2)
    await journal.append(StepEntry(2, 1, "draft", NOW, msgspec.Raw(b'"x"')))
    await journal.failed(2, ERROR)
    read = await open_journal("two")
    assert read.history.entries == journal.history.entries
    assert [entry_attempt(one) for one in read.history.entries] == [0, 2, 2, 2]
    assert read.history.failures == 1


async def test_an_attempt_that_left_no_trace_is_counted_by_its_delivery(open_journal: Open) -> None:
    """Two workers died with the task: nothing is written, but this is the third attempt."""
    journal = await open_journal()
    assert journal.history.next_attempt(deliveries=3) == 3


async def test_a_delivery_that_was_given_back_is_no_attempt(open_journal: Open) -> None:
    journal = await open_journal()
    await journal.released()
    await journal.released()
    assert journal.history.next_attempt(deliveries=3) == 1
    await journal.failed(1, ERROR)
    assert journal.history.next_attempt(deliveries=4) == 2
    assert isinstance((await open_journal()).history.entries[0], ReleaseEntry)


async def test_a_recorded_attempt_counts_however_few_deliveries_there_were(
    open_journal: Open,
) -> None:
    """A task that was resumed has a new message, whose deliveries start at one."""
    journal = await open_journal()
    await journal.claim(4)
    assert journal.history.next_attempt(deliveries=1) == 5


async def test_a_claim_fences_whoever_held_the_task_before(open_journal: Open) -> None:
    zombie, successor = await open_journal("zombie"), await open_journal("successor")
    await successor.claim(2)
    with pytest.raises(Fenced, match="another worker has claimed task t") as fenced:
        await zombie.failed(1, ERROR)
    assert fenced.value.context == {"task_id": "t", "attempt": 1}
    with pytest.raises(Fenced):
        await zombie.released()
    assert zombie.history.entries == []
    await successor.failed(2, ERROR)
    assert [type(one) for one in (await open_journal()).history.entries] == [
        type(one) for one in successor.history.entries
    ]


async def test_one_of_two_claims_at_the_same_moment_wins(open_journal: Open) -> None:
    one, two = await open_journal("one"), await open_journal("two")
    await one.claim(2)
    with pytest.raises(Fenced):
        await two.claim(2)


async def test_a_journal_that_expired_fences_who_still_writes(
    open_journal: Open, connection: Connection, prefix: str
) -> None:
    journal = await open_journal()
    await journal.claim(1)
    await api(connection, f"STREAM.PURGE.{prefix.upper()}_STEPS", {"filter": f"{prefix}.step.t"})
    with pytest.raises(Fenced):
        await journal.failed(1, ERROR)


async def test_a_lost_acknowledgement_is_no_fence(
    open_journal: Open, broker: Broker, connect: Connect, proxy_to: Callable[..., Awaitable[Any]]
) -> None:
    """The entry is stored, its acknowledgement is lost with the link; the second try finds it."""
    proxy = await proxy_to(broker.url)
    journal = await open_journal("one", await connect(proxy.url))
    await journal.claim(1)
    proxy.swallow["down"] = True
    watching = await open_journal("watcher")
    writing = asyncio.create_task(journal.failed(1, ERROR))
    while len(watching.history.entries) < 2:
        await watching.read()
    proxy.swallow["down"] = False
    proxy.cut()
    await asyncio.wait_for(writing, 10)
    assert len(journal.history.entries) == 2
    await journal.claim(2)
    assert len((await open_journal()).history.entries) == 3


async def test_a_write_whose_writer_was_canceled_is_no_fence_for_the_next(
    open_journal: Open, broker: Broker, connect: Connect, proxy_to: Callable[..., Awaitable[Any]]
) -> None:
    """Its time was over while a step was being written: the attempt still has the task."""
    proxy = await proxy_to(broker.url)
    journal = await open_journal("one", await connect(proxy.url))
    await journal.claim(1)
    proxy.swallow["down"] = True
    watching = await open_journal("watcher")
    writing = asyncio.create_task(journal.append(StepEntry(1, 1, "draft", NOW)))
    while len(watching.history.entries) < 2:
        await watching.read()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    proxy.swallow["down"] = False
    proxy.cut()
    await journal.failed(1, ERROR)
    kinds = [type(entry).__name__ for entry in (await open_journal()).history.entries]
    assert kinds == ["ClaimEntry", "StepEntry", "FailureEntry"]


async def test_a_renewed_journal_says_the_same(open_journal: Open) -> None:
    journal = await open_journal()
    await journal.append(StepEntry(1, 1, "draft", NOW, msgspec.Raw(b'{"a":[1]}')))
    await journal.append(WaitEntry(1, 2, "answer", NOW, question=1, text="Go?", choices=["y"]))
    await journal.renew()
    await journal.claim(2)
    read = await open_journal()
    assert read.history.entries == journal.history.entries
    assert read.history.open_wait == journal.history.waits[0]


async def test_the_entry_of_another_try_of_the_same_write_is_ones_own(
    open_journal: Open, connection: Connection, prefix: str
) -> None:
    """The server no longer knows the message id: it answers that the sequence is wrong."""
    journal = await open_journal("one")
    entry = b'{"kind":"claim","attempt":1,"instance":"one","ts":"2026-01-01T00:00:00Z"}'
    await store(connection, f"{prefix}.step.t", entry, headers={"Pp-Any": "x"}, expect_last=0)
    with pytest.raises(Fenced):
        await journal.claim(1)

    other = Journal(connection, prefix, "u", "one")
    await store(connection, f"{prefix}.step.u", entry, msg_id="u:1:0:1:one", expect_last=0)
    await other.claim(1)
    assert isinstance(other.history.entries[0], ClaimEntry)
    await other.failed(1, ERROR)


async def test_the_attempts_tell_who_tried_and_how_it_ended(open_journal: Open) -> None:
    journal = await open_journal("one")
    await journal.failed(1, ERROR)
    second = await open_journal("two")
    await second.claim(2)
    await second.append(StepEntry(2, 1, "draft", NOW, msgspec.Raw(b"1")))
    third = await open_journal("three")
    await third.claim(3)
    await third.failed(3, ERROR)
    told = [
        (one.attempt, one.instance, one.error) for one in (await open_journal()).history.attempts()
    ]
    assert told == [(1, "one", ERROR), (2, "two", None), (3, "three", ERROR)]


async def test_entries_are_forgotten_by_the_server_after_a_month(
    open_journal: Open, connection: Connection, prefix: str
) -> None:
    await (await open_journal()).claim(1)
    found = await api(connection, f"STREAM.MSG.GET.{prefix.upper()}_STEPS", {"seq": 1})
    assert b"Nats-TTL: 720h" in msgspec.convert(found["message"]["hdrs"], bytes)


async def test_two_writes_whose_fate_is_unknown_are_no_fence_for_the_next(
    open_journal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await open_journal()
    await journal.claim(1)
    write = module.compare_and_set
    stored = iter((True, False))

    async def unsure(*arguments: Any, **options: Any) -> int:
        for first in stored:
            if first:
                await write(*arguments, **options)
            raise Unavailable("no answer")
        return await write(*arguments, **options)

    monkeypatch.setattr(module, "compare_and_set", unsure)
    for n in (1, 2):
        with pytest.raises(Unavailable):
            await journal.append(StepEntry(1, n, "draft", NOW, msgspec.Raw(b"1")))
    await journal.append(StepEntry(1, 3, "draft", NOW, msgspec.Raw(b"1")))
    assert not journal.fenced
    read = await open_journal("two")
    assert [one.n for one in read.history.entries if isinstance(one, StepEntry)] == [1, 3]
    assert journal.history.entries == read.history.entries
