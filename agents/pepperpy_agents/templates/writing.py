"""How values are written into a text: as they are, as Markdown's plain text, or as JSON."""

import re
from typing import Any, Final

import msgspec

from pepperpy_schemas.errors import BadConfig

_MARKS: Final = re.compile(r"[\\`*_\[\]<>|~&]")
_BEGINS: Final = re.compile(r"^(?:([#+=-])|(\d{1,9})([.)]))")
_RUNS: Final = re.compile(r"`+")
_NO_WORD: Final = re.compile(r"[^A-Za-z0-9_+.#-]")


class Ready(str):
    """A text that is in the form of its surroundings already, and not escaped once more."""

    __slots__ = ()


def plain(value: Any) -> str:
    """Returns a value as text.

    Raises:
        BadConfig: It is a list or a mapping, which has no text of its own.
    """
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case dict() | list() | tuple():
            what = "a mapping" if isinstance(value, dict) else "a list"
            raise BadConfig(
                f"{what} is no text", hint="write it with a loop, with |join(', ') or with |tojson"
            )
    # What is not defined raises what it has to say; an if without else is nothing.
    if str(value) == "":
        return ""
    raise BadConfig("the value is no text", hint="make a list of it with |list first")


def markdown(value: Any) -> str:
    """Returns a value as Markdown that shows it letter by letter: no heading, link, list or HTML.

    Lines begin without spaces, which would mean something.
    """
    if isinstance(value, Ready):
        return value
    lines = re.split(r"\r\n|\r|\n", plain(value))
    return "\n".join(_escaped(line) for line in lines)


def _escaped(line: str) -> str:
    text = _MARKS.sub(lambda found: "\\" + found[0], line.lstrip())
    return _BEGINS.sub(lambda found: f"{found[2] or ''}\\{found[1] or found[3]}", text)


def as_json(value: Any) -> str:
    """Returns a value as JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except TypeError:
        return plain(value)  # raises what it is instead


def inside_json(value: Any) -> str:
    """Returns a value as a part of a JSON text, to stand between its quotation marks."""
    return msgspec.json.encode(plain(value)).decode()[1:-1]


def fenced(text: str, language: str = "") -> Ready:
    """Returns a block of code whose fence the text cannot close."""
    longest = max((len(run) for run in _RUNS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = text if text.endswith("\n") or not text else f"{text}\n"
    return Ready(f"{fence}{_NO_WORD.sub('', language)[:40]}\n{body}{fence}")


def quoted(text: str) -> Ready:
    """Returns a block quote that the text cannot leave."""
    lines = re.split(r"\r\n|\r|\n", text)
    return Ready("\n".join(f"> {line}".rstrip() for line in lines))
