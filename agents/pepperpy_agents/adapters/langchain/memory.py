"""The memory service as a retriever of LangChain."""

from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from pepperpy_agents.adapters.current import Bus, remembered, waited
from pepperpy_schemas.memory import Hit


class MemoryRetriever(BaseRetriever):
    """Finds what answers a question in the memory, in any language, the best first.

    A document's metadata are those of its entry, and below ``pepperpy`` what the memory knows of
    it: the score, the language, where it is from and whether that is trusted.

    Attributes:
        client: A connected client, of `connect` or `connect_sync`; that of the task that runs by
            default, with the task's agent and conversation.
        namespace: The namespace; the caller's own by default.
        limit: How many documents to find.
        options: What searches say besides; see `SearchOptions`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: Bus | None = Field(default=None, exclude=True, repr=False)
    namespace: str | None = None
    limit: int = 4
    options: dict[str, Any] = Field(default_factory=dict)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun | None = None,
    ) -> list[Document]:
        memory = remembered(self.client).within(namespace=self.namespace)
        options: Any = {"limit": self.limit, **self.options}
        found = await memory.search(query, **options)
        return [_document(hit) for hit in found.hits]

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
    ) -> list[Document]:
        return waited(self.client, lambda: self._aget_relevant_documents(query))


def _document(hit: Hit) -> Document:
    entry = hit.entry
    known = {
        "score": hit.score,
        "lang": entry.lang,
        "source": entry.source,
        "trusted": entry.trusted,
    }
    return Document(entry.text, id=entry.id, metadata={**entry.metadata, "pepperpy": known})
