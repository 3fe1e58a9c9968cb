"""An agent on the bus as a model client of AutoGen."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from autogen_core import CancellationToken
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
)

from pepperpy_agents.adapters.asking import Asking, Outcome
from pepperpy_agents.adapters.autogen.failing import noted
from pepperpy_agents.adapters.autogen.messages import conversation, created, request_usage
from pepperpy_agents.adapters.autogen.model import JsonOutput, Tools
from pepperpy_agents.adapters.autogen.stopping import linked, linked_each
from pepperpy_agents.adapters.current import Bus
from pepperpy_bus.bodies import to_json
from pepperpy_bus.llm.account import tokens_in
from pepperpy_bus.submission import SubmitOptions
from pepperpy_schemas.chat import ChatMessage, Usage
from pepperpy_schemas.errors import BadConfig, BadPayload


class BusChatCompletionClient(ChatCompletionClient):
    """Asks whoever takes a topic as AutoGen asks models: an agent in any language in its teams.

    The last message is the task's ``text``, and what was said before it its ``conversation``, as
    an `LLMAgent` reads both. Instructions of AutoGen are left out: the agent has its own, and its
    own tools. What it takes is counted where it runs, and as nothing here.

    Whoever stops waiting cancels the task. Within a task of ours the other one is its child, and
    ends with it.

    Args:
        topic: The topic.
        client: A connected client; that of the task that runs by default.
        options: What is said of each task; see `SubmitOptions`.

    Example:
        ```python
        triage = AssistantAgent("triage", model_client=BusChatCompletionClient("triage"))
        ```
    """

    component_type = "model"

    def __init__(
        self, topic: str, *, client: Bus | None = None, options: SubmitOptions | None = None
    ) -> None:
        self._topic = topic
        self._asking = Asking(topic, client, options)

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Tools = (),
        tool_choice: Any = "auto",
        json_output: JsonOutput = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Submits a task and returns what it ends with; a result that is no text as JSON.

        Args:
            messages: The conversation.
            tools: None may be given.
            tool_choice: Not used.
            json_output: Not used: the agent answers in its own form.
            extra_create_args: Not used.
            cancellation_token: Cancels the task.

        Raises:
            BadPayload: There are tools, or nothing is asked.
            PepperError: The task failed; the error is the one it failed with.
        """
        with noted():
            asked = self._asking.result(self._data(messages, tools))
            return _whole(await linked(asked, cancellation_token))

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Tools = (),
        tool_choice: Any = "auto",
        json_output: JsonOutput = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Submits a task and yields the text that it shows, and then what it ends with.

        Args:
            messages: The conversation.
            tools: None may be given.
            tool_choice: Not used.
            json_output: Not used: the agent answers in its own form.
            extra_create_args: Not used.
            cancellation_token: Cancels the task.

        Raises:
            StreamBroken: The text began anew, after pieces of it were yielded.
            BadPayload: There are tools, or nothing is asked.
            PepperError: The task failed; the error is the one it failed with.
        """
        with noted():
            updates = self._asking.updates(self._data(messages, tools))
            async with contextlib.aclosing(linked_each(updates, cancellation_token)) as items:
                async for item in items:
                    yield _whole(item.value) if isinstance(item, Outcome) else item

    def _data(self, messages: Sequence[LLMMessage], tools: Tools) -> dict[str, Any]:
        if tools:
            raise BadPayload(
                f"the agent that takes {self._topic} has its own tools, and is given none",
                hint="give them to an AssistantAgent whose model client is a model",
            )
        said = [one for one in conversation(messages) if one.role in ("user", "assistant")]
        if not said:
            raise BadPayload(f"nothing is asked of {self._topic}")
        *before, last = said
        data: dict[str, Any] = {"text": last.text}
        if before:
            data["conversation"] = [{"role": one.role, "text": one.text} for one in before]
        return data

    # --- what AutoGen asks of a client besides --------------------------------------------------

    async def close(self) -> None:
        """Does nothing: the bus is its owner's."""

    def actual_usage(self) -> RequestUsage:
        """Returns nothing: it is counted where the agent runs."""
        return request_usage(Usage())

    def total_usage(self) -> RequestUsage:
        """Returns nothing: it is counted where the agent runs."""
        return request_usage(Usage())

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Tools = ()) -> int:
        """Returns about how many tokens a conversation has, from above."""
        return tokens_in(conversation(messages))

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Tools = ()) -> int:
        """Is not known of an agent.

        Raises:
            BadConfig: Always.
        """
        raise BadConfig(f"how many tokens the agent that takes {self._topic} reads is not known")

    @property
    def capabilities(self) -> Any:
        """What AutoGen asked for before `model_info`."""
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        """What the agent can do, as far as AutoGen must know."""
        return ModelInfo(
            vision=False,
            function_calling=False,
            json_output=False,
            structured_output=False,
            family=ModelFamily.UNKNOWN,
            multiple_system_messages=True,
        )


def _whole(result: Any) -> CreateResult:
    text = result if isinstance(result, str) else to_json(result).decode()
    return created(ChatMessage("assistant", text), "stop", Usage(), cached=False)
