"""One call of a handler without a bus: what it returns, and what it did."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from pepperpy.testing.model import Answer, ScriptedModel
from pepperpy.testing.noted import Asked, Child, Step, Told
from pepperpy.testing.unit_context import START, UnitContext
from pepperpy_agents.blocking import BlockingContext
from pepperpy_agents.handler import decode_as, read_handler
from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ChatRequest


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a unit call.

    Attributes:
        result: What the handler returned, as a caller on the bus would get it.
        steps: The steps in the order in which they ended.
        asked: The questions to people with their answers.
        told: The events that it emitted.
        submitted: The children.
        streamed: The pieces of output.
        progressed: How far it said to be, with the messages.
        slept: Seconds of all sleeps together.
        requests: What models were asked.
    """

    result: Any
    steps: list[Step]
    asked: list[Asked]
    told: list[Told]
    submitted: list[Child]
    streamed: list[Any]
    progressed: list[tuple[float, str]]
    slept: float
    requests: list[ChatRequest]

    @property
    def step_names(self) -> list[str]:
        """The names of the steps."""
        return [one.name for one in self.steps]


async def unit(
    handler: Callable[..., Any],
    data: Any = None,
    *,
    answers: Sequence[Any] = (),
    replies: Sequence[Answer] | ScriptedModel = (),
    children: Mapping[str, Any] | None = None,
    memory: Any = None,
    topic: str = "unit",
    attempt: int = 1,
    key: str = "",
    headers: Mapping[str, str] | None = None,
    deadline: datetime | None = None,
    now: datetime = START,
) -> Played:
    """Calls a handler once, without a bus, and returns what came of it.

    Data and result go through JSON, as on the bus: what a worker would refuse is refused here.
    Steps are done and not repeated; there are no time-outs, retries or other attempts.

    Args:
        handler: The function below ``@agent.task`` or ``@agent.on``.
        data: What it is given.
        answers: What people answer `ctx.ask`, in order. After the last one a question gets its
            default.
        replies: What models say, in order; or a `ScriptedModel`.
        children: What children return, by topic: a value, a `PepperError`, or a function of the
            child's data.
        memory: What ``ctx.memory`` is: anything with the methods that the handler calls.
        topic: The task's topic.
        attempt: The number of the attempt.
        key: The task's key.
        headers: The task's headers, names in lower case.
        deadline: The task's deadline.
        now: The time at the beginning; `ctx.sleep` moves it, at once.

    Raises:
        BadPayload: The data does not fit the handler's type, or the result no JSON.
        BadConfig: The handler uses what was not given; the hint says how to.
    """
    read = read_handler(handler)
    given = read.decode(to_json(data))
    model = replies if isinstance(replies, ScriptedModel) else ScriptedModel().replies(*replies)
    fields = {
        "topic": topic,
        "attempt": attempt,
        "key": key,
        "headers": headers or {},
        "deadline": deadline,
    }
    ctx = UnitContext(
        model, answers=answers, children=children, memory=memory, fields=fields, now=now
    )
    if read.where == "loop":
        returned = await (handler(given, ctx) if read.takes_context else handler(given))
    elif read.takes_context:
        blocking = BlockingContext(ctx, asyncio.get_running_loop())
        returned = await asyncio.to_thread(handler, given, blocking)
    else:
        returned = await asyncio.to_thread(handler, given)
    return Played(
        result=decode_as(read.encode(returned), read.output),
        steps=ctx.steps,
        asked=ctx.asked,
        told=ctx.told,
        submitted=ctx.submitted,
        streamed=ctx.streamed,
        progressed=ctx.progressed,
        slept=ctx.slept,
        requests=model.requests,
    )
