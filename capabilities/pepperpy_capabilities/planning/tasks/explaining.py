"""Why a plan is as it is: which method made each task, and what was changed while it ran."""

from collections.abc import Mapping, Sequence
from typing import Any

from pepperpy_capabilities.planning.tasks.binding import nodes_in
from pepperpy_capabilities.planning.tasks.draft import Draft
from pepperpy_schemas.task_plans import PlannedTask, Replanned, TaskProblem


def planned_tasks(
    draft: Draft, results: Mapping[str, Any], plans: Mapping[str, int] | None = None
) -> list[PlannedTask]:
    """Returns the tasks of a plan as answers have them.

    Args:
        draft: The plan.
        results: The results of those that have completed.
        plans: In which plan each came in; the first by default.
    """
    return [
        PlannedTask(
            name=name,
            topic=task.topic,
            made_by=[str(one) for one in task.chosen],
            plan=(plans or {}).get(name, 1),
            state="completed" if name in results else "planned",
        )
        for name, task in draft.tasks.items()
    ]


def explain(
    problem: TaskProblem,
    draft: Draft,
    tasks: Sequence[PlannedTask],
    replanned: Sequence[Replanned] = (),
) -> str:
    """Returns the explanation of a plan, a line for each task and each change."""
    who = f"the model {problem.model}" if problem.by == "model" else "declared methods"
    lines = [f"{problem.goal:.200}: {len(tasks)} tasks, planned by {who}."]
    if not tasks:
        lines.append("Nothing is to be done: the methods that fit have no steps.")
    for one in tasks:
        drafted = draft.tasks[one.name]
        needs = dict.fromkeys([*drafted.after, *nodes_in(drafted.input)])
        after = f", after {', '.join(needs)}" if needs else ""
        came = f", new in plan {one.plan}" if one.plan > 1 else ""
        lines.append(f"{one.name} ({one.topic}): by {' / '.join(one.made_by)}{after}{came}.")
    for change in replanned:
        failed = "; ".join(f"{one.name} failed with {one.error.code}" for one in change.failed)
        lines.append(f"Plan {change.plan}: {failed}. {change.kept} completed tasks were kept.")
        lines += [f"  {one}" for one in change.changes]
    return "\n".join(lines)
