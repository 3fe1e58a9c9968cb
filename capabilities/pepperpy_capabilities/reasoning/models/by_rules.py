"""A translation into facts and rules, and what follows from it.

A question whether something is so is answered in three steps: it is yes if it follows; no if its
contrary does, or if assuming it contradicts the rest; unknown otherwise.
"""

import re
from typing import Final

import msgspec

from pepperpy_agents.thinking.forms import Misfit
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.models.written import WrittenRules
from pepperpy_capabilities.reasoning.rules.rules import Rules
from pepperpy_schemas.errors import Contradiction
from pepperpy_schemas.model_reasoning import DeductiveProblem, Proof
from pepperpy_schemas.rules import Deduced, RulesProblem
from pepperpy_schemas.thoughts import Verdict

_MOST: Final = 200
_ATOM: Final = re.compile(r"-?[a-z]\w*(\([\w,\s\"-]*\))?", re.ASCII)
_VARIABLE: Final = re.compile(r"\b_*[A-Z]\w*")
_QUOTED: Final = re.compile(r'"[^"]*"')


async def prove_by_rules(written: WrittenRules, problem: DeductiveProblem, means: Means) -> Proof:
    """Returns what follows from a translation.

    Raises:
        Misfit: It asks for what is not in it.
        PepperError: The reasoner of rules cannot use it, as it says.
    """
    query = written.query.strip().removeprefix("?-").rstrip(".? \n").strip()
    variables = set(_VARIABLE.findall(_QUOTED.sub('""', query)))
    if strange := [one for one in written.wanted if one not in variables]:
        raise Misfit([f"wanted: {', '.join(strange)} is no variable of the query {query!r}"])
    asked = RulesProblem(rules=written.rules, query=query, most=_MOST, proofs=3, seed=problem.seed)
    try:
        deduced = await Rules().reason(asked, means)
    except Contradiction as error:
        return _proof(asked, "contradiction", problem=error.message)
    if written.wanted:
        return _values(asked, deduced, written.wanted, closed=problem.closed)
    if deduced.answers:
        return _proof(asked, "yes", deduced)
    return await _contrary(asked, deduced, means, closed=problem.closed)


def _values(asked: RulesProblem, deduced: Deduced, wanted: list[str], *, closed: bool) -> Proof:
    if deduced.more:
        raise Misfit([f"query: it has more than {_MOST} answers"])
    rows = [" ".join(str(one.values[name]) for name in wanted) for one in deduced.answers]
    if not rows:
        return _proof(asked, "no" if closed else "unknown", deduced)
    return msgspec.structs.replace(
        _proof(asked, "values", deduced), values=list(dict.fromkeys(rows))
    )


async def _contrary(asked: RulesProblem, deduced: Deduced, means: Means, *, closed: bool) -> Proof:
    """The answer to a question that does not follow."""
    query = str(asked.query)
    if _ATOM.fullmatch(query) and not _VARIABLE.search(_QUOTED.sub("", query)):
        contrary = query.removeprefix("-") if query.startswith("-") else f"-{query}"
        other = msgspec.structs.replace(asked, query=contrary)
        found = await Rules().reason(other, means)
        if found.answers:
            return _proof(other, "no", found)
        ends: tuple[tuple[str, Verdict], ...] = ((query, "no"), (contrary, "yes"))
        for assumed, verdict in ends:
            if await _contradicts(asked, assumed, means):
                return msgspec.structs.replace(_proof(asked, verdict, deduced), assumed=assumed)
    return _proof(asked, "no" if closed else "unknown", deduced)


async def _contradicts(asked: RulesProblem, assumed: str, means: Means) -> bool:
    more = msgspec.structs.replace(asked, rules=f"{asked.rules}\n{assumed}.")
    try:
        await Rules().reason(more, means)
    except Contradiction:
        return True
    return False


def _proof(
    asked: RulesProblem, verdict: Verdict, deduced: Deduced | None = None, problem: str = ""
) -> Proof:
    return Proof(
        by="rules",
        proved=True,
        verdict=verdict,
        rules=asked,
        deduced=deduced,
        problems=[problem] if problem else [],
    )
