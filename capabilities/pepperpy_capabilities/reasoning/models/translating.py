"""Premises in words, translated for a solver by a model; a translation is mended by its errors."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from pepperpy_agents.thinking.forms import Misfit
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.models.asking import Asker
from pepperpy_capabilities.reasoning.models.by_constraints import prove_by_constraints
from pepperpy_capabilities.reasoning.models.by_rules import prove_by_rules
from pepperpy_capabilities.reasoning.models.written import WrittenConstraints, WrittenRules
from pepperpy_schemas.errors import BadConfig, BadOutput, PepperError
from pepperpy_schemas.model_reasoning import DeductiveProblem, Proof

_SHARE = 1 / 3
"""Part of the time that is left that a solver may take for one translation."""
_WAYS: dict[str, tuple[str, type[Any], Callable[..., Awaitable[Proof]]]] = {
    "rules": ("reason-to-rules", WrittenRules, prove_by_rules),
    "constraints": ("reason-to-constraints", WrittenConstraints, prove_by_constraints),
}


class Tried(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a solver said of one translation, as the journal keeps it.

    Attributes:
        proof: Its answer; None where it could not use it.
        problems: Why it could not.
    """

    proof: Proof | None = None
    problems: list[str] = []


async def prove(asker: Asker, problem: DeductiveProblem, data: dict[str, Any]) -> Proof:
    """Returns what the problem's solver proves of a translation.

    Args:
        asker: Who asks for translations.
        problem: The problem.
        data: It, as the model is shown it.

    Raises:
        BadConfig: The solver is not installed.
    """
    assert problem.solver != "none", "there is a solver"
    by: Literal["rules", "constraints"] = problem.solver
    prompt, form, solve = _WAYS[by]
    tries = 0
    excluded = False

    async def use(written: Any) -> Proof:
        nonlocal tries, excluded
        tries += 1
        means = asker.means.part(asker.means.left * _SHARE)
        tried: Tried = await asker.step(
            f"{by} {tries}", _try, solve, written, problem, means, type=Tried
        )
        if tried.proof is None:
            raise Misfit(tried.problems)
        if tried.proof.verdict == "contradiction" and not excluded:
            excluded = True  # said twice, it is what the premises say
            raise Misfit(
                [f"nothing makes all of it true: {tried.problems[0]}. Is that what is given?"]
            )
        return tried.proof

    try:
        used = await asker.ask(prompt, data, form, use)
    except BadOutput as error:
        problems = [str(one) for one in error.context["problems"]]
        return Proof(by=by, repairs=problem.repairs, problems=problems)
    return msgspec.structs.replace(used.value, repairs=used.repairs)


async def _try(
    solve: Callable[..., Awaitable[Proof]],
    written: Any,
    problem: DeductiveProblem,
    means: Means,
) -> Tried:
    try:
        proof = await solve(written, problem, means)
    except Misfit as misfit:
        return Tried(None, misfit.problems)
    except BadConfig:
        raise
    except PepperError as error:
        if error.category != "input":
            raise
        hint = f" ({error.hint})" if error.hint else ""
        return Tried(None, [f"{error.message}{hint}"[:2000]])
    return Tried(proof, proof.problems)
