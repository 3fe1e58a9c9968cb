"""Checkpoints of LangGraph on the bus: a graph goes on where the worker died that ran it.

They lie among the agent's values, under the thread's name: each checkpoint is one value, what its
nodes have written since another, and a third says which is the newest. They are forgotten a while
after they were written.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
    writes_sort_key,
)

from pepperpy_agents.adapters.langchain.serializing import Strict, Typed
from pepperpy_bus.state.values import State
from pepperpy_bus.units import Duration
from pepperpy_schemas.errors import BadConfig, Fenced

KEPT: Final = "30d"
"""How long a checkpoint is kept after it was written."""

_NAMES: Final = "graph-"
"""Begins the names of our values: a thread's may have others beside them."""


class Saved(msgspec.Struct, frozen=True):
    """A checkpoint.

    Attributes:
        checkpoint: The checkpoint itself.
        metadata: What LangGraph says of it.
        parent: Id of the one before it, or empty.
    """

    checkpoint: Typed
    metadata: Typed
    parent: str = ""


class Write(msgspec.Struct, frozen=True):
    """What one node has written since a checkpoint.

    Attributes:
        task: The node's run.
        path: Its path in the graph, by which writes are ordered.
        index: Its place among the writes of that run; special ones are below 0.
        channel: Where it goes.
        value: What it is.
    """

    task: str
    path: str
    index: int
    channel: str
    value: Typed


class Newest(msgspec.Struct, frozen=True):
    """The newest checkpoint of a thread.

    Attributes:
        id: Its id.
        writer: The task whose graph wrote it; empty outside of tasks.
        attempt: The attempt at that task.
    """

    id: str
    writer: str = ""
    attempt: int = 0


class BusSaver(BaseCheckpointSaver[int]):
    """Keeps the checkpoints of graphs in the values of an agent; for graphs that run async.

    Args:
        threads: Returns the values of a thread: ``client.agent_state("agent").keyed``.
        allowed: Types besides plain ones and messages that states may have.
        ttl: How long a checkpoint is kept after it was written.
        writer: The task that writes; one that another attempt has taken over writes no more.
        attempt: Its attempt.
    """

    def __init__(
        self,
        threads: Callable[[str], State],
        *,
        allowed: Iterable[type] = (),
        ttl: Duration = KEPT,
        writer: str = "",
        attempt: int = 0,
    ) -> None:
        super().__init__(serde=Strict(allowed))
        self._threads = threads
        self._ttl = ttl
        self._writer = writer
        self._attempt = attempt

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Returns the checkpoint that is asked for, by default a thread's newest."""
        state, ns = self._place(config)
        wanted = get_checkpoint_id(config)
        if not wanted:
            newest: Newest | None = (await state.get(f"{_NAMES}n-{_token(ns)}", type=Newest)).value
            if newest is None:
                return None
            wanted = newest.id
        return await self._tuple(state, config, ns, wanted)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yields the checkpoints of a thread, the newest first.

        Raises:
            BadConfig: No thread is named.
        """
        if config is None:
            raise BadConfig("checkpoints are listed by thread", hint="give a config with thread_id")
        state, ns = self._place(config)
        start = f"{_NAMES}c-{_token(ns)}-"
        ids = [one.removeprefix(start) for one in await state.keys() if one.startswith(start)]
        only, end = get_checkpoint_id(config), get_checkpoint_id(before) if before else None
        left = limit
        for one in sorted(ids, reverse=True):
            if left == 0 or (only and one != only) or (end and one >= end):
                continue
            found = await self._tuple(state, config, ns, one)
            if found is None or any(
                found.metadata.get(key) != value for key, value in (filter or {}).items()
            ):
                continue
            left = None if left is None else left - 1
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Stores a checkpoint and makes it the thread's newest.

        Raises:
            Fenced: Another attempt has the task.
            TooLarge: The state's JSON has more than 512 KiB.
            BadConfig: The state has a value of a type that was not allowed.
        """
        state, ns = self._place(config)
        saved = Saved(
            self.serde.dumps_typed(checkpoint),
            self.serde.dumps_typed(get_checkpoint_metadata(config, metadata)),
            get_checkpoint_id(config) or "",
        )
        new = checkpoint["id"]
        await state.set(f"{_NAMES}c-{_token(ns)}-{new}", saved, ttl=self._ttl)
        own = Newest(new, self._writer, self._attempt)

        def advance(before: Newest | None) -> Newest:
            self._check(before)
            return own

        await state.update(f"{_NAMES}n-{_token(ns)}", advance, type=Newest, ttl=self._ttl)
        return _config(config, ns, new)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Stores what a node has written since a checkpoint, before its step is over.

        Raises:
            TooLarge: The JSON of all that was written since has more than 512 KiB.
            BadConfig: It has a value of a type that was not allowed.
        """
        state, ns = self._place(config)
        new = [
            Write(task_id, task_path, WRITES_IDX_MAP.get(channel, n), channel, self._dumped(value))
            for n, (channel, value) in enumerate(writes)
        ]

        def add(before: list[Write] | None) -> list[Write]:
            there = {(one.task, one.index): one for one in before or []}
            for one in new:
                place = (one.task, one.index)
                # Special ones replace what was there; others are written once.
                if one.index < 0 or place not in there:
                    there[place] = one
            return list(there.values())

        name = f"{_NAMES}w-{_token(ns)}-{get_checkpoint_id(config)}"
        await state.update(name, add, type=list[Write], ttl=self._ttl)

    async def adelete_thread(self, thread_id: str) -> None:
        """Forgets all checkpoints of a thread."""
        state = self._threads(thread_id)
        for name in await state.keys():
            if name.startswith(_NAMES):
                await state.delete(name)

    # --- below ----------------------------------------------------------------------------------

    def _place(self, config: RunnableConfig) -> tuple[State, str]:
        named = config["configurable"]
        return self._threads(str(named["thread_id"])), named.get("checkpoint_ns", "")

    async def _tuple(
        self, state: State, config: RunnableConfig, ns: str, wanted: str
    ) -> CheckpointTuple | None:
        saved: Saved | None = (
            await state.get(f"{_NAMES}c-{_token(ns)}-{wanted}", type=Saved)
        ).value
        if saved is None:
            return None
        kept = await state.get(f"{_NAMES}w-{_token(ns)}-{wanted}", type=list[Write], default=[])
        writes = sorted(kept.value, key=lambda one: writes_sort_key(one.path, one.task, one.index))
        return CheckpointTuple(
            config=_config(config, ns, wanted),
            checkpoint=self.serde.loads_typed(saved.checkpoint),
            metadata=self.serde.loads_typed(saved.metadata),
            parent_config=_config(config, ns, saved.parent) if saved.parent else None,
            pending_writes=[
                (one.task, one.channel, self.serde.loads_typed(one.value)) for one in writes
            ],
        )

    def _dumped(self, value: Any) -> Typed:
        return self.serde.dumps_typed(value)

    def _check(self, before: Newest | None) -> None:
        if before is None or before.writer != self._writer or before.attempt <= self._attempt:
            return
        raise Fenced(f"attempt {before.attempt} has the task, and its graph")


def _config(config: RunnableConfig, ns: str, checkpoint: str) -> RunnableConfig:
    thread = config["configurable"]["thread_id"]
    return {
        "configurable": {
            "thread_id": thread,
            "checkpoint_ns": ns,
            "checkpoint_id": checkpoint,
        }
    }


def _token(ns: str) -> str:
    """A namespace of LangGraph, which is any text, as a part of a value's name."""
    return hashlib.sha256(ns.encode()).hexdigest()[:16] if ns else "root"
