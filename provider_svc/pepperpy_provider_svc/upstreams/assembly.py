"""The pieces of a streamed answer put together to the whole one."""

from typing import Final

from pepperpy_bus.llm.assembling import Assembling
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion
from pepperpy_schemas.chat import Finish, Part, Text, Usage
from pepperpy_schemas.errors import StreamBroken

_NO_END: Final = "the answer ended before the model said why it stopped"


class Assembly:
    """An answer as far as it has come.

    Attributes:
        finish: Why the model stopped; None until it has.
        usage: Tokens so far.
    """

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.usage = Usage()
        self._said = Assembling()

    def add(self, chunk: Chunk) -> None:
        """Adds the next piece."""
        self._said.grow(chunk)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.finish is not None:
            self.finish = chunk.finish

    def completion(self) -> Completion:
        """Returns the whole answer.

        Raises:
            StreamBroken: Its finish is missing.
        """
        if self.finish is None:
            raise StreamBroken(_NO_END)
        return Completion(message=self._said.message, finish=self.finish, usage=self.usage)


def simple(parts: list[Part]) -> str | list[Part]:
    """Returns the content of an answer of these parts: a text when it is nothing else."""
    texts = [part.text for part in parts if isinstance(part, Text)]
    return "".join(texts) if len(texts) == len(parts) else parts
