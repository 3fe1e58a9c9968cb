"""What is called before and after an agent is made: functions of the program, or of packages."""

from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias, TypeVar

from pepperpy_agents.agent import Agent
from pepperpy_schemas.errors import BadConfig

BeforeCreate: TypeAlias = Callable[[str], None]
"""Gets the reference; what it raises is why there is no agent."""
AfterCreate: TypeAlias = Callable[[Agent], None]
"""Gets the agent, and may change it; what it raises is why there is none after all."""

BEFORE: Final = "pepperpy.before_create"
AFTER: Final = "pepperpy.after_create"
"""Groups of entry points: each names a hook of an installed package."""

B = TypeVar("B", bound=BeforeCreate)
A = TypeVar("A", bound=AfterCreate)

_before: Final[list[BeforeCreate]] = []
_after: Final[list[AfterCreate]] = []


def before_create(hook: B) -> B:
    """Calls a function before each agent is made in this process.

    Example:
        ```python
        @before_create
        def only_ours(reference: str) -> None:
            if not reference.startswith("agents/"):
                raise BadConfig(f"{reference} is not one of ours")
        ```
    """
    _before.append(hook)
    return hook


def after_create(hook: A) -> A:
    """Calls a function with each agent that was made in this process, before it starts.

    Example:
        ```python
        @after_create
        def greet(agent: Agent) -> None:
            agent.on_start(lambda: print(agent.name, agent.version, "is up"))
        ```
    """
    _after.append(hook)
    return hook


def all_before() -> list[BeforeCreate]:
    """Returns the hooks of installed packages, then those of the program."""
    return [*_installed(BEFORE), *_before]


def all_after() -> list[AfterCreate]:
    """Returns the hooks of installed packages, then those of the program."""
    return [*_installed(AFTER), *_after]


@cache
def _installed(group: str) -> tuple[Callable[..., None], ...]:
    from importlib.metadata import entry_points

    found: list[Callable[..., None]] = []
    for point in sorted(entry_points(group=group), key=lambda one: one.name):
        try:
            found.append(point.load())
        except Exception as error:
            raise BadConfig(
                f"hook {point.name} of {group} cannot be loaded: {type(error).__name__}: {error}",
                hint=f"mend or remove the package that names {point.value}",
            ) from error
    return tuple(found)
