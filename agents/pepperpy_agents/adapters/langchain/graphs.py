"""One run of a graph of LangGraph for a task: from its input, or from where it was left."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.errors import EmptyInputError, GraphRecursionError
from langgraph.pregel import Pregel
from langgraph.types import Command

from pepperpy_agents.adapters.langchain.checkpoints import KEPT, BusSaver
from pepperpy_agents.adapters.langchain.values import plain
from pepperpy_agents.adapters.langchain.watching import Watching
from pepperpy_agents.context import Context
from pepperpy_bus.units import Duration
from pepperpy_schemas.errors import BadPayload, Rejected

if TYPE_CHECKING:
    from langgraph.types import StateSnapshot
    from typing_extensions import TypeIs

TASK = "pepperpy_task"
"""Says in the metadata of a checkpoint which task's graph wrote it."""


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True):
    """How the checkpoints of an agent's graph are kept.

    Attributes:
        allowed: Types besides plain ones and messages that the graph's state may have.
        ttl: How long a checkpoint is kept after it was written.
    """

    allowed: tuple[type, ...] = ()
    ttl: Duration = KEPT


class Asked(msgspec.Struct, frozen=True):
    """A question of a graph, as the journal keeps it.

    Attributes:
        id: Id of the interrupt; empty where the graph was made to stop before or after a node.
        value: What the graph wants to know.
        at: Id of the checkpoint that it stopped at. What a node asks twice has one id and one
            checkpoint; its words tell the questions apart.
    """

    id: str
    value: Any
    at: str


class GraphRun:
    """Runs a graph for one attempt at a task.

    Args:
        graph: The graph.
        ctx: The task's context.
        config: What the graph is configured with.
        watching: Who is told what happens in it.
        checkpoints: How its checkpoints are kept; None leaves the graph its own checkpointer.
    """

    def __init__(
        self,
        graph: "Pregel[Any, Any, Any, Any]",
        ctx: Context,
        config: RunnableConfig,
        watching: Watching,
        checkpoints: Checkpoints | None,
    ) -> None:
        self._saver: BusSaver | None = None
        if checkpoints is not None:
            self._saver = BusSaver(
                ctx.state.keyed,
                allowed=checkpoints.allowed,
                ttl=checkpoints.ttl,
                writer=ctx.task_id,
                attempt=ctx.attempt,
            )
            graph = graph.copy({"checkpointer": self._saver})
        self._graph = graph
        self._ctx = ctx
        self._watching = watching
        self._kept = bool(graph.checkpointer)
        self._config = config
        self._questions = 0
        if self._kept:
            named = {"thread_id": ctx.key or ctx.task_id, **config.get("configurable", {})}
            about = {**config.get("metadata", {}), TASK: ctx.task_id}
            self._config = {**config, "configurable": named, "metadata": about}
        self._begin = self._config

    async def run(self, given: Any) -> Any:
        """Returns what the graph ends with.

        An interrupt of the graph is a question to people, as `Context.ask` asks it, and their
        answer is what ``interrupt(…)`` returns.

        Args:
            given: The graph's input, for one that has not begun.

        Raises:
            Rejected: The graph has not ended within its steps.
            BadPayload: The graph takes no such input.
        """
        try:
            if not self._kept:
                return await self._flow(given)
            given, ended = await self._entry(given)
            if ended is not None:
                return ended
            while True:
                value = await self._flow(given)
                state = await self._graph.aget_state(self._config)
                if not state.next:
                    return value
                given = _resumed(*await self._ask_once(_questions(state)[0]))
        except GraphRecursionError as error:
            raise Rejected(
                f"the graph has not ended: {str(error).partition('.')[0]}",
                hint='allow it more: config={"recursion_limit": 50}',
            ) from error
        except EmptyInputError as error:
            raise BadPayload(f"the graph takes no such input: {error}") from error

    async def _entry(self, given: Any) -> tuple[Any, Any]:
        """What to go on with, and what the graph has ended with already."""
        asked, answer = None, None
        while self._ctx.replaying:
            # The journal has what was asked: these are its questions again, with their answers.
            asked, answer = await self._ask_once(None)
        state = await self._graph.aget_state(self._config)
        if (state.metadata or {}).get(TASK) != self._ctx.task_id:
            if state.next and self._saver is not None:
                await self._leave_out_what_failed(self._saver)
            return given, None
        if not state.next:
            return None, self._outputs(state)
        if asked is not None and asked in _questions(state):
            return _resumed(asked, answer), None
        if state.interrupts:
            return _resumed(*await self._ask_once(_questions(state)[0])), None
        return None, None

    async def _leave_out_what_failed(self, saver: BusSaver) -> None:
        """Begins where the conversation was whole: the last task of the key has not ended.

        Models refuse a conversation with a call in it that has no result.
        """
        async for state in self._graph.aget_state_history(self._config):
            if not state.next:
                named = {**self._config["configurable"], **state.config["configurable"]}
                self._begin = {**self._config, "configurable": named}
                return
        await saver.adelete_thread(self._config["configurable"]["thread_id"])

    def _outputs(self, state: "StateSnapshot") -> Any:
        wanted = self._graph.output_channels
        if isinstance(wanted, str):
            return state.values.get(wanted, state.values)
        return {name: state.values[name] for name in wanted if name in state.values}

    async def _flow(self, given: Any) -> Any:
        """Lets the graph run until it ends or asks something; returns its last values."""
        last: Any = None
        config, self._begin = self._begin, self._config
        # Before the next step begins, the one before it is stored.
        durability: Any = "sync" if self._kept else None
        async for mode, piece in self._graph.astream(
            given,
            config,
            stream_mode=["values", "updates", "custom"],
            output_keys=self._graph.output_channels,
            durability=durability,
        ):
            if mode == "values":
                last = piece
            elif mode == "updates":
                for node in _nodes(piece):
                    self._watching.show({"node": node})
            else:
                self._watching.show({"custom": plain(piece)})
        return last

    async def _ask_once(self, asked: Asked | None) -> tuple[Asked, Any]:
        """Asks people, once in all attempts; the question stands in the journal before it."""
        self._questions += 1
        known: Asked = await self._ctx.step(
            f"interrupt {self._questions}", _itself, asked, type=Asked
        )
        text, choices = _question(known.value)
        return known, await self._ctx.ask(text, choices=choices)


