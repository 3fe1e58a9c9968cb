"""The client for scripts and notebooks: the same verbs, without ``await``.

```python
with connect_sync() as bus:
    report = bus.run("report", {"topic": "otters"})
```

Everything is done by the async client on an event loop in a background thread, so it works where
a loop runs already, as in a notebook. Hooks are called in that thread.
"""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, Unpack, overload

from pepperpy_bus.audit import SyncAudit
from pepperpy_bus.client import Client, ClientState
from pepperpy_bus.config import Settings
from pepperpy_bus.events import Emitter
from pepperpy_bus.facades import Facade, iterates, waits
from pepperpy_bus.language import SyncLanguage
from pepperpy_bus.link.hooks import Hook
from pepperpy_bus.llm.blocking import SyncLLM
from pepperpy_bus.loop_thread import LoopThread
from pepperpy_bus.memory.blocking import SyncMemory
from pepperpy_bus.monitor import SyncMonitor
from pepperpy_bus.opening import connect
from pepperpy_bus.registry import Registry
from pepperpy_bus.routing import Addressee
from pepperpy_bus.state.blocking import SyncAgentState, SyncResources
from pepperpy_bus.state.budget import Budgets
from pepperpy_bus.submission import SubmitOptions
from pepperpy_bus.tasks.deadletters import DeadLetters
from pepperpy_bus.tasks.schedules import Schedules
from pepperpy_bus.tasks.topic_schemas import TopicSchemas
from pepperpy_bus.units import Duration
from pepperpy_bus.versions.splits import Splits

T = TypeVar("T")


class SyncDeadLetters(Facade[DeadLetters]):
    """The dead letters of a deployment; see `DeadLetters`."""

    put = waits(DeadLetters.put)
    find = iterates(DeadLetters.find)
    get = waits(DeadLetters.get)
    replay = waits(DeadLetters.replay)
    drop = waits(DeadLetters.drop)


class SyncRegistry(Facade[Registry]):
    """The live agents of a deployment; see `Registry`."""

    instances = waits(Registry.instances)
    watch = iterates(Registry.watch)


class SyncSplits(Facade[Splits]):
    """The topics that versions share by weight; see `Splits`."""

    all = waits(Splits.all)
    get = waits(Splits.get)
    put = waits(Splits.put)
    waiting = waits(Splits.waiting)


class SyncTopicSchemas(Facade[TopicSchemas]):
    """What each topic takes and gives; see `TopicSchemas`."""

    announce = waits(TopicSchemas.announce)
    latest = waits(TopicSchemas.latest)
    versions = waits(TopicSchemas.versions)
    all = waits(TopicSchemas.all)


class SyncSchedules(Facade[Schedules]):
    """The scheduled tasks of a deployment; see `Schedules`."""

    all = waits(Schedules.all)
    get = waits(Schedules.get)
    pause = waits(Schedules.pause)
    resume = waits(Schedules.resume)
    remove = waits(Schedules.remove)


class SyncBudgets(Facade[Budgets]):
    """What was spent of the budgets of tasks; see `Budgets`."""

    ledger = waits(Budgets.ledger)


class SyncEmitter(Facade[Emitter]):
    """Sends events; see `Emitter`."""

    emit = waits(Emitter.emit)
    flush = waits(Emitter.flush)

    @property
    def dropped(self) -> int:
        """How many events were dropped."""
        return self._inner.dropped


