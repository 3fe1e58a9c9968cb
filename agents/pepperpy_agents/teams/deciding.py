"""Decisions at work: the tasks of a team's graph in which rules, models and critics choose.

Each is an ordinary durable handler: answers of models are steps and members are children, so what
an earlier attempt had done is in the journal.
"""

from typing import Any

import msgspec

from pepperpy_agents.context import Context
from pepperpy_agents.teams.steps import Manage, Reflect, Route, Step
from pepperpy_agents.thinking.agent import LLMAgent
from pepperpy_agents.thinking.questions import read_question
from pepperpy_agents.thinking.thinking import Thinking
from pepperpy_bus.graphs.graph import TOPIC as GRAPHS
from pepperpy_bus.where import compile_where
from pepperpy_schemas.errors import BadGraph, BadPayload, ChildFailed
from pepperpy_schemas.graphs import GraphSpec

_ROUTER = "You choose the agent that the user's message is for. You do not answer it yourself."
_MANAGER = (
    "You lead a team of agents, which are your tools. Divide what the user asks for into "
    "sub-tasks, give each to the agent it fits, several at once where they do not need each other, "
    "and make one answer of what comes back. An agent knows nothing but what you tell it."
)


async def decide(step: Step, ctx: Context) -> Any:
    """Does a step of a team in which something is decided, and returns what came of it."""
    match step:
        case Route():
            return await _route(step, ctx)
        case Manage():
            return await _manage(step, ctx)
        case Reflect():
            return await _reflect(step, ctx)


async def _route(step: Route, ctx: Context) -> Any:
    for topic, rule in step.rules.items():
        if compile_where(rule)({"input": step.input}):
            return await _run(ctx, topic, step.input)
    if not step.agents:
        raise BadGraph(
            "no rule of the router is true of its input",
            hint='let the last one be "true", or name agents among which a model chooses',
        )
    schema = {
        "type": "object",
        "properties": {"agent": {"type": "string", "enum": list(step.agents)}},
        "required": ["agent"],
        "additionalProperties": False,
    }
    told = await _told(_ROUTER, step.agents, step.instructions, ctx)
    chooser = LLMAgent("router", told, model=step.model, output_type=schema)
    answer = await Thinking(chooser.mind, ctx, read_question(step.input)).run()
    return await _run(ctx, answer["agent"], step.input)


async def _manage(step: Manage, ctx: Context) -> Any:
    told = await _told(_MANAGER, step.workers, step.instructions, ctx)
    tools = [f"agent:{topic}" for topic in step.workers]
    lead = LLMAgent("manager", told, model=step.model, tools=tools, limits=step.limits)
    return await Thinking(lead.mind, ctx, read_question(step.input)).run()


async def _reflect(step: Reflect, ctx: Context) -> dict[str, Any]:
    so_far: dict[str, Any] = {}
    for number in range(1, step.rounds + 1):
        draft = await _run(ctx, step.writer, {"input": step.input, **so_far})
        verdict = await _run(ctx, step.critic, {"input": step.input, "draft": draft})
        if not isinstance(verdict, dict) or type(verdict.get("accepted")) is not bool:
            raise BadPayload(
                f"critic {_name(step.critic)} does not say whether it accepts: {verdict!r:.200}",
                hint='let it return {"accepted": false, "feedback": "…"}',
            )
        so_far = {"draft": draft, "feedback": verdict.get("feedback")}
        if verdict["accepted"] or number == step.rounds:
            return {**so_far, "accepted": verdict["accepted"], "rounds": number}
    raise AssertionError("there is a round at least")


async def _run(ctx: Context, member: str | GraphSpec, given: Any) -> Any:
    """Returns what a member returns; its error has its name."""
    topic = member if isinstance(member, str) else GRAPHS
    body = given if isinstance(member, str) else msgspec.structs.replace(member, input=given)
    try:
        return await ctx.run(topic, body)
    except ChildFailed as error:
        cause = error.__cause__ or error
        raise ChildFailed(f"member {_name(member)} failed: {cause}") from cause


def _name(member: str | GraphSpec) -> str:
    return member if isinstance(member, str) else member.name


async def _told(lead: str, agents: dict[str, str], more: str, ctx: Context) -> str:
    """Returns instructions with a line for each agent, by what it says of itself if need be."""
    lines = []
    for topic, about in agents.items():
        schema = None if about else await ctx.client.schemas.latest(topic)
        told = about or (schema.doc if schema else "")
        lines.append(f"- {topic}: {' '.join(told.split())}" if told else f"- {topic}")
    return "\n\n".join(filter(None, [lead, "The agents:\n" + "\n".join(lines), more]))
