"""Each kind of reasoning by a model passes what every reasoner must."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import msgspec
import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Delay, Match

from pepperpy_capabilities.conformance import ReasonerConformance
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.models import kinds
from pepperpy_capabilities.reasoning.models.reasoner import ModelReasoner
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.model_reasoning import MAX_GIVEN
from tests.capabilities.reasoning.models import saying
from tests.capabilities.reasoning.models.conftest import Served
from tests.capabilities.reasoning.models.saying import HOLDS, says


class _ModelConformance(ReasonerConformance):
    kind: ClassVar[kinds.Kind]
    answers: ClassVar[list[Any]]

    @pytest.fixture(autouse=True)
    def models(self, served: Served, llmock: LLMock) -> None:
        self.served, self.llmock = served, llmock

    def make(self) -> ModelReasoner:
        return ModelReasoner(self.kind)

    def means(self, workshop: Workshop, seconds: float) -> AbstractAsyncContextManager[Means]:
        @contextlib.asynccontextmanager
        async def served() -> AsyncIterator[Means]:
            self.llmock.reset()
            self.llmock.add(*says(*self.answers))
            self.llmock.add(Delay(20, times=None, match=Match(model="gpt-4o-mini")))
            async with self.served() as client:
                yield Means(workshop, seconds=seconds, llm=client.llm)

        return served()

    def is_solving(self, workshop: Workshop) -> bool:
        # The mock tells of requests that are over: the second look is under way, for ever.
        return len(self.llmock.requests) == len(self.answers) - 1

    def comparable(self, answer: Any) -> Any:
        return msgspec.structs.replace(answer, cost=None, explanation="")


class TestDeductive(_ModelConformance):
    kind = kinds.DEDUCTIVE
    problem = saying.SOCRATES
    endless = msgspec.structs.replace(saying.SOCRATES, checked_by="opponent")
    answers: ClassVar[list[Any]] = [saying.MORTAL, saying.MORTAL_RULES, HOLDS]
    malformed = (
        msgspec.structs.replace(saying.SOCRATES, premises=[" "]),
        msgspec.structs.replace(saying.SOCRATES, premises=[]),
        msgspec.structs.replace(saying.SOCRATES, premises=["x" * 20_000] * 6),
        msgspec.structs.replace(saying.SOCRATES, question="x" * 7 * MAX_GIVEN),
    )


class TestInductive(_ModelConformance):
    kind = kinds.INDUCTIVE
    problem = saying.SWANS
    endless = msgspec.structs.replace(saying.SWANS, checked_by="opponent")
    answers: ClassVar[list[Any]] = [saying.MOSTLY_WHITE, HOLDS]
    malformed = (msgspec.structs.replace(saying.SWANS, observations=["x", "\t"]),)


class TestAbductive(_ModelConformance):
    kind = kinds.ABDUCTIVE
    problem = saying.LAWN
    endless = msgspec.structs.replace(saying.LAWN, checked_by="opponent")
    answers: ClassVar[list[Any]] = [saying.SPRINKLER, HOLDS]
    malformed = (msgspec.structs.replace(saying.LAWN, known=[""]),)


class TestAnalogical(_ModelConformance):
    kind = kinds.ANALOGICAL
    problem = saying.ATOM
    endless = msgspec.structs.replace(saying.ATOM, checked_by="opponent")
    answers: ClassVar[list[Any]] = [saying.RUTHERFORD, HOLDS]
    malformed = (msgspec.structs.replace(saying.ATOM, target=["\n"]),)


class TestCausal(_ModelConformance):
    kind = kinds.CAUSAL
    problem = saying.SMOKING
    endless = msgspec.structs.replace(saying.SMOKING, checked_by="opponent")
    answers: ClassVar[list[Any]] = [saying.CANCER, HOLDS]
    malformed = (
        msgspec.structs.replace(saying.SMOKING, factors=["smoking"]),
        msgspec.structs.replace(saying.SMOKING, factors=["smoking", "cancer", "smoking"]),
    )


class TestCounterfactual(_ModelConformance):
    kind = kinds.COUNTERFACTUAL
    problem = saying.MATCH
    endless = msgspec.structs.replace(saying.MATCH, checked_by="opponent")
    answers: ClassVar[list[Any]] = [saying.NO_FIRE, HOLDS]
    malformed = (msgspec.structs.replace(saying.MATCH, suppose=" "),)


async def test_without_anybody_who_answers_it_says_what_is_missing() -> None:
    async with Workshop() as workshop:
        with pytest.raises(BadConfig, match="language model"):
            await ModelReasoner(kinds.CAUSAL).reason(saying.SMOKING, Means(workshop))
