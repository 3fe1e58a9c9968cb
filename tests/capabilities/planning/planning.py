"""Problems to plan, and a way to have them planned."""

import asyncio
import json
from pathlib import Path
from typing import Any

from pepperpy_capabilities.means import Means
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.action_plans import ActionProblem, ActionSpec
from pepperpy_schemas.resource_plans import JobSpec, ResourceSpec, ScheduleProblem, TaskSpec

PDDL = Path(__file__).parent / "pddl"

MOVE = ActionSpec(
    name="move",
    parameters={"from": "room", "to": "room"},
    when=["at from", "door from to"],
    then=["at to", "not at from"],
)
ROOMS = ActionProblem(
    types={"room": "object"},
    objects={"Hall": "room", "Küche": "room", "Garden": "room"},
    actions=[MOVE],
    init=["at Hall", "door Hall Küche", "door Küche Garden"],
    goal=["at Garden"],
)
"""From the hall through the kitchen into the garden, which nobody leaves."""


def pddl(name: str, **options: Any) -> ActionProblem:
    """Returns a problem of the folder: `blocks-4-0` is of the domain `blocks`."""
    domain = (PDDL / f"{name.partition('-')[0]}.pddl").read_text()
    return ActionProblem(domain=domain, problem=(PDDL / f"{name}.pddl").read_text(), **options)


def job_shop(name: str, **options: Any) -> ScheduleProblem:
    """Returns a job shop of the folder: each machine does one operation at a time."""
    rows = json.loads((Path(__file__).parent / "job_shops.json").read_text())[name]
    return ScheduleProblem(
        resources={f"m{machine}": ResourceSpec() for machine, _ in rows[0]},
        jobs=[
            JobSpec(
                name=f"j{number}",
                tasks=[
                    TaskSpec(name=f"t{place}", duration=duration, uses={f"m{machine}": 1})
                    for place, (machine, duration) in enumerate(row)
                ],
            )
            for number, row in enumerate(rows)
        ],
        **options,
    )


def solved(planner: Any, problem: Any, *, seconds: float = 60.0) -> Any:
    """Returns the plan for a problem."""

    async def solve() -> Any:
        async with Workshop() as workshop:
            return await planner.plan(problem, Means(workshop, seconds=seconds))

    return asyncio.run(solve())


def sliding_puzzle() -> ActionProblem:
    """Returns the puzzle of Sam Loyd (1896): fifteen tiles, of which 14 and 15 are swapped.

    There is no plan, and half of sixteen factorial states to look at.
    """
    cells = [f"c{row}{column}" for row in range(4) for column in range(4)]
    beside = [
        f"beside c{row}{column} c{row + down}{column + right}"
        for row in range(4)
        for column in range(4)
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))
        if 0 <= row + down < 4 and 0 <= column + right < 4
    ]
    tiles = [*range(1, 14), 15, 14]
    slide = ActionSpec(
        name="slide",
        parameters={"tile": "tile", "from": "cell", "to": "cell"},
        when=["at tile from", "free to", "beside from to"],
        then=["at tile to", "free from", "not at tile from", "not free to"],
    )
    return ActionProblem(
        types={"tile": "object", "cell": "object"},
        objects={f"n{tile}": "tile" for tile in tiles} | dict.fromkeys(cells, "cell"),
        actions=[slide],
        init=[
            *(f"at n{tile} {cell}" for tile, cell in zip(tiles, cells, strict=False)),
            f"free {cells[-1]}",
            *beside,
        ],
        goal=[f"at n{tile} {cell}" for tile, cell in zip(sorted(tiles), cells, strict=False)],
    )
