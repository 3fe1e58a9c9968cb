import asyncio
import inspect
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

import pepperpy
from pepperpy.stack.broker import Broker
from pepperpy_bus import sync
from pepperpy_bus.audit import Audit
from pepperpy_bus.client import Client, ClientState
from pepperpy_bus.loop_thread import LoopThread
from pepperpy_bus.monitor import Monitor
from pepperpy_bus.opening import connect
from pepperpy_bus.registry import Registry
from pepperpy_bus.sync import SyncClient, connect_sync
from pepperpy_bus.tasks.deadletters import DeadLetters, write_letter
from pepperpy_bus.tasks.topic_schemas import TopicSchemas
from pepperpy_schemas.errors import (
    BadName,
    BadPayload,
    Conflict,
    ErrorInfo,
    NotFound,
    PermissionDenied,
    Unreachable,
)


def threads() -> set[str]:
    return {one.name for one in threading.enumerate()}


def until(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def bus(broker: Broker, prefix: str) -> Iterator[SyncClient]:
    before = threads()
    with connect_sync(broker.url, bus__prefix=prefix, source="script") as bus:
        assert "pepperpy-bus" in threads()
        yield bus
    assert threads() == before


@pytest.fixture
def answering(broker: Broker, prefix: str, worker: type) -> Iterator[None]:
    """A worker of topic echo in a thread of its own."""
    stop: list[Callable[[], object]] = []
    up = threading.Event()

    async def work() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        async with connect(broker.url, bus__prefix=prefix) as client, worker(client, "echo"):
            up.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    assert up.wait(10)
    yield
    stop[0]()
    thread.join()


def test_tasks_go_out_and_their_results_come_back(bus: SyncClient, answering: None) -> None:
    assert bus.run("echo", {"n": 1}) == {"n": 1}
    assert bus.run("echo", 7, type=int, wait="5s", priority="high") == 7
    task_id = bus.submit("echo", [1, 2], id="mine", timeout="1m")
    assert task_id == "mine"
    assert bus.result(task_id, wait=5) == [1, 2]
    assert bus.ended(task_id).result.ok


def test_errors_come_through_as_they_are(bus: SyncClient, answering: None) -> None:
    with pytest.raises(BadPayload, match="no") as failed:
        bus.run("echo", {"fail": 1}, wait=5)
    assert failed.value.hint == "mend it"
    with pytest.raises(NotFound, match="has no result"):
        bus.result("nobody")
    with pytest.raises(TimeoutError):
        bus.result("nobody", wait=0.01)
    with pytest.raises(BadName):
        bus.submit("a b")
    with pytest.raises(BadName):
        bus.events("a.b.c.d.e").__next__()
    bus.submit("idle", 1, id="x")
    with pytest.raises(Conflict):
        bus.submit("idle", 2, id="x")


def test_a_task_is_watched_to_its_end(bus: SyncClient, answering: None) -> None:
    task_id = bus.submit("echo", "hi")
    updates = list(bus.watch(task_id))
    assert updates[-1].ended is not None
    assert bytes(updates[-1].ended.result.data) == b'"hi"'


def test_events_are_told_and_heard(bus: SyncClient) -> None:
    with bus.emitter() as emitter:
        for n in range(3):
            emitter.emit("task", "progress", scope="echo", id=f"t{n}", certain=True)
        assert emitter.flush()
        assert emitter.dropped == 0
    ids = [event.id for event in bus.events("task.progress", since="1m", until_end=True)]
    assert ids == ["t0", "t1", "t2"]
    for event in bus.events("task.progress", since="1m", where="id == 't1'"):
        assert event.scope == "echo"
        break


def test_dead_letters_registry_and_schemas_are_at_hand(bus: SyncClient) -> None:
    error = ErrorInfo(code="timeout")
    letter = write_letter("t", "echo", error, body=b"1", headers={}, attempts=[], deliveries=1)
    seq = bus.dead_letters.put(letter)
    assert [one.seq for one in bus.dead_letters.find(topic="echo")] == [seq]
    assert bus.dead_letters.replay(bus.dead_letters.get(seq)) != "t"
    bus.dead_letters.drop(seq)
    with pytest.raises(NotFound):
        bus.dead_letters.get(seq)
    assert bus.registry.instances() == []
    assert bus.schemas.latest("echo") is None
    assert bus.schemas.all() == []


def test_it_says_what_the_client_says(bus: SyncClient, prefix: str) -> None:
    assert (bus.prefix, bus.source, bus.state) == (prefix, "script", ClientState.CONNECTED)
    assert bus.settings.bus.prefix == prefix


def test_every_verb_has_the_signature_and_the_words_of_the_client() -> None:
    pairs = [
        (SyncClient, Client),
        (sync.SyncDeadLetters, DeadLetters),
        (sync.SyncRegistry, Registry),
        (sync.SyncTopicSchemas, TopicSchemas),
        (sync.SyncMonitor, Monitor),
        (sync.SyncAudit, Audit),
    ]
    for ours, theirs in pairs:
        for name, verb in inspect.getmembers(ours, inspect.isfunction):
            if not name.startswith("_"):
                model = getattr(theirs, name)
                assert verb.__doc__ == model.__doc__
                if name not in {"emitter", "agent_state"}:  # those give what waits, too
                    assert inspect.signature(verb) == inspect.signature(model)
    left = {n for n in dir(Client) if not n.startswith("_")} - set(dir(SyncClient))
    assert left == {"send"}  # what the others are made of
    assert inspect.signature(connect_sync).parameters == inspect.signature(connect).parameters


def test_closing_an_iterator_early_closes_it_in_the_bus(bus: SyncClient) -> None:
    consumers = "CONSUMER.NAMES." + bus.prefix.upper() + "_EVENTS"
    heard = bus.events("task", since="1m")
    with bus.emitter() as emitter:
        emitter.emit("task", "progress", scope="a", id="b", certain=True)
    next(heard)
    assert bus._thread._iterated
    heard.close()
    assert not bus._thread._iterated, consumers
    with pytest.raises(StopIteration):
        next(heard)


def test_open_iterators_end_with_the_bus(broker: Broker, prefix: str) -> None:
    before = threads()
    with connect_sync(broker.url, bus__prefix=prefix) as bus:
        with bus.emitter() as emitter:
            emitter.emit("task", "progress", scope="a", id="b", certain=True)
        heard = bus.events("task", since="1m")
        next(heard)
    assert threads() == before
    with pytest.raises(Unreachable, match="the bus is closed"):
        next(heard)


def test_a_closed_bus_says_so(broker: Broker, prefix: str) -> None:
    with connect_sync(broker.url, bus__prefix=prefix) as bus:
        pass
    assert bus.state is ClientState.CLOSED
    with pytest.raises(Unreachable, match="the bus is closed"):
        bus.submit("echo")


def test_who_waits_when_the_bus_is_closed_is_told(broker: Broker, prefix: str) -> None:
    errors: list[BaseException] = []

    def wait(bus: SyncClient) -> None:
        try:
            bus.result("never", wait=60)
        except Unreachable as error:
            errors.append(error)

    with connect_sync(broker.url, bus__prefix=prefix) as bus:
        waiting = threading.Thread(target=wait, args=(bus,))
        waiting.start()
        until(lambda: bus._thread._calls)
    waiting.join(5)
    assert [str(one) for one in errors] == ["the bus was closed meanwhile"]


def test_the_bus_closes_when_its_block_fails(broker: Broker, prefix: str) -> None:
    before = threads()
    with pytest.raises(ZeroDivisionError), connect_sync(broker.url, bus__prefix=prefix):
        raise ZeroDivisionError
    assert threads() == before


def test_a_broker_that_does_not_answer_is_an_error_and_no_thread() -> None:
    before = threads()
    with (
        pytest.raises(Unreachable, match="no broker answered"),
        connect_sync("nats://127.0.0.1:1", nats__connect_timeout="300ms"),
    ):
        pass
    assert threads() == before


async def test_it_works_inside_a_running_loop(broker: Broker, prefix: str) -> None:
    with connect_sync(broker.url, bus__prefix=prefix) as bus:
        task_id = bus.submit("echo", 1)
        assert bus.state is ClientState.CONNECTED
    async with connect(broker.url, bus__prefix=prefix) as client:
        assert await client.results.get(task_id) is None


def interrupt_when(check: Callable[[], object]) -> threading.Thread:
    """Presses Ctrl-C as soon as a check holds."""

    def press() -> None:
        until(check)
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    return pressing


def interrupted_in(wait: Callable[[], object], check: Callable[[], object]) -> None:
    pressing = interrupt_when(check)
    with pytest.raises(KeyboardInterrupt):
        wait()
    pressing.join()


def test_ctrl_c_ends_a_wait_and_the_bus_goes_on(bus: SyncClient) -> None:
    interrupted_in(lambda: bus.result("never", wait="1h"), lambda: bus._thread._calls)
    assert not bus._thread._calls
    assert bus.submit("echo", 1)


def test_ctrl_c_ends_a_loop_over_events_and_closes_it(bus: SyncClient) -> None:
    def listen() -> None:
        for _ in bus.events("task.failed"):
            pytest.fail("nothing happens")

    interrupted_in(listen, lambda: bus._thread._iterated and bus._thread._calls)
    assert not bus._thread._iterated
    assert bus.submit("echo", 1)


def test_ctrl_c_ends_the_wait_for_a_broker() -> None:
    before = threads()

    def wait() -> None:
        with connect_sync("nats://127.0.0.1:1", patient=True):
            pytest.fail("nobody is there")

    interrupted_in(wait, lambda: "pepperpy-bus" in threads())
    assert threads() == before


def test_a_hook_that_waits_for_its_own_bus_is_told_not_to(own_broker: Broker, prefix: str) -> None:
    seen: list[BaseException] = []
    called = threading.Event()
    with connect_sync(own_broker.url, bus__prefix=prefix) as bus:

        @bus.on_disconnect
        def hook() -> None:
            try:
                bus.submit("echo")
            except RuntimeError as error:
                seen.append(error)
            called.set()

        back = threading.Event()
        bus.on_reconnect(back.set)
        bus.on_close(lambda: None)
        own_broker.kill()
        assert called.wait(5)
        assert bus.state is ClientState.DISCONNECTED
        own_broker.start_sync()
        assert back.wait(5)
    assert "must not wait for the bus" in str(seen[0])


class _Breaks:
    def __init__(self, *, at: str) -> None:
        self._at = at

    async def __aenter__(self) -> str:
        if self._at == "open":
            raise PermissionDenied("not you")
        return "open"

    async def __aexit__(self, *exc_info: object) -> None:
        raise Unreachable("cannot close")


def test_errors_of_opening_and_closing_are_raised_where_the_block_is() -> None:
    with pytest.raises(PermissionDenied), LoopThread(_Breaks(at="open"), name="t"):
        pass
    with pytest.raises(Unreachable), LoopThread(_Breaks(at="close"), name="t") as thread:
        assert thread.owned == "open"
    with pytest.raises(ZeroDivisionError), LoopThread(_Breaks(at="close"), name="t"):
        raise ZeroDivisionError


async def _count(closed: threading.Event) -> AsyncIterator[int]:
    try:
        for n in range(10):
            yield n
    finally:
        closed.set()


class _Nothing:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *exc_info: object) -> None: ...


def test_an_iterator_that_is_collected_in_the_bus_is_closed_too() -> None:
    closed = threading.Event()
    with LoopThread(_Nothing(), name="t") as thread:
        items = [thread.iterate(_count(closed))]
        assert next(items[0]) == 0

        async def collect() -> None:
            items.clear()

        thread.wait(collect)
        assert closed.wait(5)


def test_an_iterator_without_an_end_of_its_own_needs_none() -> None:
    class Plain:
        def __aiter__(self) -> "Plain":
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

    with LoopThread(_Nothing(), name="t") as thread:
        assert list(thread.iterate(Plain())) == []


def test_it_is_one_of_the_public_names() -> None:
    assert pepperpy.connect_sync is connect_sync
