"""A worker: one instance of an agent, pulling its tasks until it is told to stop."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable

import msgspec

from pepperpy_agents.agent import Agent, AgentHook
from pepperpy_agents.announcing import announced
from pepperpy_agents.cancels import carried_out
from pepperpy_agents.commands import obeyed
from pepperpy_agents.crash_loops import ended_by_us
from pepperpy_agents.execution import Executor
from pepperpy_agents.lanes import Lanes
from pepperpy_agents.lifecycle import Lifecycle, State
from pepperpy_agents.listening import Listening
from pepperpy_agents.runner import Runner
from pepperpy_agents.sharding.assignment import ShardingOptions
from pepperpy_agents.sharding.keyed_tasks import KeyedTasks
from pepperpy_agents.versions.knowing import SideBySide
from pepperpy_agents.versions.lanes import VersionLanes
from pepperpy_agents.versions.passing_on import PassingOn
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log
from pepperpy_bus.registry import Vitals, describe_process, heartbeat
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.units import now
from pepperpy_bus.versions.splits import Splits
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.messages import AgentInstance

log = get_log("pepperpy.worker")

MAX_THREADS = 256
"""Threads of one worker; they are made only as plain handlers need them."""
FLUSH = 2.0
"""Seconds to wait at the end until the broker has the last events."""


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker works.

    Attributes:
        concurrency: Tasks of one topic that run at once.
        grace: Seconds that running tasks may go on after the worker was told to stop.
        sharding: How it takes part in the shards of keyed tasks.
    """

    concurrency: int = 16
    grace: float = 30.0
    sharding: ShardingOptions = ShardingOptions()


