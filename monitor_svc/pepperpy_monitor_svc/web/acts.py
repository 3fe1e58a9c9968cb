"""Acts: what people with the token have the bus do. The audit log has each, with who did it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from pepperpy_bus.audit import AS
from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_monitor_svc.http.answers import Refused, json_answer
from pepperpy_monitor_svc.http.bodies import read_object
from pepperpy_monitor_svc.http.middlewares import Handler
from pepperpy_monitor_svc.web.access import acting_client, who_acts
from pepperpy_monitor_svc.web.parts import PARTS
from pepperpy_schemas.audit import Value
from pepperpy_schemas.codec import convert
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.tokens import check_token

log = get_log("pepperpy.web")

LARGEST: Final = 1 << 20
"""Bytes of what an act says."""
_AT_ONCE: Final = 100
_LONGEST: Final = 1000
"""Characters of a text beside the act itself."""
_WAIT: Final = 5.0
"""Seconds to wait until a task has been canceled; the request is stored."""

_Number = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
"""The number of a message in its stream."""

Act = Callable[[web.Request, str, dict[str, Any]], Coroutine[Any, Any, Any]]
"""Gets the request, who acts and what was said; returns the answer."""


def act(doing: Act) -> Handler:
    """Makes an act of a function: who may not is refused, and a client that leaves changes nothing.

    What was begun is brought to its end and written down, whether or not somebody still listens.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        who = who_acts(request)
        said = await read_object(request, LARGEST)
        done = request.app[PARTS].doing.begin(doing(request, who, said))
        return json_answer(request, await asyncio.shield(done))

    return handle


async def cancel(request: web.Request, who: str, said: dict[str, Any]) -> dict[str, Any]:
    """Ends a task and its children."""
    task_id = _task(request)
    reason = _text(said, "reason")
    done = await acting_client(request).cancel(task_id, reason=reason, by=who, wait=_WAIT)
    return {"id": task_id, "canceled": done}


async def answer(request: web.Request, who: str, said: dict[str, Any]) -> dict[str, Any]:
    """Answers what a task asks."""
    task_id = _task(request)
    if "answer" not in said:
        raise Refused(400, "bad_payload", "$.answer is missing")
    number = convert(said.get("question") or 0, int)
    asked = await acting_client(request).answer(task_id, said["answer"], question=number, by=who)
    return {"id": task_id, "question": asked.wait.question}


async def rerun(request: web.Request, who: str, said: dict[str, Any]) -> dict[str, Any]:
    """Does a task again, all of it or from a step on."""
    task_id = _task(request)
    first = said.get("from_step")
    if not isinstance(first, int | str | None):
        raise Refused(400, "bad_payload", "$.from_step is neither a place nor a name")
    changes = convert(said.get("changes") or {}, dict[str, Any])
    client = acting_client(request)
    async with _said(request, who, "rerun", task_id, from_step=str(first or "")):
        new = await client.rerun(task_id, from_step=first, changes=changes)
    return {"id": new, "of": task_id}


async def replay(request: web.Request, who: str, said: dict[str, Any]) -> dict[str, Any]:
    """Submits the tasks of dead letters anew; those that cannot be are named with the reason."""
    client = acting_client(request)
    numbers = convert(said.get("ids"), list[_Number])
    if not 0 < len(numbers) <= _AT_ONCE:
        raise Refused(400, "bad_payload", f"$.ids has {len(numbers)} items, not 1 to {_AT_ONCE}")
    drop = convert(said.get("drop", False), bool)
    done, failed = [], []
    async with _said(request, who, "replay", letters=" ".join(map(str, numbers)), drop=drop):
        for number in dict.fromkeys(numbers):
            try:
                done.append(await _replay(client, number, drop))
            except PepperError as error:
                failed.append({"seq": number, "error": error.info()})
    return {"replayed": done, "failed": failed}


async def _replay(client: Client, number: int, drop: bool) -> dict[str, Any]:
    filed = await client.dead_letters.get(number)
    new = await client.dead_letters.replay(filed)
    if drop:
        await client.dead_letters.drop(number)
    return {"seq": number, "task": filed.letter.task_id, "id": new}


async def snapshot(request: web.Request, who: str, said: dict[str, Any]) -> Any:
    """Takes a snapshot."""
    reason = _text(said, "reason") or "asked"
    async with _said(request, who, "snapshot", reason=reason):
        return await request.app[PARTS].monitor.snapshots.take(reason, by=who)


async def silence(request: web.Request, who: str, said: dict[str, Any]) -> Any:
    """Keeps people from being told of some alerts for a while, or no longer."""
    alerts = request.app[PARTS].monitor.alerts
    if ending := _text(said, "end"):
        async with _said(request, who, "unsilence", check_token(ending, what="silence id")):
            return await alerts.unsilence(ending)
    matchers = convert(said.get("matchers"), dict[str, str])
    duration, comment = _text(said, "duration") or "1h", _text(said, "comment")
    shown = " ".join(f"{name}={value}" for name, value in matchers.items())
    told: dict[str, Value] = {"for": duration}
    async with _said(request, who, "silence", shown[:_LONGEST], **told):
        return await alerts.silence(matchers, duration=duration, by=who, comment=comment)


def _said(
    request: web.Request, who: str, action: str, target: str = "", **data: Value
) -> AbstractAsyncContextManager[None]:
    """Has the audit log know of an act before it is done, and when it fails, that it did.

    What cannot be said is not done. Cancels and answers need not be said: the broker keeps them,
    with who sent them.
    """
    log.info("web.act", who=who, action=action, target=target)
    told: dict[str, Value] = {AS: who, **data}
    return acting_client(request).audit.act(action, target, **told)


def _task(request: web.Request) -> str:
    return check_token(request.match_info["id"], what="task id")


def _text(said: dict[str, Any], name: str) -> str:
    return convert(said.get(name, ""), str)[:_LONGEST]
