"""Asks another memory the same questions, with the same vectors; runs in an environment of its own.

    python benchmarks/retrieval/peer.py langgraph|mem0 FOLDER

FOLDER holds one corpus as `benchmarks/retrieval/peers.py` writes it: ``corpus.json``, with the
passages by id and the questions, and their vectors as ``passages.npy`` and ``questions.npy``. The
ids that were found for each question are printed as the last line.
"""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SHOWN = 10


@dataclass(frozen=True)
class Known:
    """Texts whose vectors are known.

    Attributes:
        passages: The passages by id.
        questions: The questions.
        of_passages: The vector of each passage's text.
        of_questions: The vector of each question.
    """

    passages: dict[str, str]
    questions: list[str]
    of_passages: Mapping[str, list[float]]
    of_questions: Mapping[str, list[float]]

    @property
    def dims(self) -> int:
        """Numbers of a vector."""
        return len(next(iter(self.of_passages.values())))


def main(peer: str, folder: Path) -> None:
    """Prints what a peer finds."""
    known = _read(folder)
    with contextlib.redirect_stdout(sys.stderr):
        rankings = PEERS[peer](known, folder)
    print(json.dumps(rankings))


def _read(folder: Path) -> Known:
    said = json.loads((folder / "corpus.json").read_text("utf-8"))
    passages, questions = said["passages"], said["questions"]
    vectors = (np.load(folder / f"{name}.npy").tolist() for name in ("passages", "questions"))
    of_passages, of_questions = vectors
    return Known(
        passages,
        questions,
        dict(zip(map(str.strip, passages.values()), of_passages, strict=True)),
        dict(zip(map(str.strip, questions), of_questions, strict=True)),
    )


def langgraph(known: Known, _folder: Path) -> list[list[str]]:
    """LangGraph's store: vectors alone."""
    from langchain_core.embeddings import Embeddings  # type: ignore[import-not-found]  # elsewhere
    from langgraph.store.memory import InMemoryStore  # type: ignore[import-not-found]  # elsewhere

    class Given(Embeddings):  # type: ignore[misc]  # it has no types here
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [known.of_passages[text.strip()] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return known.of_questions[text.strip()]

    store = InMemoryStore(index={"embed": Given(), "dims": known.dims, "fields": ["text"]})
    for id_, text in known.passages.items():
        store.put(("bench",), id_, {"text": text})
    return [
        [item.key for item in store.search(("bench",), query=question, limit=SHOWN)]
        for question in known.questions
    ]


def mem0(known: Known, folder: Path) -> list[list[str]]:
    """mem0 with its default store, a Qdrant in a folder; texts are stored as they are."""
    os.environ.update({"MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder / "mem0")})
    os.environ["OPENAI_API_KEY"] = "sk-unused"  # its client wants one; nothing is asked of it
    logging.disable(logging.WARNING)
    from mem0 import Memory  # type: ignore[import-not-found]  # elsewhere

    class Given:
        def embed(self, text: str, memory_action: str | None = None) -> list[float]:
            vectors = known.of_questions if memory_action == "search" else known.of_passages
            return vectors[text.strip()]

        def embed_batch(
            self, texts: Sequence[str], memory_action: str | None = None
        ) -> list[list[float]]:
            return [self.embed(text, memory_action) for text in texts]

    place = {"path": str(folder / "qdrant"), "embedding_model_dims": known.dims}
    memory = Memory.from_config(
        {
            "vector_store": {"provider": "qdrant", "config": place},
            "history_db_path": str(folder / "history.db"),
        }
    )
    memory.embedding_model = Given()
    for id_, text in known.passages.items():
        memory.add(text, user_id="bench", metadata={"passage": id_}, infer=False)
    rankings = []
    for question in known.questions:
        found = memory.search(question, top_k=SHOWN, filters={"user_id": "bench"}, threshold=0.0)
        rankings.append([each["metadata"]["passage"] for each in found["results"]])
    return rankings


PEERS: Mapping[str, Callable[[Known, Path], list[list[str]]]] = {
    "langgraph": langgraph,
    "mem0": mem0,
}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
