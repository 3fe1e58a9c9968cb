"""The models of the bus as a chat model of LangChain."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field

from pepperpy_agents.adapters.current import Bus, models, waited, waited_each
from pepperpy_agents.adapters.langchain.messages import answer, conversation
from pepperpy_agents.adapters.langchain.pieces import Pieces, last_chunk, told_of, usage_of
from pepperpy_agents.tools.tool import Tool
from pepperpy_bus.llm.options import DEFAULT, ChatOptions
from pepperpy_schemas.chat import Delta, End, ToolSpec
from pepperpy_schemas.errors import BadPayload, StreamBroken

_CHOICES = {"any": "required", True: "required", False: "none", None: "auto"}
"""What LangChain says of the choice of a tool, where we say another word."""


class ChatPepperPy(BaseChatModel):
    """A model of the provider service: its failover, limits, budgets and cache, as everybody's.

    Without a client it is the model of the task that runs: what it costs is spent from the task's
    budget, and it has until the task's deadline. So a graph can be made before there is a bus.

    A streamed answer cannot be taken back in LangChain: one that breaks after its first piece is an
    error, and does not begin anew at another provider. `ainvoke` outside of a streamed graph can.

    Attributes:
        model: An alias of the provider service, or ``provider/model``.
        client: A connected client, of `connect` or `connect_sync`; the task's by default.
        temperature: From 0, always the likeliest answer, to 2.
        max_tokens: Most tokens of an answer.
        timeout: How long an answer may take, such as ``"2m"``.
        options: What requests say besides; see `ChatOptions`.

    Example:
        ```python
        model = ChatPepperPy(model="default", client=bus)
        reply = await model.ainvoke("Say hello.")
        ```
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: str = DEFAULT
    client: Bus | None = Field(default=None, exclude=True, repr=False)
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: str = "5m"
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "pepperpy"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "temperature": self.temperature, **self.options}

    # --- answers --------------------------------------------------------------------------------

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model, options = self._request(stop, kwargs)
        reply = await models(self.client).chat(
            conversation(messages), model=model, timeout=self.timeout, **options
        )
        said = answer(
            reply.message, usage_metadata=usage_of(reply.usage), response_metadata=told_of(reply)
        )
        return ChatResult(generations=[ChatGeneration(message=said)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with contextlib.aclosing(self._pieces(messages, stop, kwargs)) as pieces:
            async for piece in pieces:
                chunk = ChatGenerationChunk(message=piece)
                if run_manager is not None:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _pieces(
        self, messages: list[BaseMessage], stop: list[str] | None, said: dict[str, Any]
    ) -> Any:
        model, options = self._request(stop, said)
        options.setdefault("no_restart", True)
        stream = models(self.client).stream(
            conversation(messages), model=model, timeout=self.timeout, **options
        )
        pieces, begun = Pieces(), False
        async with contextlib.aclosing(stream) as items:
            async for item in items:
                match item:
                    case Delta():
                        begun = True
                        yield pieces.chunk(item)
                    case End():
                        yield last_chunk(item)
                    case _ if begun:
                        raise StreamBroken("the answer began anew, after pieces of it were given")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return waited(self.client, lambda: self._agenerate(messages, stop, None, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for piece in waited_each(self.client, self._pieces(messages, stop, kwargs)):
            chunk = ChatGenerationChunk(message=piece)
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _request(
        self, stop: Sequence[str] | None, said: Mapping[str, Any]
    ) -> tuple[str, ChatOptions]:
        """The model and what is asked of it: what the call says goes before what the model says."""
        own = {"temperature": self.temperature, "max_tokens": self.max_tokens, "stop": stop}
        options: Any = {k: v for k, v in own.items() if v is not None} | self.options
        options |= {k: v for k, v in said.items() if k not in _LANGCHAINS}
        if (form := options.get("response_format")) is not None:
            options["response_format"] = _form(form)
        if "tools" in options:
            options["tools"] = [tool_spec(one) for one in options["tools"]]
        if "tool_choice" in options:
            options["tool_choice"] = _choice(options["tool_choice"])
        return options.pop("model", self.model), options

    # --- tools and forms ------------------------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool | Tool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Returns the model with tools that it may call.

        Args:
            tools: LangChain's tools, functions, pydantic models or schemas; and tools of ours.
            tool_choice: ``auto``, ``none``, ``any`` for one of them, or a tool's name.
            **kwargs: What requests say besides.
        """
        if tool_choice is not None:
            kwargs["tool_choice"] = _choice(tool_choice)
        return self.bind(tools=[_schema_of(tool_spec(one)) for one in tools], **kwargs)

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Returns the model with a form of its answers, which the provider service checks.

        Args:
            schema: A pydantic model, whose instances come back; or a JSON Schema or TypedDict, for
                which it is a dict.
            include_raw: Return ``raw``, ``parsed`` and ``parsing_error`` instead of raising.
            **kwargs: What requests say besides; LangChain's ``method`` and ``strict`` say nothing
                here: the form is always asked for as JSON, and always checked.
        """
        kwargs = {k: v for k, v in kwargs.items() if k not in ("method", "strict", "tools")}
        model = isinstance(schema, type) and issubclass(schema, BaseModel)
        parser: Any = PydanticOutputParser(pydantic_object=schema) if model else JsonOutputParser()
        asking: Runnable[Any, Any] = self.bind(response_format=_form(schema), **kwargs)
        if not include_raw:
            return asking.pipe(parser)
        parsed = RunnablePassthrough.assign(
            parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
        )
        wrong = RunnablePassthrough.assign(parsed=lambda _: None)
        caught = parsed.with_fallbacks([wrong], exception_key="parsing_error")
        return RunnableMap(raw=asking).pipe(caught)


_LANGCHAINS = frozenset({"ls_structured_output_format", "strict", "stream", "parallel_tool_calls"})
"""What LangChain says to models and means others than ours."""


def tool_spec(tool: Any) -> ToolSpec:
    """Returns a tool as models are told of it.

    Args:
        tool: A tool of ours or of LangChain, a function, a pydantic model, or a schema of a tool.
    """
    if isinstance(tool, ToolSpec):
        return tool
    if isinstance(tool, Tool):
        return tool.spec
    function = convert_to_openai_tool(tool)["function"]
    return ToolSpec(
        function["name"], function.get("description", ""), function.get("parameters") or {}
    )


def _schema_of(spec: ToolSpec) -> dict[str, Any]:
    """A tool as LangChain keeps those that are bound: some of its parts look into them."""
    return {"type": "function", "function": msgspec.to_builtins(spec)}


def _choice(given: Any) -> str:
    match given:
        case {"type": "function", "function": {"name": str(name)}} | {"name": str(name)}:
            return name
        case bool() | None:
            return _CHOICES[given]
        case str():
            return _CHOICES.get(given, given)
        case _:
            raise BadPayload(f"tool_choice is {given!r:.80}", hint="auto, none, any, or a name")


def _form(given: Any) -> dict[str, Any]:
    """The form of an answer, as requests say it."""
    match given:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **rest}}:
            return {"schema": schema, "name": rest.get("name") or "answer"}
        case {"schema": dict(), **rest} if rest.keys() <= {"name"}:
            return dict(given)
        case _:
            schema = convert_to_json_schema(given)
            return {"schema": schema, "name": schema.get("title") or "answer"}
