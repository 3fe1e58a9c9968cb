"""How a request ends that nobody has answered."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from pepperpy_provider_svc.routing.breakers import Breakers
from pepperpy_provider_svc.routing.candidates import Candidates, Pair
from pepperpy_schemas.chat import Try
from pepperpy_schemas.errors import KeyRefused, NoTargetLeft, PepperError, UnknownModel

_PROBING = 1.0  # seconds until a probe of somebody else has probably ended


def nobody_left(
    candidates: Candidates,
    breakers: Breakers,
    busy: Mapping[Pair, float],
    errors: Sequence[PepperError],
    tries: Sequence[Try],
) -> PepperError:
    """Returns the error of a request that nobody is left for.

    It is `NoTargetLeft` with the shortest time until somebody can be asked again; where nothing
    but keys and names was wrong, that is better said as it is.

    Args:
        candidates: Who could be asked.
        breakers: Who of them is left alone.
        busy: Seconds until keys are free that the fleet has used up.
        errors: What has gone wrong.
        tries: The calls that were made.
    """
    wrong = [one for one in errors if isinstance(one, KeyRefused | UnknownModel)]
    if wrong and len(wrong) == len(errors):
        return wrong[-1]
    reasons, waits = [], []
    for pair in candidates.all():
        reason, wait = _state(breakers, busy, pair)
        waits.append(wait)
        if reason:
            reasons.append(f"{pair[0]} with key {pair[1]}: {reason}")
    return _made(tries, reasons, min(waits, default=0.0))


def _state(breakers: Breakers, busy: Mapping[Pair, float], pair: Pair) -> tuple[str, float]:
    record = breakers.record(*pair)
    if record is None:
        return ("busy", busy[pair]) if pair in busy else ("", 0.0)
    probing = breakers.state(*pair) == "half_open"
    return record.reason, _PROBING if probing else breakers.wait(*pair)


def _made(tries: Sequence[Try], reasons: list[str], wait: float) -> NoTargetLeft:
    context: dict[str, object] = {"attempts": msgspec.to_builtins(tries)}
    hint = ""
    if 0 < wait < math.inf:
        context["retry_after"] = round(wait, 3)
        hint = f"try again in {wait:.1f} s"
    calls = "one call" if len(tries) == 1 else f"{len(tries)} calls"
    said = f"nobody has answered after {calls}" if tries else "nobody can be asked now"
    left_alone = f"; left alone: {', '.join(reasons)}" if reasons else ""
    return NoTargetLeft(f"{said}{left_alone}", hint=hint, context=context)
