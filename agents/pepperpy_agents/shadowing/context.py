"""The context of a handler in a shadow: it reads what the live task did, and publishes nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from pepperpy_agents.durable.steps import result_type
from pepperpy_agents.durable.waiting import child_value
from pepperpy_agents.handler import decode_as
from pepperpy_agents.runner import Runner
from pepperpy_agents.shadowing.hearing import LiveInput
from pepperpy_bus.bodies import to_json
from pepperpy_bus.client import Client
from pepperpy_bus.llm import LLM
from pepperpy_bus.llm.account import Free
from pepperpy_bus.logs import Log
from pepperpy_bus.memory.client import WRITES, Memory
from pepperpy_bus.streams.blobs import redeem
from pepperpy_bus.tasks.history import History
from pepperpy_schemas.errors import ChildFailed
from pepperpy_schemas.headers import BLOB
from pepperpy_schemas.messages import Child, Result, StepEntry, WaitedEntry, WaitEntry

K = TypeVar("K", StepEntry, Child, WaitEntry)

_BLOB: Final = BLOB.lower()


class Diverged(BaseException):
    """The shadow came to something that the live task did not do, and that it must not do itself.

    It is no `Exception`, so that handlers do not take it for a failure.
    """


class ShadowContext:
    """`Context` in a shadow.

    Steps, children and answers are the live task's: the first step named ``fetch`` gets what its
    first step named ``fetch`` returned. What it did not do has no answer here. Events, progress
    and live output go nowhere.

    Args:
        live: The live task, as it was published.
        task_id: Its id.
        attempt: The number of the live attempt that ended it.
        history: What the live task's journal says.
        client: The client, to read with.
        runner: Where steps run, when they may.
        log: A log.
        does_steps: Do the steps that the live task did not.

    Attributes:
        given_ms: Milliseconds that the live task's steps took whose results were given.
    """

    def __init__(
        self,
        live: LiveInput,
        task_id: str,
        attempt: int,
        history: History,
        client: Client,
        runner: Runner,
        log: Log,
        *,
        does_steps: bool = False,
    ) -> None:
        said = live.said
        self.task_id = task_id
        self.topic = live.topic
        self.attempt = attempt
        self.parent = said.parent
        self.root = said.root or task_id
        self.headers: Mapping[str, str] = live.headers
        self.deadline: datetime | None = _deadline(history, said.timeout_ms)
        self.key = said.key
        self.fence = 0
        self.given_ms = 0.0
        self.registry = client.registry
        self.client = client
        self.log = log
        self._client = client
        self._runner = runner
        self._history = history
        self._does_steps = does_steps
        self._steps = [one for one in history.entries if isinstance(one, StepEntry)]
        self._children = history.children
        self._questions = [one for one in history.waits if one.what == "answer"]

    # --- what the live task did -----------------------------------------------------------------

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        type: Any = None,  # noqa: A002 - as in Context
        **kwargs: Any,
    ) -> Any:
        """Returns what the live task's step of this name returned."""
        returned = result_type(function) if type is None else type
        done = _take(self._steps, lambda one: one.name == name)
        if done is not None:
            self.given_ms += done.ms
            return decode_as(await self._read(bytes(done.data), done.blob), returned)
        if not self._does_steps:
            raise Diverged(f"step {name!r}, which the live task did not do")
        return decode_as(to_json(await self._runner.call(function, *args, **kwargs)), returned)

    async def ask(self, text: str, *, type: Any = Any, **_: Any) -> Any:  # noqa: A002 - as above
        """Returns what people answered the live task's next question."""
        asked = _take(self._questions, lambda _: True)
        ended = None if asked is None else self._history.outcome(asked.n)
        if ended is None:
            raise Diverged(f"question {text!r:.80}, which the live task did not ask")
        return decode_as(await self._read(bytes(ended.data), ended.blob), type)

    async def sleep(self, duration: object) -> None:
        """Goes on at once."""

    async def submit(self, topic: str, data: Any = None, **_: Any) -> str:  # noqa: ARG002
        """Returns the id of the live task's next child of this topic."""
        child = _take(self._children, lambda one: one.topic == topic)
        if child is None:
            raise Diverged(f"child of {topic}, which the live task did not submit")
        return child.id

    async def gather(
        self,
        *children: str,
        type: Any = Any,  # noqa: A002 - as above
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Returns what the live task's children returned."""
        values: list[Any] = []
        for child_id in children:
            try:
                values.append(child_value(child_id, await self._end_of(child_id), type))
            except ChildFailed as error:
                if not return_exceptions:
                    raise
                values.append(error)
        return values

    async def first(self, *children: str) -> dict[str, Result]:
        """Returns the ends of those children that the live task found ended."""
        for wait in self._history.waits:
            ended = self._history.outcome(wait.n)
            if wait.first and wait.children == list(children) and ended is not None:
                results = await self._results(ended)
                pairs = zip(children, results, strict=True)
                return {one: result for one, result in pairs if result is not None}
        raise Diverged("a wait for the first child, which the live task did not come to")

    async def run(
        self,
        topic: str,
        data: Any = None,
        *,
        type: Any = Any,  # noqa: A002 - as above
        **options: Any,
    ) -> Any:
        """Returns what the live task's next child of this topic returned."""
        child_id = await self.submit(topic, data, **options)
        return (await self.gather(child_id, type=type))[0]

    @property
    def llm(self) -> LLM:
        """The models, which a step may name; what they told the live task is in its steps."""
        llm = self._client.llm
        return llm if self._does_steps else llm.paid_by(_Unasked())

    @property
    def memory(self) -> Memory:
        """The memory, which a step may name; a shadow reads at most, where it does its steps."""
        return self._client.memory.within(gate=self._remember)

    def _remember(self, op: str, seconds: float) -> float:
        if op in WRITES:
            raise Diverged(f"a {op} of the memory, which a shadow leaves to the live task")
        if not self._does_steps:
            raise Diverged(f"a {op} of the memory, which the live task asked in no step")
        return seconds

    # --- what goes nowhere ----------------------------------------------------------------------

    async def stream(self, chunk: Any) -> None:
        """Shows nobody anything."""

    async def progress(self, fraction: float, message: str = "", **data: Any) -> None:
        """Tells nobody anything."""

    async def emit(self, name: str, **data: Any) -> None:
        """Tells nobody anything."""

    def __getattr__(self, name: str) -> "_Absent":
        if name.startswith("_"):
            raise AttributeError(name)
        return _Absent(f"ctx.{name}")

    # --- below ----------------------------------------------------------------------------------

    async def _read(self, data: bytes, blob: str) -> bytes:
        if not blob:
            return data
        client = self._client
        return await redeem(client.connection, client.prefix, data, {_BLOB: blob})

    async def _end_of(self, child_id: str) -> Result:
        ended = await self._client.results.get(child_id)
        if ended is None:
            raise Diverged(f"the end of child {child_id}, which is not known")
        return ended.result

    async def _results(self, ended: WaitedEntry) -> Sequence[Result | None]:
        data = await self._read(bytes(ended.data), ended.blob)
        results: list[Result | None] = decode_as(data, list[Result | None])
        return results


class _Unasked(Free):
    """The account of a shadow: no model is asked."""

    def limit(self, seconds: float) -> float:  # noqa: ARG002 - as the others
        raise Diverged("a question to a model, which the live task asked in no step")


class _Absent:
    """A part of `Context` that shadows do not have; whoever uses it has diverged."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise Diverged(f"{self._name}, which there is not in a shadow")

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise Diverged(f"{self._name}, which there is not in a shadow")


def _deadline(history: History, timeout_ms: int) -> datetime | None:
    given = history.input
    if given is None or not timeout_ms:
        return None
    return given.stored + timedelta(milliseconds=timeout_ms)


def _take(there: list[K], fits: Callable[[K], bool]) -> K | None:
    """Removes and returns the first that fits."""
    for n, one in enumerate(there):
        if fits(one):
            return there.pop(n)
    return None
