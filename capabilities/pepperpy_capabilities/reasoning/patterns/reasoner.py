"""The reasoner of patterns."""

from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.patterns.matching import match
from pepperpy_schemas.patterns import Matches, PatternsProblem


class Patterns:
    """Answers which records fit a pattern with variables: facts joined, or events in time."""

    name = "patterns"
    problem = PatternsProblem
    answer = Matches

    async def reason(self, problem: PatternsProblem, means: Means) -> Matches:
        """Returns the matches, each with its records.

        Raises:
            BadProblem: The pattern cannot be read, or a record has no time.
            TooLong: It takes longer than there is time.
            TooBig: It needs more memory than there is.
        """
        return await means.run(match, problem)
