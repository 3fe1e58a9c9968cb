import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import Login, role_logins
from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.provision import create_missing, ensure_consumer
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_bus.trust.principals import ANONYMOUS, DEFAULT_INBOX, inbox_prefix
from pepperpy_schemas.catalog.tasks import RESULT, TASK, TASK_BARE
from pepperpy_schemas.messages import Result
from pepperpy_schemas.subjects import stream_name
from tests.requirements import missing

T = TypeVar("T")

EXAMPLES = Path(__file__).parents[2] / "examples"
DEBIAN_GOPATH = Path("/usr/share/gocode")
READY = 20.0  # seconds for an interpreter to start on a busy machine


def needs(tool: str) -> str:
    """The path of a toolchain's program."""
    found = shutil.which(tool)
    if found is None:
        missing(f"{tool} is not installed")
    return found


def go_environment() -> dict[str, str]:
    """The environment that builds with Debian's sources of nats.go, without a network."""
    needs("go")
    if not (DEBIAN_GOPATH / "src/github.com/nats-io/nats.go").is_dir():
        missing("golang-github-nats-io-go-nats-dev is not installed")
    return {**os.environ, "GO111MODULE": "off", "GOPATH": str(DEBIAN_GOPATH)}


@pytest.fixture(scope="session")
def node_folder() -> Path:
    """The folder of the Node examples with its packages installed."""
    needs("node")
    folder = EXAMPLES / "node"
    lock, installed = folder / "package-lock.json", folder / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([needs("npm"), "ci", "--prefer-offline"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def go_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Go examples, built."""
    built = tmp_path_factory.mktemp("go")
    environment = go_environment()
    for name in ("worker", "client"):
        command = ["go", "build", "-o", str(built / name), f"{name}.go", "bus.go"]
        subprocess.run(command, cwd=EXAMPLES / "go", env=environment, check=True)
    return built


@dataclass
class Lane:
    """One prefix of the broker with a task stream, a result stream and a connection."""

    broker: Broker
    prefix: str
    options: ConnectionOptions
    nc: Client
    js: JetStreamContext
    settings: dict[str, str] = field(default_factory=dict)
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def tasks(self) -> str:
        return stream_name(self.prefix, "TASKS")

    @property
    def results(self) -> str:
        return stream_name(self.prefix, "RESULTS")

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PEPPERPY_BUS_PREFIX": self.prefix, **self.settings}

    async def provision(self, topic: str, *, high: bool = False) -> None:
        """Create what a worker of the topic, or of its high-priority lane, needs."""
        declared = streams(self.prefix, Limits())
        needed = [each for each in declared if each["name"] in (self.tasks, self.results)]
        async with open_connection(self.options) as connection:
            await create_missing(connection, needed)
            await ensure_consumer(
                connection, self.tasks, task_consumer(self.prefix, topic, high=high)
            )

    async def submit(
        self, body: str, *, topic: str, task_id: str = "", headers: dict[str, str] | None = None
    ) -> int:
        """Publish a task as a foreign client does and return its place in the stream."""
        subject = (
            TASK.of(self.prefix, topic=topic, id=task_id)
            if task_id
            else TASK_BARE.of(self.prefix, topic=topic)
        )
        ack = await self.js.publish(subject, body.encode(), headers=headers)
        return ack.seq

    async def result(self, task_id: str, *, within: float = 10.0) -> Result:
        """The stored result of a task."""
        subject = RESULT.of(self.prefix, id=task_id)

        async def stored() -> Result | None:
            try:
                found = await self.js.get_last_msg(self.results, subject, direct=True)
            except NotFoundError:
                return None
            return RESULT.decode(found.data or b"")

        return await until(stored, f"a result of {task_id}", within=within)

    async def waiting_pulls(self, topic: str) -> int:
        info = await self.js.consumer_info(self.tasks, f"w_{topic}")
        return info.num_waiting or 0

    async def connected(self) -> None:
        """Wait until the connection is back and the task stream takes tasks."""

        async def answers() -> bool:
            try:
                await self.js.stream_info(self.tasks)
            except nats.errors.Error:
                return False
            return True

        await until(answers, "the broker to answer again", within=15)

    async def redeliver_after(self, topic: str, seconds: float) -> None:
        """Give tasks without a sign of life to another worker sooner than after 30 s."""
        config = (await self.js.consumer_info(self.tasks, f"w_{topic}")).config
        config.ack_wait = seconds
        await self.js.add_consumer(self.tasks, config)

    async def in_progress(self, topic: str, count: int) -> None:
        """Wait until so many tasks are being worked on."""

        async def delivered() -> bool:
            info = await self.js.consumer_info(self.tasks, f"w_{topic}")
            return bool(info.num_ack_pending == count)

        await until(delivered, f"{count} tasks in progress", within=10)

    async def acknowledged(self, topic: str) -> int:
        """How many tasks were delivered, once the last of them is acknowledged."""

        async def settled() -> api.ConsumerInfo | None:
            info = await self.js.consumer_info(self.tasks, f"w_{topic}")
            return None if info.num_ack_pending or info.num_pending else info

        info = await until(settled, "the last acknowledgement", within=10)
        assert info.delivered is not None
        return info.delivered.consumer_seq

    async def start(self, *command: str | Path, topic: str) -> asyncio.subprocess.Process:
        """Start a worker of the topic; it is back when the worker pulls."""
        expected = await self.waiting_pulls(topic) + 1
        process = await asyncio.create_subprocess_exec(*map(str, command), env=self.environment)
        self.processes.append(process)

        async def pulling() -> bool:
            assert process.returncode is None, f"{command} ended with {process.returncode}"
            return await self.waiting_pulls(topic) >= expected

        await until(pulling, f"{command} to pull", within=READY)
        return process

    async def run(self, *command: str | Path, within: float = 40.0) -> tuple[int, str, str]:
        """Run a client to its end: exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.processes.append(process)
        out, err = await asyncio.wait_for(process.communicate(), within)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def until(look: Callable[[], Awaitable[T | None]], what: str, *, within: float) -> T:
    """The first true value that `look` gives before the deadline."""
    try:
        async with asyncio.timeout(within):
            while not (seen := await look()):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {within:g} s for {what}") from None
    return seen


@asynccontextmanager
async def open_lane(broker: Broker, prefix: str) -> AsyncIterator[Lane]:
    """A lane of a broker; the processes that it started end with it."""
    login = next(reversed(broker.logins.values()), Login(user="", password=""))
    inbox = inbox_prefix(login.user) if login.permissions else DEFAULT_INBOX
    nc = await nats.connect(
        broker.url,
        # nats-py takes the user of a URL as it is written there, %40 for @.
        user=login.user or None,
        password=login.password or None,
        inbox_prefix=inbox,
        reconnect_time_wait=0.1,
    )
    options = ConnectionOptions(
        servers=(broker.url,), user=login.user, password=login.password, inbox_prefix=inbox
    )
    url = broker.url_for(login.user) if login.user else broker.url
    one = Lane(broker, prefix, options, nc, nc.jetstream(), {"PEPPERPY_NATS_URL": url})
    try:
        yield one
    finally:
        for process in one.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        await nc.close()


@pytest.fixture
async def lane(broker: Broker, prefix: str) -> AsyncIterator[Lane]:
    """A lane of the shared broker."""
    async with open_lane(broker, prefix) as one:
        yield one


@pytest.fixture
async def own_lane(own_broker: Broker, prefix: str) -> AsyncIterator[Lane]:
    """A lane of a broker that the test may kill."""
    async with open_lane(own_broker, prefix) as one:
        yield one


@pytest.fixture
async def locked_lane(broker_factory: Callable[..., Broker], prefix: str) -> AsyncIterator[Lane]:
    """A lane of a broker that wants a user and a password full of awkward characters."""
    login = Login(user="ana", password='p@ss:w/o%rd"\\')
    async with open_lane(broker_factory(logins=(login,)), prefix) as one:
        yield one


@pytest.fixture
async def guarded_lane(broker_factory: Callable[..., Broker], prefix: str) -> AsyncIterator[Lane]:
    """A lane of a broker with a user per role; the lane itself is the operator."""
    roles = {login.user: login for login in role_logins(prefix=prefix, anonymous=True)}
    logins = (*(roles[name] for name in roles if name != "operator"), roles["operator"])
    guarded = broker_factory(logins=logins, anonymous=ANONYMOUS)
    async with open_lane(guarded, prefix) as one:
        yield one
