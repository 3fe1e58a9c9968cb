"""The server sends what it is asked to any reply subject; it must not pass for a result."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams import topology
from pepperpy_bus.streams.jetstream import api, delete_message, store
from pepperpy_bus.streams.provision import create_missing
from pepperpy_bus.streams.reading import Stored, last_as_stored
from pepperpy_bus.tasks.results import Results
from pepperpy_bus.trust.principals import ANONYMOUS, inbox_prefix
from pepperpy_schemas.errors import NotFound, QueueFull, Unavailable
from pepperpy_schemas.messages import Result
from pepperpy_schemas.tokens import new_id

Attack = Callable[[Connection, str], Awaitable[None]]
TRUE = Result(ok=True, data=msgspec.Raw(b'"true"'))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("guarded")
    with Broker(folder, logins=role_logins(anonymous=True), anonymous=ANONYMOUS) as broker:
        yield broker


@pytest.fixture
async def parties(guarded: Broker) -> AsyncIterator[dict[str, Connection]]:
    """An attacker without credentials, a producer who waits, a worker, the operator."""
    async with AsyncExitStack() as stack:
        parties = {}
        for user in ("operator", "producer", "worker"):
            options = ConnectionOptions(
                servers=(guarded.url_for(user),), inbox_prefix=inbox_prefix(user)
            )
            parties[user] = await stack.enter_async_context(open_connection(options))
        anonymous = ConnectionOptions(servers=(guarded.url,))
        parties["attacker"] = await stack.enter_async_context(open_connection(anonymous))
        await create_missing(parties["operator"], topology.streams("pp", topology.Limits()))
        yield parties


async def by_ack(attacker: Connection, target: str) -> None:
    """A task whose acknowledgement the server shall send to a result's subject."""
    await attacker.publish("pp.task.echo." + new_id(), b"{}", reply=target)


async def by_copy(attacker: Connection, target: str, what: str = "pp.result.bait") -> None:
    """A request whose answer is a copy of a stored message."""
    await attacker.publish(f"$JS.API.DIRECT.GET.PP_RESULTS.{what}", b"", reply=target)


async def by_batch(attacker: Connection, target: str) -> None:
    query = json.dumps({"next_by_subj": "pp.result.bait", "batch": 1, "seq": 1})
    await attacker.publish("$JS.API.DIRECT.GET.PP_RESULTS", query.encode(), reply=target)


async def by_raw_copy(attacker: Connection, target: str) -> None:
    query = b'{"last_by_subj":"pp.result.bait"}'
    await attacker.publish("$JS.API.STREAM.MSG.GET.PP_RESULTS", query, reply=target)


async def by_error(attacker: Connection, target: str) -> None:
    await attacker.publish("$JS.API.STREAM.INFO.PP_TASKS", b"{", reply=target)


async def by_pull(attacker: Connection, target: str) -> None:
    """A consumer over a message of one's own that shall be delivered to a result's subject."""
    event = f"pp.event.task.submitted.forged.{new_id()}"
    await store(attacker, event, b'{"ok":true,"data":"forged"}')
    name = new_id()
    config = {
        "name": name,
        "ack_policy": "none",
        "mem_storage": True,
        "inactive_threshold": 5_000_000_000,
        "filter_subjects": [event],
    }
    request = {"stream_name": "PP_EVENTS", "config": config, "action": "create"}
    await api(attacker, f"CONSUMER.CREATE.PP_EVENTS.{name}", request)
    pull = b'{"batch":1,"no_wait":true}'
    await attacker.publish(f"$JS.API.CONSUMER.MSG.NEXT.PP_EVENTS.{name}", pull, reply=target)


async def stored_after(reader: Connection, subject: str, seq: int) -> Stored:
    """What lies there when something newer than this does."""
    async with asyncio.timeout(5):
        while True:
            found = await last_as_stored(reader, "PP_RESULTS", subject)
            if found is not None and found.seq > seq:
                return found


async def forge(parties: dict[str, Connection], victim: str) -> None:
    """Puts a forged result where none is."""
    subject = f"pp.result.{victim}"
    await by_ack(parties["attacker"], subject)
    await stored_after(parties["operator"], subject, 0)


ATTACKS: list[Attack] = [by_ack, by_copy, by_batch, by_raw_copy, by_error, by_pull]
LEAVES_NOTHING: set[Attack] = {by_pull}


