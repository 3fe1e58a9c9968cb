"""The reasoners that ask a model: an answer of a form, looked at again, proved where asked for."""

import asyncio
from typing import Any, Final

from pepperpy_agents.templates import Templates
from pepperpy_agents.thinking.forms import Misfit
from pepperpy_bus.installing import need
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.models import kinds
from pepperpy_capabilities.reasoning.models.agreeing import agree, trusted
from pepperpy_capabilities.reasoning.models.asking import Asker, Used, shipped
from pepperpy_capabilities.reasoning.models.explaining import explained, worded
from pepperpy_capabilities.reasoning.models.kinds import Given, Kind
from pepperpy_capabilities.reasoning.models.refuting import refute, weighed
from pepperpy_capabilities.reasoning.models.translating import prove
from pepperpy_capabilities.workshop import too_long
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadProblem, TooBig
from pepperpy_schemas.model_reasoning import (
    MAX_GIVEN,
    DeductiveProblem,
    Proof,
    ThoughtAnswer,
    ThoughtProblem,
)


class ModelReasoner:
    """Reasons by a language model.

    Args:
        kind: How.
        prompts: The prompts; those that come with PepperPy by default. A folder of your own
            comes before them: ``Templates("prompts", PROMPTS)``.

    Attributes:
        asks_models: Always true: it needs the bus, and somebody who serves models.
    """

    asks_models: Final = True

    def __init__(self, kind: Kind, *, prompts: Templates | None = None) -> None:
        self._kind = kind
        self._prompts = prompts
        self.name = kind.name
        self.problem = kind.problem
        self.answer = kind.answer

    async def reason(self, problem: Any, means: Means) -> Any:
        """Returns the answer to a problem, with its explanation and what it cost.

        Raises:
            BadProblem: Something of it is empty, or there twice.
            TooBig: More is given than a model shall read.
            BadOutput: No answer of the model can be used.
            TooLong: The time is over.
            BadConfig: There is no model here, or the solver is not installed.
            PepperError: The model cannot be asked.
        """
        need(self._kind.prompt, ["jinja2"], "reasoning")
        given = self._kind.given(problem)
        _check(problem, given)
        clock = asyncio.timeout(means.left)
        try:
            async with clock:
                return await self._reason(problem, means, given)
        except TimeoutError:
            if not clock.expired():
                raise
            raise too_long(means.seconds) from None

    async def _reason(self, problem: Any, means: Means, given: Given) -> ThoughtAnswer:
        kind, data = self._kind, self._kind.data(problem)
        asker = Asker(means, problem, self._prompts or shipped())

        async def fitting(thought: Any) -> Any:
            if wrong := kind.wrong(thought, problem, given):
                raise Misfit(wrong)
            return thought

        used = await asker.ask(kind.prompt, data, kind.thought, fitting)
        thought = used.value
        proof: Proof | None = None
        if isinstance(problem, DeductiveProblem) and problem.solver != "none":
            proof = await prove(asker, problem, data)
        concluded, stated = _concluded(thought, proof)
        check = None
        if problem.check:
            check = await refute(asker, problem, data, _shown(thought, concluded, proof))
        return self._answer(used, given, proof, concluded, stated, check, asker)

    def _answer(
        self,
        used: Used[Any],
        given: Given,
        proof: Proof | None,
        concluded: dict[str, Any],
        stated: float,
        check: Any,
        asker: Asker,
    ) -> ThoughtAnswer:
        from msgspec.structs import replace

        answer: ThoughtAnswer = self.answer(
            **concluded,
            thought=used.value,
            **({} if proof is None else {"proof": proof}),
            confidence=weighed(stated, check),
            check=check,
            given=given,
            model=used.model,
            prompt=used.prompt,
            cost=asker.cost,
        )
        told = explained(answer, self._kind, used.value, proof, stated)
        return replace(answer, explanation=told)


def _concluded(thought: Any, proof: Proof | None) -> tuple[dict[str, Any], float]:
    """What is answered, and how sure that is before the second look: the solver's word wins."""
    own = {"conclusion": thought.conclusion}
    if hasattr(thought, "verdict"):
        # Beside another verdict values say nothing; small models fill in whatever there is.
        values = thought.values if thought.verdict == "values" else []
        own |= {"verdict": thought.verdict, "values": values}
    if proof is None or not proof.proved:
        return own, thought.confidence
    same = agree(thought, proof)
    said = {
        "conclusion": thought.conclusion if same else worded(proof.verdict, proof.values),
        "verdict": proof.verdict,
        "values": proof.values,
        "proved": True,
    }
    return said, trusted(thought.confidence, same=same)


def _shown(thought: Any, concluded: dict[str, Any], proof: Proof | None) -> dict[str, Any]:
    """What the second look is shown of an answer."""
    if proof is None or not proof.proved:
        return {"conclusion": thought.conclusion, "reasoning": thought}
    translation = proof.rules or proof.constraints
    return {"conclusion": concluded["conclusion"], "translation": translation}


def _check(problem: ThoughtProblem, given: Given) -> None:
    size = len(encode(problem))
    if sum(map(len, given.values())) > MAX_GIVEN or size > 6 * MAX_GIVEN:
        raise TooBig(
            f"the problem has {size} bytes, and its statements {MAX_GIVEN} characters at most",
            hint="give it what matters, or several problems",
            context={"size": size, "limit": MAX_GIVEN},
        )
    for label, text in given.items():
        if not text.strip():
            raise BadProblem(f"{label} is empty", context={"field": label})
    if not given:
        raise BadProblem("nothing is given", context={"field": "premises"})
    factors: list[str] = getattr(problem, "factors", [])
    if twice := sorted({one for one in factors if factors.count(one) > 1}):
        raise BadProblem(
            f"factors: {', '.join(twice)} is there twice", context={"field": "factors"}
        )
    if len(factors) == 1:
        raise BadProblem("factors: one alone causes nothing", context={"field": "factors"})


MODEL_REASONERS: Final = tuple(
    ModelReasoner(kind)
    for kind in (
        kinds.DEDUCTIVE,
        kinds.INDUCTIVE,
        kinds.ABDUCTIVE,
        kinds.ANALOGICAL,
        kinds.CAUSAL,
        kinds.COUNTERFACTUAL,
    )
)
"""All of them."""
