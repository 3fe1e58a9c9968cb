"""The second look: a question that tries to refute an answer, and what it takes from its weight."""

from typing import Any, Final

from pepperpy_agents.thinking.forms import Misfit
from pepperpy_capabilities.reasoning.models.asking import Asker
from pepperpy_schemas.errors import BadOutput
from pepperpy_schemas.model_reasoning import Check, ThoughtProblem
from pepperpy_schemas.thoughts import Objections

PROMPT: Final = "reason-refute"


async def refute(
    asker: Asker, problem: ThoughtProblem, data: dict[str, Any], answer: dict[str, Any]
) -> Check:
    """Returns what a second look finds against an answer.

    Args:
        asker: Who asks.
        problem: The problem.
        data: It, as the model was shown it.
        answer: What was concluded, and why.
    """
    shown = {"problem": data, "answer": answer}
    try:
        used = await asker.ask(PROMPT, shown, Objections, _usable, model=problem.checked_by)
    except BadOutput:
        return Check()
    return Check(found=used.value, model=used.model)


def weighed(confidence: float, check: Check | None) -> float:
    """Returns how much is to be given on an answer after the second look.

    A refutation leaves what the second look is not sure of, a doubt takes half of that.
    """
    if check is None or check.found is None:
        return round(confidence, 3)
    taken = {"holds": 0.0, "doubtful": 0.5, "refuted": 1.0}[check.found.verdict]
    return round(confidence * (1 - taken * check.found.confidence), 3)


async def _usable(found: Objections) -> Objections:
    if found.verdict != "holds" and not found.objections:
        raise Misfit([f'objections: the verdict is "{found.verdict}": say what speaks against it'])
    return found
