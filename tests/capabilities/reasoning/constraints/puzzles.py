"""Puzzles and problems that others have published, as constraint problems."""

from typing import Any

from pepperpy_schemas.codec import convert
from pepperpy_schemas.constraints import ConstraintProblem


def problem(variables: dict[str, Any], constraints: list[Any], **more: Any) -> ConstraintProblem:
    """A problem as it is written in JSON; a text is linear, and a pair has a name."""
    said = []
    for one in constraints:
        name, what = one if isinstance(one, tuple) else ("", one)
        said.append({"kind": "linear", "holds": what} if isinstance(what, str) else what)
        if name:
            said[-1] = {"name": name, **said[-1]}
    return convert({"variables": variables, "constraints": said, **more}, ConstraintProblem)


def whole(low: int, high: int) -> dict[str, Any]:
    return {"kind": "int", "low": low, "high": high}


def different(*of: Any) -> dict[str, Any]:
    return {"kind": "all_different", "of": list(of)}


ZEBRA_GROUPS = {
    "nation": ["English", "Spanish", "Ukrainian", "Norwegian", "Japanese"],
    "colour": ["red", "green", "ivory", "yellow", "blue"],
    "drink": ["coffee", "tea", "milk", "juice", "water"],
    "smoke": ["OldGold", "Kools", "Chesterfield", "LuckyStrike", "Parliament"],
    "pet": ["dog", "snails", "fox", "horse", "zebra"],
}


def zebra(**more: Any) -> ConstraintProblem:
    """Life International, 17 December 1962: who drinks water, who owns the zebra?"""
    variables = {name: whole(1, 5) for group in ZEBRA_GROUPS.values() for name in group}

    def beside(one: str, other: str) -> dict[str, Any]:
        return {"kind": "or", "any": [f"{one} == {other} + 1", f"{one} == {other} - 1"]}

    return problem(
        variables,
        [
            *(different(*group) for group in ZEBRA_GROUPS.values()),
            "English == red",
            "Spanish == dog",
            "coffee == green",
            "Ukrainian == tea",
            "green == ivory + 1",
            "OldGold == snails",
            "Kools == yellow",
            "milk == 3",
            "Norwegian == 1",
            beside("Chesterfield", "fox"),
            beside("Kools", "horse"),
            "LuckyStrike == juice",
            "Japanese == Parliament",
            beside("Norwegian", "blue"),
        ],
        **more,
    )


def sudoku(given: str, **more: Any) -> ConstraintProblem:
    """A sudoku as its 81 digits, row after row, with dots where nothing is given."""

    def cell(row: int, column: int) -> str:
        return f"c{row}{column}"

    nine = range(9)
    blocks = [
        [cell(r + n // 3, c + n % 3) for n in nine] for r in range(0, 9, 3) for c in range(0, 9, 3)
    ]
    return problem(
        {cell(r, c): whole(1, 9) for r in nine for c in nine},
        [
            *(different(*[cell(r, c) for c in nine]) for r in nine),
            *(different(*[cell(r, c) for r in nine]) for c in nine),
            *(different(*block) for block in blocks),
            *(f"{cell(n // 9, n % 9)} == {digit}" for n, digit in enumerate(given) if digit != "."),
        ],
        **more,
    )


def queens(count: int, **more: Any) -> ConstraintProblem:
    """Queens on a board, none of which attacks another: the column of each row's."""
    rows = range(count)
    return problem(
        {f"q{n}": whole(0, count - 1) for n in rows},
        [
            different(*[f"q{n}" for n in rows]),
            different(*[f"q{n} + {n}" for n in rows]),
            different(*[f"q{n} - {n}" for n in rows]),
        ],
        **more,
    )


def knapsack(weights: list[int], profits: list[int], capacity: int) -> ConstraintProblem:
    items = range(len(weights))
    return problem(
        {f"x{n}": {"kind": "bool"} for n in items},
        [("capacity", " + ".join(f"{weights[n]}*x{n}" for n in items) + f" <= {capacity}")],
        maximize=" + ".join(f"{profits[n]}*x{n}" for n in items),
    )


FT06 = [
    [(2, 1), (0, 3), (1, 6), (3, 7), (5, 3), (4, 6)],
    [(1, 8), (2, 5), (4, 10), (5, 10), (0, 10), (3, 4)],
    [(2, 5), (3, 4), (5, 8), (0, 9), (1, 1), (4, 7)],
    [(1, 5), (0, 5), (2, 5), (3, 3), (4, 8), (5, 9)],
    [(2, 9), (1, 3), (4, 5), (5, 4), (0, 3), (3, 1)],
    [(1, 3), (3, 3), (5, 9), (0, 10), (4, 4), (2, 1)],
]
"""Fisher and Thompson, 1963: of six jobs the machine and the duration of each step."""


def job_shop(jobs: list[list[tuple[int, int]]], horizon: int, **more: Any) -> ConstraintProblem:
    def step(job: int, n: int) -> str:
        return f"j{job}s{n}"

    machines: dict[int, list[str]] = {}
    order: list[Any] = []
    variables: dict[str, Any] = {"makespan": whole(0, horizon)}
    for job, steps in enumerate(jobs):
        for n, (machine, duration) in enumerate(steps):
            name = step(job, n)
            variables[name] = {"kind": "interval", "low": 0, "high": horizon, "size": duration}
            machines.setdefault(machine, []).append(name)
            if n:
                order.append(
                    (f"{name} after {step(job, n - 1)}", f"{step(job, n - 1)}.end <= {name}.start")
                )
        order.append((f"job {job} in time", f"{step(job, len(steps) - 1)}.end <= makespan"))
    alone = [
        (f"machine {machine}", {"kind": "no_overlap", "intervals": names})
        for machine, names in sorted(machines.items())
    ]
    return problem(variables, [*order, *alone], **{"minimize": "makespan", **more})


def magic_square(size: int, **more: Any) -> ConstraintProblem:
    side = range(size)
    total = size * (size * size + 1) // 2
    lines = [[f"m{r}{c}" for c in side] for r in side]
    lines += [[f"m{r}{c}" for r in side] for c in side]
    lines += [[f"m{n}{n}" for n in side], [f"m{n}{size - 1 - n}" for n in side]]
    cells = [f"m{r}{c}" for r in side for c in side]
    return problem(
        {cell: whole(1, size * size) for cell in cells},
        [different(*cells), *(f"{' + '.join(line)} == {total}" for line in lines)],
        **more,
    )


def send_more_money(**more: Any) -> ConstraintProblem:
    """Dudeney, Strand Magazine, July 1924."""
    letters = "SENDMORY"
    return problem(
        {letter: whole(1 if letter in "SM" else 0, 9) for letter in letters},
        [
            different(*letters),
            "1000*S + 100*E + 10*N + D + 1000*M + 100*O + 10*R + E"
            " == 10000*M + 1000*O + 100*N + 10*E + Y",
        ],
        **more,
    )


def tour(distances: list[list[int]]) -> ConstraintProblem:
    """The shortest way through all places and back."""
    places = range(len(distances))
    longest = max(map(max, distances))
    return problem(
        {
            **{f"next{n}": whole(0, len(distances) - 1) for n in places},
            **{f"way{n}": whole(0, longest) for n in places},
        },
        [
            {"kind": "circuit", "next": [f"next{n}" for n in places]},
            *(
                {"kind": "element", "index": f"next{n}", "of": distances[n], "equals": f"way{n}"}
                for n in places
            ),
        ],
        minimize=" + ".join(f"way{n}" for n in places),
    )
