"""The whole stack: a broker, the processes around it, and what to tell the person before it."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pepperpy.stack.broker import Broker
from pepperpy.stack.child import Child
from pepperpy.stack.context_file import context_files
from pepperpy.stack.dashboard import SECRET, Dashboard, dashboard
from pepperpy.stack.interrupts import background, first_of, interrupts
from pepperpy.stack.local import NAME as BROKER
from pepperpy.stack.local import LocalBroker, keep_running, local_broker
from pepperpy.stack.output import Output
from pepperpy.stack.services import MEMORY, MONITOR, PROVIDER, SERVICES, Services
from pepperpy.stack.supervisor import Supervisor, leader_of, supervised
from pepperpy.stack.welcome import Ready, example, welcome
from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.config.files import contexts_folder
from pepperpy_bus.opening import connect
from pepperpy_bus.options import limits_of
from pepperpy_bus.streams.topology import hops_stream, streams
from pepperpy_bus.upgrading import apply
from pepperpy_schemas.errors import PepperError, PermissionDenied

INTERRUPTED = 130
_LONGER_THAN_WORKERS = 5.0  # seconds, so that their own grace ends first
_LOGIN_VARIABLES = "PEPPERPY_NATS_"
_MEMORY_URL = "PEPPERPY_MEMORY_URL"
_WORKING = "running"
_SERVICES = {service.name for service in SERVICES}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run.

    Attributes:
        settings: The settings in force.
        services: The services beside the broker.
        children: The workers.
        foreign: Use the broker that the settings name, instead of one of our own.
        environment: Variables for every child, besides those of this process.
        as_json: Print one JSON object on stdout when ready, and logs as JSON.
    """

    settings: Settings
    services: Services
    children: tuple[Child, ...] = ()
    foreign: bool = False
    environment: dict[str, str] = {}
    as_json: bool = False


async def run_stack(plan: Plan) -> int:
    """Run the stack until it is told to stop, and return the exit code.

    Raises:
        BrokerFailed: The broker cannot be started.
        Unreachable: The foreign broker does not answer.
        BadConfig: A child cannot be started as it was asked for.
    """
    output = Output(
        sys.stderr,
        color=sys.stderr.isatty() and "NO_COLOR" not in os.environ,
        as_json=plan.settings.log.format == "json",
    )
    stop = asyncio.Event()
    stack = asyncio.create_task(_Stack(plan, output, stop).run(), name="stack")

    def hurry() -> None:
        stack.cancel("interrupted twice")

    with interrupts(stop.set, hurry):
        try:
            await stack
        except asyncio.CancelledError:
            if not stack.cancelled():
                raise
            return INTERRUPTED
    return 0


