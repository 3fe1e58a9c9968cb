"""How a resource is shared out: pure functions from one record of it to the next.

Whoever is first in the queue is granted as soon as it fits, in the same write that made room, so
the queue is fair and nobody has to be there to hand the share over. A share or a place in the queue
that was not renewed is given up `GRACE` after its time, when its holder has long been told.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from pepperpy_schemas.shared import Grant, Resource, Waiter

GRACE: Final = timedelta(seconds=1)
"""How much later than its holder the others take a lease for lost: the error of two clocks."""

PLACE: Final = 60.0
"""Seconds that a place in the queue is kept without a renewal."""


def fresh(capacity: int, now: datetime) -> Resource:
    """Returns a resource that nobody holds.

    Its tokens begin at the time in milliseconds, so that they are higher than those of a resource
    of this name that was removed before.
    """
    return Resource(capacity, int(now.timestamp() * 1000))


def settled(resource: Resource, now: datetime) -> Resource:
    """Returns the resource without what has ended by now, its queue served as far as it goes."""
    held = [grant for grant in resource.held if now <= grant.until + GRACE]
    waiting = [
        one for one in resource.waiting if now <= one.until + GRACE and one.n <= resource.capacity
    ]
    token = resource.token
    free = resource.capacity - sum(grant.n for grant in held)
    while waiting and waiting[0].n <= free:
        one, token = waiting.pop(0), token + 1
        until = now + timedelta(seconds=one.ttl)
        held.append(Grant(one.id, one.holder, one.n, token, one.ttl, now, until))
        free -= one.n
    return replace(resource, held=held, waiting=waiting, token=token)


def joined(resource: Resource, one: Waiter, now: datetime) -> Resource:
    """Returns the resource with one more in its queue, or with its share; once for each id."""
    resource = settled(resource, now)
    if grant_of(resource, one.id) is not None or place_of(resource, one.id) is not None:
        return resource
    queue = [*resource.waiting, one]
    return settled(replace(resource, waiting=queue), now)


def left(resource: Resource, lease_id: str, now: datetime) -> Resource:
    """Returns the resource without this holder or waiter."""
    held = [grant for grant in resource.held if grant.id != lease_id]
    waiting = [one for one in resource.waiting if one.id != lease_id]
    return settled(replace(resource, held=held, waiting=waiting), now)


def renewed(resource: Resource, lease_id: str, now: datetime) -> Resource | None:
    """Returns the resource with a share or place renewed; None when it was given up before."""
    if grant_of(resource, lease_id) is None and place_of(resource, lease_id) is None:
        return None
    place = now + timedelta(seconds=PLACE)
    held = [
        replace(grant, until=now + timedelta(seconds=grant.ttl)) if grant.id == lease_id else grant
        for grant in resource.held
    ]
    waiting = [replace(one, until=place) if one.id == lease_id else one for one in resource.waiting]
    return settled(replace(resource, held=held, waiting=waiting), now)


def grant_of(resource: Resource, lease_id: str) -> Grant | None:
    """Returns the share of a lease, or None."""
    return next((grant for grant in resource.held if grant.id == lease_id), None)


def place_of(resource: Resource, lease_id: str) -> int | None:
    """Returns a place in the queue, from 0, or None."""
    for place, one in enumerate(resource.waiting):
        if one.id == lease_id:
            return place
    return None


def next_end(resource: Resource) -> datetime | None:
    """Returns when the first share or place ends that is not renewed until then, or None."""
    ends = [grant.until for grant in resource.held] + [one.until for one in resource.waiting]
    return min(ends) + GRACE if ends else None
