"""Whether a thought fits its problem: what its form alone cannot say. Pure."""

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from pepperpy_schemas.thoughts import Effect, Inference, Pair


def unknown_labels(place: str, labels: Iterable[str], known: Iterable[str]) -> list[str]:
    """Returns what is wrong with labels that must be some of the known ones."""
    there = list(known)
    wrong = sorted(set(labels) - set(there))
    if not wrong:
        return []
    return [f"{place}: there is no {', '.join(wrong)}; there is {', '.join(there) or 'none'}"]


def in_two(sets: dict[str, Sequence[str]]) -> list[str]:
    """Returns which labels are in two sets of which each may have them alone."""
    seen: dict[str, str] = {}
    problems: list[str] = []
    for place, labels in sets.items():
        for label in labels:
            other = seen.setdefault(label, place)
            if other != place:
                problems.append(f"{label} is in {other} and in {place}: it can be in one only")
    return problems


def broken_steps(steps: Sequence[Inference], known: Iterable[str]) -> list[str]:
    """Returns which steps use what is not given and no step before them."""
    there = list(known)
    problems: list[str] = []
    for n, step in enumerate(steps, 1):
        if not step.uses:
            problems.append(f"steps: S{n} follows from nothing; name what it uses")
        problems += unknown_labels(f"steps: S{n}", step.uses, there)
        there.append(f"S{n}")
    return problems


def broken_mapping(pairs: Sequence[Pair]) -> list[str]:
    """Returns which things of a mapping have two partners."""
    problems: list[str] = []
    for side in ("source", "target"):
        partners: dict[str, str] = {}
        for pair in pairs:
            one = _plain(getattr(pair, side))
            other = _plain(pair.target if side == "source" else pair.source)
            if partners.setdefault(one, other) != other:
                problems.append(f"mapping: {side} {getattr(pair, side)!r} has two partners")
    return problems


def broken_edges(edges: Sequence[Effect], factors: Sequence[str]) -> list[str]:
    """Returns what is wrong with a graph of causes: unknown factors, doubles, circles."""
    problems: list[str] = []
    seen: set[tuple[str, str]] = set()
    graph: dict[str, set[str]] = {}
    for edge in edges:
        strange = [one for one in (edge.cause, edge.effect) if factors and one not in factors]
        there = ", ".join(factors)
        problems += [f"edges: {one!r} is none of the factors: {there}" for one in strange]
        if (edge.cause, edge.effect) in seen:
            problems.append(f"edges: {edge.cause!r} → {edge.effect!r} is there twice")
        seen.add((edge.cause, edge.effect))
        graph.setdefault(edge.effect, set()).add(edge.cause)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        problems.append(f"edges: they lead in a circle: {' → '.join(error.args[1])}")
    return problems


def unsorted(place: str, confidences: Sequence[float]) -> list[str]:
    """Returns whether what must be ranked is not."""
    ranked = sorted(confidences, reverse=True)
    return [] if ranked == list(confidences) else [f"{place}: the likeliest must be the first"]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
