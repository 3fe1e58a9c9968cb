"""Answers of models for people: what, how sure, why, and what speaks against it."""

from collections.abc import Iterator, Sequence

from pepperpy_capabilities.reasoning.models.kinds import Kind
from pepperpy_schemas.model_reasoning import Check, Cost, Proof, ThoughtAnswer
from pepperpy_schemas.thoughts import Deduction, Thought

_WORDS = {
    "yes": "Yes.",
    "no": "No.",
    "unknown": "What is given does not say.",
    "contradiction": "What is given cannot all be so.",
}
_SETTLED = ("yes", "no", "unknown")
"""Verdicts on a question whether something is so."""


def worded(verdict: str, values: Sequence[str]) -> str:
    """Returns a verdict in words."""
    return ", ".join(values) if verdict == "values" else _WORDS[verdict]


def explained(
    answer: ThoughtAnswer, kind: Kind, thought: Thought, proof: Proof | None, stated: float
) -> str:
    """Returns why an answer is what it is.

    Args:
        answer: The answer.
        kind: Its kind.
        thought: What the model concluded.
        proof: What a solver made of it.
        stated: The confidence before the second look.
    """
    lines = [answer.conclusion]
    if proof is not None and isinstance(thought, Deduction):
        lines += _proved(proof, thought, answer.conclusion)
    lines += kind.lines(thought)
    lines += [f"or: {one.conclusion}  ({one.confidence:.2f})" for one in thought.alternatives]
    lines += _checked(answer.check, stated, answer.confidence)
    lines.append(_paid(answer.cost, answer.model))
    return "\n".join(lines)


def _proved(proof: Proof, thought: Deduction, conclusion: str) -> Iterator[str]:
    if not proof.proved:
        yield f"unproved: no translation into {proof.by} could be used: {'; '.join(proof.problems)}"
        return
    mended = f", mended {proof.repairs} times" if proof.repairs else ""
    yield f"proved by {proof.by} of the model's translation{mended}:"
    if proof.assumed:
        yield f"  assuming {proof.assumed} contradicts the rest"
    for row in proof.possible:
        yield f"  possible: {', '.join(row)}"
    answered = proof.deduced or proof.found
    said = answered.explanation.splitlines() if answered is not None else proof.problems
    if proof.deduced is not None and proof.rules is not None and proof.verdict in _SETTLED:
        # What was asked may be the contrary, of which a yes is a no.
        said = [f"{proof.rules.query}: {said[0][:1].lower()}{said[0][1:]}", *said[1:]]
    yield from (f"  {line}" for line in said)
    if thought.conclusion != conclusion:
        yield f"the model itself would have said: {thought.conclusion}"


def _checked(check: Check | None, stated: float, confidence: float) -> Iterator[str]:
    if check is None:
        yield f"confidence {confidence:.2f}; no second look was asked for"
    elif check.found is None:
        yield f"confidence {confidence:.2f}; the second look gave no answer that can be used"
    elif check.found.verdict == "holds":
        yield f"confidence {confidence:.2f}; a second look found nothing against it"
    else:
        lower = f"confidence {stated:.2f} → {confidence:.2f}"
        yield f"a second look found it {check.found.verdict}: {lower}"
        yield from (f"  {one}" for one in check.found.objections)


def _paid(cost: Cost, model: str) -> str:
    mended = f", {cost.repairs} of them to mend an answer" if cost.repairs else ""
    tokens = f"{cost.usage.input_tokens} + {cost.usage.output_tokens} tokens"
    plural = "question" if cost.questions == 1 else "questions"
    return f"{cost.questions} {plural} to {model}{mended}: {tokens}, {cost.usd:.6f} USD"
