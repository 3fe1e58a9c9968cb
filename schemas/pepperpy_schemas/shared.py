"""The records of the bucket ``state``: what workers share, changed by compare-and-set."""

from typing import Annotated

import msgspec

from pepperpy_schemas.messages import Attempt, Count, Instant

Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Grant(msgspec.Struct, frozen=True):
    """A share of a resource that somebody holds.

    Attributes:
        id: Id of the lease.
        holder: Who holds it, for people.
        n: How much of the capacity.
        token: The fencing token: higher for every later grant of the resource.
        ttl: Seconds that one renewal lasts.
        since: When it was granted, by the server's clock.
        until: When it ends unless it is renewed, by the server's clock.
    """

    id: str
    holder: str
    n: Attempt
    token: Attempt
    ttl: Seconds
    since: Instant
    until: Instant


class Waiter(msgspec.Struct, frozen=True):
    """Somebody who waits for a share of a resource.

    Attributes:
        id: Id of the lease that it will be.
        holder: Who waits, for people.
        n: How much of the capacity.
        ttl: Seconds that one renewal of the lease will last.
        since: When the waiting began, by the server's clock.
        until: When the place in the queue is lost unless it is renewed, by the server's clock.
    """

    id: str
    holder: str
    n: Attempt
    ttl: Seconds
    since: Instant
    until: Instant


class Resource(msgspec.Struct, frozen=True, omit_defaults=True):
    """A resource with a capacity, who holds it, and who waits for it.

    Attributes:
        capacity: How much there is.
        token: The last fencing token that was given out.
        held: The shares that are held.
        waiting: Who waits, in the order of arrival.
    """

    capacity: Count
    token: Count
    held: list[Grant] = []
    waiting: list[Waiter] = []

    @property
    def used(self) -> int:
        """How much of the capacity is held."""
        return sum(grant.n for grant in self.held)


class Amounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was spent or reserved, in whole numbers, so that sums are exact.

    Attributes:
        tokens: Tokens of language models.
        nano_usd: Billionths of a US dollar.
        ms: Milliseconds of running time.
        tasks: Tasks that were submitted.
    """

    tokens: Count = 0
    nano_usd: Count = 0
    ms: Count = 0
    tasks: Count = 0


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What may be spent; null for no limit. The units are those of `Amounts`."""

    tokens: Count | None = None
    nano_usd: Count | None = None
    ms: Count | None = None
    tasks: Count | None = None


class Reservation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody is about to spend.

    Attributes:
        amounts: How much.
        task: Id of the task that spends it.
        until: When it counts as spent although nobody has said so, by the server's clock.
        attempt: The task's attempt.
        named: Whether a later attempt that reserves under the same id means the same spending.
    """

    amounts: Amounts
    task: str
    until: Instant
    attempt: Count = 0
    named: bool = False


class Ledger(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a task and its descendants may spend together, and what they have.

    Attributes:
        limits: What they may.
        spent: What they have.
        reserved: What they are about to, by the reservation's id.
    """

    limits: Limits
    spent: Amounts = Amounts()
    reserved: dict[str, Reservation] = {}
