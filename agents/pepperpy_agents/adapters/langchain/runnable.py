"""An agent on the bus as a runnable of LangChain."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import StructuredTool

from pepperpy_agents.adapters.asking import Asking
from pepperpy_agents.adapters.current import Bus, waited, waited_each
from pepperpy_agents.adapters.langchain.values import plain
from pepperpy_bus.submission import SubmitOptions


class BusRunnable(Runnable[Any, Any]):
    """Asks whoever takes a topic, in whatever language that is written.

    What it is given is the task's data, messages and documents in it as JSON; what the task ends
    with is what it gives. Whoever stops waiting cancels the task. Within a task of ours the other
    one is its child, and ends with it.

    Args:
        topic: The topic.
        client: A connected client, of `connect` or `connect_sync`; that of the task that runs by
            default.
        options: What is said of each task; see `SubmitOptions`.

    Example:
        ```python
        triage = BusRunnable("triage", client=bus)
        chain = prompt | model | triage
        ```
    """

    def __init__(
        self, topic: str, *, client: Bus | None = None, options: SubmitOptions | None = None
    ) -> None:
        self.topic = topic
        self.name = topic
        self._client = client
        self._asking = Asking(topic, client, options)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Submits a task and returns what it ends with.

        Args:
            input: The task's data.
            config: For LangChain's callbacks.
            **kwargs: Not used.

        Raises:
            PepperError: The task failed; the error is the one it failed with.
        """
        return await self._acall_with_config(self._ask, input, ensure_config(config))

    async def astream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Submits a task and yields the text that it shows while it works.

        What it ends with is yielded when it has shown no text, or when it ends with no text.

        Args:
            input: The task's data.
            config: Not used.
            **kwargs: Not used.

        Raises:
            StreamBroken: The text began anew, after pieces of it were yielded: another attempt has
                the task, which goes on.
            PepperError: The task failed; the error is the one it failed with.
        """
        async with contextlib.aclosing(self._pieces(input)) as pieces:
            async for piece in pieces:
                yield piece

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Does `ainvoke` from another thread than that of the bus."""
        return self._call_with_config(
            lambda given: waited(self._client, lambda: self._ask(given)),
            input,
            ensure_config(config),
        )

    def stream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Does `astream` from another thread than that of the bus."""
        yield from waited_each(self._client, self._pieces(input))

    def tool(
        self, description: str, *, name: str = "", parameters: dict[str, Any] | None = None
    ) -> StructuredTool:
        """Returns the agent as a tool of LangChain, whose arguments are the task's data.

        Args:
            description: What it does, for the model.
            name: The tool's name; the topic by default.
            parameters: JSON Schema of the data, an object's; a ``text`` by default.
        """
        text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}

        async def asked(**arguments: Any) -> Any:
            return await self._ask(arguments)

        def waiting(**arguments: Any) -> Any:
            return waited(self._client, lambda: self._ask(arguments))

        return StructuredTool(
            name=name or self.topic,
            description=description,
            args_schema=parameters or text,
            func=waiting,
            coroutine=asked,
        )

    # --- below ----------------------------------------------------------------------------------

    async def _ask(self, given: Any) -> Any:
        return await self._asking.result(plain(given))

    async def _pieces(self, given: Any) -> AsyncGenerator[Any, None]:
        async with contextlib.aclosing(self._asking.pieces(plain(given))) as pieces:
            async for piece in pieces:
                yield piece
