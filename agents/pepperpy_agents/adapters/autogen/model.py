"""The models of the bus as a model client of AutoGen."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Unpack, cast

from autogen_core import CancellationToken
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool as AutoGenTool
from autogen_core.tools import ToolSchema
from pydantic import BaseModel

from pepperpy_agents.adapters.autogen.failing import noted
from pepperpy_agents.adapters.autogen.messages import conversation, created, request_usage
from pepperpy_agents.adapters.autogen.stopping import linked, linked_each
from pepperpy_agents.adapters.current import Bus, models
from pepperpy_bus.llm.account import tokens_in
from pepperpy_bus.llm.assembling import Assembling
from pepperpy_bus.llm.options import DEFAULT, ChatOptions, chat_request
from pepperpy_bus.units import Duration
from pepperpy_schemas.chat import Delta, End, ToolSpec, Usage
from pepperpy_schemas.errors import BadConfig, StreamBroken

Tools = Sequence[AutoGenTool | ToolSchema]
JsonOutput = bool | type[BaseModel] | None


class PepperPyChatCompletionClient(ChatCompletionClient):
    """A model of the provider service: its failover, limits, budgets and cache, as everybody's.

    Without a client it is the model of the task that runs: what it costs is spent from the task's
    budget, and it has until the task's deadline. So an agent can be made before there is a bus.

    A streamed answer cannot be taken back in AutoGen: one that breaks after its first piece is an
    error, and does not begin anew at another provider. `create` can.

    Args:
        model: An alias of the provider service, or ``provider/model``.
        client: A connected client; the task's by default.
        context_window: Tokens that the model reads, for contexts that are limited by tokens.
        family: What AutoGen calls the model's kind.
        add_name_prefixes: Whether what agents said to one another begins with who said it.
        timeout: How long an answer may take.
        **options: What requests say besides; see `ChatOptions`.

    Example:
        ```python
        agent = AssistantAgent("writer", model_client=PepperPyChatCompletionClient())
        ```
    """

    component_type = "model"

    def __init__(
        self,
        model: str = DEFAULT,
        *,
        client: Bus | None = None,
        context_window: int | None = None,
        family: str = ModelFamily.UNKNOWN,
        add_name_prefixes: bool = False,
        timeout: Duration = "5m",
        **options: Unpack[ChatOptions],
    ) -> None:
        self._model = model
        self._client = client
        self._window = context_window
        self._family = family
        self._names = add_name_prefixes
        self._timeout = timeout
        self._options = options
        self._total = Usage()

    # --- answers --------------------------------------------------------------------------------

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
        """Returns a model's answer.

        Args:
            messages: The conversation.
            tools: Tools that may be called, AutoGen's or schemas of some.
            tool_choice: ``auto``, ``required``, ``none``, or the tool to call.
            json_output: The form of the answer: a pydantic model, or True for any JSON object.
            extra_create_args: What the request says besides; see `ChatOptions`.
            cancellation_token: Stops the request, down to the provider's socket.

        Raises:
            PepperError: What went wrong at the provider, or with the request.
        """
        options = self._request(tools, tool_choice, json_output, extra_create_args)
        with noted():
            said = conversation(messages, names=self._names)
            asked = models(self._client).chat(
                said, model=self._model, timeout=self._timeout, **options
            )
            reply = await linked(asked, cancellation_token)
        self._total += reply.usage
        return created(reply.message, reply.finish, reply.usage, cached=reply.cached)

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
        """Yields a model's answer in pieces of text, and then the whole of it.

        Args:
            messages: The conversation.
            tools: Tools that may be called, AutoGen's or schemas of some.
            tool_choice: ``auto``, ``required``, ``none``, or the tool to call.
            json_output: The form of the answer: a pydantic model, or True for any JSON object.
            extra_create_args: What the request says besides; see `ChatOptions`.
            cancellation_token: Stops the request, down to the provider's socket.

        Raises:
            StreamBroken: The answer broke off, after pieces of it were yielded.
            PepperError: What went wrong at the provider, or with the request.
        """
        options = self._request(tools, tool_choice, json_output, extra_create_args)
        options.setdefault("no_restart", True)
        answer, begun = Assembling(), False
        with noted():
            stream = models(self._client).stream(
                conversation(messages, names=self._names),
                model=self._model,
                timeout=self._timeout,
                **options,
            )
            async with contextlib.aclosing(linked_each(stream, cancellation_token)) as items:
                async for item in items:
                    match item:
                        case Delta():
                            begun = True
                            answer.grow(item)
                            if item.text:
                                yield item.text
                        case End():
                            self._total += item.usage
                            yield created(
                                answer.message, item.finish, item.usage, cached=item.cached
                            )
                        case _ if begun:
                            raise StreamBroken(
                                "the answer began anew, after pieces of it were given"
                            )

    def _request(
        self, tools: Tools, choice: Any, form: JsonOutput, extra: Mapping[str, Any]
    ) -> ChatOptions:
        """What is asked besides: what the call says goes before what the client says."""
        options: Any = {**self._options, **extra}
        if tools:
            options["tools"] = [tool_spec(one) for one in tools]
            options["tool_choice"] = choice if isinstance(choice, str) else choice.name
        if isinstance(form, type):
            schema = form.model_json_schema()
            options["response_format"] = {"schema": schema, "name": form.__name__}
        elif form:
            options["response_format"] = {"schema": {"type": "object"}}
        return cast(ChatOptions, options)

    # --- what AutoGen asks of a client besides --------------------------------------------------

    async def close(self) -> None:
        """Does nothing: the bus is its owner's."""

    def actual_usage(self) -> RequestUsage:
        """Returns the tokens of all answers; those of stored ones among them."""
        return request_usage(self._total)

    def total_usage(self) -> RequestUsage:
        """Returns the tokens of all answers; those of stored ones among them."""
        return request_usage(self._total)

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Tools = ()) -> int:
        """Returns about how many tokens a request has, from above.

        It is reckoned from the bytes: AutoGen cannot wait for the provider service to count.
        """
        options = self._request(tools, "auto", None, {})
        return tokens_in(chat_request(conversation(messages), self._model, options))

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Tools = ()) -> int:
        """Returns how many tokens of the model's window a request leaves.

        Raises:
            BadConfig: The window is not known.
        """
        if self._window is None:
            raise BadConfig(
                f"how many tokens {self._model} reads is not known",
                hint="say it: PepperPyChatCompletionClient(context_window=128_000)",
            )
        return self._window - self.count_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> Any:
        """What AutoGen asked for before `model_info`."""
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        """What the model can do, as far as AutoGen must know."""
        return ModelInfo(
            vision=False,
            function_calling=True,
            json_output=True,
            structured_output=True,
            family=self._family,
            multiple_system_messages=True,
        )


def tool_spec(tool: AutoGenTool | ToolSchema) -> ToolSpec:
    """Returns a tool of AutoGen as models are told of it."""
    schema: ToolSchema = tool if isinstance(tool, dict) else tool.schema
    parameters: Any = schema.get("parameters") or {"type": "object", "properties": {}}
    return ToolSpec(schema["name"], schema.get("description", ""), dict(parameters))
