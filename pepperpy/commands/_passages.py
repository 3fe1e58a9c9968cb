"""Texts in pieces that are small enough to be found: by paragraphs, with the lines they are on."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

LENGTH: Final = 1_200
"""Characters after which a passage ends with its paragraph."""
_MOST: Final = 2 * LENGTH
"""A longer paragraph is divided at the end of a line."""
_LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a file; what is larger is data."""


class Passage(msgspec.Struct, frozen=True):
    """A piece of a file.

    Attributes:
        file: The file, as it was named.
        first: Its first line, from 1.
        last: Its last line.
        text: The text.
        id: The same for the same text in the same file.
    """

    file: str
    first: int
    last: int
    text: str
    id: str

    @property
    def source(self) -> str:
        """Where it is from."""
        return f"{self.file}:{self.first}-{self.last}"


def text_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yields files, and those in folders, but for what is hidden or too large."""
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if not _hidden(p.relative_to(path)))
            yield from (p for p in inside if p.is_file() and p.stat().st_size <= _LARGEST)
        else:
            yield path


def passages(path: Path) -> list[Passage]:
    """Returns the passages of a file; none when it is no UTF-8 text.

    Raises:
        OSError: It cannot be read.
    """
    body = path.read_bytes()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return []
    return [] if "\0" in text else list(_passages(path.as_posix(), text))


def _passages(file: str, text: str) -> Iterator[Passage]:
    seen: dict[str, int] = {}
    for first, lines in _pieces(text.splitlines()):
        piece = "\n".join(lines).strip("\n")
        # Equal pieces of one file are told apart by their order.
        again = seen[piece] = seen.get(piece, -1) + 1
        said = f"{file}\0{piece}\0{again}".encode()
        yield Passage(
            file, first, first + len(lines) - 1, piece, blake2b(said, digest_size=16).hexdigest()
        )


def _pieces(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Lines together with the number of the first; no piece is empty."""
    piece: list[str] = []
    size = 0
    for number, line in enumerate(_short(lines), start=1):
        over = size + len(line) > _MOST or (size > LENGTH and not line.strip())
        if piece and over:
            yield number - len(piece), piece
            piece, size = [], 0
        if piece or line.strip():
            piece.append(line)
            size += len(line) + 1
    while piece and not piece[-1].strip():
        piece.pop()
    if piece:
        end = len(lines)
        while not lines[end - 1].strip():
            end -= 1
        yield end - len(piece) + 1, piece


def _short(lines: list[str]) -> list[str]:
    """Lines without those that are data: a line of a megabyte is cut."""
    return [line[:_MOST] for line in lines]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
