"""One task of an agent that thinks: from the question to the answer, a row of journaled steps."""

from typing import Any

import msgspec

from pepperpy_agents.context import Context
from pepperpy_agents.thinking.answers import Answer
from pepperpy_agents.thinking.asking import Asking, Turn, with_all
from pepperpy_agents.thinking.calling import Calling
from pepperpy_agents.thinking.forms import Misfit
from pepperpy_agents.thinking.handoffs import conversation, handed_on, open_to
from pepperpy_agents.thinking.limits import Spent, sameness
from pepperpy_agents.thinking.mind import Mind
from pepperpy_agents.thinking.questions import Question
from pepperpy_agents.thinking.sessions import Session
from pepperpy_agents.thinking.shortening import shortened
from pepperpy_agents.thinking.wording import mending, refused, said, system_prompt
from pepperpy_agents.tools.agents import deeper
from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ChatMessage, ToolCall
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadOutput, ChildFailed, ToolFailed


class Thinking:
    """One attempt at one task.

    Every attempt comes by the same way: what an earlier one has paid for is in the journal.

    Args:
        mind: What the agent thinks with.
        ctx: The task's context.
        question: The task.
    """

    def __init__(self, mind: Mind, ctx: Context, question: Question) -> None:
        self._mind = mind
        self._ctx = ctx
        self._question = question
        self._spent = Spent()
        key = question.session or ctx.key
        sessions = mind.sessions if key else None
        self._session = Session(sessions, ctx, mind.name, key) if sessions else None
        self._handoffs = {one.tool: one for one in open_to(mind.handoffs, ctx.topic, question)}
        self._asking = Asking(ctx, mind.model, mind.limits)
        self._calling = Calling(ctx, mind.name, mind.toolbox, mind.approval)
        self._options = mind.options
        self._talk: list[ChatMessage] = []
        self._before: list[ChatMessage] = []

    async def run(self) -> Any:
        """Returns the answer.

        Raises:
            BadOutput: No answer fits the form, however often it was asked for.
            PepperError: The provider service, or the memory, has no answer.
        """
        await self._begin()
        answer = await self._answer()
        if self._session is not None:
            await self._session.remember(self._question.text, _as_text(answer.output))
        await self._ctx.emit(
            "agent.answered",
            scope=self._mind.name,
            event_id=f"{self._ctx.task_id}:answered",
            **answer.told,
        )
        if not self._mind.details:
            return answer.output
        # Within a Struct there may be no pydantic model.
        return msgspec.structs.replace(answer, output=decode(to_json(answer.output), Any))

    async def _begin(self) -> None:
        """Puts together what the model is told first."""
        mind, question = self._mind, self._question
        await mind.toolbox.look_up(self._ctx.client)
        specs = [*mind.toolbox.specs(), *(one.spec for one in self._handoffs.values())]
        self._options = with_all(mind.options, specs, mind.form.asked)
        self._before = list(question.before)
        if self._session is not None:
            past, reply = await self._session.past(mind.model, mind.options)
            self._before = [*past.messages, *self._before]
            if reply is not None:
                self._spent.pay(reply)
        recalled = await mind.recall.messages(self._ctx, question.text) if mind.recall else []
        self._talk = [
            system_prompt(mind.instructions.render(question)),
            *self._before,
            *recalled,
            ChatMessage("user", question.text),
        ]

    async def _answer(self) -> Answer:
        """Asks, and has tools called, until there is an answer."""
        while True:
            turn = await self._turn()
            calls = turn.reply.tool_calls if turn.reply and not turn.stopped else []
            # With a call that hands on, the others of its turn are not made.
            handing = next((one for one in calls if one.name in self._handoffs), None)
            if handing is not None:
                handed = await self._hand_on(handing, calls)
                if handed is not None:
                    return handed
                continue
            if calls:
                await self._call(calls, turn.refused)
                continue
            try:
                if turn.reply is None:
                    raise Misfit(turn.problems)
                output = self._mind.form.read(turn.reply.text)
            except Misfit as misfit:
                self._mend(misfit)
            else:
                return Answer.of(output, self._spent, stopped=turn.stopped or _cut_off(turn))

    async def _turn(self) -> Turn:
        """Asks the model once."""
        spent = self._spent
        name = f"model {spent.turns + 1}"
        asked = (self._talk, self._options, spent, len(self._before))
        turn: Turn = await self._ctx.step(name, self._asking.ask, *asked, type=Turn)
        spent.turns += 1
        spent.seconds += turn.seconds
        spent.longest = max(spent.longest, turn.seconds)
        for _ in range(turn.shortened):
            # What did not fit once would not fit again.
            self._talk = shortened(self._talk, len(self._before)) or self._talk
        if turn.reply is not None:
            spent.pay(turn.reply)
            self._talk += said(turn.reply.message, calls=not turn.stopped)
        return turn

    async def _call(self, calls: list[ToolCall], limits: list[str]) -> None:
        """Makes the calls of a turn, and tells the model what came of them."""
        spent = self._spent
        called = await self._calling.make(calls, limits, self._seconds_left())
        for call, limit in zip(calls, limits, strict=True):
            if not limit:
                spent.tool_calls += 1
                spent.calls[sameness(call)] += 1
        spent.refused = next(filter(None, limits), "")
        spent.seconds += max(one.seconds for one in called)
        self._talk.append(ChatMessage("tool", [one.result for one in called]))

    def _mend(self, misfit: Misfit) -> None:
        """Has the model try again, unless it has too often.

        Raises:
            BadOutput: It has.
        """
        self._spent.repairs += 1
        if self._spent.repairs > self._mind.limits.repairs:
            raise BadOutput(
                f"no answer of {self._mind.name} fits: {misfit.problems[0]}",
                hint="let the output type ask for less, or ask a larger model",
                context={"problems": misfit.problems},
                # All of them are in the journal, and would be the same again.
                retryable=False,
            )
        form = self._mind.form.asked is not None
        self._talk.append(mending(misfit.problems, form=form))

    # --- handing on -----------------------------------------------------------------------------

    async def _hand_on(self, call: ToolCall, calls: list[ToolCall]) -> Answer | None:
        """Has another agent answer, and returns its answer.

        That it failed is told to the model, which goes on without it.
        """
        ctx, mind = self._ctx, self._mind
        handoff = self._handoffs[call.name]
        asked = msgspec.structs.replace(self._question, before=conversation(self._before))
        session = self._session_key
        task = handed_on(asked, agent=mind.name, topic=ctx.topic, call=call, session=session)
        try:
            headers = deeper(ctx)
        except ToolFailed as error:
            self._not_handed(call, calls, str(error))
            return None
        child = await ctx.submit(handoff.topic, task, headers=headers)
        await ctx.emit(
            "agent.handed_on",
            scope=mind.name,
            event_id=f"{ctx.task_id}:handed:{child}",
            to=handoff.topic,
            task=child,
        )
        [output] = await ctx.gather(child, return_exceptions=True)
        if isinstance(output, ChildFailed):
            self._not_handed(call, calls, f"{handoff.topic} could not answer: {output}")
            return None
        try:
            fitting = mind.form.read(_as_text(output))
        except Misfit as misfit:
            why = f"{handoff.topic} has answered in another form: {misfit}"
            self._not_handed(call, calls, why)
            return None
        return Answer.of(fitting, self._spent, handed_to=handoff.topic)

    def _not_handed(self, call: ToolCall, calls: list[ToolCall], why: str) -> None:
        """Tells the model that it has to go on by itself."""
        del self._handoffs[call.name]
        results = [refused(one, f"{why}. Go on without it") for one in calls]
        self._talk.append(ChatMessage("tool", list(results)))

    @property
    def _session_key(self) -> str:
        return self._question.session or self._ctx.key

    def _seconds_left(self) -> float | None:
        limit, deadline = self._mind.limits.seconds, self._ctx.deadline
        left = [] if limit is None else [limit - self._spent.seconds]
        if deadline is not None:
            left.append((deadline - self._ctx.now).total_seconds())
        return max(0.0, min(left)) if left else None


def _cut_off(turn: Turn) -> str:
    """Why the model did not end its answer itself, or an empty text."""
    finish = turn.reply.finish if turn.reply else "stop"
    return finish if finish in ("length", "content_filter") else ""


def _as_text(output: Any) -> str:
    return output if isinstance(output, str) else to_json(output).decode()
