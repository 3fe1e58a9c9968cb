"""Puzzles and problems that others have published, with the answers that they have."""

import time
from typing import Any

import pytest

from pepperpy_capabilities.reasoning.constraints.solving import solve
from pepperpy_schemas.constraints import ConstraintAnswer, ConstraintProblem, Span
from tests.capabilities.reasoning.constraints.puzzles import (
    FT06,
    ZEBRA_GROUPS,
    job_shop,
    knapsack,
    magic_square,
    queens,
    send_more_money,
    sudoku,
    tour,
    zebra,
)


def solved(problem: ConstraintProblem, seconds: float = 120.0) -> ConstraintAnswer:
    return solve(problem, seconds, time.time() + seconds)


def only(problem: ConstraintProblem) -> dict[str, Any]:
    """The values of the one solution that there is."""
    answer = solved(problem)
    assert answer.status == "feasible"
    assert answer.complete
    (solution,) = answer.solutions
    assert answer.explanation == "There are no other solutions than this one."
    return solution.values


def test_the_norwegian_drinks_water_and_the_japanese_owns_the_zebra() -> None:
    house = only(zebra(ask="all"))
    lives = {house[nation]: nation for nation in ZEBRA_GROUPS["nation"]}
    assert lives[house["water"]] == "Norwegian"
    assert lives[house["zebra"]] == "Japanese"


@pytest.mark.parametrize(
    ("given", "solution"),
    [
        (  # Arto Inkala, 2012, called the hardest one by newspapers
            "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..",
            "812753649943682175675491283154237896369845721287169534521974368438526917796318452",
        ),
        (  # Arto Inkala, AI Escargot, 2006
            "1....7.9..3..2...8..96..5....53..9...1..8...26....4...3......1..4......7..7...3..",
            "162857493534129678789643521475312986913586742628794135356478219241935867897261354",
        ),
        (  # Project Euler, problem 96, Grid 01
            "..3.2.6..9..3.5..1..18.64....81.29..7.......8..67.82....26.95..8..2.3..9..5.1.3..",
            "483921657967345821251876493548132976729564138136798245372689514814253769695417382",
        ),
    ],
    ids=["inkala-2012", "escargot", "euler-96"],
)
def test_a_sudoku_has_its_one_solution(given: str, solution: str) -> None:
    assert "".join(map(str, only(sudoku(given, ask="all")).values())) == solution


@pytest.mark.parametrize(("count", "ways"), [(4, 2), (5, 10), (6, 4), (7, 40), (8, 92)])
def test_queens_stand_in_as_many_ways_as_gauss_and_others_have_counted(
    count: int, ways: int
) -> None:
    answer = solved(queens(count, ask="all", limit=1000))
    assert answer.complete
    assert len(answer.solutions) == ways


def test_no_three_queens_can_stand() -> None:
    assert solved(queens(3)).status == "infeasible"


@pytest.mark.parametrize(
    ("weights", "profits", "capacity", "best", "taken"),
    [
        # J. Burkardt's collection KNAPSACK_01, with the optimal choices that it gives.
        (
            [23, 31, 29, 44, 53, 38, 63, 85, 89, 82],
            [92, 57, 49, 68, 60, 43, 67, 84, 87, 72],
            165,
            309,
            "1111010000",
        ),
        ([12, 7, 11, 8, 9], [24, 13, 23, 15, 16], 26, 51, "01110"),
        ([56, 59, 80, 64, 75, 17], [50, 50, 64, 46, 50, 5], 190, 150, "110010"),
        (
            [31, 10, 20, 19, 4, 3, 6],
            [70, 20, 39, 37, 7, 5, 10],
            50,
            107,
            "1001000",
        ),
        (
            [25, 35, 45, 5, 25, 3, 2, 2],
            [350, 400, 450, 20, 70, 8, 5, 5],
            104,
            900,
            "10111011",
        ),
        (
            [41, 50, 49, 59, 55, 57, 60],
            [442, 525, 511, 593, 546, 564, 617],
            170,
            1735,
            "0101001",
        ),
        (
            [70, 73, 77, 80, 82, 87, 90, 94, 98, 106, 110, 113, 115, 118, 120],
            [135, 139, 149, 150, 156, 163, 173, 184, 192, 201, 210, 214, 221, 229, 240],
            750,
            1458,
            "101010111000011",
        ),
    ],
    ids=["p01", "p02", "p03", "p04", "p05", "p06", "p07"],
)
def test_a_knapsack_is_filled_as_well_as_it_can_be(
    weights: list[int], profits: list[int], capacity: int, best: int, taken: str
) -> None:
    answer = solved(knapsack(weights, profits, capacity))
    assert (answer.status, answer.objective, answer.bound) == ("optimal", best, best)
    packed = "".join("1" if one else "0" for one in answer.solutions[0].values.values())
    assert packed == taken


def test_the_makespan_of_ft06_is_55_and_no_less() -> None:
    answer = solved(job_shop(FT06, 200))
    assert (answer.status, answer.objective) == ("optimal", 55)
    spans = answer.solutions[0].values
    for job, steps in enumerate(FT06):
        before = 0
        for n, (_, duration) in enumerate(steps):
            span = spans[f"j{job}s{n}"]
            assert isinstance(span, Span)
            assert span.start >= before
            assert span.end == span.start + duration
            before = span.end
    assert solved(job_shop(FT06, 54)).status == "infeasible"


@pytest.mark.parametrize(("size", "squares"), [(2, 0), (3, 8)])
def test_there_are_eight_magic_squares_of_three_and_none_of_two(size: int, squares: int) -> None:
    assert len(solved(magic_square(size, ask="all")).solutions) == squares


def test_send_and_more_is_money() -> None:
    letters = only(send_more_money(ask="all"))
    assert [letters[letter] for letter in "SENDMORY"] == [9, 5, 6, 7, 1, 0, 8, 2]


def test_the_shortest_tour_of_gr17_is_2085() -> None:
    """Groetschel's 17 places of TSPLIB, whose optimum is 2085."""
    rows = """
    0
    633 0
    257 390 0
    91 661 228 0
    412 227 169 383 0
    150 488 112 120 267 0
    80 572 196 77 351 63 0
    134 530 154 105 309 34 29 0
    259 555 372 175 338 264 232 249 0
    505 289 262 476 196 360 444 402 495 0
    353 282 110 324 61 208 292 250 352 154 0
    324 638 437 240 421 329 297 314 95 578 435 0
    70 567 191 27 346 83 47 68 189 439 287 254 0
    211 466 74 182 243 105 150 108 326 336 184 391 145 0
    268 420 53 239 199 123 207 165 383 240 140 448 202 57 0
    246 745 472 237 528 364 332 349 202 685 542 157 289 426 483 0
    121 518 142 84 297 35 29 36 236 390 238 301 55 96 153 336 0
    """
    half = [[int(x) for x in line.split()] for line in rows.strip().splitlines()]
    size = range(len(half))
    answer = solved(tour([[half[max(a, b)][min(a, b)] for b in size] for a in size]))
    assert (answer.status, answer.objective) == ("optimal", 2085)
    way, place = [0], answer.solutions[0].values["next0"]
    while place != 0:
        assert isinstance(place, int)
        way.append(place)
        place = answer.solutions[0].values[f"next{place}"]
    assert sorted(way) == list(size)
