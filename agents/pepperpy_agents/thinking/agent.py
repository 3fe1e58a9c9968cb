"""An agent that thinks, as users write it: a name, instructions, a model and tools."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pepperpy_agents.agent import DEFAULT_TIMEOUT, Agent
from pepperpy_agents.context import Context
from pepperpy_agents.thinking.answers import Answer
from pepperpy_agents.thinking.approval import Approval
from pepperpy_agents.thinking.forms import Form
from pepperpy_agents.thinking.handoffs import Handoff
from pepperpy_agents.thinking.instructions import Instructions
from pepperpy_agents.thinking.limits import Limits
from pepperpy_agents.thinking.mind import Mind
from pepperpy_agents.thinking.questions import read_question
from pepperpy_agents.thinking.recalling import Recall
from pepperpy_agents.thinking.sessions import Sessions
from pepperpy_agents.thinking.thinking import Thinking
from pepperpy_agents.tools.resolving import Spec, resolve_all
from pepperpy_agents.tools.running import CONCURRENCY, Toolbox
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_bus.llm.options import DEFAULT, ChatOptions
from pepperpy_bus.units import Duration
from pepperpy_schemas.errors import BadConfig

if TYPE_CHECKING:
    from pepperpy_agents.templates import Template

_OWN = ("tools", "tool_choice", "response_format")


class LLMAgent(Agent):
    """An agent whose tasks are answered by a model, which may call tools.

    Each answer of the model and each call of a tool is a step in the task's journal: after a crash
    another worker goes on behind the last one, and nothing that is in the journal is paid again.

    Args:
        name: One token: letters, digits, ``_`` and ``-``.
        instructions: What the model is told to be and to do: a text, or a template.
        model: An alias of the provider service, or ``provider/model``.
        tools: Tools, functions, or names: ``"calculator"``, ``"files.read:./papers"``, which grants
            what it names, ``"agent:TOPIC"``, ``"service:NAME"``, ``"mcp:SERVER"``.
        grants: Scopes that tools may need: ``"http.get:example.org"``. Nothing is granted else.
        memory: Where to look for memories that fit a question: a namespace, or a `Recall`.
        output_type: What the answer must be: a pydantic model, a Struct or dataclass, a JSON
            Schema; text by default.
        input_type: What the question must be; any text or JSON by default.
        topics: The topics whose tasks it takes; its name by default.
        version: Semantic version.
        capabilities: What it can do, for look-ups in the registry.
        tool_concurrency: Calls of tools at once in one process; others wait for their turn.
        limits: Where a task is stopped: one answer without tools is then asked for.
        approve: Names of tools that people must agree to be called: ``"http.get"``, ``"http"`` for
            all below it, ``"*"``.
        approve_within: How long their answer is waited for, then it is a no; for ever by default.
        handoffs: Topics of other agents that may be handed the question.
        sessions: Keep what is said under a task's key: True, or `Sessions`.
        variables: Values of the instructions' template.
        details: Give an `Answer` as the result, with what it took and what stopped it.
        options: What requests to the model say besides: temperature, max_tokens, fallbacks.
        retries: Repeats after the first failure of a task; they go on where it failed.
        retry_delay: Wait before the first repeat; each next one is twice as long.
        timeout: How long one attempt may take; None for ever.
        concurrency: Tasks at once in one process; the worker's setting by default.

    Raises:
        BadConfig: A value does not fit, or contradicts another.
        BadName: A name is none.

    Example:
        ```python
        agent = LLMAgent(
            "researcher",
            "Answer from the papers, and name them.",
            tools=["files.read:./papers"],
            limits=Limits(turns=8, usd=0.20),
        )
        ```
    """

    def __init__(
        self,
        name: str,
        instructions: "str | Template",
        *,
        model: str = DEFAULT,
        tools: Sequence[Spec] = (),
        grants: Iterable[str | Scope] = (),
        memory: Recall | Mapping[str, Any] | str | None = None,
        output_type: Any = None,
        input_type: Any = Any,
        topics: Sequence[str] | None = None,
        version: str = "0.1.0",
        capabilities: tuple[str, ...] | list[str] = (),
        tool_concurrency: int = CONCURRENCY,
        limits: Limits | None = None,
        approve: Sequence[str] = (),
        approve_within: Duration | None = None,
        handoffs: Sequence[Handoff | str] = (),
        sessions: Sessions | bool = False,
        variables: Mapping[str, Any] | None = None,
        details: bool = False,
        options: ChatOptions | None = None,
        retries: int = 2,
        retry_delay: Duration = 1.0,
        timeout: Duration | None = DEFAULT_TIMEOUT,
        concurrency: int | None = None,
    ) -> None:
        super().__init__(name, version=version, capabilities=capabilities)
        toolbox = _toolbox(tools, grants, tool_concurrency)
        self.granted = tuple(map(str, toolbox.grants.scopes))
        self.on_stop(toolbox.close)
        others = tuple(Handoff(one) if isinstance(one, str) else one for one in handoffs)
        _refuse_equal(toolbox, others)
        self.mind = Mind(
            name=name,
            instructions=Instructions(instructions, variables),
            model=model,
            options=_options(options, f"{name}-{version}"),
            toolbox=toolbox,
            limits=limits or Limits(),
            form=Form(output_type),
            approval=Approval.of(approve, [one.name for one in toolbox], within=approve_within),
            recall=Recall.of(memory),
            sessions=Sessions() if sessions is True else sessions or None,
            handoffs=others,
            details=details,
        )
        for topic in topics or [name]:
            self.task(
                topic,
                retries=retries,
                retry_delay=retry_delay,
                timeout=timeout,
                concurrency=concurrency,
            )(self._handler(input_type))

    def _handler(self, input_type: Any) -> Callable[..., Any]:
        """The handler of all its topics; its annotations are the types on the wire."""

        async def think(question: Any, ctx: Context) -> Any:
            return await Thinking(self.mind, ctx, read_question(question)).run()

        returned = Answer if self.mind.details else self.mind.form.type
        think.__annotations__ = {"question": input_type, "ctx": Context, "return": returned}
        think.__qualname__ = f"{self.name}.think"
        return think


def _toolbox(tools: Sequence[Spec], grants: Iterable[str | Scope], concurrency: int) -> Toolbox:
    if isinstance(tools, str):
        raise BadConfig(f"tools are a list, not the text {tools!r:.80}", hint="put it in [ ]")
    if concurrency < 1:
        raise BadConfig(f"tool_concurrency is {concurrency}", hint="use 1 or more")
    found, named = resolve_all(tools)
    return Toolbox(found, grants=Grants.of(grants) + named, concurrency=concurrency)


def _options(given: ChatOptions | None, key: str) -> ChatOptions:
    options: ChatOptions = {"prompt_cache_key": key, **(given or {})}
    own = [name for name in _OWN if name in options]
    if own:
        raise BadConfig(
            f"options: {', '.join(own)} is the agent's own to say",
            hint="give tools and output_type to the agent",
        )
    unknown = options.keys() - ChatOptions.__annotations__.keys()
    if unknown:
        raise BadConfig(f"options: a request to a model has no {', '.join(sorted(unknown))}")
    return options


def _refuse_equal(toolbox: Toolbox, handoffs: Sequence[Handoff]) -> None:
    first: dict[str, Handoff] = {}
    for one in handoffs:
        if (other := first.setdefault(one.tool, one)) is not one:
            raise BadConfig(
                f"handoffs to {other.topic} and {one.topic} are both {one.tool} to the model",
                hint="leave one of them out, or give its agent a shorter topic",
            )
        if toolbox.find(one.tool) is not None:
            raise BadConfig(
                f"a tool has the name {one.tool}, by which is handed on to {one.topic}",
                hint="give the tool another name",
            )