class Worker:
    """One instance of an agent.

    Args:
        agent: The agent.
        client: A connected client.
        options: How it works.

    Attributes:
        agent: The agent.
        lifecycle: The states that it goes through.
        instance: Its id.
        beside: What it knows of other versions of its topics.
    """

    def __init__(self, agent: Agent, client: Client, options: WorkerOptions) -> None:
        self.agent = agent
        self.lifecycle = Lifecycle()
        self._client = client
        self._options = options
        self.instance = secrets.token_hex(5)
        self._host, self._pid, self._started = describe_process()
        self._listening: list[Listening] = []
        self._in_hand = InHand()
        self._stop = asyncio.Event()
        self._beat_soon: Callable[[], None] = _not_yet
        self._vitals = Vitals()
        self._emitter = Emitter(client.connection, client.prefix)
        self._clock = ServerClock(client.connection, client.prefix)
        self._runner = Runner(MAX_THREADS)
        self._executor = Executor(
            client,
            self._emitter,
            self._clock,
            self._runner,
            f"{agent.name}/{self.instance}",
            self._in_hand,
        )
        self.beside = SideBySide(client, agent.version, agent.tasks, self._arrange)
        self._passing_on = PassingOn(client, self._executor, self.beside)
        self._lanes = Lanes(
            client,
            self._in_hand,
            options.concurrency,
            self._passing_on.take,
            self._passing_on.take_wake,
        )
        self._version_lanes = VersionLanes(
            self.beside,
            Splits(client.connection, client.prefix),
            agent.tasks.values(),
            self._lanes.pull,
        )
        self._keyed = KeyedTasks(
            client,
            agent.tasks.values(),
            self._executor,
            self._emitter,
            self._clock,
            f"{agent.name}/{self.instance}",
            self._in_hand,
            options.sharding,
            self._keyed_slots(),
            self.beside,
        )
        self.lifecycle.on_transition(self._tell)

    # --- life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Works until `stop` is called, then drains.

        Raises:
            SchemaIncompatible: A topic's schema does not fit what was announced before.
            PepperError: The broker refused something that the agent needs.
        """
        async with self._emitter:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    # On every way out, after the pulling has ended: no task is left running.
                    stack.push_async_callback(self._in_hand.finish, 0.0)
                    await self._start(stack)
                    await self._stop.wait()
                    await self._drain()
            except BaseException:
                await self.lifecycle.to(State.ERROR)
                raise
            finally:
                await self._run_hooks(self.agent.stop_hooks)
                self._runner.close()
            await self.lifecycle.to(State.STOPPED)
            await self._emitter.flush(FLUSH)

    def stop(self) -> None:
        """Makes `run` drain and return."""
        self._stop.set()

    def change(self, options: WorkerOptions) -> None:
        """Works by other options from now on; running tasks are not touched."""
        self._options = options
        self._lanes.resize(options.concurrency)
        self._keyed.change(options.sharding, self._keyed_slots())
        self._beat_soon()

    @property
    def ready(self) -> bool:
        """Whether it takes tasks now."""
        return self.lifecycle.state is State.RUNNING and self._client.connection.connected

    @property
    def in_flight(self) -> int:
        """How many tasks run now."""
        return len(self._in_hand)

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        await self.lifecycle.to(State.STARTING)
        await stack.enter_async_context(self._clock.running())
        # Not when it is back: what was asked for before may be delivered earlier than that is told.
        breaks = self._client.connection.on_disconnect
        breaks.append(self._executor.broker_is_away)
        stack.callback(breaks.remove, self._executor.broker_is_away)
        await self._announce()
        for hook in self.agent.start_hooks:
            done = hook()
            if done is not None:
                await done
        await stack.enter_async_context(
            obeyed(self._client, self.agent.name, self.instance, self._obey)
        )
        # Before the first task: none may be started here that has been canceled.
        await stack.enter_async_context(carried_out(self._client, self._emitter, self._executor))
        # Before the first task: it may be another version's.
        await stack.enter_async_context(self.beside.running())
        # Before the first task: nothing that it tells is missed.
        await stack.enter_async_context(self._keyed.running())
        for listener in self.agent.listeners:
            listening = Listening(
                self.agent,
                listener,
                self._client,
                self._emitter,
                self._runner,
                self._executor.sharing,
            )
            await stack.enter_async_context(listening.open())
            self._listening.append(listening)
        if self.agent.composites:
            await self._look_for_composites(stack)
        for spec in self.agent.tasks.values():
            pulling = await self._lanes.pull(spec, spec.topic)
            stack.push_async_callback(pulling.stop)
        stack.push_async_callback(self._version_lanes.close)
        await stack.enter_async_context(self._in_hand.pulsing())
        instance, keys = f"{self.agent.name}/{self.instance}", self._executor.keys
        await stack.enter_async_context(ended_by_us(self._client, self._emitter, instance, keys))
        await self.lifecycle.to(State.RUNNING)
        beating = heartbeat(self._client.registry, self._describe)
        self._beat_soon = await stack.enter_async_context(beating)
        log.info(
            "worker.ready",
            agent=self.agent.name,
            version=self.agent.version,
            instance=self.instance,
            topics=sorted(self.agent.tasks),
            server=self._client.connection.server,
        )

    async def _drain(self) -> None:
        """Takes nothing more, finishes what runs within the grace, gives the rest back."""
        await self.lifecycle.to(State.STOPPING)
        log.info("worker.draining", agent=self.agent.name, in_flight=self.in_flight)
        self._executor.stopping = True
        grace = self._options.grace
        # One grace for all of them.
        released, *_ = await asyncio.gather(
            self._finish_tasks(grace), *(one.drain(grace) for one in self._listening)
        )
        if released:
            log.warning("worker.grace_over", released=released)

    async def _finish_tasks(self, grace: float) -> int:
        await self._version_lanes.close()
        await asyncio.gather(self._keyed.leave(), self._lanes.stop())
        return await self._in_hand.finish(grace)

    # --- tasks ----------------------------------------------------------------------------------

    def _keyed_slots(self) -> dict[str, int]:
        specs = self.agent.tasks.values()
        return {spec.topic: self._lanes.slots(spec, high=False) for spec in specs}

    async def _arrange(self) -> None:
        await self._version_lanes.arrange()

    async def _look_for_composites(self, stack: contextlib.AsyncExitStack) -> None:
        from pepperpy_bus.composites.recognizer import Recognizer

        for composite in self.agent.composites.values():
            recognizer = Recognizer(
                self._client.connection,
                self._client.prefix,
                composite,
                scope=self.agent.name,
                holder=f"{self.agent.name}/{self.instance}",
                clock=self._clock,
            )
            await stack.enter_async_context(recognizer.running())

    # --- registry, schemas, commands ------------------------------------------------------------

    async def _announce(self) -> None:
        for schema in announced(self.agent):
            await self._client.schemas.announce(schema)
        await self._say_grants()

    async def _say_grants(self) -> None:
        """Says what its tools may do: that is decided where it is started, and nowhere else."""
        granted = self.agent.granted
        if not granted:
            return
        try:
            await self._client.audit.say(
                "grant",
                self.agent.name,
                scopes=" ".join(granted),
                count=len(granted),
                instance=self.instance,
            )
        except PepperError as error:
            log.warning("worker.grants_not_said", agent=self.agent.name, error=str(error))

    def _describe(self) -> AgentInstance:
        return AgentInstance(
            agent=self.agent.name,
            instance=self.instance,
            version=self.agent.version,
            state=self.lifecycle.state.name,
            topics=sorted(self.agent.tasks),
            capabilities=sorted(self.agent.capabilities),
            load=self._vitals.measure(
                in_flight=self.in_flight,
                slots=self._lanes.total,
                done=self._executor.done,
                failed=self._executor.failed,
                lag=self._in_hand.lag,
                shards=self._keyed.shards,
            ),
            host=self._host,
            pid=self._pid,
            started=self._started,
            beat=now(),
        )

    async def _obey(self, command: str) -> None:
        match command:
            case "pause" if self.lifecycle.state is State.RUNNING:
                self._lanes.pause()
                for listening in self._listening:
                    listening.pause()
                await self._keyed.leave()
                await self.lifecycle.to(State.PAUSED)
            case "resume" if self.lifecycle.state is State.PAUSED:
                self._lanes.resume()
                for listening in self._listening:
                    listening.resume()
                self._keyed.come_back()
                await self.lifecycle.to(State.RUNNING)
            case "drain":
                self.stop()
            case _:
                log.info("worker.command_ignored", command=command, state=self.lifecycle.state)
        self._beat_soon()

    async def _tell(self, before: State, after: State) -> None:
        self._beat_soon()
        await self._emitter.emit(
            "agent",
            after.value,
            scope=self.agent.name,
            id=self.instance,
            data={"from": before.value, "version": self.agent.version},
            certain=True,
        )

    async def _run_hooks(self, hooks: Iterable[AgentHook]) -> None:
        for hook in hooks:
            try:
                done = hook()
                if done is not None:
                    await done
            except Exception:
                log.exception("worker.hook_failed", hook=getattr(hook, "__qualname__", ""))


def _not_yet() -> None:
    """Before the first heartbeat there is nothing to hasten."""
