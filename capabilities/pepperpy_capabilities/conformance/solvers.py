"""What every reasoner and every planner must do."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, ClassVar

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import Canceled, PepperError, TooLong
from pepperpy_schemas.problems import Answer, Problem
from pepperpy_schemas.tokens import check_topic

Solve = Callable[[Any, Means], Coroutine[Any, Any, Any]]


class _SolverConformance:
    """The tests of both.

    Attributes:
        problem: One that has an answer.
        malformed: Problems that have none, because something is wrong with each of them.
        endless: One that takes longer than anybody waits, or None where there cannot be one.
        seconds: How long the problems with an answer have.
    """

    problem: ClassVar[Problem]
    malformed: ClassVar[Sequence[Problem]] = ()
    endless: ClassVar[Problem | None] = None
    seconds: ClassVar[float] = 60.0
    prefix: ClassVar[str]

    def make(self) -> Any:
        """Returns a new one."""
        raise NotImplementedError

    def solving(self, one: Any) -> Solve:
        """Returns the method that solves."""
        raise NotImplementedError

    def test_its_name_makes_a_topic(self) -> None:
        check_topic(f"{self.prefix}-{self.make().name}")

    def test_it_answers_and_explains(self) -> None:
        one = self.make()
        answer = self.solve(self.problem)
        assert type(answer) is one.answer
        assert isinstance(answer, Answer)
        assert answer.explanation.strip()

    def test_problem_and_answer_come_back_from_the_wire_as_they_were(self) -> None:
        one = self.make()
        assert decode(to_json(self.problem), one.problem) == self.problem
        answer = self.solve(self.problem)
        assert decode(to_json(answer), one.answer) == answer

    def test_the_same_problem_has_the_same_answer(self) -> None:
        first, second = self.solve_each([self.problem, self.problem])
        assert self.comparable(first) == self.comparable(second)

    def test_what_is_wrong_with_a_problem_is_said_as_an_error_of_the_input(self) -> None:
        answers = self.solve_each(self.malformed)
        for problem, answer in zip(self.malformed, answers, strict=True):
            assert isinstance(answer, PepperError), f"{problem} was answered: {answer}"
            assert answer.category == "input", answer.info()
            assert answer.message.strip(), answer.info()
            msgspec.json.encode(answer.info())

    def test_it_ends_when_its_time_is_over(self) -> None:
        if self.endless is None:
            return
        (answer,) = self.solve_each([self.endless], seconds=1.0)
        assert isinstance(answer, TooLong), f"it was answered: {answer}"
        assert answer.context["seconds"] <= 1.0

    def test_it_ends_when_it_is_canceled_and_leaves_nothing_running(self) -> None:
        if self.endless is None:
            return
        asyncio.run(self._cancel(self.endless))

    def comparable(self, answer: Any) -> Any:
        """Returns what of an answer must be the same each time: all of it, unless overridden."""
        return answer

    def means(self, workshop: Workshop, seconds: float) -> AbstractAsyncContextManager[Means]:
        """Gives what each problem may use; one that asks models overrides it, and brings one."""
        return nullcontext(Means(workshop, seconds=seconds))

    def is_solving(self, workshop: Workshop) -> bool:
        """Whether a solver is at work on a problem, and not only about to be."""
        return workshop.busy > 0

    def solve(self, problem: Problem) -> Any:
        """Returns the answer to a problem."""
        (answer,) = self.solve_each([problem])
        if isinstance(answer, PepperError):
            raise answer
        return answer

    def solve_each(self, problems: Sequence[Problem], *, seconds: float | None = None) -> list[Any]:
        """Returns the answer to each problem or its error, each by a new solver."""
        return asyncio.run(self._solve_each(problems, seconds or self.seconds))

    async def _solve_each(self, problems: Sequence[Problem], seconds: float) -> list[Any]:
        answers: list[Any] = []
        async with Workshop() as workshop:
            for problem in problems:
                async with self.means(workshop, seconds) as means:
                    try:
                        answers.append(await self.solving(self.make())(problem, means))
                    except PepperError as error:
                        answers.append(error)
        return answers

    async def _cancel(self, problem: Problem) -> None:
        async with Workshop() as workshop, self.means(workshop, 600) as means:
            work = asyncio.create_task(
                self.solving(self.make())(problem, means), name="the problem that is canceled"
            )
            while not self.is_solving(workshop) and not work.done():
                await asyncio.sleep(0.01)
            work.cancel()
            try:
                answer = await work
            except (asyncio.CancelledError, Canceled):
                assert workshop.busy == 0
            else:
                raise AssertionError(f"it was answered: {answer}")


class ReasonerConformance(_SolverConformance):
    """What every reasoner must do."""

    prefix: ClassVar[str] = "reason"

    def solving(self, one: Any) -> Solve:
        """Returns the method that reasons."""
        method: Solve = one.reason
        return method


class PlannerConformance(_SolverConformance):
    """What every planner must do."""

    prefix: ClassVar[str] = "plan"

    def solving(self, one: Any) -> Solve:
        """Returns the method that plans."""
        method: Solve = one.plan
        return method
