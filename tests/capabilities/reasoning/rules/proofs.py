"""What every proof must be, whatever it proves."""

from collections.abc import Collection

from pepperpy_schemas.rules import Deduced, Found


def check_proof(found: Found, answer: Deduced, facts: Collection[str] = ()) -> None:
    """A proof goes from the question to what was given, and never in a circle."""
    steps = found.proof
    assert steps
    assert not found.cut
    known = {one.number for one in answer.rules}
    open_steps: set[int] = set()
    done: set[int] = set()

    def follow(n: int) -> None:
        assert n not in open_steps, f"{steps[n].holds} is its own reason"
        if n in done:
            return
        open_steps.add(n)
        step = steps[n]
        assert step.rule == 0 or step.rule in known
        if step.by == "fact":
            assert not step.uses
            if facts and not step.rule:
                assert step.holds in facts
        elif step.by in ("absent", "test"):
            assert not step.uses
        elif n:
            assert step.rule
        for use in step.uses:
            follow(use)
        open_steps.remove(n)
        done.add(n)

    follow(0)
    assert done == set(range(len(steps))), "steps that nothing uses"


def values(answer: Deduced) -> list[dict[str, object]]:
    return [dict(one.values) for one in answer.answers]
