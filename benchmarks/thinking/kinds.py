"""How agents of each kind are made and registered: ours, and those of three frameworks.

Tools and the model are made once and shared by all agents of a kind. The module runs in the
frameworks' environment, too: what it needs of a kind is imported when that kind is asked for.
"""

# The frameworks are elsewhere: whether they are here, too, and with types, is not for us to say.
# mypy: disable-error-code="import-not-found, misc, assignment"

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

INSTRUCTIONS = "You answer questions about the weather, and post what you found."
AT_ONCE = 100
"""Workers that start together: the broker has each of their questions answered in time then."""


@dataclass(frozen=True)
class Kind:
    """How agents of one kind come to be.

    Attributes:
        package: Whose version is told.
        make: Makes one agent of that name.
        register: Registers agents, and returns what keeps them.
    """

    package: str
    make: Callable[[str], Any]
    register: Callable[[Sequence[Any]], Awaitable[object]]


async def weather(city: str) -> str:
    """Tells the weather.

    Args:
        city: Where.
    """
    return f"It is sunny in {city}."


async def post(text: str, channel: str = "general") -> str:
    """Posts a text.

    Args:
        text: What is posted.
        channel: Where it is read.
    """
    return f"{len(text)} characters in {channel}"


@asynccontextmanager
async def pepperpy(broker: str) -> AsyncIterator[Kind]:
    """Ours: each agent has a worker that takes tasks, and is seen in the broker's registry."""
    from pepperpy import LLMAgent, connect, tool
    from pepperpy_agents.lifecycle import State
    from pepperpy_agents.worker import Worker, WorkerOptions

    tools = [tool(weather), tool(post)]

    def make(name: str) -> LLMAgent:
        return LLMAgent(name, INSTRUCTIONS, tools=tools)

    async with connect(broker) as bus, connect(broker) as another:
        at_once = asyncio.Semaphore(AT_ONCE)

        async def start(agent: LLMAgent) -> asyncio.Task[None]:
            worker, up = Worker(agent, bus, WorkerOptions()), asyncio.Event()

            async def look(_: State, after: State) -> None:
                if after is State.RUNNING:
                    up.set()

            worker.lifecycle.on_transition(look)
            async with at_once:
                running = asyncio.create_task(worker.run())
                running.add_done_callback(lambda _: up.set())
                await up.wait()
            if running.done():
                running.result()
            return running

        async def register(agents: Sequence[LLMAgent]) -> object:
            running = await asyncio.gather(*map(start, agents))
            wanted = {one.name for one in agents}
            while not wanted <= {
                one.agent
                for one in await another.registry.instances()
                if one.state == State.RUNNING.name
            }:
                await asyncio.sleep(0.05)
            return running

        yield Kind("pepperpy", make, register)


@asynccontextmanager
async def agno(_broker: str) -> AsyncIterator[Kind]:
    """Agno: its registry is a list of the process, in which agents are looked up by id."""
    from agno.agent import Agent
    from agno.models.base import Model
    from agno.registry import Registry
    from agno.tools import tool

    class Mute(Model):
        ainvoke = ainvoke_stream = invoke = invoke_stream = _unasked
        _parse_provider_response = _parse_provider_response_delta = _unasked

    model, tools = Mute(id="mute"), [tool(weather), tool(post)]

    def make(name: str) -> Any:
        return Agent(id=name, name=name, model=model, instructions=INSTRUCTIONS, tools=tools)

    async def register(agents: Sequence[Any]) -> object:
        registry = Registry(agents=list(agents))
        assert registry.get_agent(agents[-1].id) is agents[-1]
        return registry

    yield Kind("agno", make, register)


@asynccontextmanager
async def langgraph(_broker: str) -> AsyncIterator[Kind]:
    """LangGraph: its prebuilt graph, compiled; without a registry, a dict by name stands for it."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import tool
    from langgraph.prebuilt import create_react_agent

    class Mute(BaseChatModel):
        _generate = _unasked
        _llm_type = "mute"

        def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
            return self.bind(tools=[one.name for one in tools])

    model, tools = Mute(), [tool(weather), tool(post)]

    def make(name: str) -> Any:
        return create_react_agent(model, tools, prompt=INSTRUCTIONS, name=name)

    async def register(agents: Sequence[Any]) -> object:
        return {one.name: one for one in agents}

    yield Kind("langgraph", make, register)


@asynccontextmanager
async def autogen(_broker: str) -> AsyncIterator[Kind]:
    """AutoGen: an assistant within a routed agent, in a runtime of the process."""
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.messages import TextMessage
    from autogen_core import (
        AgentId,
        MessageContext,
        RoutedAgent,
        SingleThreadedAgentRuntime,
        message_handler,
    )
    from autogen_core.models import ChatCompletionClient, ModelInfo
    from autogen_core.tools import FunctionTool

    class Mute(ChatCompletionClient):
        actual_usage = total_usage = count_tokens = remaining_tokens = _unasked
        close = create = create_stream = _unasked
        capabilities = None
        model_info = ModelInfo(
            vision=False,
            function_calling=True,
            json_output=False,
            structured_output=False,
            family="unknown",
        )

    async def answer(self: Any, message: Any, ctx: Any) -> Any:
        reply = await self.assistant.on_messages([message], ctx.cancellation_token)
        return reply.chat_message

    # The decorator reads the types, which are known here only.
    answer.__annotations__ = {"message": TextMessage, "ctx": MessageContext, "return": TextMessage}

    class Routed(RoutedAgent):
        def __init__(self, assistant: Any) -> None:
            super().__init__(assistant.name)
            self.assistant = assistant

        on_text = message_handler(answer)

    model, runtime = Mute(), SingleThreadedAgentRuntime()
    tools = [FunctionTool(one, description=one.__doc__ or "") for one in (weather, post)]

    def make(name: str) -> Any:
        name = name.replace("-", "_")
        return AssistantAgent(name, model_client=model, tools=tools, system_message=INSTRUCTIONS)

    async def register(agents: Sequence[Any]) -> object:
        for one in agents:
            await Routed(one).register_instance(runtime, AgentId(one.name, "default"))
        return runtime

    yield Kind("autogen-agentchat", make, register)


def _unasked(*_: Any, **__: Any) -> Any:
    raise AssertionError("no model is asked here")


KINDS: Mapping[str, Callable[[str], AbstractAsyncContextManager[Kind]]] = {
    "PepperPy": pepperpy,
    "Agno": agno,
    "LangGraph": langgraph,
    "AutoGen": autogen,
}
