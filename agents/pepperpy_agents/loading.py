"""From ``module:agent``, ``folder/file.py:agent`` or ``folder/agent.yaml`` to the agent."""

from pathlib import Path

from pepperpy_agents.agent import Agent
from pepperpy_agents.importing import import_place
from pepperpy_schemas.errors import BadConfig

_DECLARED = (".yaml", ".yml")


def load_agent(reference: str) -> Agent:
    """Returns the agent that a reference names.

    Args:
        reference: ``module:attribute`` or ``path/to/file.py:attribute``; without an attribute the
            module's only agent is meant. Or ``path/to/agent.yaml``, which declares one, or a team.

    Raises:
        BadConfig: There is no such module or agent; the message says what was found instead.
    """
    if reference.endswith(_DECLARED):
        return _declared(Path(reference))
    place, attribute = _split(reference)
    module = import_place(place)
    agents = {name: one for name, one in vars(module).items() if isinstance(one, Agent)}
    if attribute:
        if attribute in agents:
            return agents[attribute]
        raise BadConfig(f"{place} has no agent named {attribute!r}", hint=_choices(place, agents))
    if len(agents) == 1:
        return next(iter(agents.values()))
    raise BadConfig(f"{place} has {len(agents)} agents", hint=_choices(place, agents))


def _declared(path: Path) -> Agent:
    from pepperpy_bus.graphs.files import declares_team

    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}") from None
    if declares_team(text):
        from pepperpy_agents.teams.files import read_team
        from pepperpy_agents.teams.serving import served

        team = read_team(text, origin=str(path))
        return served(team.graph, version=team.version)
    from pepperpy_agents.thinking.files import read_agent

    return read_agent(text, origin=str(path), folder=path.parent)


def _split(reference: str) -> tuple[str, str]:
    place, colon, attribute = reference.rpartition(":")
    return (place, attribute) if colon and "/" not in attribute else (reference, "")


def _choices(place: str, agents: dict[str, Agent]) -> str:
    if not agents:
        return 'define one: agent = Agent("name", version="1.0.0")'
    return "name one of them: " + ", ".join(f"{place}:{name}" for name in agents)
