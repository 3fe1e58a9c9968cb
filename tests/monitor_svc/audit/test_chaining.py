"""The chain loses and doubles nothing, whoever adds to it and however they end."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.compare_and_set import compare_and_set
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.reading import last_as_stored
from pepperpy_bus.streams.topology import AUDIT_LOG
from pepperpy_monitor_svc.audit.heads import add_head, read_heads
from pepperpy_monitor_svc.audit.log import AuditLog
from pepperpy_schemas.audit import AuditQuery, ChainHead
from pepperpy_schemas.catalog.audit import CHAIN
from pepperpy_schemas.catalog.events import AUDIT
from pepperpy_schemas.errors import BadPayload, WrongSequence
from pepperpy_schemas.subjects import stream_name
from tests.monitor_svc.audit.conftest import Books, Open

KEY = b"k" * 32
CHAINER = Path(__file__).parent / "chainer.py"


async def test_the_first_record_begins_the_chain(books: Books) -> None:
    async with books.chaining():
        await books.having(1)
    (record,) = await books.records()
    assert (record.seq, record.action, record.target) == (1, "begin", books.client.prefix)
    assert record.prev == "0" * 64
    assert await books.log.head() == ChainHead(1, record.hash)
    assert (await books.log.verify()).ok


async def test_who_takes_over_goes_on_behind_the_last_record(books: Books) -> None:
    ids = []
    for _ in range(3):
        ids += [await books.client.submit("triage", n) for n in range(4)]
        async with books.chaining():
            await books.having(len(ids), AuditQuery(action="submit", limit=1000))
    records = await books.records()
    assert [one.target for one in records if one.action == "submit"] == ids
    assert [one.seq for one in records] == list(range(1, 14))
    assert (await books.log.verify()).ok


async def test_two_that_add_at_once_make_one_chain(
    books: Books, broker: Broker, opened: Open
) -> None:
    other = await opened(broker)
    async with books.chaining(), books.chaining(other):
        ids = [await books.client.submit("triage", n) for n in range(200)]
        await books.having(200, AuditQuery(action="submit", limit=1000))
    told = Counter(one.target for one in await books.records() if one.action == "submit")
    assert told == Counter(ids)
    assert (await books.log.verify()).ok


async def test_who_does_not_know_the_last_block_adds_none(books: Books) -> None:
    async with books.chaining():
        await books.client.submit("triage", 1)
        await books.having(2)
    connection, stream = books.client.connection, stream_name(books.client.prefix, "CHAIN")
    subject = CHAIN.of(books.client.prefix, log=AUDIT_LOG)
    last = await last_as_stored(connection, stream, subject)
    assert last is not None
    with pytest.raises(WrongSequence):
        await compare_and_set(
            connection, stream, subject, last.body, last=last.seq - 1, msg_id="late"
        )


@pytest.mark.parametrize("kills", [6])
async def test_a_leader_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    own_broker: Broker, opened: Open, prefix: str, kills: int
) -> None:
    client = await opened(own_broker)
    books = Books(client)
    ids: list[str] = []

    async def submit() -> None:
        while True:
            ids.append(await client.submit("triage", len(ids)))

    submitting = asyncio.create_task(submit(), name="submitting")
    try:
        for _ in range(kills):
            had = (await books.log.head()).seq
            command = [sys.executable, str(CHAINER), own_broker.url, prefix]
            chainer = subprocess.Popen(command)
            async with asyncio.timeout(30):
                # Killed as soon as it adds: some block of its is on the way then.
                while (await books.log.head()).seq <= had:
                    await asyncio.sleep(0)
            chainer.send_signal(signal.SIGKILL)
            chainer.wait()
    finally:
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
    async with books.chaining():
        async with asyncio.timeout(60):
            while len(await books.records()) < len(ids) + 1:
                await asyncio.sleep(0.2)
    told = [one.target for one in await books.records() if one.action == "submit"]
    assert told[: len(ids)] == ids
    assert len(told) - len(ids) in (0, 1)  # the last submit may have been canceled half way
    assert (await books.log.verify()).ok


async def test_a_broker_that_is_killed_leaves_the_chain_whole(
    own_broker: Broker, opened: Open
) -> None:
    client = await opened(own_broker)
    books = Books(client)
    async with books.chaining():
        first = [await client.submit("triage", n) for n in range(20)]
        await books.having(20, AuditQuery(action="submit"))
        own_broker.kill()
        own_broker.start_sync()
        await client.connection.wait_connected(20)
        second = [await client.submit("triage", n) for n in range(20)]
        await books.having(40, AuditQuery(action="submit", limit=1000))
    told = Counter(one.target for one in await books.records() if one.action == "submit")
    assert told == Counter(first + second)
    assert (await books.log.verify()).ok


async def test_a_stream_that_was_made_anew_hides_nothing(books: Books) -> None:
    """Its numbers come again: what has a number that was read before is not what was read."""
    client = books.client
    stream = stream_name(client.prefix, "AUDIT")
    subject = AUDIT.of(client.prefix, principal="anonymous", action="price")
    async with books.chaining():
        for n in range(3):
            await store(client.connection, subject, b"%d" % n)
        await books.having(3, AuditQuery(action="price"))
    config = (await api(client.connection, f"STREAM.INFO.{stream}"))["config"]
    await api(client.connection, f"STREAM.DELETE.{stream}")
    await api(client.connection, f"STREAM.CREATE.{stream}", config)
    for n in range(5):
        await store(client.connection, subject, b"%d more" % n)
    async with books.chaining():
        await books.having(8, AuditQuery(action="price"))
        (gap,) = (await books.having(1, AuditQuery(action="gap"))).items
    assert (gap.target, gap.data["why"]) == (stream, "begun anew")
    assert (await books.log.verify()).ok


async def test_verify_names_the_record_of_a_block_that_was_forged(books: Books) -> None:
    """Somebody with the monitor's rights adds a block that does not follow."""
    async with books.chaining():
        await books.client.submit("triage", 1)
        await books.having(2)
    connection, prefix = books.client.connection, books.client.prefix
    last = await last_as_stored(
        connection, stream_name(prefix, "CHAIN"), CHAIN.of(prefix, log=AUDIT_LOG)
    )
    assert last is not None
    await store(connection, CHAIN.of(prefix, log=AUDIT_LOG), last.body, msg_id="again")
    verdict = await books.log.verify()
    assert (verdict.faults[0].kind, verdict.faults[0].seq) == ("inserted", 2)


