"""The reasoner of facts and rules."""

from pepperpy_bus.installing import need
from pepperpy_capabilities.means import Means
from pepperpy_schemas.rules import Deduced, RulesProblem


class Rules:
    """Answers what follows from facts and rules, with proofs; computed by clingo.

    It needs the extra ``reasoning``.
    """

    name = "rules"
    problem = RulesProblem
    answer = Deduced

    async def reason(self, problem: RulesProblem, means: Means) -> Deduced:
        """Returns the answers to a question, each with its proof.

        Raises:
            BadConfig: clingo is not installed.
            BadRule: A rule, fact or the question cannot be read, or is none that is allowed.
            UnsafeRule: A variable of a rule is bound by nothing.
            Contradiction: No world has all rules hold.
            TooLong: There is no end of what follows, or it takes longer than there is time.
            TooBig: It needs more memory than there is.
        """
        need("reason-rules", ["clingo"], "reasoning")
        return await means.run(_deduce, problem)


def _deduce(problem: RulesProblem) -> Deduced:
    from pepperpy_capabilities.reasoning.rules.deducing import deduce

    return deduce(problem)
