"""Agents and teams of AutoGen as agents on the bus."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Unpack

import msgspec
from autogen_agentchat.base import TaskResult, Team
from autogen_agentchat.messages import (
    BaseChatMessage,
    MessageFactory,
    StructuredMessage,
    TextMessage,
)

from pepperpy_agents.adapters.autogen.running import Maker, Runner, Runners, run
from pepperpy_agents.adapters.autogen.watching import Watching
from pepperpy_agents.adapters.autogen.workbenches import guard
from pepperpy_agents.adapters.current import running
from pepperpy_agents.adapters.given import chat_message, text_or_messages
from pepperpy_agents.adapters.guarding import Guard, Needs
from pepperpy_agents.adapters.keeping import Kept
from pepperpy_agents.adapters.making import TaskSettings, agent_for
from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_schemas.errors import BadPayload

_STATE: Final = "autogen"
_CHATTY: Final = ("autogen_core", "autogen_agentchat")
"""Logs that have each message of a team several times at INFO, with all of its words."""

Handle = Callable[[Any, Context], Any]


def autogen_agent(
    name: str,
    runner: Runner | Maker,
    *,
    topics: Sequence[str] | None = None,
    version: str = "0.1.0",
    capabilities: Sequence[str] = (),
    grants: Iterable[str | Scope] = (),
    needs: Mapping[str, Needs] | None = None,
    keep: bool = False,
    write: Callable[[TaskResult], Any] | None = None,
    **settings: Unpack[TaskSettings],
) -> Agent:
    """Returns an agent whose tasks an agent or a team of AutoGen answers.

    Args:
        name: One token: letters, digits, ``_`` and ``-``.
        runner: Makes the agent or team, for each task anew; or the agent there is.
        topics: The topics whose tasks it takes; its name by default.
        version: Semantic version.
        capabilities: What it can do, for look-ups in the registry.
        grants: See `runner_handler`.
        needs: See `runner_handler`.
        keep: See `runner_handler`.
        write: See `runner_handler`.
        **settings: See `TaskSettings`.

    Example:
        ```python
        def writer() -> AssistantAgent:
            return AssistantAgent("writer", model_client=PepperPyChatCompletionClient())


        agent = autogen_agent("writer", writer)
        ```
    """
    handle = runner_handler(runner, caller=name, grants=grants, needs=needs, keep=keep, write=write)
    return agent_for(
        name, handle, topics=topics, version=version, capabilities=capabilities, **settings
    )


def runner_handler(
    runner: Runner | Maker,
    *,
    caller: str = "",
    grants: Iterable[str | Scope] = (),
    needs: Mapping[str, Needs] | None = None,
    keep: bool = False,
    write: Callable[[TaskResult], Any] | None = None,
) -> Handle:
    """Returns a handler that gives its tasks to an agent or a team.

    A task is a text, an object with ``text``, or messages: a list, or an object with ``messages``,
    each as `ChatMessage` or as AutoGen writes it. An agent that is asked with a text answers with
    one: its last message, or what a structured one contains. Else the result has the ``messages``
    that were said and the ``stop_reason``.

    AutoGen's logs are heard from WARNING on, unless their levels are set: at INFO they have every
    word of a conversation.

    Watchers see the words as they are said, of a team with ``{"speaker": …}`` before them, and its
    tools at work. Each call of a tool is told as events. A cancellation or the deadline cancels
    AutoGen's token.

    Args:
        runner: Makes the agent or team, for each task anew. An agent itself works on one task after
            the other, each of which finds it as it was at first.
        caller: The agent, for what is told of calls of tools; the topic by default.
        grants: Scopes that its tools may need.
        needs: What tools of AutoGen need, by their names: a scope, several, or a function of the
            call's arguments that returns them. Others need nothing.
        keep: Whether the state is kept on the bus between the tasks of one key: a conversation.
        write: Makes the task's result of AutoGen's.

    Raises:
        BadConfig: A scope is none, or it is a team and not what makes one.
    """
    guarded = Guard(caller, Grants.of(grants), dict(needs or {}))
    runners = Runners(runner)
    for name in _CHATTY:
        if (log := logging.getLogger(name)).level == logging.NOTSET:
            log.setLevel(logging.WARNING)

    async def handle(data: Any, ctx: Context) -> Any:
        named = msgspec.structs.replace(guarded, caller=caller or ctx.topic)
        given = text_or_messages(data, _message, "AutoGen")
        kept = await Kept.of(ctx, _STATE) if keep else None
        if kept is not None and (answered := kept.answered) is not None:
            return answered.result
        async with runners.lent() as one:
            guard(one, named.needs)
            if kept is not None and kept.saved is not None:
                await one.load_state(kept.saved.state)
            watching = Watching(ctx, named, several=isinstance(one, Team))
            with running(ctx, caller=named.caller):
                ended = await run(one, given, watching)
            text = isinstance(given, str) and not isinstance(one, Team)
            result = write(ended) if write is not None else _result(ended, text=text)
            if kept is not None:
                await kept.keep(result, await one.save_state())
        return result

    handle.__qualname__ = f"{caller or 'autogen'}.handle"
    return handle


def _message(said: Any) -> BaseChatMessage:
    if isinstance(said, Mapping) and "type" in said:
        try:
            made = MessageFactory().create(said)
        except ValueError as error:
            raise BadPayload(f"AutoGen has no such message: {error}") from error
        if isinstance(made, BaseChatMessage):
            return made
        raise BadPayload(f"nobody says a {type(made).__name__} to an agent")
    message = chat_message(said)
    if message.role not in ("user", "assistant"):
        raise BadPayload(f"nobody says a message of the role {message.role} to an agent")
    return TextMessage(content=message.text, source=message.role)


def _result(ended: TaskResult, *, text: bool) -> Any:
    if not text:
        messages = [one.model_dump(mode="json") for one in ended.messages]
        return {"messages": messages, "stop_reason": ended.stop_reason}
    last = next((one for one in reversed(ended.messages) if isinstance(one, BaseChatMessage)), None)
    if isinstance(last, StructuredMessage):
        return last.content.model_dump(mode="json")
    return last.to_text() if last is not None else ""
