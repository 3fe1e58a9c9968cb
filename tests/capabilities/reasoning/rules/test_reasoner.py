"""The reasoner of rules does what every reasoner must."""

from typing import ClassVar

from pepperpy_capabilities.conformance import ReasonerConformance
from pepperpy_capabilities.reasoning.rules.rules import Rules
from pepperpy_schemas.problems import Problem
from pepperpy_schemas.rules import RulesProblem


class TestRules(ReasonerConformance):
    problem = RulesProblem(
        rules="a(X) :- b(X), not c(X). b(1..3). c(2). { d(X) : b(X) } = 1.",
        query="a(X), d(Y)",
        worlds="some",
        seed=7,
    )
    malformed: ClassVar[list[Problem]] = [
        RulesProblem(rules="a(X", query="a(X)"),
        RulesProblem(rules="a(X) :- not b(X).", query="a(X)"),
        RulesProblem(rules="a. :- a.", query="a"),
        RulesProblem(rules="#include <incmode>.", query="a"),
        RulesProblem(rules="a.", query="b. a"),
        # Deeper than clingo can read: its process dies.
        RulesProblem(rules="p(" + "f(" * 100_000 + "1" + ")" * 100_000 + ").", query="a"),
    ]
    # Grounding has no end.
    endless = RulesProblem(rules="n(0). n(X + 1) :- n(X).", query="n(5)")

    def make(self) -> Rules:
        return Rules()
