"""Graphs of tasks."""

from typing import Final

from pepperpy_schemas.graphs import GraphSpec
from pepperpy_schemas.subjects import Subject

GRAPH: Final = Subject(
    "GraphSpec",
    "{p}.task.orchestrate.{id}",
    GraphSpec,
    "A graph of tasks, which the stock agent runs.",
    "TASKS",
    (
        '{"name":"launch","nodes":{"research":{"topic":"research","input":{"about":"otters"}},'
        '"write":{"topic":"write","input":{"notes":"${research.result}"}}}}',
    ),
)
