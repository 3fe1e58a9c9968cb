"""Decision problems whose answers others have published, and a short way to write one."""

from typing import Any

from pepperpy_schemas.decisions import Criterion, DecisionProblem, Option


def decision(
    criteria: dict[str, tuple[str, float]], rows: dict[str, list[float | None]], **more: Any
) -> DecisionProblem:
    """A problem of criteria with direction and weight, and options with a value for each."""
    return DecisionProblem(
        criteria=[
            Criterion(name=name, direction=direction, weight=weight)  # type: ignore[arg-type]  # one of the two words
            for name, (direction, weight) in criteria.items()
        ],
        options=[
            Option(name=name, values=dict(zip(criteria, values, strict=True)))
            for name, values in rows.items()
        ],
        **more,
    )


AIRCRAFT = decision(
    {
        "speed": ("more", 0.2),
        "range": ("more", 0.1),
        "payload": ("more", 0.1),
        "cost": ("less", 0.1),
        "reliability": ("more", 0.2),
        "maneuverability": ("more", 0.3),
    },
    {
        "A1": [2.0, 1500, 20000, 5.5, 5, 9],
        "A2": [2.5, 2700, 18000, 6.5, 3, 5],
        "A3": [1.8, 2000, 21000, 4.5, 7, 7],
        "A4": [2.2, 1800, 20000, 5.0, 5, 5],
    },
)
"""Hwang and Yoon, Multiple Attribute Decision Making, 1981: the fighter aircraft, which the book
ranks by every method that it explains."""

TZENG_HUANG = decision(
    {"x1": ("more", 0.3), "x2": ("more", 0.4), "x3": ("more", 0.3)},
    {"A0": [5, 8, 4], "A1": [7, 6, 8], "A2": [8, 8, 6], "A3": [7, 4, 6]},
)
"""Tzeng and Huang, Multiple Attribute Decision Making: Methods and Applications, 2011; its
closeness as the tests of scikit-criteria have it."""

HEATING = decision(
    {
        f"x{n}": (direction, 20.0)
        for n, direction in enumerate(["less"] * 4 + ["more", "less", "more"])
    },
    {
        "A0": [33.95, 23.78, 11.45, 39.97, 29.44, 167.10, 3.852],
        "A1": [38.9, 4.17, 6.32, 0.01, 4.29, 132.52, 25.184],
        "A2": [37.59, 9.36, 8.23, 4.35, 10.22, 136.71, 10.845],
        "A3": [30.44, 37.59, 13.91, 74.08, 45.10, 198.34, 2.186],
        "A4": [36.21, 14.79, 9.17, 17.77, 17.06, 148.3, 6.610],
        "A5": [37.8, 8.55, 7.97, 2.35, 9.25, 134.83, 11.935],
    },
    method="weighted-sum",
    normalization="sum",
)
"""Kracka, Brauers and Zavadskas, Ranking Heating Losses in a Building by Applying the MULTIMOORA,
2010; its weighted sums as the tests of scikit-criteria have them."""
