"""The reasoner of patterns does what every reasoner must."""

from typing import ClassVar

from pepperpy_capabilities.conformance import ReasonerConformance
from pepperpy_capabilities.reasoning.patterns.reasoner import Patterns
from pepperpy_schemas.patterns import Part, PatternsProblem
from pepperpy_schemas.problems import Problem

EVENTS = [{"event": "failed", "user": f"u{n % 3}", "at": n} for n in range(12)]


class TestPatterns(ReasonerConformance):
    problem = PatternsProblem(
        records=EVENTS,
        find=[
            Part(fits={"event": "failed", "user": "?user"}),
            Part(fits={"event": "failed", "user": "?user"}, within="5s"),
        ],
        time="at",
    )
    malformed: ClassVar[list[Problem]] = [
        PatternsProblem(records=EVENTS, find=[Part(fits={"event": "?no name"})]),
        PatternsProblem(records=EVENTS, find=[Part(where="user ==")]),
        PatternsProblem(records=EVENTS, find=[Part()], where="(("),
        PatternsProblem(records=EVENTS, find=[Part()], time="nowhere"),
        PatternsProblem(records=EVENTS, find=[Part()], time="at at"),
        PatternsProblem(records=EVENTS, find=[Part()], time="at", within="long"),
        PatternsProblem(records=EVENTS, find=[Part()], within="1m"),
        PatternsProblem(records=EVENTS, find=[Part(), Part(within="1m")]),
        PatternsProblem(records=EVENTS, find=[Part(within="1m")], time="at"),
        PatternsProblem(records=EVENTS, find=[Part(absent=True)]),
    ]
    # All ways to choose sixteen records of these in their order.
    endless = PatternsProblem(
        records=EVENTS * 10, find=[Part()] * 16, time="at", where="never == 1", seconds=600
    )

    def make(self) -> Patterns:
        return Patterns()
