"""What a model concludes, as it writes it: one form for each kind of reasoning.

What is given has labels: ``G1``, ``G2`` … in the order of the problem; what is to be explained
``E1``, what is known besides ``K1``, the source of an analogy ``A1``, its target ``B1``, what is
supposed ``X1``. Steps of an answer are ``S1``, ``S2`` …
"""

from typing import Annotated, Literal

import msgspec

Said = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
Sure = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""How sure, from 0 to 1."""
Label = Annotated[str, msgspec.Meta(pattern="^[A-Z][1-9][0-9]{0,3}$")]
Labels = Annotated[list[Label], msgspec.Meta(max_length=400)]
Verdict = Literal["yes", "no", "unknown", "values", "contradiction"]
"""``yes`` and ``no``: of a question that asks whether. ``values``: of one that asks which. It is
``unknown`` when what is given does not say it, and a ``contradiction`` when that cannot all be so.
"""


class Alternative(msgspec.Struct, frozen=True):
    """Another conclusion that is possible.

    Attributes:
        conclusion: It.
        confidence: How likely it is.
    """

    conclusion: Said
    confidence: Sure


class Inference(msgspec.Struct, frozen=True):
    """A step.

    Attributes:
        says: What follows.
        uses: From what: labels of what is given, and of steps before this one.
    """

    says: Said
    uses: Labels


class Thought(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What all kinds have in common.

    Attributes:
        conclusion: The answer to the question, in words.
        confidence: How sure the model is of it.
        alternatives: Other conclusions, the likeliest first.
    """

    conclusion: Said
    confidence: Sure
    alternatives: Annotated[list[Alternative], msgspec.Meta(max_length=20)] = []


class Deduction(Thought, frozen=True, omit_defaults=True, kw_only=True):
    """What follows with necessity.

    Attributes:
        verdict: The answer in a word.
        values: What a question asks for that asks which, one name or number each.
        steps: How it follows; ``S1`` is the first.
    """

    verdict: Verdict
    values: Annotated[list[Said], msgspec.Meta(max_length=200)] = []
    steps: Annotated[list[Inference], msgspec.Meta(max_length=100)]


class Generalization(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that observations lead to.

    Attributes:
        rule: It.
        supported_by: Observations that are as it says.
        against: Observations that are not.
        confidence: How likely it is to hold for new ones.
    """

    rule: Said
    supported_by: Annotated[list[Label], msgspec.Meta(min_length=1, max_length=400)]
    against: Labels
    confidence: Sure


class Induction(Thought, frozen=True, omit_defaults=True, kw_only=True):
    """What observations have in common.

    Attributes:
        rules: The rules, the likeliest first.
    """

    rules: Annotated[list[Generalization], msgspec.Meta(min_length=1, max_length=20)]


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True):
    """What may be behind something.

    Attributes:
        hypothesis: It.
        explains: What it explains.
        against: What is given that speaks against it.
        confidence: How likely it is.
        test: What would tell it from the others.
    """

    hypothesis: Said
    explains: Annotated[list[Label], msgspec.Meta(min_length=1, max_length=400)]
    against: Labels
    confidence: Sure
    test: Said


class Abduction(Thought, frozen=True, omit_defaults=True, kw_only=True):
    """The best explanation.

    Attributes:
        hypotheses: What may be behind it, the likeliest first.
    """

    hypotheses: Annotated[list[Hypothesis], msgspec.Meta(min_length=1, max_length=20)]


class Pair(msgspec.Struct, frozen=True):
    """Two things that have the same place.

    Attributes:
        source: The one that is known.
        target: The one that it stands for.
        because: What both have in common.
    """

    source: Said
    target: Said
    because: Said


class Analogy(Thought, frozen=True, omit_defaults=True, kw_only=True):
    """What is so there because something like it is so here.

    Attributes:
        mapping: What corresponds to what; nothing has two partners.
        breaks: Where the likeness ends.
    """

    mapping: Annotated[list[Pair], msgspec.Meta(min_length=1, max_length=100)]
    breaks: Annotated[list[Said], msgspec.Meta(max_length=50)]


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A cause and what it does.

    Attributes:
        cause: The one factor.
        effect: The other one.
        sign: Whether more of the cause is ``more`` or ``less`` of the effect.
        supported_by: What is given that says so.
        confidence: How likely it is a cause, and not a coincidence.
    """

    cause: Said
    effect: Said
    sign: Literal["more", "less", "unknown"]
    supported_by: Labels
    confidence: Sure


class Causation(Thought, frozen=True, omit_defaults=True, kw_only=True):
    """What causes what.

    Attributes:
        edges: Causes and effects; they lead in no circle.
        confounders: What may cause both of two factors, and so only looks like a cause.
    """

    edges: Annotated[list[Effect], msgspec.Meta(max_length=200)]
    confounders: Annotated[list[Said], msgspec.Meta(max_length=50)]


class Counterfact(Thought, frozen=True, omit_defaults=True, kw_only=True):
    """What would be so if something were otherwise.

    Attributes:
        changed: What is given that is no longer so, because it is supposed otherwise.
        lost: What else is no longer so: it depended on that.
        kept: What stays as it is.
        steps: What follows; what is supposed has the label ``X1``.
    """

    changed: Annotated[list[Label], msgspec.Meta(min_length=1, max_length=400)]
    lost: Labels
    kept: Labels
    steps: Annotated[list[Inference], msgspec.Meta(min_length=1, max_length=100)]


class Objections(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a second look has found against a conclusion.

    Attributes:
        verdict: Whether it stands.
        objections: What speaks against it, the strongest first.
        confidence: How sure the second look is of its verdict.
    """

    verdict: Literal["holds", "doubtful", "refuted"]
    objections: Annotated[list[Said], msgspec.Meta(max_length=20)]
    confidence: Sure
