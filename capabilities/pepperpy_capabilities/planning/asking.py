"""A model asked until its answer can be used, or it was told often enough why it cannot."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pepperpy_agents.thinking.forms import Form, Misfit
from pepperpy_schemas.chat import ChatMessage
from pepperpy_schemas.errors import BadOutput, PepperError

if TYPE_CHECKING:
    from pepperpy_bus.llm import LLM

T = TypeVar("T")


async def ask_until(
    llm: "LLM",
    system: str,
    question: str,
    kind: type[Any],
    accept: Callable[[Any], T],
    *,
    model: str,
    repairs: int,
) -> T:
    """Returns what is made of a model's answer.

    Args:
        llm: Who asks.
        system: What the model shall do.
        question: What it is about.
        kind: The type of its answer.
        accept: Makes something of an answer, or raises what is wrong with it: the model is told,
            and answers again.
        model: The model.
        repairs: How often.

    Raises:
        BadOutput: None of its answers can be used; ``context.problems`` says why of the last.
        PepperError: The model cannot be asked.
    """
    form = Form(kind)
    talk = [ChatMessage("system", system), ChatMessage("user", question)]
    problems: list[str] = []
    for _ in range(repairs + 1):
        text = ""
        try:
            reply = await llm.chat(
                talk, model=model, response_format=form.asked, temperature=0.0, cache="off"
            )
            text = reply.text
            return accept(form.read(text))
        except Misfit as error:
            problems = error.problems
        except BadOutput as error:
            problems = [str(one) for one in error.context.get("problems", [error.message])]
        except PepperError as error:
            if error.category != "input":
                raise
            problems = [f"{error}" + (f" ({error.hint})" if error.hint else "")]
        talk += [ChatMessage("assistant", text or "{}"), ChatMessage("user", _mend(problems))]
    raise BadOutput(
        f"the model's plan cannot be used, after {repairs} repairs: {'; '.join(problems)}"[:2000],
        hint="say more in the goal, offer the model less to choose from, or declare it",
        context={"problems": problems},
    )


def _mend(problems: Sequence[str]) -> str:
    said = "\n".join(f"- {one:.1000}" for one in problems)
    return f"That plan cannot be used:\n{said}\nAnswer with the whole plan again, mended."
