"""Why this arm: what is expected of each, how sure that is, and what it was chosen by."""

from pepperpy_schemas.learning_bandits import ArmValue, BanditOptions, Pulled


def explained(options: BanditOptions, values: list[ArmValue], learned: int) -> Pulled:
    """Returns the choice of the first of arms, with its reasons.

    Args:
        options: The bandit's.
        values: What is known of the arms, the highest score first.
        learned: How many rewards the bandit has learned from.
    """
    best = values[0]
    sampled = options.method == "thompson"
    how = "drawn" if sampled else "bound"
    why = _why(best, values, sampled=sampled)
    lines = [f"{best.arm}: {why}; {_counted(str(learned), 'reward')} learned"]
    for one in values:
        pulls = _counted(f"{one.pulls:.3g}", "pull")
        known = f"value {one.value:.3g} ± {one.uncertainty:.2g} after {pulls}"
        lines.append(f"  {one.arm}: {known}, {how} {one.score:.3g}")
    return Pulled(arm=best.arm, arms=values, explanation="\n".join(lines))


def _counted(number: str, what: str) -> str:
    return f"{number} {what}" if number == "1" else f"{number} {what}s"


def _why(best: ArmValue, values: list[ArmValue], *, sampled: bool) -> str:
    highest = max(values, key=lambda one: one.value)
    what = "the highest number drawn" if sampled else "the highest upper bound"
    if best.pulls < 1:
        return f"{what}; little is known of it, so it is tried"
    if highest.arm == best.arm:
        return f"{what}, and the highest value that is expected"
    return f"{what}; {highest.arm} is expected to be worth more, but that is not sure"
