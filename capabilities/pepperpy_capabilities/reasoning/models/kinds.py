"""The six kinds of reasoning: what each is asked with, and what its answer must be."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pepperpy_capabilities.reasoning.models import fitting
from pepperpy_schemas import model_reasoning as problems
from pepperpy_schemas import thoughts
from pepperpy_schemas.model_reasoning import ThoughtProblem
from pepperpy_schemas.thoughts import Inference, Thought

Given = dict[str, str]
"""What is given, by its label."""


class Kind(NamedTuple):
    """A kind of reasoning.

    Attributes:
        name: Its name.
        problem: The type of its problems.
        answer: The type of its answers.
        thought: The form of what the model answers.
        labels: The fields of the problem with what is given, and the letter of their labels.
        also: Other fields that the model is shown.
        misfits: What is wrong with a thought.
        lines: A thought for people.
    """

    name: str
    problem: type[Any]
    answer: type[Any]
    thought: type[Any]
    labels: dict[str, str]
    also: Sequence[str]
    misfits: Callable[[Any, Any, Given], list[str]]
    lines: Callable[[Any], Iterator[str]]

    @property
    def prompt(self) -> str:
        """The name of its prompt."""
        return f"reason-{self.name}"

    def given(self, problem: ThoughtProblem) -> Given:
        """Returns what is given, labelled in the order in which it stands."""
        return {
            f"{letter}{n}": text
            for field, letter in self.labels.items()
            for n, text in enumerate(_texts(getattr(problem, field)), 1)
        }

    def data(self, problem: ThoughtProblem) -> dict[str, Any]:
        """Returns what the model is shown."""
        shown: dict[str, Any] = {}
        for field, letter in self.labels.items():
            if letter == "X":
                shown[field] = getattr(problem, field)
                continue
            name = "given" if letter == "G" else field
            texts = _texts(getattr(problem, field))
            shown[name] = {f"{letter}{n}": text for n, text in enumerate(texts, 1)}
        return shown | {field: getattr(problem, field) for field in self.also}

    def wrong(self, thought: Thought, problem: Any, given: Given) -> list[str]:
        """Returns what is wrong with a thought, for the model that mends it."""
        ranked = fitting.unsorted("alternatives", [one.confidence for one in thought.alternatives])
        return ranked + self.misfits(thought, problem, given)


def _texts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


# --- what is wrong ------------------------------------------------------------------------------


def _deduction(one: thoughts.Deduction, _: Any, given: Given) -> list[str]:
    wrong = fitting.broken_steps(one.steps, given)
    if one.verdict == "values" and not one.values:
        wrong.append('values: the verdict is "values", and there are none')
    if one.verdict != "unknown" and not one.steps:
        wrong.append("steps: there is none: say from what it follows")
    return wrong


def _induction(one: thoughts.Induction, _: Any, given: Given) -> list[str]:
    wrong = fitting.unsorted("rules", [rule.confidence for rule in one.rules])
    for n, rule in enumerate(one.rules):
        wrong += fitting.unknown_labels(f"rules[{n}].supported_by", rule.supported_by, given)
        wrong += fitting.unknown_labels(f"rules[{n}].against", rule.against, given)
        wrong += fitting.in_two({"supported_by": rule.supported_by, "against": rule.against})
    return wrong


def _abduction(one: thoughts.Abduction, _: Any, given: Given) -> list[str]:
    to_explain = [label for label in given if label.startswith("E")]
    wrong = fitting.unsorted("hypotheses", [each.confidence for each in one.hypotheses])
    for n, each in enumerate(one.hypotheses):
        wrong += fitting.unknown_labels(f"hypotheses[{n}].explains", each.explains, to_explain)
        wrong += fitting.unknown_labels(f"hypotheses[{n}].against", each.against, given)
    return wrong


def _analogy(one: thoughts.Analogy, _: Any, __: Given) -> list[str]:
    return fitting.broken_mapping(one.mapping)


def _causation(one: thoughts.Causation, problem: problems.CausalProblem, given: Given) -> list[str]:
    wrong = fitting.broken_edges(one.edges, problem.factors)
    for n, edge in enumerate(one.edges):
        wrong += fitting.unknown_labels(f"edges[{n}].supported_by", edge.supported_by, given)
    return wrong


def _counterfact(one: thoughts.Counterfact, _: Any, given: Given) -> list[str]:
    facts = [label for label in given if label != "X1"]
    sets: dict[str, Sequence[str]] = {
        "changed": one.changed,
        "lost": one.lost,
        "kept": one.kept,
    }
    wrong = fitting.in_two(sets)
    for place, labels in sets.items():
        wrong += fitting.unknown_labels(place, labels, facts)
    return wrong + fitting.broken_steps(one.steps, [*one.kept, "X1"])


# --- for people ---------------------------------------------------------------------------------


def _steps(steps: Sequence[Inference]) -> Iterator[str]:
    for n, step in enumerate(steps, 1):
        yield f"S{n}: {step.says}  [{', '.join(step.uses)}]"


def _deduced(one: thoughts.Deduction) -> Iterator[str]:
    yield from _steps(one.steps)


def _induced(one: thoughts.Induction) -> Iterator[str]:
    for rule in one.rules:
        against = f", against it {', '.join(rule.against)}" if rule.against else ""
        support = ", ".join(rule.supported_by)
        yield f"{rule.confidence:.2f}  {rule.rule}  [{support}{against}]"


def _abduced(one: thoughts.Abduction) -> Iterator[str]:
    for each in one.hypotheses:
        against = f", against it {', '.join(each.against)}" if each.against else ""
        explains = ", ".join(each.explains)
        yield f"{each.confidence:.2f}  {each.hypothesis}  [explains {explains}{against}]"
        yield f"      to find out: {each.test}"


def _mapped(one: thoughts.Analogy) -> Iterator[str]:
    for pair in one.mapping:
        yield f"{pair.source} → {pair.target}: {pair.because}"
    for end in one.breaks:
        yield f"unlike: {end}"


def _caused(one: thoughts.Causation) -> Iterator[str]:
    for edge in one.edges:
        sign = {"more": "+", "less": "-", "unknown": "?"}[edge.sign]
        support = f"  [{', '.join(edge.supported_by)}]" if edge.supported_by else ""
        yield f"{edge.confidence:.2f}  {edge.cause} →{sign} {edge.effect}{support}"
    for other in one.confounders:
        yield f"may cause both: {other}"


def _changed(one: thoughts.Counterfact) -> Iterator[str]:
    yield f"X1 instead of {', '.join(one.changed)}"
    if one.lost:
        yield f"no longer so: {', '.join(one.lost)}"
    yield from _steps(one.steps)


DEDUCTIVE: Final = Kind(
    "deductive",
    problems.DeductiveProblem,
    problems.DeductiveAnswer,
    thoughts.Deduction,
    {"premises": "G"},
    ("question", "closed"),
    _deduction,
    _deduced,
)
INDUCTIVE: Final = Kind(
    "inductive",
    problems.InductiveProblem,
    problems.InductiveAnswer,
    thoughts.Induction,
    {"observations": "G"},
    ("question",),
    _induction,
    _induced,
)
ABDUCTIVE: Final = Kind(
    "abductive",
    problems.AbductiveProblem,
    problems.AbductiveAnswer,
    thoughts.Abduction,
    {"explain": "E", "known": "K"},
    (),
    _abduction,
    _abduced,
)
ANALOGICAL: Final = Kind(
    "analogical",
    problems.AnalogicalProblem,
    problems.AnalogicalAnswer,
    thoughts.Analogy,
    {"source": "A", "target": "B"},
    ("question",),
    _analogy,
    _mapped,
)
CAUSAL: Final = Kind(
    "causal",
    problems.CausalProblem,
    problems.CausalAnswer,
    thoughts.Causation,
    {"evidence": "G"},
    ("factors", "question"),
    _causation,
    _caused,
)
COUNTERFACTUAL: Final = Kind(
    "counterfactual",
    problems.CounterfactualProblem,
    problems.CounterfactualAnswer,
    thoughts.Counterfact,
    {"situation": "G", "suppose": "X"},
    ("question",),
    _counterfact,
    _changed,
)
