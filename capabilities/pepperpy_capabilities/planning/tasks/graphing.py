"""A plan as a graph for the orchestrator: what is left of it, and what came of a run."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pepperpy_bus.graphs.plan import find_cycle, make_plan
from pepperpy_bus.graphs.references import REF
from pepperpy_bus.where import MAX_LENGTH
from pepperpy_capabilities.planning.tasks.binding import bind, known, nodes_in
from pepperpy_capabilities.planning.tasks.changing import result_scope
from pepperpy_capabilities.planning.tasks.draft import Draft
from pepperpy_schemas.error import ErrorInfo
from pepperpy_schemas.errors import BadGraph, BadProblem, TooBig
from pepperpy_schemas.graphs import GraphSpec, NodeSpec

NAME: Final = "plan"
"""The name of the graphs."""


class Ended(msgspec.Struct, frozen=True):
    """How a node ended.

    Attributes:
        state: ``completed``, ``failed``, or ``skipped`` because one before it failed.
        result: What its task returned.
        error: What it failed with.
    """

    state: str
    result: Any = None
    error: ErrorInfo | None = None


def whole_graph(draft: Draft, parallel: int) -> GraphSpec:
    """Returns the whole plan as a graph, which anybody may submit.

    Raises:
        BadProblem: It cannot run; a cycle is named in ``context.cycle``.
    """
    nodes = {
        name: NodeSpec(topic=one.topic, input=one.input, after=one.after, on_failure="fail")
        for name, one in draft.tasks.items()
    }
    graph = GraphSpec(NAME, nodes, output=draft.output, parallel=parallel)
    if not nodes:
        return graph
    if cycle := find_cycle(_needs(draft)):
        raise BadProblem(f"tasks wait in a cycle: {' -> '.join(cycle)}", context={"cycle": cycle})
    try:
        make_plan(graph)
    except BadGraph as error:
        raise BadProblem(
            str(error), hint=error.hint, context={**error.context, "field": "methods"}
        ) from None
    return graph


def rest_graph(draft: Draft, results: Mapping[str, Any], parallel: int) -> GraphSpec:
    """Returns what is left of a plan as a graph that tells how each of its nodes ended.

    What does not depend on a failed task goes on; what does is left out until the plan is changed.

    Args:
        draft: The plan.
        results: What completed tasks returned, by name.
        parallel: How many tasks run at once.

    Raises:
        TooBig: A task waits for too many others.
    """
    scope = result_scope(results)
    left = {name: one for name, one in draft.tasks.items() if name not in results}
    scope |= {name: {"result": {REF: f"{name}.result"}} for name in left}
    needs = _needs(draft)
    nodes = {}
    for name, one in left.items():
        before = [need for need in needs[name] if need in left]
        nodes[name] = NodeSpec(
            topic=one.topic,
            input=bind(one.input, scope, one.where),
            after=before,
            when=_all_completed(name, before),
            on_failure="continue",
        )
    told = {
        name: {part: {REF: f"{name}.{part}"} for part in ("state", "result", "error")}
        for name in nodes
    }
    return GraphSpec(NAME, nodes, output=told, parallel=parallel)


def output_of(draft: Draft, results: Mapping[str, Any]) -> Any:
    """Returns what the goal returns when all tasks have completed."""
    needed = {name: results[name] for name in nodes_in(draft.output)}
    return known(bind(draft.output, result_scope(needed), "output"))


def _needs(draft: Draft) -> dict[str, list[str]]:
    return {
        name: list(dict.fromkeys([*one.after, *nodes_in(one.input)]))
        for name, one in draft.tasks.items()
    }


def _all_completed(name: str, before: list[str]) -> str:
    """A condition that holds when all have completed: a comparison may have many members."""
    if not before:
        return ""
    text = " == ".join([*(f"{one}.state" for one in before), "'completed'"])
    if len(text) > MAX_LENGTH:
        raise TooBig(
            f"task {name} waits for {len(before)} others, which are more than a condition can name",
            hint="divide them: let groups of them end in a task of their own",
            context={"task": name},
        )
    return text
