"""A graph of LangGraph on the bus: mails are sorted and answered, complaints after a person agreed.

Each step is kept on the bus: when the worker dies, another one goes on at the step it died in.
While a person thinks, no worker waits.
"""

from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from pepperpy_agents.adapters.langchain import ChatPepperPy, Checkpoints, langchain_agent

model = ChatPepperPy()


class Sorted(BaseModel):
    """What a mail is about."""

    kind: Literal["question", "complaint"]


class Mail(TypedDict, total=False):
    text: str
    kind: str
    reply: str


async def sort(mail: Mail) -> Mail:
    found = await model.with_structured_output(Sorted).ainvoke(f"Sort this mail: {mail['text']}")
    return {"kind": found.kind}


async def write(mail: Mail) -> Mail:
    draft = await model.ainvoke(f"Answer this {mail['kind']}: {mail['text']}")
    return {"reply": draft.text}


async def review(mail: Mail) -> Mail:
    said = interrupt({"question": f"Send this? {mail['reply']}", "choices": ["yes", "no"]})
    return {} if said == "yes" else {"reply": "A colleague will answer you."}


def next_after_write(mail: Mail) -> str:
    return "review" if mail["kind"] == "complaint" else END


graph = (
    StateGraph(Mail)
    .add_node("sort", sort)
    .add_node("write", write)
    .add_node("review", review)
    .add_edge(START, "sort")
    .add_edge("sort", "write")
    .add_conditional_edges("write", next_after_write, ["review", END])
    .add_edge("review", END)
    .compile()
)

agent = langchain_agent("mail", graph, version="1.0.0", checkpoints=Checkpoints())
