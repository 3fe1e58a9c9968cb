"""What a decision says of itself, for people."""

import msgspec

from pepperpy_capabilities.reasoning.deciding.tableau import Tableau
from pepperpy_schemas.decisions import Decision, Ranked, WeightRange

_NAMED = 10  # most names in a line
_METHODS = {"weighted-sum": "the weighted sum", "topsis": "TOPSIS", "pareto": "dominance"}


def explain(answer: Decision, table: Tableau) -> Decision:
    """Returns a decision with its explanation.

    Args:
        answer: The decision.
        table: What it was made of.
    """
    lines = _front(answer) if answer.method == "pareto" else _scores(answer)
    for option, criteria in table.assumed.items():
        lines.append(
            f"{option} has no value for {_some(criteria)}: it is given the worst there is."
        )
    if answer.left_out:
        lines.append(f"Left out, as a value is not known: {_some(answer.left_out)}.")
    return msgspec.structs.replace(answer, explanation="\n".join(lines))


def _front(answer: Decision) -> list[str]:
    count = len(answer.ranking)
    return [
        f"{len(answer.best)} of {count} options are on the Pareto front: {_some(answer.best)}.",
        "None of them is better by one criterion without being worse by another; the others are"
        " dominated."
        if len(answer.best) < count
        else "No option dominates another.",
    ]


def _scores(answer: Decision) -> list[str]:
    first = answer.ranking[0]
    by = f"by {_METHODS[answer.method]} ({answer.normalization} normalization)"
    others = [one for one in answer.ranking if one.rank > 1]
    if len(answer.best) > 1:
        lines = [f"{_some(answer.best)} share the first place {by} with {first.score:.4g}."]
    elif not others:
        return [f"{first.option} is the only option."]
    else:
        lines = [f"{first.option} is first {by} with {first.score:.4g}."]
    if others:
        lines.append(_difference(first, others[0]))
    lines += _standing(answer, first)
    return [*lines, *_weights(answer.sensitivity, first)]


def _difference(first: Ranked, second: Ranked) -> str:
    gains = {
        criterion: part - second.contributions[criterion]
        for criterion, part in first.contributions.items()
    }
    told = sorted(gains.items(), key=lambda one: -abs(one[1]))[:_NAMED]
    parts = ", ".join(f"{criterion} {gain:+.3g}" for criterion, gain in told if gain)
    return f"Before {second.option} with {second.score:.4g} it is by {parts or 'nothing'}."


def _standing(answer: Decision, first: Ranked) -> list[str]:
    if first.front > 1:
        by = [one.better for one in answer.dominances if one.worse == first.option]
        return [f"It is dominated by {_some(by)}, which no criterion with a weight tells."]
    beaten = sum(one.better == first.option for one in answer.dominances)
    return [f"Nothing dominates it; it dominates {beaten} of the others."]


def _weights(ranges: list[WeightRange], first: Ranked) -> list[str]:
    """The weights that change the winner when they move; the one that needs the least first."""
    moves = [
        move
        for one in ranges
        for move in (
            (one.weight - one.low, one.criterion, one.weight, "less", one.low, one.below),
            (one.high - one.weight, one.criterion, one.weight, "more", one.high, one.above),
        )
        if move[-1]
    ]
    if not moves:
        return [f"No weight alone makes another option win than {first.option}."]
    return [
        f"With {word} than {limit:.1%} for {criterion} (now {weight:.1%}) {winner} wins."
        for _, criterion, weight, word, limit, winner in sorted(moves)[:_NAMED]
    ]


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
