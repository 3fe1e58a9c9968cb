"""The stock agent that learns: every learner on a topic of its own, with its states on the bus."""

from typing import Any

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_capabilities.learning.built_in import BUILT_IN
from pepperpy_capabilities.learning.serving import SECONDS, Offered, Serving, offered
from pepperpy_capabilities.offering import LEARNERS, PASSING, every

agent = Agent("learner", version="1.0.0", capabilities=["learning"])
_servings: list[Serving] = []


def _answer(one: Offered) -> None:
    serving = Serving(one)
    _servings.append(serving)

    async def handle(data: Any, ctx: Context) -> Any:
        answer = await serving.do(data, ctx)
        for news in answer.news:
            await ctx.emit("learner.changed", learner=answer.name, news=news)
        return answer

    topic = LEARNERS.topic(one.name)
    # What the registry shows of a topic is read from its handler.
    handle.__annotations__ = {"data": one.request, "ctx": Context, "return": one.answer}
    handle.__name__ = handle.__qualname__ = topic.replace("-", "_")
    handle.__doc__ = one.learner.__doc__
    # A change that its worker stored before it died is known by its mark, and made once.
    agent.task(topic, retries=5, retry_on=PASSING, timeout=2 * SECONDS)(handle)


for _one in every(LEARNERS, [*BUILT_IN]):
    _answer(_one if isinstance(_one, Offered) else offered(type(_one)))


@agent.on_stop
async def settle() -> None:
    """Waits for what is being stored."""
    for serving in _servings:
        await serving.settle()
