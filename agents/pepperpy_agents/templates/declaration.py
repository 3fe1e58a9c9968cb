"""The head of a template's file: YAML between two lines of ``---``, checked with its lines.

```yaml
---
name: researcher            # by default the file's
version: 1.2.0              # by default that of the file's name: researcher@1.2.0.md
description: Answers from sources.
format: markdown            # text, markdown, json, chat; by default what the file's ending says
variables:
  topic: str                # short for {type: str}: it must be given
  notes: {type: [str], default: []}
  tone: {type: str, choices: [plain, formal], default: plain, description: How it sounds.}
messages:                   # for chat; one without content takes the text below
  - {role: system}
  - {insert: history}       # the messages of a variable of type messages
  - {role: user, content: "{{ topic }}"}
---
```
"""

import re
from typing import Final, Literal

import msgspec

from pepperpy_agents.templates.variables import TYPES, Variable, check_declared
from pepperpy_bus.marked import Marked
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import BadConfig, BadPayload, PepperError

Format = Literal["text", "markdown", "json", "chat"]

_HEAD: Final = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_HINT: Final = "the fields are name, version, description, format, variables, messages"


class MessageSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message of a chat.

    Attributes:
        role: Who speaks.
        content: What is said, a template; null takes the text below the head.
        insert: A variable of type ``messages`` whose messages stand here; nothing else then.
    """

    role: Literal["system", "user", "assistant"] | None = None
    content: str | None = None
    insert: str = ""


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template says of itself; empty where it says nothing."""

    name: str = ""
    version: str = ""
    description: str = ""
    format: Format | None = None
    variables: dict[str, Variable | str | list[str]] = {}
    messages: list[MessageSpec] = []

    def declared(self) -> dict[str, Variable]:
        """Returns the variables, the short ones written out."""
        return {
            name: one if isinstance(one, Variable) else Variable(type=one)
            for name, one in self.variables.items()
        }


class Text(msgspec.Struct, frozen=True):
    """A text with expressions in it.

    Attributes:
        body: The text.
        origin: The file, or what else errors call it.
        offset: Lines of the file above it.
    """

    body: str
    origin: str
    offset: int = 0


def take_apart(source: str, *, origin: str) -> tuple[Declaration, Text]:
    """Returns head and text of a template.

    Args:
        source: The file's text.
        origin: What errors call it.

    Raises:
        BadConfig: The head is wrong; the message begins with origin and line.
    """
    found = _HEAD.match(source)
    if found is None:
        if re.match(r"---[ \t]*\r?\n", source):
            raise BadConfig(
                f"{origin}:1: the head has no end", hint="close it with a line of three dashes: ---"
            )
        return Declaration(), Text(source, origin)
    above = source[: found.end()].count("\n")
    return _read(found[1], origin), Text(source[found.end() :], origin, above)


def _read(head: str, origin: str) -> Declaration:
    marked = None
    try:
        marked = Marked(head)
        declaration = convert({} if marked.data is None else marked.data, Declaration)
        for name, variable in declaration.declared().items():
            check_declared(name, variable)
        _check_messages(declaration)
    except (BadPayload, BadConfig) as error:
        path = str(error.context.get("path", "$"))
        line = error.context.get("line", 1) if marked is None else marked.line(path)
        # The head begins below its dashes.
        raise BadConfig(f"{origin}:{line + 1}: {error}", hint=_hint(error)) from None
    return declaration


def _hint(error: PepperError) -> str:
    return error.hint if isinstance(error, BadConfig) and error.hint else _HINT


def _check_messages(declaration: Declaration) -> None:
    variables = declaration.declared()
    for n, one in enumerate(declaration.messages):
        where = {"path": f"$.messages[{n}]"}
        if bool(one.insert) == (one.role is not None) or (one.insert and one.content is not None):
            raise BadConfig(
                f"messages[{n}] needs a role, or insert alone",
                hint='write {role: user, content: "…"} or {insert: VARIABLE}',
                context=where,
            )
        declared = variables.get(one.insert)
        if one.insert and (declared is None or declared.kind != TYPES["messages"]):
            raise BadConfig(
                f"messages[{n}] inserts {one.insert}, which is no variable of type messages",
                hint=f"declare it: {one.insert}: messages",
                context=where,
            )
