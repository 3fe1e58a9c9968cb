"""Matches for people."""

import msgspec

from pepperpy_schemas.codec import encode
from pepperpy_schemas.patterns import Matched, Matches, PatternsProblem

_SHOWN = 10
_WIDTH = 120


def explained(answer: Matches, problem: PatternsProblem) -> Matches:
    """Returns matches with their explanation."""
    count = len(answer.matches)
    if not count:
        lines = ["nothing matches", *_lacking(problem)]
    else:
        plural = "match" if count == 1 else "matches"
        lines = [f"{count} {plural}{' of more' if answer.more else ''}"]
    for one in answer.matches[:_SHOWN]:
        lines += _match_lines(one, problem)
    return msgspec.structs.replace(answer, explanation="\n".join(lines))


def _match_lines(one: Matched, problem: PatternsProblem) -> list[str]:
    values = ", ".join(f"{name} = {_text(value)}" for name, value in one.values.items())
    lines = [values or "a match"]
    for n, record in enumerate(one.records):
        part = problem.find[n]
        condition = f" where {part.where}" if part.where else ""
        if record is None:
            lines.append(f"  {n + 1}. no record is like {_text(part.fits)}{condition}")
        else:
            said = _text(problem.records[record])
            lines.append(f"  {n + 1}. record {record}: {said}{condition}")
    return lines


def _lacking(problem: PatternsProblem) -> list[str]:
    """Parts that nothing fits on its own, which is why nothing matches."""
    from pepperpy_capabilities.reasoning.patterns.parts import slots

    everything = len(problem.records)
    return [
        f"no record is like part {slot.number + 1}: {_text(problem.find[slot.number].fits)}"
        for slot in slots(problem.find, problem.records)
        if not slot.absent and not slot.between({}, -1, everything)
    ]


def _text(value: object) -> str:
    text = encode(value).decode()
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
