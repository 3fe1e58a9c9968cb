"""Workers that do nothing by themselves: each pull, step, end, crash and break is asked for.

A model of tasks walks through them in any order, and looks after each step at what the bus keeps.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from typing import Any

from pepperpy import Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.agent import Agent, TaskSpec
from pepperpy_agents.cancels import carried_out
from pepperpy_agents.execution import Executor
from pepperpy_agents.runner import Runner
from pepperpy_bus.events import Emitter
from pepperpy_bus.link.message import Message
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.delivery import Delivery, from_message
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.jetstream import API, api
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.results import Ended
from pepperpy_schemas.catalog.tasks import TASK
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadPayload, Conflict, PepperError
from pepperpy_schemas.messages import StepEntry
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import stream_name

RETRIES = 1
WITHIN = 20.0
_TERMINAL = {"completed", "failed", "rejected", "canceled"}


class Run:
    """A handler that waits for what it is told to do."""

    def __init__(self, context: Context, delivery: Delivery) -> None:
        self.task_id = context.task_id
        self.attempt = context.attempt
        self.delivery = delivery
        self.orders: asyncio.Queue[str] = asyncio.Queue()
        self.idle = asyncio.Event()
        self.steps = 0
        self.executing: asyncio.Task[None]


class Post:
    """One worker: a connection and an executor, until it crashes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack = contextlib.AsyncExitStack()
        self.inbox = ""
        self.pulled: asyncio.Queue[Message] = asyncio.Queue()
        self.executing: set[asyncio.Task[None]] = set()
        self.emitter: Emitter
        self.client: Client
        self.executor: Executor

    async def open(self, url: str, prefix: str) -> None:
        self.client = await self.stack.enter_async_context(
            connect(url, bus__prefix=prefix, patient=True)
        )
        connection = self.client.connection
        clock = ServerClock(connection, prefix)
        await self.stack.enter_async_context(clock.running())
        self.emitter = await self.stack.enter_async_context(Emitter(connection, prefix))
        runner = Runner(4)
        self.stack.callback(runner.close)
        self.executor = Executor(
            self.client, self.emitter, clock, runner, f"model/{self.name}", InHand()
        )
        connection.on_disconnect.append(self.executor.broker_is_away)
        self.inbox = connection.new_inbox()
        await connection.subscribe(self.inbox, self.pulled.put_nowait, live=True)
        await self.stack.enter_async_context(carried_out(self.client, self.emitter, self.executor))

    async def crash(self) -> None:
        """Ends without a word to anybody."""
        await self.client.connection.close()
        for task in self.executing:
            task.cancel()
        await asyncio.gather(*self.executing, return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        with contextlib.suppress(PepperError):
            await self.stack.aclose()


class Site:
    """A deployment with two workers, which outlives the examples; each of those has a topic."""

    def __init__(self, broker: Broker, prefix: str) -> None:
        self.broker = broker
        self.prefix = prefix
        self.stack = contextlib.AsyncExitStack()
        self.posts: list[Post] = []
        self.client: Client
        self.examples = 0
        self.restarts = 0
        self.counts: Counter[str] = Counter()
        self._posts = 0

    async def open(self) -> None:
        self.client = await self.stack.enter_async_context(
            connect(self.broker.url, bus__prefix=self.prefix, patient=True)
        )
        self.posts = [await self.new_post() for _ in range(2)]

    async def new_post(self) -> Post:
        self._posts += 1
        post = Post(str(self._posts))
        await post.open(self.broker.url, self.prefix)
        return post

    async def close(self) -> None:
        for post in self.posts:
            await post.close()
        await self.stack.aclose()

    async def restart(self) -> None:
        self.restarts += 1
        self.broker.kill()
        await self.broker.start()
        for client in (self.client, *(post.client for post in self.posts)):
            await client.connection.wait_connected(WITHIN)
        async with asyncio.timeout(WITHIN):
            while True:
                with contextlib.suppress(PepperError):
                    await self.info("TASKS")
                    return
                await asyncio.sleep(0.02)

    async def info(self, suffix: str, **request: Any) -> dict[str, Any]:
        name = stream_name(self.prefix, suffix)
        return await api(self.client.connection, f"STREAM.INFO.{name}", request or None)


class Example:
    """What is done to the tasks of one topic, and what must hold of them."""

    def __init__(self, site: Site) -> None:
        site.examples += 1
        self.site = site
        self.topic = f"m{site.examples}"
        self.tasks: dict[str, int] = {}
        self.ended: dict[str, Ended] = {}
        self.runs: list[Run] = []
        self.deliveries: list[Delivery] = []
        self.effects: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._started: dict[int, asyncio.Event] = {}
        agent = Agent("model")
        agent.task(self.topic, retries=RETRIES, retry_delay=0.01, timeout=None)(self._handle)
        self.spec: TaskSpec = agent.tasks[self.topic]

    async def open(self) -> None:
        config = task_consumer(self.site.prefix, self.topic)
        config["ack_wait"] = int(5e9)
        stream = stream_name(self.site.prefix, "TASKS")
        await ensure_consumer(self.site.client.connection, stream, config)

    async def _handle(self, n: int, ctx: Context) -> int:
        run = Run(ctx, ctx._task.delivery)
        run.executing = asyncio.current_task()  # type: ignore[assignment]  # it runs in one
        while ctx.replaying:
            await self._step(run, ctx)
        self.runs.append(run)
        run.idle.set()
        self._started[id(run.delivery)].set()
        try:
            while (order := await run.orders.get()) != "finish":
                if order == "fail":
                    raise ValueError(f"{n} fails")
                if order == "give up":
                    raise BadPayload(f"{n} can never be done")
                await self._step(run, ctx)
                run.idle.set()
        finally:
            self.runs.remove(run)
        return n

    async def _step(self, run: Run, ctx: Context) -> None:
        run.steps += 1
        name = f"s{run.steps}"

        async def effect() -> int:
            self.effects[run.task_id, name].append(run.attempt)
            return run.attempt

        await ctx.step(name, effect)

    # --- what is done ---------------------------------------------------------------------------

    async def submit(self, n: int) -> None:
        task_id = f"{self.topic}-{n}"
        self.tasks[task_id] = n
        await self.site.client.submit(self.topic, n, id=task_id)

    async def pull(self, post: Post) -> bool:
        """Lets a worker ask for one task; returns whether there was one."""
        client = post.client
        stream = stream_name(client.prefix, "TASKS")
        subject = f"{API}.CONSUMER.MSG.NEXT.{stream}.w_{self.topic}"
        request = encode({"batch": 1, "no_wait": True})
        await client.connection.publish(subject, request, reply=post.inbox)
        async with asyncio.timeout(WITHIN):
            message = await post.pulled.get()
        if not message.reply:
            return False
        delivery = from_message(message, client.connection)
        self.deliveries.append(delivery)
        self.site.counts["deliveries"] += 1
        self.site.counts["second copies"] += any(
            run.delivery.seq == delivery.seq for run in self.runs
        )
        started = self._started[id(delivery)] = asyncio.Event()
        executing = asyncio.create_task(post.executor.execute(self.spec, delivery), name="execute")
        post.executing.add(executing)
        executing.add_done_callback(post.executing.discard)
        await _either(executing, started)
        return True

    async def order(self, run: Run, order: str) -> None:
        """Lets a handler take a step or end, and waits until it has."""
        run.idle.clear()
        run.orders.put_nowait(order)
        await _either(run.executing, run.idle)

    async def expire(self, delivery: Delivery) -> None:
        """Makes the server deliver again what somebody may hold still."""
        await self._settle(delivery, b"-NAK")

    async def term(self, delivery: Delivery) -> None:
        """Takes the message of a task out of the queue that has ended."""
        task_id = delivery.subject.rpartition(".")[2]
        if await self.site.client.results.get(task_id) is not None:
            await self._settle(delivery, b"+TERM")

    async def _settle(self, delivery: Delivery, word: bytes) -> None:
        connection = self.site.client.connection
        await connection.publish(delivery.message.reply, word)
        await connection.flush()

    async def cancel(self, task_id: str) -> None:
        before = await self.site.client.results.get(task_id)
        try:
            assert await self.site.client.cancel(task_id, wait=WITHIN)
            assert before is None or before.result.state is TaskState.CANCELED
        except Conflict:
            assert before is not None
        if before is None:
            running = [run.executing for run in self.runs if run.task_id == task_id]
            if running:
                _, late = await asyncio.wait(running, timeout=WITHIN)
                assert not late, "a canceled handler runs on"

    async def crash(self, number: int) -> None:
        await self.site.posts[number].crash()
        self.site.posts[number] = await self.site.new_post()

    # --- what must hold -------------------------------------------------------------------------

    async def look(self) -> None:
        """I3: what left the queue has a result."""
        queued = await self._queued()
        for task_id in self.tasks.keys() - queued - self.ended.keys():
            ended = await self.site.client.results.get(task_id)
            assert ended is not None, f"{task_id} left the queue without a result"
            self.ended[task_id] = ended

    async def _queued(self) -> set[str]:
        pattern = TASK.pattern(self.site.prefix, topic=self.topic)
        found = await self.site.info("TASKS", subjects_filter=pattern)
        subjects = found["state"].get("subjects") or {}
        return {one.rpartition(".")[2] for one in subjects}

    async def finish(self) -> None:
        """Lets everything end, and checks all of it."""
        async with asyncio.timeout(WITHIN):
            while await self._queued():
                for run in list(self.runs):
                    await self.order(run, self._last_order(run))
                for delivery in self.deliveries:
                    await self.expire(delivery)
                while await self.pull(self.site.posts[0]):
                    for run in list(self.runs):
                        await self.order(run, self._last_order(run))
                await asyncio.sleep(0.01)
        for run in list(self.runs):
            await self.order(run, self._last_order(run))
        await self.look()
        for post in self.site.posts:
            await post.emitter.flush(5)
        letters = [one async for one in self.site.client.dead_letters.find(topic=self.topic)]
        filed = [one.letter.task_id for one in letters]
        for task_id, n in self.tasks.items():
            await self._check_end(task_id, n, filed)
            await self._check_journal(task_id)
        await self._check_events()

    def _last_order(self, run: Run) -> str:
        return "fail" if self.tasks[run.task_id] % 4 == 1 else "finish"

    async def _check_end(self, task_id: str, n: int, filed: list[str]) -> None:
        """I1 and I2: one end, which stays, and one dead letter if it failed."""
        last = await self.site.client.results.get(task_id)
        assert last == self.ended[task_id], "a result has changed"
        state = last.result.state
        if state is TaskState.COMPLETED:
            assert bytes(last.result.data) == str(n).encode()
        self.site.counts[state] += 1
        wrong = state not in (TaskState.COMPLETED, TaskState.CANCELED)
        assert filed.count(task_id) == wrong, (task_id, state, filed)

    async def _check_journal(self, task_id: str) -> None:
        """I4: no more failures than the policy allows; no step done again once it was kept."""
        client = self.site.client
        journal = Journal(client.connection, client.prefix, task_id, "checker")
        await journal.read()
        history = journal.history
        assert history.failures <= RETRIES + 1
        done: dict[str, int] = {}
        for entry in history.entries:
            if isinstance(entry, StepEntry):
                assert entry.name not in done, f"{entry.name} of {task_id} is kept twice"
                done[entry.name] = entry.attempt
        for (owner, name), attempts in self.effects.items():
            if owner == task_id and name in done:
                assert max(attempts) <= max(done[name], 1), (task_id, name, attempts, done)

    async def _check_events(self) -> None:
        """I5: one end is told, the true one, after its attempt's start."""
        started: dict[str, set[int]] = defaultdict(set)
        told: dict[str, str] = {}
        heard = self.site.client.events(f"task.*.{self.topic}", since="1h", until_end=True)
        async for one in heard:
            if one.verb == "started":
                started[one.id].add(one.event.attempt)
            if one.verb in _TERMINAL:
                assert one.id not in told, f"{one.id} is told to have ended twice"
                told[one.id] = one.verb
        for task_id, verb in told.items():
            assert verb == self.ended[task_id].result.state.verb


async def _either(executing: "asyncio.Task[Any]", event: asyncio.Event) -> None:
    waiting = asyncio.create_task(event.wait(), name="wait")
    try:
        async with asyncio.timeout(WITHIN):
            await asyncio.wait({executing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
