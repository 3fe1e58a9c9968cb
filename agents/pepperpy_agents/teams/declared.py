"""The declaration of a team as a YAML file: a table for each pattern.

Its keys are the names of the arguments of the pattern's function.

```yaml
name: essay
pattern: reflection
writer: write
critic: review
rounds: 3
```
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pepperpy_agents.teams import chosen, fixed
from pepperpy_agents.teams.members import check_rule
from pepperpy_agents.thinking.declared import Budget, Whole
from pepperpy_agents.thinking.limits import Limits
from pepperpy_bus.graphs.graph import Graph
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.tokens import SEMVER, check_topic


def _by(check: Callable[[str], object]) -> AfterValidator:
    """Refuses a text that a function of ours refuses."""

    def checked(text: str) -> str:
        try:
            check(text)
        except PepperError as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(checked)


def _semantic(version: str) -> str:
    if SEMVER.fullmatch(version) is None:
        raise ValueError('a version is three numbers, for example "1.2.0"')
    return version


def _by_topic(value: Any) -> Any:
    """Lets a list of topics stand for a table in which nothing is said of them."""
    listed = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return dict.fromkeys(value, "") if listed else value


Topic = Annotated[str, _by(check_topic)]
Topics = Annotated[list[Topic], Field(min_length=1)]
Described = Annotated[dict[Topic, str], BeforeValidator(_by_topic)]


class TeamTable(BaseModel):
    """What every team has; the other keys are arguments of its pattern's function."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Topic = Field(description="The team's name, and its topic where a worker serves it.")
    pattern: str = Field(description="How they work together.")
    version: Annotated[str, AfterValidator(_semantic)] = Field(
        default="0.1.0", description="Semantic version, where a worker serves it."
    )

    def arguments(self) -> dict[str, Any]:
        """Returns the arguments of the pattern's function."""
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in ("pattern", "version")
        }


class SequentialTable(TeamTable):
    """One after the other."""

    agents: Topics


class ParallelTable(TeamTable):
    """At the same time."""

    agents: Topics
    join: Topic | None = None


class RouterTable(TeamTable):
    """One of them, as rules or a model choose."""

    agents: Described = {}
    rules: dict[Topic, Annotated[str, _by(check_rule)]] = {}
    instructions: str = ""
    model: str = "default"


class ManagerTable(TeamTable):
    """A model that hands out sub-tasks."""

    workers: Annotated[Described, Field(min_length=1)]
    instructions: str = ""
    model: str = "default"
    budget: Budget = Budget()

    def arguments(self) -> dict[str, Any]:
        """Returns the arguments, the budget as limits."""
        arguments = super().arguments()
        limits = Limits(**arguments.pop("budget").model_dump())
        return {**arguments, "limits": limits}


class DebateTable(TeamTable):
    """Rounds of arguments, and a judge."""

    debaters: Topics
    judge: Topic
    rounds: Whole = 2


class MapReduceTable(TeamTable):
    """Each element of a list, then all results."""

    mapper: Topic
    reducer: Topic | None = None
    over: str = ""
    parallel: Whole = 8


class ReflectionTable(TeamTable):
    """A writer, and a critic that accepts."""

    writer: Topic
    critic: Topic
    rounds: Whole = 3


PATTERNS: Final[dict[str, tuple[type[TeamTable], Callable[..., Graph]]]] = {
    "sequential": (SequentialTable, fixed.sequential),
    "parallel": (ParallelTable, fixed.parallel),
    "map_reduce": (MapReduceTable, fixed.map_reduce),
    "debate": (DebateTable, fixed.debate),
    "router": (RouterTable, chosen.router),
    "manager": (ManagerTable, chosen.manager),
    "reflection": (ReflectionTable, chosen.reflection),
}
"""The table of each pattern, and the function that makes the team."""
