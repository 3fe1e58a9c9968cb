"""Runnables of LangChain and graphs of LangGraph as agents on the bus."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig

from pepperpy_agents.adapters.current import running
from pepperpy_agents.adapters.given import text_of
from pepperpy_agents.adapters.guarding import Guard, Needs
from pepperpy_agents.adapters.langchain.messages import theirs
from pepperpy_agents.adapters.langchain.values import plain
from pepperpy_agents.adapters.langchain.watching import Watching
from pepperpy_agents.agent import DEFAULT_TIMEOUT, Agent
from pepperpy_agents.context import Context
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_bus.units import Duration
from pepperpy_schemas.chat import ChatMessage
from pepperpy_schemas.errors import BadPayload

if TYPE_CHECKING:
    from pepperpy_agents.adapters.langchain.graphs import Checkpoints

Handle = Callable[[Any, Context], Any]


def langchain_agent(
    name: str,
    runnable: Runnable[Any, Any],
    *,
    topics: Sequence[str] | None = None,
    version: str = "0.1.0",
    capabilities: tuple[str, ...] | list[str] = (),
    retries: int = 2,
    retry_delay: Duration = 1.0,
    timeout: Duration | None = DEFAULT_TIMEOUT,
    concurrency: int | None = None,
    **options: Any,
) -> Agent:
    """Returns an agent whose tasks a runnable or a graph answers.

    Args:
        name: One token: letters, digits, ``_`` and ``-``.
        runnable: The runnable, or the compiled graph.
        topics: The topics whose tasks it takes; its name by default.
        version: Semantic version.
        capabilities: What it can do, for look-ups in the registry.
        retries: Repeats after the first failure of a task; a graph with checkpoints goes on at the
            step that failed.
        retry_delay: Wait before the first repeat; each next one is twice as long.
        timeout: How long one attempt may take; None for ever.
        concurrency: Tasks at once in one process; the worker's setting by default.
        **options: See `runnable_handler`.

    Example:
        ```python
        agent = langchain_agent("joker", prompt | ChatPepperPy() | StrOutputParser())
        ```
    """
    agent = Agent(name, version=version, capabilities=capabilities)
    handle = runnable_handler(runnable, caller=name, **options)
    for topic in topics or [name]:
        agent.task(
            topic,
            retries=retries,
            retry_delay=retry_delay,
            timeout=timeout,
            concurrency=concurrency,
        )(handle)
    return agent


def runnable_handler(
    runnable: Runnable[Any, Any],
    *,
    caller: str = "",
    grants: Iterable[str | Scope] = (),
    needs: Mapping[str, Needs] | None = None,
    config: RunnableConfig | None = None,
    checkpoints: "Checkpoints | None" = None,
    input_type: Any = Any,
    output_type: Any = Any,
    read: Callable[[Any], Any] | None = None,
    write: Callable[[Any], Any] | None = None,
) -> Handle:
    """Returns a handler that gives its tasks to a runnable or a compiled graph.

    Watchers see the words of its models as they are said, its tools at work, and the nodes of a
    graph as they end. Each call of a tool is told as events. A cancellation or the deadline ends
    what it awaits; a plain function in a thread runs to its end, and what it returns is dropped.

    A graph that takes ``messages`` may be asked with a text or a list of messages, and answers with
    the words of its last message, or its structured response. Else what it gives is written as
    JSON.

    Args:
        runnable: The runnable, or the graph.
        caller: The agent, for what is told of calls of tools; the topic by default.
        grants: Scopes that its tools may need.
        needs: What tools of LangChain need, by their names: a scope, several, or a function of the
            call's arguments that returns them. Others need nothing.
        config: What the runnable is configured with.
        checkpoints: For a graph: `Checkpoints` keeps its steps on the bus, under the task's key or
            else its id. Another worker goes on at the last one, and a key's next task finds its
            state. By default the graph has its own checkpointer, or none.
        input_type: The type of the task's data; any JSON by default.
        output_type: The type of its result; any JSON by default.
        read: Makes the runnable's input of the data.
        write: Makes the result of what the runnable gives.

    Raises:
        BadConfig: A scope is none.
    """
    guard = Guard(caller, Grants.of(grants), dict(needs or {}))
    given_config = config or RunnableConfig()

    async def handle(data: Any, ctx: Context) -> Any:
        named = msgspec.structs.replace(guard, caller=caller or ctx.topic)
        given = read(data) if read is not None else _given(runnable, data)
        with running(ctx, caller=named.caller):
            async with Watching(ctx, named) as watching:
                own = _with(given_config, watching, ctx)
                value = await _run(runnable, given, ctx, own, watching, checkpoints)
        return write(value) if write is not None else _result(value, data)

    handle.__annotations__ = {"data": input_type, "ctx": Context, "return": output_type}
    handle.__qualname__ = f"{caller or type(runnable).__name__}.handle"
    return handle


async def _run(
    runnable: Any,
    given: Any,
    ctx: Context,
    config: RunnableConfig,
    watching: Watching,
    checkpoints: "Checkpoints | None",
) -> Any:
    if not _is_graph(runnable):
        return await runnable.ainvoke(given, config)
    from pepperpy_agents.adapters.langchain.graphs import GraphRun

    return await GraphRun(runnable, ctx, config, watching, checkpoints).run(given)


def _with(config: RunnableConfig, watching: Watching, ctx: Context) -> RunnableConfig:
    """The configuration of one run: who watches it, and what it is called in traces."""
    callbacks: Any = config.get("callbacks")
    if callbacks is None or isinstance(callbacks, list):
        callbacks = [*(callbacks or []), watching]
    else:
        callbacks = callbacks.copy()
        callbacks.add_handler(watching, inherit=True)
    return {"run_name": ctx.topic, **config, "callbacks": callbacks}


def _is_graph(runnable: Any) -> bool:
    """Whether it is a compiled graph; that cannot be where LangGraph was not imported."""
    if "langgraph.pregel" not in sys.modules:
        return False
    from pepperpy_agents.adapters.langchain.graphs import is_graph

    return is_graph(runnable)


# --- what goes in, and what comes out ------------------------------------------------------------


def _given(runnable: Any, data: Any) -> Any:
    """A task's data as the runnable takes it."""
    if not _is_graph(runnable):
        return data
    from pepperpy_agents.adapters.langchain.graphs import takes_messages

    if not takes_messages(runnable):
        return data
    if (text := text_of(data)) is not None:
        return {"messages": [HumanMessage(text)]}
    if isinstance(data, list):
        return {"messages": [_message(one) for one in data]}
    if isinstance(data, Mapping) and isinstance(data.get("messages"), list):
        return {**data, "messages": [_message(one) for one in data["messages"]]}
    return data


def _message(said: Any) -> Any:
    """A message of ours as LangChain's; others are left to LangChain, which knows many forms."""
    try:
        return theirs(msgspec.convert(said, ChatMessage))
    except (msgspec.ValidationError, BadPayload):
        return said


def _result(value: Any, data: Any) -> Any:
    """What a runnable gives as the task's result."""
    if isinstance(value, AIMessage) and not value.tool_calls:
        return str(value.text)
    words = isinstance(data, list) or text_of(data) is not None
    if words and isinstance(value, Mapping) and value.get("messages"):
        if (structured := value.get("structured_response")) is not None:
            return plain(structured)
        return str(value["messages"][-1].text)
    return plain(value)
