import asyncio
import json
import os
import pty
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pepperpy.commands.agents import row
from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.registry import Registry
from pepperpy_bus.streams.provision import create_missing
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_schemas.catalog.agents import AGENT_CONTROL
from pepperpy_schemas.messages import AgentCommand, AgentInstance, Load
from tests.cli.command_line import Cli
from tests.cli.inline import Inline

HEAD = "AGENT VERSION INSTANCE STATE TOPICS CAPABILITIES BUSY CPU MEMORY BEAT".split()  # noqa: SIM905
SHOWN = "support 1.2.0 a RUNNING triage sort 3/16 12% 50MiB".split()  # noqa: SIM905
STATES = {"pause": "PAUSED", "resume": "RUNNING", "drain": "STOPPING"}


def instance(agent: str = "support", name: str = "a", **fields: Any) -> AgentInstance:
    now = datetime.now(UTC)
    given: dict[str, Any] = {
        "version": "1.2.0",
        "state": "RUNNING",
        "topics": ["triage"],
        "capabilities": ["sort"],
        "load": Load(in_flight=3, slots=16, cpu_percent=12.4, rss_bytes=50 << 20),
        "host": "h",
        "pid": 1,
        "started": now,
        "beat": now,
    }
    return AgentInstance(agent=agent, instance=name, **{**given, **fields})


class Deployment:
    """Streams and heartbeats, and the instances that do what they are told."""

    def __init__(self, broker: Broker, prefix: str) -> None:
        self._options = ConnectionOptions(servers=(broker.url,))
        self.prefix = prefix
        self.heard: list[AgentCommand] = []

    def act(self, work: Callable[[Connection], Coroutine[Any, Any, None]]) -> None:
        async def connected() -> None:
            async with open_connection(self._options) as connection:
                await create_missing(connection, streams(self.prefix, Limits()))
                await work(connection)

        asyncio.run(connected())

    def up(self, *instances: AgentInstance) -> None:
        async def beat(connection: Connection) -> None:
            for one in instances:
                await Registry(connection, self.prefix).beat(one)

        self.act(beat)

    def gone(self, one: AgentInstance) -> None:
        self.act(lambda connection: Registry(connection, self.prefix).forget(one))

    @contextmanager
    def obedient(self, *instances: AgentInstance) -> Iterator[None]:
        """These instances are up, in a thread of their own, and obey."""
        ready, end = threading.Event(), threading.Event()

        async def listen(connection: Connection) -> None:
            registry, running = Registry(connection, self.prefix), set()
            for one in instances:
                await registry.beat(one)

            def obey(message: Message) -> None:
                told = AGENT_CONTROL.decode(message.body)
                self.heard.append(told)
                tokens = AGENT_CONTROL.parse(self.prefix, message.subject)
                for one in instances:
                    if one.agent == tokens["agent"] and told.instance in ("", one.instance):
                        now = instance(one.agent, one.instance, state=STATES[tokens["command"]])
                        running.add(asyncio.create_task(registry.beat(now)))

            pattern = AGENT_CONTROL.pattern(self.prefix)
            async with await connection.subscribe(pattern, obey, live=True):
                ready.set()
                await asyncio.to_thread(end.wait)
                await asyncio.gather(*running)

        thread = threading.Thread(target=self.act, args=(listen,), name="agents")
        thread.start()
        try:
            assert ready.wait(10)
            yield
        finally:
            end.set()
            thread.join(10)


@pytest.fixture
def deployment(broker: Broker, prefix: str) -> Deployment:
    return Deployment(broker, prefix)


def test_many_names_are_folded_in_the_table_and_whole_in_json() -> None:
    one = instance(topics=["a" * 30, "b"], capabilities=["chat", "stream", "embed", "models"])
    assert row(one)["topics"] == ["a" * 30, "+1"]
    assert row(one)["capabilities"] == ["chat", "stream", "embed", "+1"]
    assert row(instance(capabilities=["chat", "stream"]))["capabilities"] == ["chat", "stream"]


