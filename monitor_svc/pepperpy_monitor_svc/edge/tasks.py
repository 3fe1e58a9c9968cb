"""Tasks over HTTP: submitted, waited for, looked up, canceled, and what they ask people."""

import asyncio
from typing import Any

from aiohttp import hdrs, web

from pepperpy_bus.submission import SubmitOptions, refuse_conflict
from pepperpy_bus.tasks.answers import Question
from pepperpy_bus.tasks.results import Ended
from pepperpy_monitor_svc.edge.admission import caller_of
from pepperpy_monitor_svc.edge.messages import (
    Answered,
    Cancellation,
    GivenAnswer,
    OpenQuestion,
    Questions,
    Submitted,
    TaskView,
)
from pepperpy_monitor_svc.edge.parts import PARTS, Parts
from pepperpy_monitor_svc.edge.submission import body_of, is_event, options_of, wait_of
from pepperpy_monitor_svc.http.answers import Refused, error_answer, json_answer
from pepperpy_monitor_svc.http.bodies import read_body
from pepperpy_schemas import headers as h
from pepperpy_schemas.codec import decode
from pepperpy_schemas.tokens import check_token, check_topic, new_id

_ANSWER = 1 << 20
"""Bytes of an answer to a question."""
_CANCEL = 10.0
"""Seconds to wait until a task has been canceled, unless the request says so."""


async def submit(request: web.Request) -> web.StreamResponse:
    """Submits a task, and answers with its end where that is waited for."""
    parts = request.app[PARTS]
    topic, caller = check_topic(request.match_info["name"]), caller_of(request)
    options = options_of(request, caller)
    seconds = wait_of(request)
    task_id = options.get("id") or new_id()
    if not seconds:
        await _send(request, topic, task_id, options)
        return _accepted(request, topic, task_id)
    with parts.waiting.taken(caller):
        async with parts.client.results.expect(task_id, submitted="id" in options) as waiter:
            mine = await _send(request, topic, task_id, options)
            ended = await _waited(parts, waiter.wait(seconds))
    if ended is None:
        return _accepted(request, topic, task_id)
    refuse_conflict(task_id, mine, ended.fingerprint)
    return _end(request, ended)


async def _send(request: web.Request, topic: str, task_id: str, options: SubmitOptions) -> str:
    """Reads the body and sends it, which is kept no longer than that; returns its fingerprint."""
    parts, caller = request.app[PARTS], caller_of(request)
    largest = parts.settings.edge.largest
    said = request.content_length
    with parts.bodies.taken(caller, largest if said is None else min(said, largest)):
        body = await body_of(request, largest)
        parts.draining.refuse()
        if not is_event(request) and (schema := await parts.checks.check(topic, body)):
            options["headers"] = {**options["headers"], h.SCHEMA: schema}
        return await parts.client.send(topic, task_id, body, options)


async def look_up(request: web.Request) -> web.StreamResponse:
    """Says where a task is, and how it ended."""
    parts = request.app[PARTS]
    task_id, seconds = check_token(request.match_info["name"], what="task id"), wait_of(request)
    ended, view = await parts.client.results.get(task_id), None
    if ended is None:
        view = TaskView(id=task_id, state=await parts.client.task_state(task_id))
        if view.state.terminal:
            # It ended between the two questions; or its result has expired, and events tell of it.
            ended = await parts.client.results.get(task_id)
        elif seconds:
            with parts.waiting.taken(caller_of(request)):
                ended = await _waited(parts, parts.client.ended(task_id, wait=seconds))
    view = view if ended is None else view_of(ended)
    return json_answer(request, view, headers=_links(task_id))


async def cancel(request: web.Request) -> web.StreamResponse:
    """Ends a task and its children."""
    parts, task_id = request.app[PARTS], request.match_info["name"]
    done = await parts.client.cancel(
        task_id,
        reason=request.query.get("reason", "")[:1000],
        by=caller_of(request),
        wait=wait_of(request) or _CANCEL,
    )
    return json_answer(request, Cancellation(task_id, done), status=200 if done else 202)


async def questions(request: web.Request) -> web.StreamResponse:
    """Lists what tasks ask people now."""
    topic = request.query.get("topic", "")
    found = await request.app[PARTS].client.questions(topic=topic)
    return json_answer(request, Questions([_open(one) for one in found]))


async def answer(request: web.Request) -> web.StreamResponse:
    """Answers what a task asks; the first answer counts."""
    task_id = request.match_info["name"]
    given = decode(await read_body(request, _ANSWER), GivenAnswer)
    asked = await request.app[PARTS].client.answer(
        task_id, given.answer, question=given.question, by=caller_of(request)
    )
    return json_answer(request, Answered(task_id, asked.wait.question))


def view_of(ended: Ended) -> TaskView:
    """Returns how a task ended."""
    result = ended.result
    return TaskView(
        id=ended.id,
        state=result.state,
        topic=ended.topic,
        attempt=ended.attempt,
        data=result.data if result.ok else None,
        error=result.error,
    )


async def _waited(parts: Parts, waiting: Any) -> Ended | None:
    """The end of a task; None when it is not there in time, or before this process ends."""
    ending = asyncio.ensure_future(waiting)
    over = asyncio.create_task(parts.draining.over.wait(), name="edge-over")
    try:
        await asyncio.wait({ending, over}, return_when=asyncio.FIRST_COMPLETED)
        return await ending if ending.done() else None
    except TimeoutError:
        return None
    finally:
        for one in (ending, over):
            one.cancel()
        await asyncio.gather(ending, over, return_exceptions=True)


def _accepted(request: web.Request, topic: str, task_id: str) -> web.Response:
    said = Submitted(id=task_id, topic=topic, url=_url(task_id))
    return json_answer(request, said, status=202, headers=_links(task_id))


def _end(request: web.Request, ended: Ended) -> web.Response:
    """The end of a task that was waited for: 200, or the status of its error."""
    if ended.result.ok:
        return json_answer(request, view_of(ended), headers=_links(ended.id))
    failed = ended.result.error or Refused(500, "handler_error", "the task did not say why")
    return error_answer(request, failed, headers=_links(ended.id))


def _links(task_id: str) -> dict[str, str]:
    return {hdrs.LOCATION: _url(task_id), h.ID: task_id}


def _url(task_id: str) -> str:
    return f"/v1/tasks/{task_id}"


def _open(one: Question) -> OpenQuestion:
    wait = one.wait
    return OpenQuestion(
        task=one.task_id,
        topic=one.topic,
        question=wait.question,
        text=wait.text,
        asked=wait.ts,
        choices=wait.choices,
        deadline=wait.deadline,
        schema=wait.schema,
        answered=one.answered,
    )
