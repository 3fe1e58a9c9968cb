"""Ratings: what people say of what came of a task changes its reward, however late."""

from datetime import datetime

import msgspec

from pepperpy_bus.client import Client
from pepperpy_capabilities.learning.routing.learned import Router
from pepperpy_capabilities.learning.routing.settings import RouterSettings
from pepperpy_capabilities.learning.states import Keeper, Once
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadExample, BadPayload, NotFound
from pepperpy_schemas.learned_routes import RouteAnswer, RouteRated, RouteRating


async def rate(
    client: Client,
    keeper: Keeper[Router],
    settings: RouterSettings,
    rating: RouteRating,
    *,
    once: Once,
) -> RouteRated:
    """Changes the reward of a task to what it is with a rating.

    Args:
        client: The client.
        keeper: Where it is kept what routers have learned.
        settings: Where their settings are.
        rating: The rating.
        once: What it is known by when it comes again.

    Raises:
        NotFound: The task has not ended, its result is forgotten, or its router is.
        BadExample: It failed, or was none of the topic ``route``.
    """
    ended = await client.results.get(rating.task)
    if ended is None:
        raise NotFound(
            f"task {rating.task} has no result",
            hint="rate it when it has ended, and not years later",
        )
    if not ended.result.ok:
        raise BadExample(f"task {rating.task} failed: there is nothing to rate")
    try:
        answer = decode(bytes(ended.result.data), RouteAnswer)
    except BadPayload:
        raise BadExample(f"task {rating.task} is none that a router sent somewhere") from None
    setting = await settings.get(answer.router)
    if setting.mode == "off":
        return RouteRated(
            router=answer.router, choice=answer.picked.choice, why="the router is off"
        )

    def edit(router: Router) -> RouteRated:
        return router.rate(setting, rating.task, answer, rating.rating)

    changed = await keeper.change(answer.router, edit, once=once)
    if changed.outcome is None:
        return RouteRated(
            router=answer.router, choice=answer.picked.choice, why="rated before its worker died"
        )
    return changed.outcome


def rating_of(task: str, data: dict[str, object]) -> RouteRating:
    """Returns the rating that an event says.

    Raises:
        BadExample: It says none from 0 to 1.
    """
    try:
        return msgspec.convert({**data, "task": task}, RouteRating)
    except msgspec.ValidationError as error:
        raise BadExample(f"event of task {task:.80} has no rating: {error}") from None


def once_of(name: str, *, sent: datetime, now: datetime) -> Once:
    """Returns what a rating is known by when it is delivered again."""
    return Once(f"rating:{name}", asked=sent, now=now)
