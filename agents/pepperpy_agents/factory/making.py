"""Makes agents from references: of the wanted kind, through the hooks, with their times."""

import time
from collections.abc import Sequence
from typing import TypeVar, overload

import msgspec

from pepperpy_agents.agent import Agent
from pepperpy_agents.factory.hooks import AfterCreate, BeforeCreate, all_after, all_before
from pepperpy_agents.loading import load_agent
from pepperpy_schemas.errors import BadConfig, ErrorInfo, PepperError

A = TypeVar("A", bound=Agent)


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """How the making of an agent went.

    Attributes:
        reference: What it was made from.
        agent: Its name; empty when there was none yet.
        version: Its version; the same.
        seconds: How long it took, imports and hooks included.
        error: Why there is none, or None.
    """

    reference: str
    agent: str = ""
    version: str = ""
    seconds: float = 0.0
    error: ErrorInfo | None = None


class Factory:
    """Makes agents.

    Args:
        before: More hooks, called after those of `before_create`.
        after: More hooks, called after those of `after_create`.

    Attributes:
        made: How each making went, in order, those that failed included.

    Example:
        ```python
        factory = Factory()
        support = factory.create("agents/support.py:agent")
        researcher = factory.create("agents/researcher.yaml", LLMAgent)
        ```
    """

    def __init__(
        self, *, before: Sequence[BeforeCreate] = (), after: Sequence[AfterCreate] = ()
    ) -> None:
        self._before = tuple(before)
        self._after = tuple(after)
        self.made: list[Made] = []

    @overload
    def create(self, reference: str) -> Agent: ...

    @overload
    def create(self, reference: str, kind: type[A]) -> A: ...

    def create(self, reference: str, kind: type[Agent] = Agent) -> Agent:
        """Returns the agent of a reference, checked.

        Args:
            reference: ``module:agent``, ``path/to/file.py:agent`` or ``path/to/agent.yaml``.
            kind: What it must be.

        Raises:
            BadConfig: There is no such agent, it is of another kind, or a hook refused it.
        """
        began = time.perf_counter()
        found: list[Agent] = []
        try:
            agent = self._create(reference, kind, found)
        except PepperError as error:
            self._note(reference, found, began, error.info())
            raise
        self._note(reference, found, began, None)
        return agent

    def _create(self, reference: str, kind: type[Agent], found: list[Agent]) -> Agent:
        for before in (*all_before(), *self._before):
            _call(before, reference, reference)
        agent = load_agent(reference)
        found.append(agent)
        if not isinstance(agent, kind):
            raise BadConfig(
                f"{reference} is of kind {type(agent).__name__}, not {kind.__name__}",
                hint="name another agent, or ask for this kind",
            )
        # Now: a module that was just imported may have hooks of its own.
        for after in (*all_after(), *self._after):
            _call(after, agent, reference)
        return agent

    def _note(
        self, reference: str, found: list[Agent], began: float, error: ErrorInfo | None
    ) -> None:
        self.made.append(
            Made(
                reference=reference,
                agent=found[0].name if found else "",
                version=found[0].version if found else "",
                seconds=time.perf_counter() - began,
                error=error,
            )
        )


def _call(hook: BeforeCreate | AfterCreate, given: object, reference: str) -> None:
    try:
        hook(given)  # type: ignore[arg-type]  # each kind of hook is called with its own
    except PepperError:
        raise
    except Exception as error:
        name = getattr(hook, "__qualname__", repr(hook))
        raise BadConfig(
            f"{reference}: hook {name} raised {type(error).__name__}: {error}",
            hint="mend the hook, or take it away",
        ) from error