async def bait(worker: Connection) -> None:
    """A true result of the attacker's own task, written by a worker that names no message id."""
    with suppress(QueueFull):  # it is there from another attack
        await store(worker, "pp.result.bait", b'{"ok":true,"data":"forged"}')


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_the_server_was_made_to_send_is_no_result(
    parties: dict[str, Connection], attack: Attack, eventually: Callable[..., Awaitable[None]]
) -> None:
    await bait(parties["worker"])
    victim = new_id()
    subject = f"pp.result.{victim}"
    waiting, working = Results(parties["producer"], "pp"), Results(parties["worker"], "pp")
    heard: list[bytes] = []
    async with (
        await parties["operator"].subscribe(subject, lambda m: heard.append(m.body), live=True),
        waiting.expect(victim) as waiter,
    ):
        await parties["producer"].flush()
        await attack(parties["attacker"], subject)
        await eventually(lambda: heard)
        if attack not in LEAVES_NOTHING:
            await stored_after(parties["operator"], subject, 0)

        assert await waiting.get(victim) is None
        assert await working.put(victim, TRUE, attempt=1)
        ended = await waiter.wait(5)
    assert ended.result == TRUE
    late = await waiting.get(victim)
    assert late is not None
    assert late.result == TRUE


async def test_a_forged_result_does_not_end_the_wait_of_who_comes_late(
    parties: dict[str, Connection],
) -> None:
    victim = new_id()
    await forge(parties, victim)
    waiting, working = Results(parties["producer"], "pp"), Results(parties["worker"], "pp")
    async with waiting.expect(victim, submitted=True) as waiter:
        with pytest.raises(TimeoutError):
            await waiter.wait(0)
        await working.put(victim, TRUE, attempt=1)
        assert (await waiter.wait(5)).result == TRUE


async def test_a_result_that_is_there_cannot_be_replaced(
    parties: dict[str, Connection], eventually: Callable[..., Awaitable[None]]
) -> None:
    victim = new_id()
    subject = f"pp.result.{victim}"
    await Results(parties["worker"], "pp").put(victim, TRUE, attempt=1)
    heard: list[bytes] = []
    async with await parties["operator"].subscribe(
        subject, lambda m: heard.append(m.body), live=True
    ):
        await by_ack(parties["attacker"], subject)
        await eventually(lambda: heard)
    ended = await Results(parties["producer"], "pp").get(victim)
    assert ended is not None
    assert ended.result == TRUE


async def test_the_first_true_result_wins_over_forged_and_later_ones(
    parties: dict[str, Connection],
) -> None:
    victim = new_id()
    working = Results(parties["worker"], "pp")
    await forge(parties, victim)
    assert await working.put(victim, TRUE, attempt=1)
    assert not await working.put(victim, Result(ok=False), attempt=2)
    assert await working.put(victim, TRUE, attempt=1)


async def test_a_subject_that_is_written_without_end_is_given_up(
    parties: dict[str, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between each look and the write after it there is another forged one."""
    victim = new_id()

    async def take_away_and_forge(connection: Connection, stream: str, seq: int) -> bool:
        gone = await delete_message(connection, stream, seq)
        await forge(parties, victim)
        return gone

    await forge(parties, victim)
    monkeypatch.setattr("pepperpy_bus.tasks.results.delete_message", take_away_and_forge)
    with pytest.raises(Unavailable, match="keeps writing"):
        await Results(parties["worker"], "pp").put(victim, TRUE, attempt=1)


async def test_a_message_is_read_with_the_headers_that_it_was_stored_with(
    parties: dict[str, Connection],
) -> None:
    worker, one = parties["worker"], new_id()
    fields = {"Pp-Topic": "ü: x", "pp-topic": "second", "Empty": ""}
    await store(worker, f"pp.result.{one}", b"\x00\xff", headers=fields)
    found = await last_as_stored(worker, "PP_RESULTS", f"pp.result.{one}")
    assert found is not None
    assert (found.body, found.subject) == (b"\x00\xff", f"pp.result.{one}")
    assert found.headers == {"pp-topic": "ü: x", "empty": ""}
    assert await last_as_stored(worker, "PP_RESULTS", "pp.result.nothing") is None
    with pytest.raises(NotFound):
        await last_as_stored(parties["operator"], "PP_NOTHING", "pp.result.nothing")


async def test_a_foreign_result_near_the_largest_message_is_read(
    parties: dict[str, Connection],
) -> None:
    one = new_id()
    body = b'{"ok":true,"data":"' + b"x" * 1_000_000 + b'"}'
    await store(parties["worker"], f"pp.result.{one}", body)
    found = await Results(parties["producer"], "pp").get(one)
    assert found is not None
    assert len(bytes(found.result.data)) == 1_000_002


@pytest.mark.parametrize("attempt", ["²", "-1", "x", "9" * 5000])
async def test_an_attempt_that_is_no_number_is_unknown(
    parties: dict[str, Connection], attempt: str
) -> None:
    one = new_id()
    headers = {"Pp-Attempt": attempt}
    await store(parties["worker"], f"pp.result.{one}", b'{"ok":true}', headers=headers)
    found = await Results(parties["producer"], "pp").get(one)
    assert found is not None
    assert found.attempt == 0
