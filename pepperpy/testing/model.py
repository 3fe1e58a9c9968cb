"""A model that says what a test wants: the provider service is real, its provider is played."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_provider_svc.upstreams.script import Rule, ScriptedCall, ScriptedError
from pepperpy_provider_svc.upstreams.scripted import Scripted
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.errors import PepperError, RequestRefused

Answer: TypeAlias = str | PepperError | Rule | Any
"""A text; an error that the provider raises; a `Rule` with all that an answer can have; anything
else is answered as its JSON."""


class ScriptedModel:
    """What the models of a test say, each answer once and in order.

    Attributes:
        requests: What was asked, in order, answered or not.
    """

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []
        self._rules: deque[Rule] = deque()
        self._otherwise: Callable[[ChatRequest], Answer] | None = None
        self._calls = 0

    def replies(self, *answers: Answer) -> Self:
        """Answers the next requests, one after the other.

        Args:
            *answers: See `Answer`.
        """
        self._rules.extend(_rule(one) for one in answers)
        return self

    def calls_tool(self, name: str, /, **arguments: Any) -> Self:
        """Answers the next request with the call of a tool.

        Args:
            name: The tool, as the agent declares it: ``files.read``.
            **arguments: Its arguments.
        """
        return self.calls_tools((name, arguments))

    def calls_tools(self, *calls: tuple[str, Mapping[str, Any] | str]) -> Self:
        """Answers the next request with several calls at once.

        Args:
            *calls: Names and arguments; arguments that are a text are sent as they are, so that
                broken ones can be tried.
        """
        made = [self._call(name, given) for name, given in calls]
        return self.replies(Rule(tool_calls=made))

    def answers(self, function: Callable[[ChatRequest], Answer]) -> Self:
        """Answers every request that nothing else is left for.

        Args:
            function: Returns the answer to a request.
        """
        self._otherwise = function
        return self

    @property
    def left(self) -> int:
        """How many answers nobody has asked for yet."""
        return len(self._rules)

    def next(self, request: ChatRequest) -> Rule:
        """Returns the answer to a request, and notes that it was asked.

        Raises:
            RequestRefused: There is none.
        """
        self.requests.append(request)
        if self._rules:
            return _for_tools(self._rules.popleft(), request)
        if self._otherwise is not None:
            return _for_tools(_rule(self._otherwise(request)), request)
        said = request.messages[-1].text or f"({request.messages[-1].role})"
        raise RequestRefused(
            f"the model was asked for the {len(self.requests)}. time, and the test says no answer: "
            f"{said[:200]!r}",
            hint='say one before: pepper.model.replies("…")',
        )

    def _call(self, name: str, given: Mapping[str, Any] | str) -> ScriptedCall:
        self._calls += 1
        arguments = given if isinstance(given, str) else dict(given)
        return ScriptedCall(name=name, arguments=arguments, id=f"call_{self._calls}")


class Player(Scripted):
    """The provider service's scripted upstream, with a test in the place of its file.

    Args:
        provider: Whom errors name.
        model: What it says.
    """

    def __init__(self, provider: str, model: ScriptedModel) -> None:
        # Not the file's: the rules come one by one.
        self._provider = provider
        self._model = model

    def _rule(self, request: ChatRequest) -> Rule:
        return self._model.next(request)


def _rule(answer: Answer) -> Rule:
    match answer:
        case Rule():
            return answer
        case str():
            return Rule(text=answer)
        case PepperError():
            known = ("retry_after", "status")
            more = {name: answer.context[name] for name in known if name in answer.context}
            return Rule(error=ScriptedError(code=answer.code, message=answer.message, **more))
    return Rule(text=to_json(answer).decode())


def _for_tools(rule: Rule, request: ChatRequest) -> Rule:
    """The rule with the names of tools as the request offers them: models know no dots."""
    offered = {tool.name for tool in request.tools}

    def named(one: ScriptedCall) -> ScriptedCall:
        plain = one.name.replace(".", "_")
        name = plain if one.name not in offered and plain in offered else one.name
        return ScriptedCall(name=name, arguments=one.arguments, id=one.id)

    if not rule.tool_calls:
        return rule
    return msgspec.structs.replace(rule, tool_calls=[named(one) for one in rule.tool_calls])