async def test_verify_names_what_is_no_block(books: Books) -> None:
    async with books.chaining():
        await books.having(1)
    subject = CHAIN.of(books.client.prefix, log=AUDIT_LOG)
    await store(books.client.connection, subject, b"nonsense", msg_id="n")
    verdict = await books.log.verify()
    assert (verdict.faults[0].kind, verdict.faults[0].seq) == ("unreadable", 2)
    with pytest.raises(BadPayload):
        await books.records()


async def test_verify_knows_a_log_that_was_begun_anew_by_an_end_that_was_kept(
    books: Books,
) -> None:
    async with books.chaining():
        await books.client.submit("triage", 1)
        await books.having(2)
    kept = ChainHead(7, "ab" * 32)
    verdict = await books.log.verify([kept])
    assert (verdict.faults[0].kind, verdict.faults[0].seq) == ("truncated", 3)


async def test_blocks_are_sealed_with_the_operators_key(books: Books) -> None:
    async with books.chaining(key=KEY):
        await books.client.submit("triage", 1)
        await books.having(2)
    verdict = await AuditLog(books.client, key=KEY).verify()
    assert verdict.ok
    assert verdict.sealed > 0
    other = await AuditLog(books.client, key=b"x" * 32).verify()
    assert (other.faults[0].kind, other.faults[0].seq) == ("seal", 1)


async def test_a_log_that_had_no_key_is_sealed_from_when_it_has_one(books: Books) -> None:
    """At once: until then it cannot be told from one that somebody has written anew."""
    async with books.chaining():
        await books.client.submit("triage", 1)
        await books.having(2)
    log = AuditLog(books.client, key=KEY)
    assert not (await log.verify()).ok
    for _ in range(2):
        async with books.chaining(key=KEY):
            await books.having(1, AuditQuery(action="seal"))
    verdict = await log.verify()
    assert (verdict.ok, verdict.records, verdict.sealed) == (True, 3, 1)
    assert verdict.unsealed > 0


async def test_ends_are_kept_in_a_file_the_last_one_too(books: Books, tmp_path: Path) -> None:
    file = tmp_path / "heads"
    for n in range(2):
        async with books.chaining(heads=file):
            await books.client.submit("triage", n)
            await books.having(n + 2)
        assert read_heads(file)[-1] == await books.log.head()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (await books.log.verify(read_heads(file))).ok
    add_head(file, ChainHead(9, "ab" * 32))
    (fault,) = (await books.log.verify(read_heads(file))).faults
    assert (fault.kind, fault.seq) == ("truncated", 4)


async def test_search_pages_back_from_the_newest(books: Books) -> None:
    client = books.client
    async with books.chaining():
        ids = []
        for n in range(7):
            ids.append(await client.submit(f"topic{n % 2}", n))
            await books.having(n + 1, AuditQuery(action="submit"))
    found: list[str] = []
    cursor, pages = "", 0
    while True:
        page = await books.log.search({"action": "submit", "limit": "3", "cursor": cursor})
        found += [one.target for one in page.items]
        pages += 1
        assert page.records == 8
        if page.next is None:
            break
        cursor = page.next
    assert found == ids[::-1]
    assert pages == 3


async def test_search_finds_by_who_what_whom_words_and_time(books: Books) -> None:
    client = books.client
    async with books.chaining():
        await client.audit.say("agent-pause", "support", instance="i7")
        await client.submit("triage", 1, id="t1")
        page = await books.having(3)
    times = {one.action: one.at for one in page.items}

    async def having(**query: object) -> list[str]:
        found = await books.log.search(AuditQuery(**query))  # type: ignore[arg-type]  # a test's free query
        return [one.action for one in found.items]

    assert await having(by="tests/*") == ["submit"]
    assert await having(by="anon") == ["agent-pause"]
    assert await having(target="sup*") == ["agent-pause"]
    assert await having(text="I7") == ["agent-pause"]
    assert await having(text="TRIAGE") == ["submit"]
    assert set(await having(since=min(times.values()))) == {"begin", "agent-pause", "submit"}
    assert await having(until=min(times.values())) == []
    with pytest.raises(BadPayload, match="cursor"):
        await books.log.search({"cursor": "later"})
    (row, *_) = (await books.log.search({"since": "1h", "action": "submit"})).items
    assert row.target == "t1"
    assert (await books.log.search({"until": "1h"})).items == []
    with pytest.raises(BadPayload, match="no time"):
        await books.log.search({"since": "lately"})
    with pytest.raises(BadPayload, match="limit"):
        await books.log.search({"limit": "many"})
