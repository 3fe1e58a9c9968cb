"""Teams from YAML files, with the line of what is wrong in them."""

from typing import Final

import msgspec

from pepperpy_bus.graphs.graph import Graph
from pepperpy_schemas.errors import BadConfig, PepperError

_HINT: Final = "every key is described in docs/how-to/teams.md"


class DeclaredTeam(msgspec.Struct, frozen=True):
    """A team as its file declares it.

    Attributes:
        graph: The team.
        version: Its version, where a worker serves it.
    """

    graph: Graph
    version: str


def read_team(text: str | bytes, *, origin: str = "team") -> DeclaredTeam:
    """Returns the team that a YAML or JSON text declares.

    Args:
        text: The text.
        origin: What errors call it.

    Raises:
        BadConfig: It declares no team; the message begins with origin and line.
    """
    # Here: pydantic is for those who read files.
    from pydantic import ValidationError

    from pepperpy_agents.teams.declared import PATTERNS
    from pepperpy_bus.complaints import complaint, marked

    found = marked(text, origin, "a team", _HINT)
    pattern = found.data.get("pattern")
    if not isinstance(pattern, str) or pattern not in PATTERNS:
        raise BadConfig(
            f"{origin}:{found.line('$.pattern')}: {pattern!r:.80} is no pattern; there is "
            + ", ".join(PATTERNS),
            hint=_HINT,
        )
    table, make = PATTERNS[pattern]
    try:
        declared = table.model_validate(found.data)
    except ValidationError as error:
        raise complaint(origin, found, table, error, _HINT) from None
    try:
        return DeclaredTeam(make(**declared.arguments()), declared.version)
    except PepperError as error:
        # What is wrong with a single key is said above.
        raise BadConfig(f"{origin}:{found.line('$.pattern')}: {error}", hint=error.hint) from None
