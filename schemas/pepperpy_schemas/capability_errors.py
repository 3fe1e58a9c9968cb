"""What is wrong with a problem to reason, learn or plan about, part of the tree in `errors`.

Each names the part of the problem that is to be mended: ``context.field`` is its path
(``rules[3]``), ``context.line`` the line of a text, counted from 1.
"""

from pepperpy_schemas.error import PepperError


class BadProblem(PepperError):
    """A problem contradicts itself or cannot be read; ``context.field`` names the place."""

    code = "bad_problem"
    category = "input"


class BadRule(PepperError):
    """A rule, fact or query cannot be read; ``context.line`` names its line."""

    code = "bad_rule"
    category = "input"


class UnsafeRule(PepperError):
    """A variable of a rule is bound by nothing that holds; ``context.variables`` names it."""

    code = "unsafe_rule"
    category = "input"
    hint = "use each variable in a positive condition of the rule, too"


class Contradiction(PepperError):
    """What is given cannot all be true; ``context.rules`` has what contradicts."""

    code = "contradiction"
    category = "input"


class Infeasible(PepperError):
    """Nothing meets all conditions; ``context.conflicts`` has those that exclude each other."""

    code = "infeasible"
    category = "input"


class Unbounded(PepperError):
    """The best answer has no end: what is to be optimized, or a variable, has no bound."""

    code = "unbounded"
    category = "input"
    hint = "give each variable a least and a largest value"


class BadExample(PepperError):
    """An example, reward or question is none that the learner can use; it has learned nothing."""

    code = "bad_example"
    category = "input"


class NoPlan(PepperError):
    """No plan reaches the goal, as was proved."""

    code = "no_plan"
    category = "input"


class PlanFailed(PepperError):
    """Tasks of a plan failed, and it could not be changed; ``context.failed`` names them.

    What was completed by then is in ``context.completed``.
    """

    code = "plan_failed"
    category = "task"


class TooLong(PepperError):
    """The problem was not solved in the time it had; ``context.seconds`` says how much."""

    code = "too_long"
    category = "input"
    hint = "give it more seconds, or make the problem smaller"


class TooBig(PepperError):
    """The problem, or what it grows into, is larger than what one may be."""

    code = "too_big"
    category = "input"
    hint = "make the problem smaller, or divide it"
