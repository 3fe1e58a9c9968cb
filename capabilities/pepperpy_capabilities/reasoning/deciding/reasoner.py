"""The reasoner that decides between options: topic ``reason-decision``."""

from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.deciding.deciding import decide
from pepperpy_schemas.decisions import Decision, DecisionProblem

_AT_ONCE = 50_000
"""Comparisons that take some milliseconds: a process would take longer to begin."""


class DecisionReasoner:
    """Ranks options by weighted criteria: weighted sum, TOPSIS or Pareto front."""

    name = "decision"
    problem = DecisionProblem
    answer = Decision

    async def reason(self, problem: DecisionProblem, means: Means) -> Decision:
        """Returns the options in their order, with what each criterion brings.

        Args:
            problem: Criteria and options.
            means: Time and processes.

        Raises:
            BadProblem: Something of it cannot be counted with; the context names the field.
            TooLong: Its time is over.
        """
        if len(problem.options) ** 2 * len(problem.criteria) <= _AT_ONCE:
            return decide(problem)
        return await means.run(decide, problem)
