"""An agent: a name, a version, and what it does with which tasks and events."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, Unpack

import msgspec

from pepperpy_agents.handler import Handler, Where, read_handler
from pepperpy_agents.retry import RetryPolicy
from pepperpy_bus.composites.composite import Composite, Ways, declare
from pepperpy_bus.events import event_subjects
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_bus.where import compile_where
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.tokens import SEMVER, check_token, check_topic

F = TypeVar("F", bound=Callable[..., Any])
Mode = Literal["shared", "broadcast"]
AgentHook = Callable[[], Awaitable[None] | None]

DEFAULT_TIMEOUT = 600.0
"""Seconds that an attempt may take unless its task says otherwise."""


class TaskSpec(msgspec.Struct, frozen=True):
    """What an agent does with one topic.

    Attributes:
        topic: The topic.
        handler: The function.
        retry: When a failed attempt is repeated.
        timeout: Seconds that one attempt may take; None for ever.
        concurrency: Attempts at once in one process; None for the worker's setting.
    """

    topic: str
    handler: Handler
    retry: RetryPolicy
    timeout: float | None
    concurrency: int | None


class ListenerSpec(msgspec.Struct, frozen=True):
    """What an agent does with events.

    Attributes:
        name: The function's name; names the durable consumer of the shared mode.
        pattern: Entity, verb, scope and id from the left.
        where: A condition on the fields, or empty.
        mode: ``shared``: one instance gets each event. ``broadcast``: every instance does.
        handler: The function.
    """

    name: str
    pattern: str
    where: str
    mode: Mode
    handler: Handler


class Agent:
    """A named set of handlers that workers run.

    Args:
        name: One token: letters, digits, ``_`` and ``-``.
        version: Semantic version, such as ``1.2.0``.
        capabilities: What it can do, for look-ups in the registry.

    Attributes:
        granted: What its tools may do, for the audit log.

    Raises:
        BadName: The name is not one token.
        BadConfig: The version is not a semantic one.

    Example:
        ```python
        agent = Agent("echo", version="1.0.0")

        @agent.task("echo")
        async def echo(text: str) -> str:
            return text
        ```
    """

    def __init__(
        self, name: str, *, version: str = "0.1.0", capabilities: tuple[str, ...] | list[str] = ()
    ) -> None:
        self.name = check_token(name, what="agent name")
        if SEMVER.fullmatch(version) is None:
            raise BadConfig(
                f"agent {name}: version {version!r} is not a semantic version",
                hint='write three numbers, for example "1.2.0"',
            )
        self.version = version
        self.capabilities = tuple(check_token(c, what="capability") for c in capabilities)
        self.tasks: dict[str, TaskSpec] = {}
        self.listeners: list[ListenerSpec] = []
        self.composites: dict[str, Composite] = {}
        self.granted: tuple[str, ...] = ()
        self.start_hooks: list[AgentHook] = []
        self.stop_hooks: list[AgentHook] = []

    def task(
        self,
        topic: str,
        *,
        retries: int = 2,
        retry_delay: Duration = 1.0,
        retry_on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        timeout: Duration | None = DEFAULT_TIMEOUT,
        concurrency: int | None = None,
        where: Where | None = None,
    ) -> Callable[[F], F]:
        """Makes a function the handler of a topic.

        The function takes the data and, if it likes, the context. Its annotations are the types
        on the wire: Structs, dataclasses, pydantic models or plain types.

        Args:
            topic: The topic.
            retries: Repeats after the first failure: N means N + 1 attempts.
            retry_delay: Wait before the first repeat; each next one is twice as long.
            retry_on: Exceptions that are worth a repeat.
            timeout: How long one attempt may take; None for ever.
            concurrency: Attempts at once in one process; the worker's setting by default.
            where: ``process`` for a plain function that computes; ``async def`` runs in the event
                loop and ``def`` in a thread by themselves.

        Raises:
            BadConfig: The function cannot be a handler, or the topic has one.
        """
        check_topic(topic)
        for name, value in (("retries", retries), ("concurrency", concurrency)):
            if value is not None and type(value) is not int:
                raise BadConfig(f"topic {topic}: {name} is {value!r}", hint="give a whole number")
        only = retry_on if isinstance(retry_on, tuple) else (retry_on,)
        if retries < 0:
            raise BadConfig(f"topic {topic}: retries is {retries}", hint="use 0 or more")
        if concurrency is not None and concurrency < 1:
            raise BadConfig(f"topic {topic}: concurrency is {concurrency}", hint="use 1 or more")
        policy = RetryPolicy(retries=retries, delay=parse_duration(retry_delay), only=only)
        seconds = None if timeout is None else parse_duration(timeout)
        if seconds == 0:
            raise BadConfig(f"topic {topic}: timeout is 0", hint="use None for no time-out")

        def register(function: F) -> F:
            if topic in self.tasks:
                taken = self.tasks[topic].handler.name
                raise BadConfig(f"topic {topic} of agent {self.name} has a handler: {taken}")
            handler = read_handler(function, where=where)
            self.tasks[topic] = TaskSpec(topic, handler, policy, seconds, concurrency)
            return function

        return register

    def on(self, pattern: str, *, where: str = "", mode: Mode = "shared") -> Callable[[F], F]:
        """Makes a function a listener of events.

        Args:
            pattern: Entity, verb, scope and id from the left: ``task.failed.*``, ``llm.>``.
            where: A condition on the fields: ``data.code == 'timeout'``.
            mode: ``shared``: each event goes to one instance of the agent, is acknowledged and
                survives restarts. ``broadcast``: every instance hears what happens while it is up.

        Raises:
            BadName: The pattern is not valid.
            BadPayload: The condition cannot be read.
        """
        event_subjects("x", pattern)
        if where:
            compile_where(where)

        def register(function: F) -> F:
            name = check_token(function.__name__, what="listener name")
            if any(one.name == name for one in self.listeners):
                raise BadConfig(f"agent {self.name} has two listeners named {name}")
            self.listeners.append(ListenerSpec(name, pattern, where, mode, read_handler(function)))
            return function

        return register

    def composite(self, name: str, *, within: Duration, **ways: Unpack[Ways]) -> Composite:
        """Raises an event when several others have happened, whichever instance is up.

        The event has the agent's name as its scope; `on` listens to it as to any other.

        Args:
            name: Entity and verb of the raised event: ``checkout.stuck``.
            within: Time from the first to the last of the events: ``5m``.
            **ways: One of ``sequence=[…]``, ``all_of=[…]``, ``repeated=…`` with ``times=N``,
                ``after=…`` with ``missing=…``; and ``by="data.customer"`` for events that must
                have one value in common. See `pepperpy_bus.composites.composite.declare`.

        Raises:
            BadConfig: The declaration contradicts itself, or the name is taken.
            BadName: The name or a pattern is not valid.
            BadPayload: A condition or field cannot be read.
        """
        if name in self.composites:
            raise BadConfig(f"agent {self.name} has two composite events named {name}")
        self.composites[name] = declare(name, within=within, **ways)
        return self.composites[name]

    def on_start(self, hook: AgentHook) -> AgentHook:
        """Runs the hook before the first task; when it raises, the agent does not start."""
        self.start_hooks.append(hook)
        return hook

    def on_stop(self, hook: AgentHook) -> AgentHook:
        """Runs the hook after the last task, on every way out."""
        self.stop_hooks.append(hook)
        return hook

    def __repr__(self) -> str:
        return f"Agent({self.name!r}, version={self.version!r}, topics={sorted(self.tasks)})"
