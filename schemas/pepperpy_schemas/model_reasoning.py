"""Problems that a language model reasons about, and its answers with what speaks against them."""

from typing import Annotated, Final, Literal

import msgspec

from pepperpy_schemas.chat import Usage
from pepperpy_schemas.constraints import ConstraintAnswer, ConstraintProblem
from pepperpy_schemas.problems import Answer, Problem, Seconds
from pepperpy_schemas.rules import Deduced, RulesProblem
from pepperpy_schemas.thoughts import (
    Abduction,
    Analogy,
    Causation,
    Counterfact,
    Deduction,
    Induction,
    Objections,
    Sure,
    Verdict,
)

MAX_GIVEN: Final = 100_000
"""Characters of all that is given, together."""

Given = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
Facts = Annotated[list[Given], msgspec.Meta(min_length=1, max_length=400)]
Asked = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
Model = Annotated[str, msgspec.Meta(max_length=200)]


class ThoughtProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """What all problems for models have in common.

    Attributes:
        model: Who reasons: an alias of the provider service, or ``provider/model``.
        repairs: How often an answer is asked for again that cannot be used.
        check: Whether a second question tries to refute the answer.
        checked_by: The model that is asked it; the same one by default.
    """

    seconds: Seconds = 120.0
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "default"
    repairs: Annotated[int, msgspec.Meta(ge=0, le=5)] = 2
    check: bool = True
    checked_by: Model = ""


class DeductiveProblem(ThoughtProblem, frozen=True, omit_defaults=True, kw_only=True):
    """What follows with necessity from premises in words.

    Attributes:
        premises: What is given.
        question: What is asked: whether something follows, or for whom or what it does.
        solver: By what it is proved, once a model has translated it: ``rules``, or
            ``constraints`` for puzzles and numbers; ``none`` leaves it to the model.
        closed: Whether what the premises do not say is not so.
    """

    premises: Facts
    question: Asked
    solver: Literal["rules", "constraints", "none"] = "rules"
    closed: bool = False


class InductiveProblem(ThoughtProblem, frozen=True, omit_defaults=True, kw_only=True):
    """Which rule observations lead to.

    Attributes:
        observations: What was observed.
        question: What is asked about others, if anything.
    """

    observations: Facts
    question: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class AbductiveProblem(ThoughtProblem, frozen=True, omit_defaults=True, kw_only=True):
    """What explains something best.

    Attributes:
        explain: What is to be explained.
        known: What else is known.
    """

    explain: Facts
    known: Annotated[list[Given], msgspec.Meta(max_length=400)] = []


class AnalogicalProblem(ThoughtProblem, frozen=True, omit_defaults=True, kw_only=True):
    """What is so in one place because of what is so in another one like it.

    Attributes:
        source: What is known of the one.
        target: What is known of the other.
        question: What is asked of the other.
    """

    source: Facts
    target: Facts
    question: Asked


class CausalProblem(ThoughtProblem, frozen=True, omit_defaults=True, kw_only=True):
    """What causes what.

    Attributes:
        evidence: What is known.
        factors: What may be cause or effect; the model names them by default.
        question: What is asked, if anything besides.
    """

    evidence: Facts
    factors: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]],
        msgspec.Meta(max_length=100),
    ] = []
    question: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class CounterfactualProblem(ThoughtProblem, frozen=True, omit_defaults=True, kw_only=True):
    """What would be so if one thing were otherwise.

    Attributes:
        situation: What is so.
        suppose: What is supposed instead.
        question: What is asked of it.
    """

    situation: Facts
    suppose: Asked
    question: Asked


class Proof(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a solver said of a problem that a model has translated for it.

    It is proved of the translation, which is shown: whether that says what the premises say,
    people can read.

    Attributes:
        by: The solver.
        proved: Whether it has answered; false where no translation could be used.
        verdict: What it answered.
        values: What was asked for.
        possible: Where several values are possible: two of them.
        rules: The translation, as it was asked.
        deduced: What was answered to it.
        constraints: The same, of constraints.
        found: What was answered to them.
        assumed: What was assumed and led to a contradiction, which is the proof.
        repairs: How often it was mended.
        problems: What was wrong with the last one, where none could be used.
    """

    by: Literal["rules", "constraints"]
    proved: bool = False
    verdict: Verdict = "unknown"
    values: list[str] = []
    possible: list[list[str]] = []
    rules: RulesProblem | None = None
    deduced: Deduced | None = None
    constraints: ConstraintProblem | None = None
    found: ConstraintAnswer | None = None
    assumed: str = ""
    repairs: int = 0
    problems: list[str] = []


class Check(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came of the question that tries to refute.

    Attributes:
        found: What it found; None where its answer could not be used.
        model: ``provider/model`` that answered.
    """

    found: Objections | None = None
    model: str = ""


class Cost(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an answer took.

    Attributes:
        questions: How often a model was asked.
        repairs: How many of these asked to mend an answer.
        usage: Tokens that were paid; stored answers cost none.
        usd: What that cost, as far as prices are known.
    """

    questions: int = 0
    repairs: int = 0
    usage: Usage = Usage()
    usd: float = 0.0


class ThoughtAnswer(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """What all answers of models have in common.

    Attributes:
        conclusion: The answer.
        confidence: How much is to be given on it, after the second look.
        check: The second look; None where none was asked for.
        given: What was given, by its label.
        model: ``provider/model`` that answered.
        prompt: The prompt that it was asked with, and its version.
        cost: What it took.
    """

    conclusion: str
    confidence: Sure
    check: Check | None = None
    given: dict[str, str] = {}
    model: str = ""
    prompt: str = ""
    cost: Cost = Cost()


class DeductiveAnswer(ThoughtAnswer, frozen=True, omit_defaults=True, kw_only=True):
    """What follows.

    Attributes:
        verdict: The solver's answer where it has one; else the model's.
        values: The same, of what was asked for.
        proved: Whether the solver has proved it.
        thought: What the model itself concluded, without the solver.
        proof: What the solver did; None where none was asked.
    """

    verdict: Verdict
    values: list[str] = []
    proved: bool = False
    thought: Deduction
    proof: Proof | None = None


class InductiveAnswer(ThoughtAnswer, frozen=True, omit_defaults=True, kw_only=True):
    """The rules that observations lead to.

    Attributes:
        thought: What the model concluded.
    """

    thought: Induction


class AbductiveAnswer(ThoughtAnswer, frozen=True, omit_defaults=True, kw_only=True):
    """What explains it best.

    Attributes:
        thought: What the model concluded.
    """

    thought: Abduction


class AnalogicalAnswer(ThoughtAnswer, frozen=True, omit_defaults=True, kw_only=True):
    """What is so by analogy.

    Attributes:
        thought: What the model concluded.
    """

    thought: Analogy


class CausalAnswer(ThoughtAnswer, frozen=True, omit_defaults=True, kw_only=True):
    """What causes what.

    Attributes:
        thought: What the model concluded.
    """

    thought: Causation


class CounterfactualAnswer(ThoughtAnswer, frozen=True, omit_defaults=True, kw_only=True):
    """What would be so.

    Attributes:
        thought: What the model concluded.
    """

    thought: Counterfact
