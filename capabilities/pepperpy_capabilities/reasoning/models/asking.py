"""Typed questions to a model: each one a step of the task, mended when the answer does not fit."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from pepperpy_agents.templates import Templates
from pepperpy_agents.thinking.forms import Form, Misfit
from pepperpy_agents.thinking.wording import mending
from pepperpy_bus.llm.assembling import assemble
from pepperpy_capabilities.means import Means
from pepperpy_schemas.chat import ChatMessage, ChatReply, ResponseFormat, Usage
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadOutput
from pepperpy_schemas.model_reasoning import Cost, ThoughtProblem

T = TypeVar("T")
R = TypeVar("R")

PROMPTS: Final = Path(__file__).parent / "prompts"
_TOLD: Final = 2000
"""Characters of what is wrong that an error carries."""


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one question led to, as the journal keeps it.

    Attributes:
        reply: The answer; None where the provider service had none that fits its form.
        problems: What was wrong with the one that is missing.
    """

    reply: ChatReply | None = None
    problems: list[str] = []


class Used(msgspec.Struct, Generic[R], frozen=True):
    """An answer that could be used.

    Attributes:
        value: What was made of it.
        model: ``provider/model`` that answered.
        prompt: The prompt and its version.
        repairs: How often it was mended before.
    """

    value: R
    model: str
    prompt: str
    repairs: int


@cache
def shipped() -> Templates:
    """Returns the prompts that come with PepperPy."""
    return Templates(PROMPTS)


class Asker:
    """Asks for one problem, and adds up what that costs.

    Args:
        means: Who answers, until when, and the task whose steps the questions are.
        problem: The problem.
        prompts: The prompts.
    """

    def __init__(self, means: Means, problem: ThoughtProblem, prompts: Templates) -> None:
        self.means = means
        self._problem = problem
        self._prompts = prompts
        self._questions = self._repairs = 0
        self._usage = Usage()
        self._usd = 0.0

    @property
    def cost(self) -> Cost:
        """What was asked so far, and what that cost."""
        return Cost(
            questions=self._questions,
            repairs=self._repairs,
            usage=self._usage,
            usd=round(self._usd, 9),
        )

    async def ask(
        self,
        prompt: str,
        data: dict[str, Any],
        form: type[T],
        use: Callable[[T], Awaitable[R]],
        *,
        model: str = "",
    ) -> Used[R]:
        """Asks until an answer can be used, and returns what was made of it.

        No tools are offered, and what is asked about travels as JSON in the user's message:
        nothing in it can change who is asked, for what form, or reach anything.

        Args:
            prompt: The name of the prompt.
            data: What is asked about.
            form: What the answer must be.
            use: Makes something of an answer, or raises `Misfit` with what is wrong.
            model: Who is asked; the problem's by default.

        Raises:
            BadOutput: No answer could be used; ``context.problems`` says why of the last.
            TooLong: The time is over.
        """
        template = self._prompts.get(prompt)
        named = f"{template.name}@{template.version}"
        talk: list[ChatMessage] = template.render(fmt="chat", data=encode(data).decode())
        wanted = Form(form)
        problems: list[str] = []
        for repairs in range(self._problem.repairs + 1):
            asked: Asked = await self.step(
                f"{prompt} {repairs + 1}", self._once, talk, wanted.asked, model, type=Asked
            )
            self._pay(asked, repaired=repairs > 0)
            text = asked.reply.text if asked.reply else ""
            try:
                if asked.reply is None:
                    raise Misfit(asked.problems)
                value = await use(wanted.read(text))
                return Used(value, asked.reply.model, named, repairs)
            except Misfit as misfit:
                problems = misfit.problems
            # Providers refuse what says nothing.
            talk = [*talk, ChatMessage("assistant", text or "{}"), mending(problems, form=True)]
        raise BadOutput(
            f"the answer to {named} cannot be used, after {self._problem.repairs} repairs: "
            f"{'; '.join(problems)}"[:_TOLD],
            hint="use another model, or allow more repairs",
            context={"problems": problems, "prompt": named},
            retryable=False,
        )

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        *arguments: Any,
        type: Any,  # noqa: A002 - as in Context.step
    ) -> Any:
        """Does something once, whatever happens to the worker; without a task, just does it."""
        if self.means.context is None:
            return await function(*arguments)
        return await self.means.context.step(name, function, *arguments, type=type)

    async def _once(
        self, talk: Sequence[ChatMessage], form: ResponseFormat | None, model: str
    ) -> Asked:
        try:
            # Streamed, as leaving a stream cancels it: who gives up stops paying.
            stream = self.means.llm.stream(
                talk,
                model=model or self._problem.model,
                timeout=max(self.means.left, 0.001),
                response_format=form,
                temperature=0.0,
                seed=self._problem.seed,
            )
            async with contextlib.aclosing(stream) as items:
                return Asked(await assemble(items))
        except BadOutput as error:
            told = error.context.get("problems") or [error.message]
            return Asked(None, [str(one) for one in told])

    def _pay(self, asked: Asked, *, repaired: bool) -> None:
        self._questions += 1
        self._repairs += repaired
        if asked.reply is not None and not asked.reply.cached:
            self._usage += asked.reply.usage
            self._usd += asked.reply.usd or 0.0
