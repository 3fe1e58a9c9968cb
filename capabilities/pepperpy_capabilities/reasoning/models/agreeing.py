"""Whether a model and a solver say the same, and how sure that makes the solver's word. Pure."""

import re
from typing import Final

from pepperpy_schemas.model_reasoning import Proof
from pepperpy_schemas.thoughts import Deduction

_APART: Final = re.compile(r"[\W_]+")


def agree(thought: Deduction, proof: Proof) -> bool:
    """Returns whether the model's own answer is the solver's.

    Values are compared by their words: a translation calls Mr Norwegian ``norwegian``.
    """
    if thought.verdict != proof.verdict:
        return False
    if proof.verdict != "values":
        return True
    if len(thought.values) != len(proof.values):
        return False
    left = [_words(one) for one in thought.values]
    for value in proof.values:
        words = _words(value)
        found = next((n for n, one in enumerate(left) if words <= one or one <= words), None)
        if found is None:
            return False
        left.pop(found)
    return True


def trusted(confidence: float, *, same: bool) -> float:
    """Returns how sure a proved answer is, before the second look.

    Where the model says otherwise one of the two is wrong, and it may be the translation: the
    surer the model is of its own answer, the less sure is the solver's.
    """
    return 1.0 if same else round(1 - confidence / 2, 3)


def _words(text: str) -> set[str]:
    return {one for one in _APART.split(text.casefold()) if one} or {text}
