"""A model's folder, laid out as sentence-transformers does: how texts are read, what it is."""

from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

from pepperpy_memory_svc.embedding.embedder import Purpose
from pepperpy_schemas.errors import BadConfig

T = TypeVar("T")

Pooling: TypeAlias = Literal["mean", "cls"]
"""How a text's vector is made of those of its tokens: their mean, or the first one."""

CHARACTERS_PER_TOKEN: Final = 32
"""A text is cut to as many before it is taken apart, which takes its time for megabytes."""
_ENDS: Final = 64 * 1024
"""Bytes of the beginning and the end of a file that tell whether it is another one."""
_PARTS: Final = frozenset(
    {".json", ".txt", ".model", ".onnx", ".onnx_data", ".safetensors", ".bin"}
)
_NAMES: Final[dict[Purpose, tuple[str, ...]]] = {
    "query": ("query",),
    "passage": ("passage", "document"),
}
_DEFAULT_TOKENS: Final = 512


class _Prompts(msgspec.Struct):
    prompts: dict[str, str | None] | None = None


class _Sizes(msgspec.Struct):
    max_seq_length: int | None = None


class _Pooling(msgspec.Struct):
    pooling_mode: str | None = None
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False


class Reading(msgspec.Struct, frozen=True):
    """How a model wants its texts.

    Attributes:
        prompts: What is written before a text, by its name.
        tokens: Tokens of a text that are read.
        pooling: How tokens become one vector.
    """

    prompts: dict[str, str]
    tokens: int
    pooling: Pooling


def existing(path: Path, kind: str) -> Path:
    """Returns a model's folder, which is never looked for on the network.

    Args:
        path: The folder.
        kind: How settings name the embedder that wants it.

    Raises:
        BadConfig: There is no such folder.
    """
    if not path.is_dir():
        raise BadConfig(
            f"{path} is no folder of a model",
            hint=f"download the model, and name its folder: {kind}:FOLDER",
        )
    return path


def fingerprint(path: Path) -> str:
    """Returns what changes when the files of a model do: its vectors are others then."""
    digest = blake2b(digest_size=4)
    for file in sorted(one for one in path.rglob("*") if one.suffix in _PARTS and one.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path)}\0{size}\0".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_ENDS))
            stream.seek(max(0, size - _ENDS))
            digest.update(stream.read(_ENDS))
    return digest.hexdigest()


def reading(path: Path, *, tokens: int | None = None) -> Reading:
    """Returns what the files beside a model say of how it is used.

    Args:
        path: The folder.
        tokens: Tokens of a text that are read where no file says it.

    Raises:
        BadConfig: A file cannot be read, or wants a pooling that there is not here.
    """
    prompts = _file(path / "config_sentence_transformers.json", _Prompts).prompts or {}
    sizes = _file(path / "sentence_bert_config.json", _Sizes)
    return Reading(
        prompts={name: text for name, text in prompts.items() if text},
        tokens=sizes.max_seq_length or tokens or _DEFAULT_TOKENS,
        pooling=_pooling(path / "1_Pooling" / "config.json"),
    )


def prompt_of(prompts: dict[str, str], purpose: Purpose) -> str | None:
    """Returns what a model wants before a text, if anything."""
    return next((prompts[name] for name in _NAMES[purpose] if prompts.get(name)), None)


def _pooling(file: Path) -> Pooling:
    said = _file(file, _Pooling)
    wanted = {said.pooling_mode} - {None}
    wanted |= {"cls"} if said.pooling_mode_cls_token else set()
    wanted |= {"mean"} if said.pooling_mode_mean_tokens else set()
    if wanted == {"mean"} or not file.exists():
        return "mean"
    if wanted == {"cls"}:
        return "cls"
    raise BadConfig(
        f"{file} wants a pooling that is neither mean nor cls",
        hint="use such a model by sentence-transformers:FOLDER",
    )


def _file(file: Path, kind: type[T]) -> T:
    """What a file says; an absent one says nothing."""
    try:
        return msgspec.json.decode(file.read_bytes() if file.exists() else b"{}", type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise BadConfig(f"{file} cannot be read: {error}") from error
