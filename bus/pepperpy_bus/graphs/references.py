"""References: how the results of nodes get into the bodies of others.

``{"$ref": "research.result.items[0].name"}`` stands for a value, and so does a text that is one
``${…}`` as a whole; within a longer text ``${…}`` is filled in. ``$${`` is a plain ``${``, and a
key ``$$ref`` a plain ``$ref``, as ``$$$ref`` is a plain ``$$ref``. A path has names, places from
either end, and ``[*]`` for each element of a list. It is read, never run.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from pepperpy_schemas.codec import encode, field_path
from pepperpy_schemas.errors import BadGraph

REF: Final = "$ref"
_MARKED_REF: Final = re.compile(r"\$+ref")
MAX_LENGTH: Final = 500
"""Characters of a reference."""
INPUT: Final = "input"
ITEM: Final = "item"
INDEX: Final = "index"
RESERVED: Final = frozenset({INPUT, ITEM, INDEX})
"""What references may begin with besides a node: no node has these names."""
OF_NODE: Final = ("result", "error", "state")
"""What can be said of a node."""
EXAMPLE: Final = "research.result.items[0].name"

Scope = Mapping[str, Any]
Value = Callable[[Scope], Any]
"""What a template stands for, given what is known of the nodes."""

_ROOT: Final = re.compile(r"[^\W\d]\w*")
_STEP: Final = re.compile(
    r"""\.(?P<name>[^\W\d][\w-]*)|\[(?P<place>-?\d{1,9})\]|\[(?P<all>\*)\]"""
    r"""|\[(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')\]"""
)
_IN_TEXT: Final = re.compile(r"\$\$\{|\$\{(?P<path>[^{}]*)\}|\$\{")


class _All:
    """Each element of a list."""


_EACH: Final = _All()


class Reference(msgspec.Struct, frozen=True):
    """One reference.

    Attributes:
        text: As it was written.
        root: The node, or one of `RESERVED`.
        steps: The way below it.
    """

    text: str
    root: str
    steps: tuple[Any, ...]

    def read(self, scope: Scope) -> Any:
        """Returns the value.

        Raises:
            BadGraph: There is none; the message names the place where the way ends.
        """
        value = scope.get(self.root)
        return self._below(value, 0, lenient=self._may_miss(value))

    def _may_miss(self, value: Any) -> bool:
        """What did not complete has no result, and what did has no error: they are null."""
        if self.root in RESERVED or not isinstance(value, Mapping):
            return False
        return bool(value.get("state") != "completed" or self.steps[:1] == ("error",))

    def _below(self, value: Any, depth: int, *, lenient: bool) -> Any:
        for at in range(depth, len(self.steps)):
            step = self.steps[at]
            if value is None and lenient:
                return None
            if step is _EACH:
                if not isinstance(value, list | tuple):
                    raise self._missing(at, value)
                return [self._below(one, at + 1, lenient=lenient) for one in value]
            try:
                value = _child(value, step)
            except LookupError:
                raise self._missing(at, value) from None
        return value

    def _missing(self, at: int, value: Any) -> BadGraph:
        way = self.root + written(self.steps[:at])
        step = written(self.steps[at : at + 1])
        return BadGraph(
            f"{self.text} has no value: {way} has no {step}, it is {_described(value)}",
            hint="see what the node returned: pepperpy graph show ID --json",
        )


class Template(msgspec.Struct, frozen=True):
    """A value with references in it.

    Attributes:
        references: All of them.
        fill: Gives the value, the references replaced.
    """

    references: tuple[Reference, ...]
    fill: Value


def read_reference(text: str) -> Reference:
    """Returns a reference such as ``research.result.items[0].name``.

    Raises:
        BadGraph: It is none; the message names the column.
    """
    if len(text) > MAX_LENGTH:
        raise BadGraph(f"reference {text[:60]!r}… has {len(text)} characters, {MAX_LENGTH} at most")
    stripped = text.strip()
    root = _ROOT.match(stripped)
    if root is None:
        raise _unreadable(text, 0)
    at, steps = root.end(), list[Any]()
    while at < len(stripped):
        found = _STEP.match(stripped, at)
        if found is None:
            raise _unreadable(text, at + len(text) - len(text.lstrip()))
        steps.append(_step(found))
        at = found.end()
    return Reference(stripped, root[0], tuple(steps))


def read_template(value: Any) -> Template:
    """Returns a value of plain types, its references found.

    Raises:
        BadGraph: A reference cannot be read; the message names its place in the value.
    """
    found: list[Reference] = []
    fill = _read(value, [], found)
    return Template(tuple(found), fill)


def literal(value: Any) -> Any:
    """Returns what stands for a value of plain types itself, whatever texts and keys it has."""
    match value:
        case str():
            return value.replace("${", "$${")
        case dict():
            return {_doubled(key): literal(one) for key, one in value.items()}
        case list() | tuple():
            return [literal(one) for one in value]
        case _:
            return value


def _doubled(key: Any) -> Any:
    return f"${key}" if isinstance(key, str) and _MARKED_REF.fullmatch(key) else key


def _plain(key: Any) -> Any:
    """A key without the mark that `_doubled` put before it: graphs within graphs have several."""
    return key[1:] if isinstance(key, str) and _MARKED_REF.fullmatch(key) else key


def _read(value: Any, way: list[str | int], found: list[Reference]) -> Value:
    match value:
        case {"$ref": text, **more}:
            if more or not isinstance(text, str):
                hint = f'write {{"$ref": "{EXAMPLE}"}}'
                raise _at_place(way, BadGraph("$ref stands alone and is a text", hint=hint))
            found.append(_at(way, text))
            return found[-1].read
        case dict():
            parts = {_plain(key): _read(one, [*way, key], found) for key, one in value.items()}
            return lambda scope: {key: part(scope) for key, part in parts.items()}
        case list() | tuple():
            ones = [_read(one, [*way, n], found) for n, one in enumerate(value)]
            return lambda scope: [one(scope) for one in ones]
        case str() if "${" in value:
            return _read_text(value, way, found)
        case _:
            return lambda _: value


def _read_text(text: str, way: list[str | int], found: list[Reference]) -> Value:
    parts = parts_of(text, way)
    found += [part for part in parts if isinstance(part, Reference)]
    if len(parts) == 1 and isinstance(parts[0], Reference):
        return parts[0].read
    return lambda scope: "".join(_text(part, scope) for part in parts)


def parts_of(text: str, way: Sequence[str | int] = ()) -> list[str | Reference]:
    """Returns what a text with references consists of: what stands in it, and the references.

    Args:
        text: The text.
        way: Where it stands in its value, for errors.

    Raises:
        BadGraph: A reference cannot be read; the message names its place in the value.
    """
    parts: list[str | Reference] = []
    end = 0
    for match in _IN_TEXT.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match["path"] is not None:
            parts.append(_at(way, match["path"]))
        elif match[0] == "$${":
            parts.append("${")
        else:
            fact = f"${{ without }} in {text!r:.80}"
            raise _at_place(way, BadGraph(fact, hint="write $${ for a plain ${"))
    return [part for part in (*parts, text[end:]) if part != ""]


def _text(part: str | Reference, scope: Scope) -> str:
    if isinstance(part, str):
        return part
    value = part.read(scope)
    return value if isinstance(value, str) else encode(value).decode()


def _at(way: Sequence[str | int], text: str) -> Reference:
    try:
        return read_reference(text)
    except BadGraph as error:
        raise _at_place(way, error) from None


def _at_place(way: Sequence[str | int], error: BadGraph) -> BadGraph:
    error.context["path"] = field_path(way)
    return error


def _step(found: re.Match[str]) -> Any:
    if found["all"]:
        return _EACH
    if found["place"]:
        return int(found["place"])
    return next(found[kind] for kind in ("name", "double", "single") if found[kind] is not None)


def _child(value: Any, step: str | int) -> Any:
    if isinstance(step, str) and isinstance(value, Mapping):
        return value[step]
    if isinstance(step, int) and isinstance(value, list | tuple):
        return value[step]
    raise LookupError


def written(steps: tuple[Any, ...]) -> str:
    """Returns the steps of a reference as they are written behind its root."""
    return "".join(_write(steps))


def _write(steps: tuple[Any, ...]) -> Iterator[str]:
    for step in steps:
        if step is _EACH:
            yield "[*]"
        elif isinstance(step, int):
            yield f"[{step}]"
        elif _ROOT.fullmatch(step.replace("-", "_")):
            yield f".{step}"
        else:
            yield f'["{step}"]'


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        names = ", ".join(map(str, list(value)[:8]))
        return f"an object with {names or 'nothing'}" + (", …" if len(value) > 8 else "")
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"{encode(value).decode():.40}"


def _unreadable(text: str, column: int) -> BadGraph:
    return BadGraph(
        f"reference {text!r:.80} cannot be read from column {column + 1} on",
        hint=f"write it like {EXAMPLE}",
    )
