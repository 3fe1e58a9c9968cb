"""Files of templates: their names, versions and formats, and the text in them."""

from pathlib import Path
from typing import Final

import msgspec

from pepperpy_agents.templates.declaration import Format
from pepperpy_agents.templates.versions import split
from pepperpy_schemas.errors import BadConfig

ENDINGS: Final[dict[str, Format]] = {
    ".txt": "text",
    ".md": "markdown",
    ".json": "json",
    ".chat": "chat",
    ".j2": "text",
    ".jinja": "text",
}
"""The endings of templates' files, with the format that each stands for."""
MOST_BYTES: Final = 1024 * 1024


class Source(msgspec.Struct, frozen=True):
    """A template's file.

    Attributes:
        text: All of it.
        name: What the file is called.
        version: The version in the file's name, or empty.
        format: What its ending says.
    """

    text: str
    name: str
    version: str
    format: Format


def read_source(path: Path, *, folder: Path | None = None) -> Source:
    """Reads the file of a template.

    Args:
        path: The file.
        folder: The folder that its name counts from; by default the one that it lies in.

    Raises:
        BadConfig: It cannot be read, or is no text.
    """
    if path.suffix not in ENDINGS:
        raise BadConfig(
            f"{path} has the ending {path.suffix!r}",
            hint=f"the endings of templates are {', '.join(ENDINGS)}",
        )
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise BadConfig(f"{path} has more than {MOST_BYTES} bytes")
        text = body.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path} cannot be read: {error}") from error
    named = path.relative_to(folder or path.parent).with_suffix("").as_posix()
    return Source(text, *split(named), ENDINGS[path.suffix])
