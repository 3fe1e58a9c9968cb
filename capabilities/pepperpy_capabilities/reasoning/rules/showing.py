"""Proofs for people: as trees of lines, and as a diagram."""

from collections.abc import Sequence

import msgspec

from pepperpy_capabilities.reasoning.rules.wording import shown_value
from pepperpy_schemas.rules import Deduced, Found, RulesProblem, Step

_TREES = 5
_MOST_LINES = 200


def explain(answer: Deduced, problem: RulesProblem) -> Deduced:
    """Returns an answer with its explanation."""
    return msgspec.structs.replace(answer, explanation="\n".join(_lines(answer, problem)))


def _lines(answer: Deduced, problem: RulesProblem) -> list[str]:
    where = {
        "every": f"in every world ({answer.worlds} looked at)" if answer.worlds > 1 else "",
        "some": f"in one of {answer.worlds} worlds" if answer.worlds > 1 else "",
        "first": "in the first world",
    }[problem.worlds]
    count = len(answer.answers)
    if not count:
        lines = ["No: the rules and facts do not make it true" + (f" {where}" if where else "")]
    elif answer.answers[0].values:
        plural = "answer" if count == 1 else "answers"
        lines = [f"{count} {plural}{' of more' if answer.more else ''} {where}".strip()]
    else:
        lines = [f"Yes {where}".strip()]
    lines += answer.notes
    for found in answer.answers[:_TREES]:
        if found.values:
            lines.append(", ".join(f"{k} = {shown_value(v)}" for k, v in found.values.items()))
        if found.proof:
            lines.append(drawn(found.proof))
    if answer.rules:
        lines += [f"rule {one.number}: {one.text}" for one in answer.rules]
    return lines


def drawn(steps: Sequence[Step]) -> str:
    """Returns a proof as a tree of lines; what is used again is told once."""
    lines: list[str] = []
    told: set[int] = set()
    # A stack instead of recursion: proofs are as deep as what they prove.
    waiting: list[tuple[int, str, str]] = [(0, "", "")]
    while waiting and len(lines) < _MOST_LINES:
        n, before, below = waiting.pop()
        step = steps[n]
        again = n in told and bool(step.uses)
        lines.append(f"{before}{step.holds}   {reason(step)}{' (above)' if again else ''}".rstrip())
        if again:
            continue
        told.add(n)
        for at, use in reversed(list(enumerate(step.uses))):
            last = at == len(step.uses) - 1
            waiting.append(
                (use, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
            )
    if waiting:
        lines.append("…")
    return "\n".join(lines)


def mermaid(found: Found) -> str:
    """Returns a proof as a Mermaid diagram."""
    lines = ["flowchart TD"]
    for n, step in enumerate(found.proof):
        label = f"{step.holds}<br/><small>{reason(step)}</small>" if reason(step) else step.holds
        lines.append(f'  s{n}["{_quoted(label)}"]')
    for n, step in enumerate(found.proof):
        lines += [f"  s{n} --> s{use}" for use in step.uses]
    return "\n".join(lines)


def reason(step: Step) -> str:
    """Returns why a step holds, in a few words."""
    match step.by:
        case "fact":
            return f"fact, rule {step.rule}" if step.rule else "fact"
        case "rule":
            return f"rule {step.rule}" if step.rule else ""
        case "choice":
            return f"chosen, rule {step.rule}"
        case "absent":
            return "nothing makes it true"
        case _:
            return ""


def _quoted(label: str) -> str:
    return label.replace('"', "#quot;")