def is_graph(runnable: Runnable[Any, Any]) -> "TypeIs[Pregel[Any, Any, Any, Any]]":
    """Returns whether a runnable is a compiled graph."""
    return isinstance(runnable, Pregel)


def takes_messages(graph: "Pregel[Any, Any, Any, Any]") -> bool:
    """Returns whether a graph's input has a conversation in ``messages``."""
    schema = getattr(getattr(graph, "builder", None), "input_schema", object)
    # Not by its JSON Schema: there is none of many states that LangGraph takes.
    return any("messages" in vars(kind).get("__annotations__", {}) for kind in schema.__mro__)


async def _itself(asked: Asked | None) -> Asked | None:
    return asked


def _questions(state: "StateSnapshot") -> list[Asked]:
    """What a graph that has stopped wants to know before it goes on."""
    at = state.config["configurable"]["checkpoint_id"]
    if state.interrupts:
        return [Asked(one.id, plain(one.value), at) for one in state.interrupts]
    ask = f"Go on with {', '.join(state.next)}?"
    return [Asked("", {"question": ask, "choices": ["yes", "no"]}, at)]


def _resumed(asked: Asked, answer: Any) -> Any:
    """What a graph goes on with after an answer."""
    if asked.id:
        return Command(resume={asked.id: answer})
    if answer != "yes":
        raise Rejected(f"somebody said {answer!r:.80} to: {asked.value['question']}")
    return None


def _question(value: Any) -> tuple[str, list[Any]]:
    """What people are asked: a text, an object with ``question`` and ``choices``, or any JSON."""
    if isinstance(value, str):
        return value, []
    if isinstance(value, Mapping) and isinstance(value.get("question"), str):
        choices = value.get("choices", [])
        return value["question"], choices if isinstance(choices, list) else []
    return json.dumps(value, ensure_ascii=False), []


def _nodes(update: Any) -> Iterable[str]:
    """The nodes that have ended in an update; ``__interrupt__`` and the like are none."""
    names = update if isinstance(update, Mapping) else ()
    return [name for name in names if not name.startswith("__")]
