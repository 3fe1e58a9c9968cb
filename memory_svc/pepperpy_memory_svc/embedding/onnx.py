"""Any model in ONNX's format that lies on this machine, without torch: a tenth of its size."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pepperpy_memory_svc.embedding.embedder import Purpose, Vector
from pepperpy_memory_svc.embedding.folder import (
    CHARACTERS_PER_TOKEN,
    Reading,
    existing,
    fingerprint,
    prompt_of,
    reading,
)
from pepperpy_memory_svc.embedding.one_thread import OneThread, imported, rows_of
from pepperpy_schemas.errors import BadConfig

MODELS: Final = ("model.onnx", "onnx/model.onnx")
"""Where the model is in its folder; the first one that there is."""
TOKENIZER: Final = "tokenizer.json"
_EXTRA: Final = "embed-onnx"
_INPUTS: Final = {
    "input_ids": "ids",
    "attention_mask": "attention_mask",
    "token_type_ids": "type_ids",
}
"""What models take, and how tokenizers call it."""


def model_files(path: Path) -> tuple[Path, Path]:
    """Returns the files of the model and of its tokenizer in a folder.

    Args:
        path: The folder.

    Raises:
        BadConfig: It is no folder, or one of them is not in it.
    """
    folder = existing(path, "onnx")
    model = next((folder / name for name in MODELS if (folder / name).is_file()), None)
    if model is None or not (folder / TOKENIZER).is_file():
        raise BadConfig(
            f"{folder} has not both {MODELS[0]} and {TOKENIZER}",
            hint="export the model to ONNX, or use it by sentence-transformers:FOLDER",
        )
    return model, folder / TOKENIZER


class OnnxEmbedder:
    """Embeds with a model in ONNX's format and the tokenizer beside it.

    Texts are computed one by one: models in whole numbers scale them by the largest of a batch, so
    that a text's vector would depend on those beside it; and none is filled up to another's length.

    Args:
        path: The folder with ``model.onnx`` and ``tokenizer.json``, and what sentence-transformers
            puts there: prompts, pooling, most tokens.
        threads: Threads that one text is computed with.
    """

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        self.name = path.name or str(path)
        self.version = "onnx"
        self.dims = 0
        self.characters = 8_000
        self._path = path
        self._threads = threads
        self._thread = OneThread("onnx")
        self._session: Any = None
        self._tokenizer: Any = None
        self._reading = Reading({}, 0, "mean")

    async def __aenter__(self) -> Self:
        try:
            await self._thread.run(self._load)
        except BaseException:
            await self._thread.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._thread.close()
        self._session = self._tokenizer = None

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """See `Embedder.embed`."""
        return await self._thread.run(self._embed, list(texts), purpose)

    # --- loading --------------------------------------------------------------------------------

    def _load(self) -> None:
        runtime, tokenizers = imported("onnxruntime", _EXTRA), imported("tokenizers", _EXTRA)
        folder = self._path
        model, tokenizer = model_files(folder)
        try:
            self._session = runtime.InferenceSession(
                str(model), self._options(runtime), providers=["CPUExecutionProvider"]
            )
            self._tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # each library raises classes of its own, or plain exceptions
            raise BadConfig(f"{folder} cannot be loaded: {error}") from error
        self._refuse_unknown_inputs()
        self._reading = self._read()
        self.version = f"onnx-{fingerprint(folder)}"
        self.dims = len(self._row("dimensions"))

    def _options(self, runtime: Any) -> Any:
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        # Threads that wait for the next text would keep a core busy.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return options

    def _read(self) -> Reading:
        truncation = self._tokenizer.truncation or {}
        found = reading(self._path, tokens=truncation.get("max_length"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(found.tokens)
        return found

    def _refuse_unknown_inputs(self) -> None:
        unknown = {one.name for one in self._session.get_inputs()} - _INPUTS.keys()
        if unknown:
            raise BadConfig(
                f"{self._path} is no model of texts: it wants {', '.join(sorted(unknown))}",
                hint="name the folder of a model that makes sentence embeddings",
            )

    # --- computing ------------------------------------------------------------------------------

    def _embed(self, texts: list[str], purpose: Purpose) -> list[Vector]:
        prompt = prompt_of(self._reading.prompts, purpose) or ""
        return rows_of([self._row(prompt + text) for text in texts])

    def _row(self, text: str) -> Any:
        """A text's vector of length 1, as an array of numpy."""
        import numpy

        said = self._tokenizer.encode(text[: self._reading.tokens * CHARACTERS_PER_TOKEN])
        given = {
            one.name: numpy.array([getattr(said, _INPUTS[one.name])], dtype=numpy.int64)
            for one in self._session.get_inputs()
        }
        row = self._pooled(self._session.run(None, given)[0])
        return row / max(float(numpy.linalg.norm(row)), 1e-12)

    def _pooled(self, answer: Any) -> Any:
        """One vector: the model's own, or made of those of the tokens, none of which is filling."""
        if answer.ndim == 2:
            return answer[0]
        return answer[0, 0] if self._reading.pooling == "cls" else answer[0].mean(axis=0)