def test_without_a_command_it_lists_who_is_up_and_how_busy(
    inline: Inline, deployment: Deployment
) -> None:
    deployment.up(instance(), instance("digest", "b", capabilities=[], version="2.0.0"))
    assert inline.run("agents") == 0
    head, first, second = inline.out.splitlines()
    assert head.split() == HEAD
    assert first.split()[:6] == ["digest", "2.0.0", "b", "RUNNING", "triage", "-"]
    assert second.split()[:9] == SHOWN
    assert second.endswith("s ago")
    assert inline.json("agents") == inline.json("agents", "ls")
    assert inline.json("agents")[1]["load"]["in_flight"] == 3


@pytest.mark.parametrize(
    ("option", "value", "names"),
    [
        ("--agent", "support", ["a"]),
        ("--capability", "sort", ["a"]),
        ("--version", ">=2,<3", ["b"]),
        ("--topic", "triage", ["a", "b"]),
        ("--topic", "other", []),
    ],
)
def test_options_choose_whom_to_list(
    inline: Inline, deployment: Deployment, option: str, value: str, names: list[str]
) -> None:
    deployment.up(instance(), instance("digest", "b", capabilities=[], version="2.0.0"))
    found = [one["instance"] for one in inline.json("agents", option, value)]
    assert sorted(found) == names


def test_nobody_up_is_said_beside_the_empty_table(inline: Inline) -> None:
    assert inline.run("agents") == 0
    assert (inline.out, inline.err) == ("", "no agent is up\n")
    assert inline.run("agents", "--topic", "x") == 0
    assert inline.err == "no agent is up that fits\n"
    assert inline.json("agents") == []


def test_wrong_filters_are_refused_by_name(inline: Inline) -> None:
    assert inline.run("agents", "--agent", "a.b") == 2
    assert "agent 'a.b' is not a valid name" in inline.err
    assert inline.run("agents", "--version", "new") == 2
    assert "version range 'new' cannot be read" in inline.err


def test_what_instances_say_of_themselves_cannot_forge_a_line(
    inline: Inline, deployment: Deployment
) -> None:
    deployment.up(instance(version="1\n\x1b[2Jforged", topics=["a\r\nb"]))
    assert inline.run("agents") == 0
    assert len(inline.out.splitlines()) == 2
    assert "\x1b" not in inline.out
    assert "\\x1b" in inline.out


def test_a_heartbeat_that_cannot_be_read_hides_nobody(
    inline: Inline, deployment: Deployment
) -> None:
    from pepperpy_bus.streams.kv import Bucket
    from pepperpy_schemas.subjects import bucket_name

    async def garbage(connection: Connection) -> None:
        bucket = Bucket(connection, bucket_name(deployment.prefix, "registry"))
        await bucket.put("odd.one", b"{")

    deployment.up(instance())
    deployment.act(garbage)
    assert [one["agent"] for one in inline.json("agents")] == ["support"]


@pytest.mark.parametrize("told", ["pause", "resume", "drain"])
def test_an_agent_is_told_and_seen_to_obey(
    inline: Inline, deployment: Deployment, told: str
) -> None:
    with deployment.obedient(instance(state="STARTING"), instance(name="b", state="STARTING")):
        assert inline.run("agents", told, "support") == 0, inline.err
        lines = sorted(line.split() for line in inline.out.splitlines())
        assert lines[0] == ["AGENT", "INSTANCE", "STATE"]
        assert lines[1:] == [["support", name, STATES[told]] for name in "ab"]
    assert deployment.heard[0].by.startswith("cli/")


