"""The stock agent `router`: sends tasks where it was learned that they end best."""

from weakref import WeakKeyDictionary

import msgspec

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard
from pepperpy_capabilities.learning.routing.learned import Router
from pepperpy_capabilities.learning.routing.rating import once_of, rate, rating_of
from pepperpy_capabilities.learning.routing.route import Route
from pepperpy_capabilities.learning.routing.settings import RouterSettings
from pepperpy_capabilities.learning.states import Keeper
from pepperpy_schemas.errors import PepperError, error_types
from pepperpy_schemas.learned_routes import (
    RATED,
    ROUTE,
    ROUTE_RATING,
    RouteAnswer,
    RouteRated,
    RouteRating,
    RouteTask,
)

agent = Agent("router", version="1.0.0", capabilities=["routing"])

_PASSING = tuple(one for one in error_types() if one.category == "bus")


class _Kept(msgspec.Struct, frozen=True):
    keeper: Keeper[Router]
    settings: RouterSettings


_kept: WeakKeyDictionary[Client, _Kept] = WeakKeyDictionary()


@agent.task(ROUTE, retries=20, retry_delay="1s", retry_on=_PASSING, timeout=None)
async def route(task: RouteTask, ctx: Context) -> RouteAnswer:
    """Sends a task where it was learned that such tasks end best, and learns from how it ends."""
    kept = _of(ctx.client)
    return await Route(task, ctx, kept.keeper, kept.settings).run()


@agent.task(ROUTE_RATING, retries=20, retry_delay="1s", retry_on=_PASSING)
async def take_rating(rating: RouteRating, ctx: Context) -> RouteRated:
    """Changes the reward of a task to what it is with a person's rating, however late."""
    kept, once = _of(ctx.client), once_of(ctx.task_id, sent=ctx.sent, now=ctx.now)
    return await rate(ctx.client, kept.keeper, kept.settings, rating, once=once)


@agent.on(RATED)
async def hear_rating(event: Heard, ctx: Context) -> None:
    """Takes a rating that is told as an event; one that cannot be used is said in the log."""
    kept, once = _of(ctx.client), once_of(event.event.id, sent=event.event.ts, now=ctx.now)
    try:
        rating = rating_of(event.id, event.data)
        await rate(ctx.client, kept.keeper, kept.settings, rating, once=once)
    except PepperError as error:
        if isinstance(error, _PASSING):
            raise
        ctx.log.warning("route.rating_refused", task_id=event.id, reason=str(error))


@agent.on_stop
async def settle() -> None:
    """Waits for what is being stored."""
    for one in list(_kept.values()):
        await one.keeper.settle()


def _of(client: Client) -> _Kept:
    if client not in _kept:
        connection, prefix = client.connection, client.prefix
        keeper = Keeper(connection, prefix, "router", load=Router, save=Router.save)
        _kept[client] = _Kept(keeper, RouterSettings(connection, prefix))
    return _kept[client]
