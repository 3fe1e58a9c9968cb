"""Agents of Microsoft Agent Framework as agents on the bus."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Unpack

import msgspec
from agent_framework import AgentResponse, AgentSession, Message, SupportsAgentRun
from pydantic import BaseModel

from pepperpy_agents.adapters.agent_framework.guarding import Guarding
from pepperpy_agents.adapters.calling import Calls
from pepperpy_agents.adapters.current import running
from pepperpy_agents.adapters.given import chat_message, text_or_messages
from pepperpy_agents.adapters.guarding import Guard, Needs
from pepperpy_agents.adapters.keeping import Kept
from pepperpy_agents.adapters.making import TaskSettings, agent_for
from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_schemas.errors import BadConfig, BadPayload

_SESSION: Final = "agent-framework"

Handle = Callable[[Any, Context], Any]


def agent_framework_agent(
    name: str,
    agent: SupportsAgentRun,
    *,
    topics: Sequence[str] | None = None,
    version: str = "0.1.0",
    capabilities: Sequence[str] = (),
    grants: Iterable[str | Scope] = (),
    needs: Mapping[str, Needs] | None = None,
    keep: bool = False,
    write: Callable[[AgentResponse[Any]], Any] | None = None,
    **settings: Unpack[TaskSettings],
) -> Agent:
    """Returns an agent whose tasks one of Agent Framework answers.

    Args:
        name: One token: letters, digits, ``_`` and ``-``.
        agent: The agent of Agent Framework.
        topics: The topics whose tasks it takes; its name by default.
        version: Semantic version.
        capabilities: What it can do, for look-ups in the registry.
        grants: See `run_handler`.
        needs: See `run_handler`.
        keep: See `run_handler`.
        write: See `run_handler`.
        **settings: See `TaskSettings`.
    """
    handle = run_handler(agent, caller=name, grants=grants, needs=needs, keep=keep, write=write)
    return agent_for(
        name, handle, topics=topics, version=version, capabilities=capabilities, **settings
    )


def run_handler(
    agent: SupportsAgentRun,
    *,
    caller: str = "",
    grants: Iterable[str | Scope] = (),
    needs: Mapping[str, Needs] | None = None,
    keep: bool = False,
    write: Callable[[AgentResponse[Any]], Any] | None = None,
) -> Handle:
    """Returns a handler that gives its tasks to an agent of Agent Framework.

    A task is a text, an object with ``text``, or messages: a list, or an object with ``messages``,
    each as `ChatMessage` or as Agent Framework writes it. Who asks with a text is answered with
    one, or with the structured value; else the result has the ``messages`` that were said.

    Watchers see the words as they are said, and its tools at work. Each call of a tool is told as
    events. A cancellation or the deadline ends what it awaits.

    Args:
        agent: The agent; it works on many tasks at once.
        caller: The agent, for what is told of calls of tools; the topic by default.
        grants: Scopes that its tools may need.
        needs: What its tools need, by their names: a scope, several, or a function of the call's
            arguments that returns them. Others need nothing.
        keep: Whether the session is kept on the bus between the tasks of one key: a conversation.
        write: Makes the task's result of the agent's response.

    Raises:
        BadConfig: A scope is none, or the agent's tools cannot be guarded.
    """
    guard = Guard(caller, Grants.of(grants), dict(needs or {}))
    guarded = "middleware" in inspect.signature(agent.run).parameters
    if guard.needs and not guarded:
        raise BadConfig(
            f"the tools of {type(agent).__name__} cannot be guarded: it takes no middleware",
            hint="say what is needed of the agents inside of it",
        )

    async def handle(data: Any, ctx: Context) -> Any:
        named = msgspec.structs.replace(guard, caller=caller or ctx.topic)
        given = text_or_messages(data, _message, "Agent Framework")
        kept = await Kept.of(ctx, _SESSION) if keep else None
        if kept is not None and (answered := kept.answered) is not None:
            return answered.result
        session = None
        if kept is not None:
            saved = kept.saved
            session = AgentSession.from_dict(saved.state) if saved else agent.create_session()
        calls = Calls(ctx, named)
        more: dict[str, Any] = {"middleware": [Guarding(calls)]} if guarded else {}
        with running(ctx, caller=named.caller):
            async with agent.run(given, stream=True, session=session, **more) as updates:
                async for update in updates:
                    if update.text:
                        await calls.showing.say(update.text)
                response = await updates.get_final_response()
        result = write(response) if write is not None else _result(response, given)
        if kept is not None and session is not None:
            await kept.keep(result, session.to_dict())
        return result

    handle.__qualname__ = f"{caller or 'agent_framework'}.handle"
    return handle


def _message(said: Any) -> Message:
    if isinstance(said, Mapping) and "contents" in said:
        try:
            return Message.from_dict(dict(said))
        except (TypeError, ValueError) as error:
            raise BadPayload(f"Agent Framework has no such message: {error}") from error
    message = chat_message(said)
    return Message(message.role, [message.text])


def _result(response: AgentResponse[Any], given: Any) -> Any:
    if not isinstance(given, str):
        return {"messages": [one.to_dict() for one in response.messages]}
    value = response.value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return response.text if value is None else value
