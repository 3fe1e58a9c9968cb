"""What each role may and may not do, asked of a real server with a bare client."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, KeyValueConfig, ObjectStoreConfig
from nats.js.errors import APIError

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.trust.principals import ANONYMOUS, ROLES, inbox_prefix
from pepperpy_bus.trust.roles import anonymous_permissions, permissions
from pepperpy_schemas.errors import BadName
from pepperpy_schemas.provider import METRICS

STREAMS = {
    "TASKS": ["pp.task.>"],
    "RESUME": ["pp.resume.>"],
    "RESULTS": ["pp.result.>"],
    "STEPS": ["pp.step.>"],
    "EVENTS": ["pp.event.>", "pp.event-hi.>"],
    "DLQ": ["pp.dlq.>"],
    "TOKENS": ["pp.tok.>"],
    "ADV": ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.PP_TASKS.*"],
    "AUDIT": ["pp.audit.>"],
    "ANSWERS": ["pp.answer.>"],
}


class Connected:
    """A bare client of one principal that keeps what the server refuses."""

    def __init__(self, principal: str) -> None:
        self.principal = principal
        self.refusals: asyncio.Queue[str] = asyncio.Queue()
        self.nc = Client()

    async def connect(self, broker: Broker) -> None:
        async def keep(error: Exception) -> None:
            self.refusals.put_nowait(str(error))

        anonymous = self.principal == ANONYMOUS
        await self.nc.connect(
            broker.url if anonymous else broker.url_for(self.principal),
            inbox_prefix=b"_INBOX" if anonymous else inbox_prefix(self.principal),
            error_cb=keep,
        )

    async def refused(self) -> str:
        """Return the server's words, within a second."""
        return await asyncio.wait_for(self.refusals.get(), 1)

    async def publish_refused(self, subject: str, body: bytes = b"{}") -> str:
        await self.nc.publish(subject, body)
        return await self.refused()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with all roles, the anonymous one and the streams of the bus."""
    logins = role_logins(anonymous=True)
    folder: Path = tmp_path_factory.mktemp("guarded")
    with Broker(folder, logins=logins, anonymous=ANONYMOUS) as broker:
        asyncio.run(provision(broker))
        yield broker


async def provision(broker: Broker) -> None:
    operator = Connected("operator")
    await operator.connect(broker)
    js = operator.nc.jetstream()
    for name, subjects in STREAMS.items():
        retention = "workqueue" if name in {"TASKS", "RESUME", "ADV"} else "limits"
        await js.add_stream(
            name=f"PP_{name}",
            subjects=subjects,
            retention=retention,
            allow_direct=True,
        )
    for bucket in ("pp_registry", "pp_schemas", "pp_state"):
        await js.create_key_value(KeyValueConfig(bucket=bucket, direct=True))
    await js.create_object_store("pp_blobs", ObjectStoreConfig(bucket="pp_blobs"))
    await operator.nc.close()
    assert operator.refusals.empty()


@pytest.fixture
async def connected(guarded: Broker) -> AsyncIterator[Callable[[str], Awaitable[Connected]]]:
    clients: list[Connected] = []

    async def connect(principal: str) -> Connected:
        client = Connected(principal)
        clients.append(client)
        await client.connect(guarded)
        return client

    yield connect
    for client in clients:
        await client.nc.close()


ADV = ConsumerConfig(
    name="adv",
    durable_name="adv",
    ack_policy="explicit",  # type: ignore[arg-type]  # the enum's value
)

Connect = Callable[[str], Awaitable[Connected]]

EVERYBODY = {*ROLES, ANONYMOUS}
SUBMIT = {"producer", ANONYMOUS, "edge", "worker", "operator"}
WORK = {"worker", "operator"}
SERVE = {"memory", "provider", "monitor"}

# Who may publish what; everybody else is refused.
MAY_PUBLISH: dict[str, set[str]] = {
    "pp.task.echo": SUBMIT,
    "pp.task.echo.id1": SUBMIT,
    "pp.key.echo.otter.id1": SUBMIT,
    # Set aside by a worker, while its key is held; to a shard by the server alone.
    "pp.sh.echo.parked.otter.id1": {"worker"},
    "pp.sh.echo.7.otter.id1": set(),
    "pp.ctl.shards.echo": {"worker"},
    "pp.answer.echo.id1.1": SUBMIT,
    "pp.ctl.cancel.id1": SUBMIT,
    "pp.ctl.stop.id1": EVERYBODY,
    "pp.ctl.agent.echo.drain": {"operator"},
    "pp.result.id1": WORK,
    "pp.step.id1": WORK,
    "pp.tok.id1": WORK,
    "pp.resume.echo.id1": WORK,
    "pp.dlq.echo": WORK,
    "pp.event.task.submitted.echo.id1": EVERYBODY,
    "pp.event.task.completed.echo.id1": WORK | SERVE,
    "pp.event-hi.task.failed.echo.id1": WORK | SERVE,
    "pp.count.tokens.echo": WORK | SERVE,
    # Who may count what was spent may say that nothing was.
    **{f"pp.count.{metric}.x": {"provider", "operator"} for metric in METRICS},
    "$KV.pp_registry.echo.i1": WORK | SERVE | {"edge"},
    "$KV.pp_schemas.echo.v1": WORK | SERVE,
    "$KV.pp_state.lease.resource.gpu": WORK,
    "$KV.pp_state.alert-told.hook.g1": {"monitor", "operator"},
    "$KV.pp_state.lease.monitor.leader": {"monitor", "operator"},
    "$KV.pp_state.monitor.positions": {"monitor", "operator"},
    "$KV.pp_state.alert.a1": {"monitor", "operator"},
    "$KV.pp_state.silence.s1": {"monitor", "operator"},
    "$KV.pp_questions.echo.id1": WORK,
    "$O.pp_blobs.C.x": EVERYBODY,
    "$O.pp_snapshots.C.x": {"monitor", "operator"},
    # What the audit log is made of: the server's notes, and what is said under the own name.
    "pp.chain.audit": {"monitor"},
    "pp.noted.task.echo.id1": set(),
    "pp.audit.somebody.grant": set(),
    "$JS.ACK.PP_TASKS.w_none.1.1.1.1.0": WORK,
    "$JS.ACK.PP_RESULTS.none.1.1.1.1.0": {"operator"},
    "$JS.API.STREAM.CREATE.PP_MINE": {"operator"},
    "$JS.API.STREAM.UPDATE.PP_RESULTS": {"operator"},
    "$JS.API.STREAM.PURGE.PP_NONE": {"operator"},
    "$JS.API.STREAM.DELETE.PP_NONE": {"operator"},
    "$JS.API.STREAM.MSG.DELETE.PP_RESULTS": WORK,
    "$JS.API.CONSUMER.DELETE.PP_TASKS.w_none": {"operator"},
    "$JS.API.CONSUMER.CREATE.PP_TASKS.w_none": WORK,
    "$JS.API.CONSUMER.MSG.NEXT.PP_TASKS.w_none": WORK,
    "$JS.API.CONSUMER.UNPIN.PP_KEYED.s_none_7": WORK,
    "$JS.API.CONSUMER.CREATE.PP_AUDIT.none": {"monitor", "operator"},
    "$JS.API.DIRECT.GET.PP_STEPS.pp.step.id1": WORK | {"monitor"},
    # What is asked, whether it was answered, where a task is: for those who submit and answer.
    "$JS.API.DIRECT.GET.KV_pp_questions": SUBMIT | {"monitor"},
    "$JS.API.DIRECT.GET.PP_ANSWERS": SUBMIT | {"monitor"},
    "$JS.API.DIRECT.GET.PP_KEYED": SUBMIT | {"monitor"},
    "$JS.API.STREAM.MSG.DELETE.PP_SCHED": WORK,
    "$JS.API.STREAM.MSG.DELETE.PP_STEPS": {"operator"},
    "$JS.API.STREAM.MSG.DELETE.PP_DLQ": WORK,
    "$JS.API.STREAM.MSG.DELETE.PP_EVENTS": {"operator"},
    "$JS.API.STREAM.SNAPSHOT.PP_TASKS": {"operator"},
    "$SYS.REQ.SERVER.PING": set(),
    "other.subject": set(),
    "x.task.echo": set(),
}

# Who may subscribe what.
MAY_SUBSCRIBE: dict[str, set[str]] = {
    ">": set(),
    "*.>": set(),
    "_INBOX.>": {ANONYMOUS},  # its own; no other principal uses it
    "$JS.>": set(),
    "$SYS.>": set(),
    "$KV.pp_state.>": set(),
    "pp.>": {"operator"},
    "pp.task.>": WORK,  # shadows hear what workers may pull
    "pp.svc.>": {"operator"},
    "pp.svc.tool.>": WORK,
    "pp.svc.memory.>": {"memory", "operator"},
    "pp.svc.provider.>": {"provider", "operator"},
    "pp.svc.monitor.>": {"monitor", "operator"},
    "pp.event.>": SUBMIT | {"monitor"},
    "pp.result.*": SUBMIT | {"monitor"},
    "pp.tok.id1": SUBMIT | {"monitor"},
    "pp.ctl.cancel.*": WORK,
    "pp.ctl.stop.*": SERVE | WORK,
    "pp.ctl.agent.echo.*": WORK,
    "pp.ctl.shards.echo": WORK,
    "pp.key.echo.*.*": WORK,
    "$JS.EVENT.ADVISORY.>": {"monitor", "operator"},
    **{f"{inbox_prefix(each)}.>": {each} for each in ROLES},
}


@pytest.mark.parametrize("principal", sorted(EVERYBODY))
async def test_the_server_holds_every_principal_to_its_role(
    connected: Connect, principal: str
) -> None:
    client = await connected(principal)
    for subject in MAY_PUBLISH:
        await client.nc.publish(subject, b"", reply=client.nc.new_inbox())
    for subject in MAY_SUBSCRIBE:
        await client.nc.subscribe(subject)

    wanted = {f'publish to "{s}"' for s, who in MAY_PUBLISH.items() if principal not in who}
    wanted |= {f'subscription to "{s}"' for s, who in MAY_SUBSCRIBE.items() if principal not in who}
    prefix = "nats: permissions violation for "
    assert await refusals(client) == {prefix + text.lower() for text in wanted}


async def refusals(client: Connected) -> set[str]:
    """Return what was refused so far; they arrive in order, so a certain refusal ends them."""
    await client.nc.publish("end.of.list")
    texts: set[str] = set()
    while "end.of.list" not in (text := await client.refused()):
        texts.add(text)
    return texts


@pytest.mark.parametrize("principal", ["edge", "monitor"])
async def test_who_is_reached_over_http_asks_services_no_more_than_it_must(
    connected: Connect, principal: str
) -> None:
    client = await connected(principal)
    wanted = ["provider.status", "memory.get", "memory.stats"]
    refused = ["provider.chat", "memory.search", "memory.put", "language.stem", "monitor.silence"]
    for request in refused if principal == "monitor" else refused + wanted:
        subject = f"pp.svc.{request}.{principal}"
        assert f'violation for publish to "{subject}"' in await client.publish_refused(subject)
    if principal == "monitor":
        for request in wanted:
            await client.nc.publish(f"pp.svc.{request}.{principal}", b"")
        assert await refusals(client) == set()


@pytest.mark.parametrize("principal", sorted(EVERYBODY - {"edge", "monitor"}))
async def test_a_service_request_carries_its_true_principal(
    connected: Connect, principal: str
) -> None:
    client = await connected(principal)
    for other in sorted(EVERYBODY - {principal}):
        text = await client.publish_refused(f"pp.svc.memory.search.{other}")
        assert f'permissions violation for publish to "pp.svc.memory.search.{other}"' in text

    service = await connected("memory")
    subscription = await service.nc.subscribe("pp.svc.memory.search.*", queue="q", cb=answer)
    await service.nc.flush()
    await service.nc.flush()  # the first one overtakes what was subscribed
    reply = await client.nc.request(f"pp.svc.memory.search.{principal}", b"otters", timeout=1)
    await subscription.unsubscribe()

    assert reply.data == f"pp.svc.memory.search.{principal}: otters".encode()
    assert client.refusals.empty()


async def answer(request: Msg) -> None:
    await request.respond(f"{request.subject}: ".encode() + request.data)


async def test_a_service_cannot_be_made_to_publish_by_a_reply_subject(connected: Connect) -> None:
    producer, service = await connected("producer"), await connected("memory")
    await service.nc.subscribe("pp.svc.memory.search.*", cb=answer)
    await service.nc.flush()
    await service.nc.flush()  # the first one overtakes what was subscribed

    for target in ("$JS.API.STREAM.PURGE.PP_TASKS", "pp.result.victim", "pp.task.echo"):
        await producer.nc.publish("pp.svc.memory.search.producer", b"", reply=target)
        assert f'for publish to "{target.lower()}"' in await service.refused()


async def test_a_task_goes_from_an_anonymous_client_to_its_result(connected: Connect) -> None:
    stranger, worker, producer = [
        await connected(each) for each in (ANONYMOUS, "worker", "producer")
    ]
    task = uuid.uuid4().hex
    topic = f"t{task[:8]}"
    live = await stranger.nc.subscribe(f"pp.result.{task}")
    accepted = await stranger.nc.request(f"pp.task.{topic}.{task}", b'{"text":"hi"}', timeout=1)
    assert json.loads(accepted.data)["stream"] == "PP_TASKS"

    js = worker.nc.jetstream()
    pull = await js.pull_subscribe_bind(
        stream="PP_TASKS", consumer=await durable(worker, "TASKS", topic)
    )
    [message] = await pull.fetch(1, timeout=1)
    await message.in_progress()
    first = {"Nats-Expected-Last-Subject-Sequence": "0"}
    await js.publish(f"pp.result.{task}", b'{"ok":true,"data":1}', headers=first)
    await message.ack_sync()
    with pytest.raises(APIError, match="wrong last sequence"):
        await js.publish(f"pp.result.{task}", b'{"ok":true,"data":2}', headers=first)

    assert (await live.next_msg(timeout=1)).data == b'{"ok":true,"data":1}'
    for reader in (stranger, producer):
        late = await reader.nc.request(f"$JS.API.DIRECT.GET.PP_RESULTS.pp.result.{task}", timeout=1)
        assert late.data == b'{"ok":true,"data":1}'
    assert stranger.refusals.empty()
    assert worker.refusals.empty()
    assert producer.refusals.empty()


async def durable(worker: Connected, suffix: str, topic: str) -> str:
    name = f"w_{topic}"
    config = ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subjects=[f"pp.task.{topic}", f"pp.task.{topic}.*"],
        ack_policy="explicit",  # type: ignore[arg-type]  # the enum's value
    )
    await worker.nc.jetstream().add_consumer(f"PP_{suffix}", config)
    return name


@pytest.mark.parametrize("principal", [ANONYMOUS, "producer", "worker", "monitor", "operator"])
async def test_events_are_read_live_and_from_the_past(connected: Connect, principal: str) -> None:
    worker, reader = await connected("worker"), await connected(principal)
    scope = f"s{uuid.uuid4().hex[:8]}"
    subject = f"pp.event.task.started.{scope}.id1"
    await worker.nc.jetstream().publish(subject, b"1")

    js = reader.nc.jetstream()
    past = await js.subscribe(f"pp.event.*.*.{scope}.*", stream="PP_EVENTS", ordered_consumer=True)
    live = await reader.nc.subscribe(subject)
    await reader.nc.flush()
    await reader.nc.flush()  # the first one overtakes what was subscribed
    await worker.nc.jetstream().publish(subject, b"2")

    assert [(await past.next_msg(timeout=1)).data for _ in range(2)] == [b"1", b"2"]
    assert (await live.next_msg(timeout=1)).data == b"2"
    assert reader.refusals.empty()


async def test_a_listener_shares_events_by_a_durable_consumer(connected: Connect) -> None:
    worker = await connected("worker")
    scope = f"s{uuid.uuid4().hex[:8]}"
    js = worker.nc.jetstream()
    pull = await js.pull_subscribe(
        f"pp.event.*.*.{scope}.*", durable=f"l_{scope}", stream="PP_EVENTS"
    )
    await js.publish(f"pp.event.agent.started.{scope}.id1", b"1")
    [message] = await pull.fetch(1, timeout=1)
    await message.ack_sync()
    assert worker.refusals.empty()


@pytest.mark.parametrize("principal", [ANONYMOUS, "producer", "worker", "memory", "monitor"])
async def test_schemas_and_instances_are_read_and_watched(
    connected: Connect, principal: str
) -> None:
    worker, reader = await connected("worker"), await connected(principal)
    key = f"k{uuid.uuid4().hex[:8]}"
    for bucket in ("pp_schemas", "pp_registry"):
        written = await worker.nc.jetstream().key_value(bucket)
        await written.create(f"{key}.v1", b"old")
        await written.put(f"{key}.v1", b"new")

        read = await reader.nc.jetstream().key_value(bucket)
        assert (await read.get(f"{key}.v1")).value == b"new"
        watcher = await read.watch(f"{key}.>")
        found = await watcher.updates(timeout=1)  # type: ignore[no-untyped-call]  # nats-py
        assert found is not None
        assert found.value == b"new"
        await watcher.stop()  # type: ignore[no-untyped-call]  # nats-py
    assert reader.refusals.empty()
    assert worker.refusals.empty()


@pytest.mark.parametrize("principal", sorted(EVERYBODY))
async def test_large_bodies_are_put_and_got_by_everybody(
    connected: Connect, principal: str
) -> None:
    client = await connected(principal)
    store = await client.nc.jetstream().object_store("pp_blobs")
    name, body = uuid.uuid4().hex, bytes(300_000)
    await store.put(name, body)
    assert (await store.get(name)).data == body
    assert client.refusals.empty()


async def test_a_worker_moves_a_poisonous_task_to_the_dead_letters(connected: Connect) -> None:
    worker, producer = await connected("worker"), await connected("producer")
    topic = f"t{uuid.uuid4().hex[:8]}"
    sent = await producer.nc.jetstream().publish(f"pp.task.{topic}", b"poison")
    js = worker.nc.jetstream()
    await js.add_consumer("PP_ADV", ADV)
    advisories = await js.pull_subscribe_bind(consumer="adv", stream="PP_ADV")
    with pytest.raises(nats.errors.TimeoutError):
        await advisories.fetch(1, timeout=0.05)

    found = await js.get_msg("PP_TASKS", sent.seq, direct=True)
    assert found.data == b"poison"
    await js.publish(f"pp.dlq.{topic}", b"{}")
    assert await js.delete_msg("PP_TASKS", sent.seq)
    assert worker.refusals.empty()


async def test_the_inboxes_of_anonymous_clients_are_no_way_to_another_principal(
    connected: Connect,
) -> None:
    stranger, worker = await connected(ANONYMOUS), await connected("worker")
    heard = await stranger.nc.subscribe("_INBOX.>")
    await stranger.nc.flush()
    await stranger.nc.flush()  # the first one overtakes what was subscribed
    await worker.nc.request("$JS.API.INFO", timeout=1)
    await stranger.nc.request("$JS.API.STREAM.INFO.PP_TASKS", timeout=1)
    # Its own reply proves that it listens; the worker's would have come before.
    assert b"stream_info_response" in (await heard.next_msg(timeout=1)).data
    assert stranger.refusals.empty()


@pytest.mark.parametrize("user", ["worker", "operator", ANONYMOUS, "nobody"])
async def test_a_wrong_password_is_refused(guarded: Broker, user: str) -> None:
    host, port = guarded.url.removeprefix("nats://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    login = json.dumps({"verbose": False, "user": user, "pass": "guess"})
    writer.write(f"CONNECT {login}\r\nPING\r\n".encode())
    replies = await asyncio.wait_for(reader.read(), 1)
    writer.close()
    await writer.wait_closed()
    assert b"-ERR 'Authorization Violation'" in replies
    assert b"PONG" not in replies


def test_without_an_anonymous_client_nobody_answers_the_default_inbox() -> None:
    for role in ROLES:
        granted = permissions(role, principals=ROLES)
        assert not [s for s in granted.publish + granted.subscribe if s.startswith("_INBOX.")]


def test_a_prefix_moves_every_subject_stream_and_bucket_of_a_role() -> None:
    for role in ROLES:
        moved = permissions(role, prefix="shop")
        texts = moved.publish + moved.subscribe
        assert not [s for s in texts if s.startswith("pp.") or "PP_" in s or "pp_" in s]
        assert any(s.startswith("shop.") for s in texts)


@pytest.mark.parametrize("name", ["", "a.b", "*", ">", "a b"])
def test_a_principal_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(BadName, match="principal"):
        permissions("producer", principal=name) if name else inbox_prefix(name)


def test_the_anonymous_client_may_do_what_a_producer_may_under_its_own_name() -> None:
    producer, anonymous = permissions("producer"), anonymous_permissions()
    own = {s.replace("producer", ANONYMOUS) for s in producer.publish}
    assert set(anonymous.publish) == own
