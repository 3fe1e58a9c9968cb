"""Frequent questions, asked in any language, and answered with what people have written.

No model says anything here. The memory finds the question that means the same, in whatever
language; the answer is given in the language of the asker where somebody has written it, else in
English, else as it is.
"""

from typing import Annotated

from msgspec import Meta, Struct

from pepperpy import Agent, Context

agent = Agent("faq", version="1.0.0")

ALIKE = 0.838
"""Questions below this likeness are not the same question: see README.md for how it was found."""
OTHERWISE = "en"


class Question(Struct):
    """What somebody asks.

    Attributes:
        text: The question.
        lang: Its language, as ISO 639-1; found out by default.
    """

    text: Annotated[str, Meta(min_length=2, max_length=1000)]
    lang: str = ""


class Reply(Struct):
    """What is answered.

    Attributes:
        answer: The answer; empty where nothing fits: a person has to answer that.
        lang: The answer's language.
        faq: Which question it was taken for.
        likeness: How much it is like that one, from -1 to 1.
    """

    answer: str = ""
    lang: str = ""
    faq: str = ""
    likeness: float = 0.0


@agent.task("faq", retries=2, timeout="1m")
async def faq(question: Question, ctx: Context) -> Reply:
    """Finds the question that means the same, and gives its answer."""
    memory = ctx.memory.within(namespace="faq", session="", agent="")
    found = await memory.search(question.text, mode="semantic", limit=1)
    if not found.hits:
        return Reply()
    best, likeness = found.hits[0].entry, round(found.hits[0].score, 3)
    if likeness < ALIKE:
        return Reply(faq=best.metadata["faq"], likeness=likeness)
    answers = best.metadata["answers"]
    lang = question.lang or (await ctx.client.language.detect(question.text))[0].lang
    lang = next(one for one in (lang, OTHERWISE, best.lang) if one in answers)
    return Reply(answers[lang], lang, best.metadata["faq"], likeness)
