"""What an agent is reminded of before it thinks: memories that fit the question."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from pepperpy_agents.context import Context
from pepperpy_agents.thinking.sessions import SAID_BY
from pepperpy_agents.thinking.wording import recalled_message
from pepperpy_schemas.chat import ChatMessage
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import BadConfig, BadPayload
from pepperpy_schemas.memory import Entry, Exists, Not

_QUESTION: Final = 4000
"""Characters of a question by which memories are looked for."""
STEP: Final = "recall"


class Recall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where memories are looked for, and how many.

    Attributes:
        namespace: The namespace; the worker's own by default.
        top_k: Most memories.
        min_score: Those below this are left out.
    """

    namespace: str = ""
    top_k: Annotated[int, msgspec.Meta(ge=1, le=100)] = 8
    min_score: float | None = None

    @classmethod
    def of(cls, given: "Recall | Mapping[str, Any] | str | None") -> "Recall | None":
        """Returns what was meant: a namespace's name, or the values.

        Raises:
            BadConfig: A value does not fit.
        """
        if given is None or isinstance(given, Recall):
            return given
        try:
            return convert({"namespace": given} if isinstance(given, str) else given, cls)
        except BadPayload as error:
            raise BadConfig(f"memory: {error}") from None

    async def messages(self, ctx: Context, question: str) -> list[ChatMessage]:
        """Returns what the model is told of the memories that fit a question; none for none."""
        if not question.strip():
            return []
        found: list[Entry] = await ctx.step(
            STEP, self._found, ctx, question[:_QUESTION], type=list[Entry]
        )
        return [recalled_message(found, ctx.task_id)] if found else []

    async def _found(self, ctx: Context, question: str) -> list[Entry]:
        memory = ctx.memory.within(namespace=self.namespace) if self.namespace else ctx.memory
        reply = await memory.search(
            question,
            limit=self.top_k,
            min_score=self.min_score,
            # What was said in conversations is told as such, or not at all.
            where=Not(Exists(f"metadata.{SAID_BY}")),
        )
        return [hit.entry for hit in reply.hits]