class _Stack:
    def __init__(self, plan: Plan, output: Output, stop: asyncio.Event) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._output = output
        self._stop = stop
        self._children = plan.services.children + plan.children
        self._dashboard: Dashboard | None = None

    async def run(self) -> None:
        """The life of the stack, with either kind of broker."""
        if self._plan.foreign:
            await self._serve(None)
            return
        self._output.align(BROKER)
        async with local_broker(self._settings) as local:
            try:
                with context_files(
                    contexts_folder(os.environ),
                    url=local.url,
                    password_file=local.password_file,
                    prefix=self._settings.bus.prefix,
                ) as context:
                    await self._serve(local, context or "")
            except asyncio.CancelledError:
                local.broker.kill()
                raise

    async def _serve(self, local: LocalBroker | None, context: str = "") -> None:
        if MONITOR in self._children:
            self._dashboard = dashboard(self._settings, local)
            if self._dashboard.taken:
                self._output.note(
                    f"port {self._dashboard.taken} is taken: the dashboard has another"
                )
        supervisor = Supervisor(
            self._children,
            environment_of=lambda child: self._environment(child, local),
            output=self._output,
            grace=self._settings.worker.grace + _LONGER_THAN_WORKERS,
        )
        keeping = self._keep_broker(local.broker) if local else _for_ever()
        # The broker is kept up while workers drain: what they finish must reach it.
        async with background(keeping, name="broker") as kept, supervised(supervisor):
            await first_of(
                stopped=self._stop.wait(),
                failed=supervisor.failed(),
                broker=kept,
                live=self._live(supervisor, local, context),
            )
            names = ", ".join(supervisor.pids)
            self._output.note(f"stopping: {names or 'no worker'} first, Ctrl-C again ends at once")

    async def _keep_broker(self, broker: Broker) -> None:
        debugging = self._settings.log.level == "debug"
        await keep_running(broker, self._output, refusals=debugging)

    async def _live(self, supervisor: Supervisor, local: LocalBroker | None, context: str) -> None:
        operator = local.settings("operator", self._settings) if local else self._settings
        async with connect(settings=operator) as client:
            if local:
                # Streams that were kept from an older version get the settings of this one.
                declared = streams(self._settings.bus.prefix, limits_of(self._settings))
                if self._settings.stack.hops:
                    declared.append(hops_stream(self._settings.bus.prefix))
                await apply(client.connection, declared)
            supervisor.start()
            bodies = await _workers_up(client, supervisor, [c.name for c in self._children])
        supervisor.came_up()
        self._announce(
            Ready(
                url=local.url if local else self._settings.nats.url,
                seconds=_age(),
                prefix=self._settings.bus.prefix,
                bodies=bodies,
                context=context,
                folder=str(local.folder) if local else "",
                kept=self._settings.stack.persist is not None,
                own=local is not None,
                models=PROVIDER.name in supervisor.pids,
                small=self._plan.services.small,
                memory=MEMORY.name in supervisor.pids,
                dashboard=self._dashboard.url if self._dashboard else "",
                token_file=self._dashboard.token_file if self._dashboard else "",
                no_monitor=self._plan.services.no_monitor,
                left_out=self._plan.services.left_out,
                no_memory=self._plan.services.no_memory,
                pids={**({BROKER: local.broker.pid} if local else {}), **supervisor.pids},
            )
        )
        await _for_ever()

    def _announce(self, ready: Ready) -> None:
        self._output.text(welcome(ready))
        if self._plan.as_json:
            sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
            sys.stdout.flush()

    def _environment(self, child: Child, local: LocalBroker | None) -> Mapping[str, str]:
        inherited: Mapping[str, str] = os.environ
        login = {"PEPPERPY_NATS_URL": self._settings.nats.url}
        if local:
            # Whatever the person connects with elsewhere is no child's business.
            inherited = {k: v for k, v in os.environ.items() if not k.startswith(_LOGIN_VARIABLES)}
            login = local.environment(child.role)
        if child is MEMORY:
            login = {**login, **self._memory_url(local)}
        else:
            inherited = {k: v for k, v in inherited.items() if not k.startswith(_MEMORY_URL)}
        if child is MONITOR and self._dashboard is not None:
            login = {**login, **self._dashboard.environment}
        else:
            inherited = {k: v for k, v in inherited.items() if not k.startswith(SECRET)}
        if child is not PROVIDER:
            secret = self._plan.services.secret
            inherited = {k: v for k, v in inherited.items() if k not in secret}
        return {
            **inherited,
            "PYTHONUNBUFFERED": "1",
            "PEPPERPY_LOG_FORMAT": "json" if self._settings.log.format == "json" else "human",
            **self._plan.environment,
            **login,
        }

    def _memory_url(self, local: LocalBroker | None) -> dict[str, str]:
        """Where entries are, unless a setting says it: in a PostgreSQL of the stack's own."""
        if local is None or self._settings.memory.url:
            return {}
        return {_MEMORY_URL: f"embedded:{local.memory}"}


async def _workers_up(
    client: Client, supervisor: Supervisor, names: list[str]
) -> dict[str, object]:
    """Wait until every child works; return an example body by topic."""
    waiting = set(names)
    topics: set[str] = set()
    if not waiting:
        return {}
    try:
        async for _, instance in client.registry.watch():
            if instance is None or instance.host != socket.gethostname():
                continue
            leader = leader_of(instance.pid)
            up = {name for name, pid in supervisor.pids.items() if pid == leader}
            if up and instance.state.lower() == _WORKING:
                waiting -= up
                topics.update(() if up <= _SERVICES else instance.topics)
            if not waiting:
                break
    except PermissionDenied:
        return {}  # a foreign broker that lets us not see who is up
    return {topic: await _example(client, topic) for topic in sorted(topics)}


async def _example(client: Client, topic: str) -> object:
    try:
        schema = await client.schemas.latest(topic)
    except PepperError:
        return {}  # it only makes the welcome nicer
    return example(schema.input) if schema else {}


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _age() -> float:
    """Seconds since this process was started, imports included."""
    try:
        begun = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:  # not Linux
        return time.perf_counter()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - begun / os.sysconf("SC_CLK_TCK")
