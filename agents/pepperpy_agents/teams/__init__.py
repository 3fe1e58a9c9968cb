"""Teams: the patterns in which agents work together, each a graph of tasks."""

from pepperpy_agents.teams.chosen import manager, reflection, router
from pepperpy_agents.teams.fixed import debate, map_reduce, parallel, sequential
from pepperpy_agents.teams.serving import served

__all__ = [
    "debate",
    "manager",
    "map_reduce",
    "parallel",
    "reflection",
    "router",
    "sequential",
    "served",
]
