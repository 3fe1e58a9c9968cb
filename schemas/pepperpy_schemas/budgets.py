"""Budgets as people write them, and as the header ``Pp-Budget`` carries them.

A task's header has its own limits, if it has any, and those of every task above it that has some:
what a task spends is counted against all of them.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from pepperpy_schemas.codec import convert, decode, encode
from pepperpy_schemas.errors import BadHeader, BadPayload
from pepperpy_schemas.headers import BUDGET
from pepperpy_schemas.shared import Amounts, Limits
from pepperpy_schemas.tokens import TOKEN

UNITS: Final = ("tokens", "usd", "seconds", "tasks")
"""What a budget may limit."""
MAX_ABOVE: Final = 16
"""Tasks with budgets of their own, one below the other."""

Whole = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
Number = Annotated[float, msgspec.Meta(ge=0, le=1e9)]

_NANO: Final = 10**9
_MILLI: Final = 1000


class Allowance(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    """Limits, or what is left of them; None where there is no limit.

    Attributes:
        tokens: Tokens of language models.
        usd: US dollars.
        seconds: Seconds of running time of all attempts together.
        tasks: Tasks that are submitted.
    """

    tokens: Whole | None = None
    usd: Number | None = None
    seconds: Number | None = None
    tasks: Whole | None = None

    @property
    def limited(self) -> bool:
        """Whether anything is limited."""
        return any(getattr(self, unit) is not None for unit in UNITS)

    def limits(self) -> Limits:
        """Returns the same in the units of a ledger."""
        return Limits(
            tokens=self.tokens,
            nano_usd=None if self.usd is None else round(self.usd * _NANO),
            ms=None if self.seconds is None else round(self.seconds * _MILLI),
            tasks=self.tasks,
        )


class Owner(Allowance, frozen=True, kw_only=True):
    """The limits of a task further up.

    Attributes:
        id: Id of that task.
    """

    id: str


class Budget(Allowance, frozen=True, kw_only=True):
    """What the header ``Pp-Budget`` says: a task's own limits, and those above it.

    Attributes:
        above: The tasks further up that have limits, the nearest last.
    """

    above: Annotated[list[Owner], msgspec.Meta(max_length=MAX_ABOVE)] = []

    def owners(self, task_id: str) -> list[Owner]:
        """Returns every task whose ledger counts what this task spends, itself last."""
        if not self.limited:
            return self.above
        own = Owner(
            id=task_id,
            tokens=self.tokens,
            usd=self.usd,
            seconds=self.seconds,
            tasks=self.tasks,
        )
        return [*self.above, own]


def budget_of(limits: Mapping[str, float] | Budget) -> Budget:
    """Returns the limits that a caller gives as a budget.

    Raises:
        BadHeader: A limit is not known, negative, or no number; the message names it.
    """
    if isinstance(limits, Budget):
        return limits
    try:
        return _checked(convert(dict(limits), Budget))
    except BadPayload as error:
        raise _refused(error) from None


def read_budget(text: str) -> Budget:
    """Returns the budget that a header carries.

    Raises:
        BadHeader: It cannot be read; the message names the field.
    """
    try:
        return _checked(decode(text.encode(), Budget))
    except BadPayload as error:
        raise _refused(error) from None


def write_budget(budget: Budget) -> str:
    """Returns the header of a budget."""
    return encode(budget).decode()


def amounts_of(
    *, tokens: int = 0, usd: float = 0.0, seconds: float = 0.0, tasks: int = 0
) -> Amounts:
    """Returns what is spent in the units of a ledger.

    Raises:
        BadPayload: An amount is negative, or no number; the message names it.
    """
    given = {"tokens": tokens, "usd": usd, "seconds": seconds, "tasks": tasks}
    limits = convert(given, Allowance).limits()
    return Amounts(
        tokens=limits.tokens or 0,
        nano_usd=limits.nano_usd or 0,
        ms=limits.ms or 0,
        tasks=limits.tasks or 0,
    )


def allowance_of(limits: Limits | Amounts) -> Allowance:
    """Returns amounts in the units that people write."""
    return Allowance(
        tokens=limits.tokens,
        usd=None if limits.nano_usd is None else limits.nano_usd / _NANO,
        seconds=None if limits.ms is None else limits.ms / _MILLI,
        tasks=limits.tasks,
    )


def _checked(budget: Budget) -> Budget:
    for owner in budget.above:
        if TOKEN.fullmatch(owner.id) is None:
            raise BadPayload(f"$.above: {owner.id!r:.80} is no task id")
    return budget


def _refused(error: BadPayload) -> BadHeader:
    path = str(error.context.get("path", "$")).removeprefix("$").removeprefix(".")
    return BadHeader(
        f"the budget is wrong: {error.message.removeprefix('$.').removeprefix('$: ')}",
        hint=f"give numbers of 0 or more for {', '.join(UNITS)}",
        context={"header": BUDGET, **({"path": path} if path else {})},
    )