class SyncClient(Facade[Client]):
    """A connected client for scripts and notebooks; `connect_sync` makes one."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._inner.settings

    @property
    def prefix(self) -> str:
        """The deployment's prefix."""
        return self._inner.prefix

    @property
    def source(self) -> str:
        """Who this client says it is, sent with every task; empty for nobody."""
        return self._inner.source

    @property
    def state(self) -> ClientState:
        """Where the connection is now."""
        return self._inner.state

    @functools.cached_property
    def registry(self) -> SyncRegistry:
        """The live agents."""
        return SyncRegistry(self._thread, self._inner.registry)

    @functools.cached_property
    def splits(self) -> SyncSplits:
        """The topics that versions share by weight: ``bus.splits.put("triage", {"1.1.0": 1})``."""
        return SyncSplits(self._thread, self._inner.splits)

    @functools.cached_property
    def dead_letters(self) -> SyncDeadLetters:
        """The tasks that failed for good."""
        return SyncDeadLetters(self._thread, self._inner.dead_letters)

    @functools.cached_property
    def schemas(self) -> SyncTopicSchemas:
        """What each topic takes and gives."""
        return SyncTopicSchemas(self._thread, self._inner.schemas)

    @functools.cached_property
    def schedules(self) -> SyncSchedules:
        """The tasks that the broker submits later."""
        return SyncSchedules(self._thread, self._inner.schedules)

    @functools.cached_property
    def resources(self) -> SyncResources:
        """The resources with a capacity: define them, hold shares of them, see who does."""
        return SyncResources(self._thread, self._inner.resources)

    @functools.cached_property
    def budgets(self) -> SyncBudgets:
        """What was spent of the budgets of tasks."""
        return SyncBudgets(self._thread, self._inner.budgets)

    @functools.cached_property
    def llm(self) -> SyncLLM:
        """The language models of the deployment: ``bus.llm.chat("Say hello.")``."""
        return SyncLLM(self._thread, self._inner.llm)

    @functools.cached_property
    def memory(self) -> SyncMemory:
        """What is remembered in the deployment: ``bus.memory.search("the parcel")``."""
        return SyncMemory(self._thread, self._inner.memory)

    @functools.cached_property
    def language(self) -> SyncLanguage:
        """Languages of texts and their words: ``bus.language.detect("Wo ist es nur?")``."""
        return SyncLanguage(self._thread, self._inner.language)

    @functools.cached_property
    def monitor(self) -> SyncMonitor:
        """What the monitor sees: ``bus.monitor.tasks(state=["failed"])``."""
        return SyncMonitor(self._thread, self._inner.monitor)

    @functools.cached_property
    def audit(self) -> SyncAudit:
        """Says in the audit log what is about to be done here."""
        return SyncAudit(self._thread, self._inner.audit)

    def agent_state(self, agent: str) -> SyncAgentState:
        """Returns the values that an agent keeps.

        Raises:
            BadName: The agent's name is not valid.
        """
        return SyncAgentState(self._thread, self._inner.agent_state(agent))

    def on_disconnect(self, hook: Hook) -> Hook:
        """Calls the hook whenever the connection is lost; usable as a decorator."""
        return self._inner.on_disconnect(hook)

    def on_reconnect(self, hook: Hook) -> Hook:
        """Calls the hook whenever the connection is back; usable as a decorator."""
        return self._inner.on_reconnect(hook)

    def on_close(self, hook: Hook) -> Hook:
        """Calls the hook when the connection ends for good; usable as a decorator."""
        return self._inner.on_close(hook)

    submit = waits(Client.submit)
    result = waits(Client.result)
    ended = waits(Client.ended)
    explain = waits(Client.explain)
    task_state = waits(Client.task_state)
    rerun = waits(Client.rerun)
    cancel = waits(Client.cancel)
    question = waits(Client.question)
    questions = waits(Client.questions)
    answer = waits(Client.answer)
    watch = iterates(Client.watch)
    events = iterates(Client.events)

    @overload
    def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        type: type[T],
        wait: Duration | None = None,
        **options: Unpack[SubmitOptions],
    ) -> T: ...
    @overload
    def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        wait: Duration | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Any: ...
    @functools.wraps(Client.run)
    def run(self, topic: str | Addressee, data: Any = None, **options: Any) -> Any:
        """Submits a task, waits for its end and returns what its handler returned."""
        return self._thread.wait(lambda: self._inner.run(topic, data, **options))

    @contextlib.contextmanager
    def emitter(self) -> Iterator[SyncEmitter]:
        """Opens an emitter of events; what it has sent is with the broker at the end."""
        context = self._inner.emitter()
        emitter = self._thread.wait(context.__aenter__)
        try:
            yield SyncEmitter(self._thread, emitter)
        finally:
            self._thread.wait(lambda: context.__aexit__(None, None, None))


@contextlib.contextmanager
def connect_sync(
    url: str | None = None,
    *,
    settings: Settings | None = None,
    context: str | None = None,
    config: str | Path | None = None,
    source: str = "",
    patient: bool = False,
    **flags: object,
) -> Iterator[SyncClient]:
    """Connects to the bus while its context is open, for callers without ``await``.

    Args:
        url: Address of the broker; by default what file and environment say (`PEPPERPY_NATS_URL`).
        settings: Ready settings; nothing is read then.
        context: The context to apply.
        config: The settings file to read.
        source: Who this client is, sent as a claim with every task.
        patient: Wait for the broker for ever, as workers do.
        **flags: More settings by name, with ``__`` for the dot: ``bus__prefix="test"``.

    Raises:
        Unreachable: No broker answered.
        PermissionDenied: The broker refuses the user.
        BadConfig: A setting is wrong, or the server lacks something that PepperPy needs.
    """
    connecting = connect(
        url,
        settings=settings,
        context=context,
        config=config,
        source=source,
        patient=patient,
        **flags,
    )
    with LoopThread(connecting, name="pepperpy-bus") as thread:
        yield SyncClient(thread, thread.owned)