def test_a_real_worker_pauses_resumes_and_drains(cli: Cli, inline: Inline, tmp_path: Path) -> None:
    (tmp_path / "echoing.py").write_text(
        "from pepperpy import Agent\n"
        'agent = Agent("echoing", version="1.0.0", capabilities=["echo"])\n'
        '@agent.task("echo")\n'
        "async def echo(text: str) -> str:\n"
        "    return text\n"
    )
    worker = cli.start("worker", "echoing:agent", stderr=subprocess.DEVNULL)
    assert cli.run("publish", "echo", "--data", '"up"', "--wait=20s").stdout == '"up"\n'
    (row,) = inline.json("agents", "--capability", "echo")
    assert (row["state"], row["topics"]) == ("RUNNING", ["echo"])
    assert inline.json("agents", "pause", "echoing")[0]["state"] == "PAUSED"
    assert cli.run("publish", "echo", "--data", '"wait"', "--id", "one").returncode == 0
    assert cli.run("result", "one", "--wait=500ms").returncode == 124
    assert inline.json("agents", "resume", "echoing")[0]["state"] == "RUNNING"
    assert cli.run("result", "one", "--wait=20s").stdout == '"wait"\n'
    assert inline.json("agents", "drain", "echoing")[0]["state"] in ("STOPPING", "STOPPED")
    assert worker.wait(20) == 0
    assert inline.json("agents") == []


def test_one_instance_is_told_alone(inline: Inline, deployment: Deployment) -> None:
    with deployment.obedient(instance(), instance(name="b")):
        done = inline.json("agents", "pause", "support", "--instance", "b")
        assert done == [{"agent": "support", "instance": "b", "state": "PAUSED"}]
        states = {one["instance"]: one["state"] for one in inline.json("agents")}
        assert states == {"a": "RUNNING", "b": "PAUSED"}


def test_who_does_not_obey_in_time_is_named_with_exit_code_124(
    inline: Inline, deployment: Deployment
) -> None:
    deployment.up(instance())
    assert inline.run("agents", "pause", "support", "--timeout", "500ms") == 124
    assert inline.err.startswith("error: support: a did not pause within 0.5 s\n  hint: ")
    assert inline.run("agents", "pause", "support", "--timeout", "soon") == 2


def test_nobody_to_tell_is_an_error(inline: Inline) -> None:
    assert inline.run("agents", "drain", "nobody") == 1
    assert "no agent 'nobody' is up" in inline.err
    assert "pepperpy agents" in inline.err


def test_watch_prints_each_change_but_not_each_heartbeat(cli: Cli, deployment: Deployment) -> None:
    deployment.up(instance())
    for json_option in ([], ["--json"]):
        watching = cli.start("agents", "--watch", "--agent", "support", *json_option)
        assert watching.stdout is not None
        seen = [watching.stdout.readline()]
        deployment.up(instance("other"), instance(), instance(state="PAUSED"))
        seen.append(watching.stdout.readline())
        deployment.gone(instance())
        seen.append(watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 130
        if json_option:
            changes = [json.loads(line) for line in seen]
            assert {one["key"] for one in changes} == {"support.a"}
            states = [one["instance"] and one["instance"]["state"] for one in changes]
            assert states == ["RUNNING", "PAUSED", None]
        else:
            assert seen == [
                "support a RUNNING 1.2.0\n",
                "support a PAUSED 1.2.0\n",
                "support a gone\n",
            ]
        deployment.up(instance())


def test_watch_redraws_a_terminal(cli: Cli, deployment: Deployment) -> None:
    deployment.up(instance())
    leader, follower = pty.openpty()
    watching = cli.start("agents", "--watch", stdout=follower)
    os.close(follower)
    assert b"RUNNING" in read_until(leader, b"ago")
    deployment.gone(instance())
    assert b"\x1b[2J\x1b[Hno agent is up" in read_until(leader, b"no agent is up")
    deployment.up(instance("digest", "b"), instance())
    shown = read_until(leader, b"support")
    assert shown.rindex(b"digest") < shown.rindex(b"support")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 130
    os.close(leader)


def read_until(terminal: int, words: bytes) -> bytes:
    shown = b""
    while words not in shown:
        readable, _, _ = select.select([terminal], [], [], 20)
        assert readable, shown
        shown += os.read(terminal, 4096)
    return shown
