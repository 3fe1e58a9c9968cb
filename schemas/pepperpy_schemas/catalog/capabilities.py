"""Tasks of the stock agents that reason, learn and plan: each kind of problem has its topic."""

from typing import Any, Final

from pepperpy_schemas.patterns import PatternsProblem
from pepperpy_schemas.rules import RulesProblem
from pepperpy_schemas.subjects import Subject

REASON_RULES_TASK: Final = Subject(
    "ReasonRulesTask",
    "{p}.task.reason-rules.{id}",
    RulesProblem,
    "What follows from facts and rules shall be answered, with its proof.",
    "TASKS",
    (
        '{"rules":"grandparent(X, Z) :- parent(X, Y), parent(Y, Z).",'
        '"facts":{"parent":[["ana","bo"],["bo","cy"]]},"query":"grandparent(X, cy)"}',
    ),
)
REASON_PATTERNS_TASK: Final = Subject(
    "ReasonPatternsTask",
    "{p}.task.reason-patterns.{id}",
    PatternsProblem,
    "Records that fit a pattern with variables shall be found.",
    "TASKS",
    (
        '{"records":[{"event":"failed","user":"ana","at":0},{"event":"ok","user":"ana","at":20}],'
        '"find":[{"fits":{"event":"failed","user":"?u"}},'
        '{"fits":{"event":"ok","user":"?u"},"within":"1m"}],"time":"at"}',
    ),
)

CAPABILITY_TASKS: Final[tuple[Subject[Any], ...]] = (
    REASON_RULES_TASK,
    REASON_PATTERNS_TASK,
)
"""All of them, in the order in which documents show them."""
