"""The agent of the loop's benchmark: it thinks, and does parts of that by hand."""

import time
from itertools import pairwise
from statistics import median

from pepperpy import Context, Limits, LLMAgent, tool
from pepperpy_agents.thinking.approval import Approval
from pepperpy_agents.thinking.calling import Calling
from pepperpy_schemas.chat import ChatMessage, ToolCall, ToolResult

INSTRUCTIONS = "You take notes."
TURNS = 12
"""Turns of a task, each with a call; its last answer, which makes none, comes after them."""
MOST = 1000
"""No limit but that of turns ends a task here."""

_moments: list[tuple[float, float]] = []


@tool
async def note(text: str) -> str:
    """Takes a note.

    Args:
        text: The note.
    """
    _moments.append(_moment())
    return f"noted: {text}"


agent = LLMAgent(
    "thinker",
    INSTRUCTIONS,
    tools=[note],
    limits=Limits(turns=TURNS, tool_calls=MOST, repeats=MOST),
)


@agent.task("turns")
async def turns(_: None) -> tuple[float, float]:
    """How long a turn of the last task took, from one call of the tool to the next one."""
    moments = _moments.copy()
    _moments.clear()
    assert len(moments) == TURNS, f"the tool was called {len(moments)} times"
    return _pace(moments)


@agent.task("bare")
async def bare(_: None, ctx: Context) -> tuple[float, float]:
    """How long a bare request takes, of a conversation that grows as the loop's does."""
    specs = agent.mind.toolbox.specs()
    talk = [ChatMessage("system", INSTRUCTIONS), ChatMessage("user", "Take notes.")]
    moments = [_moment()]
    for _turn in range(TURNS):
        reply = await ctx.llm.chat(talk, tools=specs)
        results = [ToolResult(call.id, "noted: an otter") for call in reply.tool_calls]
        talk += [reply.message, ChatMessage("tool", list(results))]
        moments.append(_moment())
    return _pace(moments)


@agent.task("calls")
async def calls(_: None, ctx: Context) -> tuple[float, float]:
    """How long the call of a tool takes, with its place in the journal and all that is told."""
    calling = Calling(ctx, agent.name, agent.mind.toolbox, Approval())
    moments = [_moment()]
    for number in range(TURNS):
        await calling.make([ToolCall(f"c{number}", "note", '{"text": "an otter"}')], [""], None)
        moments.append(_moment())
    _moments.clear()
    return _pace(moments)


def _moment() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _pace(moments: list[tuple[float, float]]) -> tuple[float, float]:
    """The median from one moment to the next, ms: by the wall's clock and by the processor's."""
    steps = [(later[0] - earlier[0], later[1] - earlier[1]) for earlier, later in pairwise(moments)]
    wall, cpu = (median(one) * 1e3 for one in zip(*steps, strict=True))
    return wall, cpu
