"""Problems in YAML and JSON files: which kind of problem it is, and the line of what is wrong."""

import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any, Union

import msgspec

from pepperpy_bus.marked import Marked
from pepperpy_capabilities.wanted_words import wanted_words
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import BadPayload, BadProblem, PepperError
from pepperpy_schemas.problems import Problem


def read_text(file: Path) -> str:
    """Returns the text of a file.

    Raises:
        BadProblem: It is no text.
        OSError: It cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadProblem(f"{file}: it is no text in UTF-8") from None


def read_problem(
    text: str | bytes, solvers: Sequence[Any], *, origin: str, name: str = "", hint: str = ""
) -> tuple[Any, Problem]:
    """Returns the problem that a text is, with whoever it is for: the one that knows all its keys.

    Args:
        text: YAML or JSON.
        solvers: Who solves: reasoners or planners, each with a ``name`` and a ``problem``.
        origin: What errors call the text.
        name: The name of the one that it is for, if that is known.
        hint: What to do about a text that has no keys, or keys that fit nobody; ``{names}`` in it
            stands for the names of all.

    Raises:
        BadProblem: It is none that one of them solves; the message begins with origin and line.
    """
    advice = hint.format(names=", ".join(one.name for one in solvers))
    try:
        marked = Marked(text)
    except BadPayload as error:
        line = f":{error.context['line']}" if "line" in error.context else ""
        raise BadProblem(
            f"{origin}{line}: {error.message}", hint=advice, context=error.context
        ) from None
    if not isinstance(marked.data, dict) or not marked.data:
        empty = "it is empty" if not text.strip() else "there are no keys in it"
        raise BadProblem(f"{origin}: it is no problem: {empty}", hint=advice)
    solver = _for_whom(marked.data, solvers, origin, name, advice)
    for path, known in _unknown(solver.problem, marked.data, "$"):
        raise BadProblem(
            f"{origin}:{marked.line(path)}: there is no field {path.removeprefix('$.')!r}",
            hint=f"there is {', '.join(known)}",
            context={"field": path.removeprefix("$."), "line": marked.line(path)},
        )
    try:
        # YAML takes days and times for more than texts.
        problem: Problem = convert(msgspec.to_builtins(marked.data), solver.problem)
    except BadPayload as error:
        line = str(marked.line(str(error.context.get("path", "$"))))
        raise BadProblem(
            f"{origin}:{line}: {error.message}",
            hint=wanted_words(error, solver.problem),
            context={**error.context, "line": int(line)},
        ) from None
    return solver, problem


@contextmanager
def telling_lines(text: str, *, origin: str) -> Iterator[None]:
    """Has errors of who solves a problem begin with the line that they are about.

    Args:
        text: The YAML or JSON that the problem was read from.
        origin: What errors call the text.
    """
    try:
        yield
    except PepperError as error:
        field = error.context.get("field")
        if isinstance(field, str):
            line = Marked(text).line(f"$.{field}")
            _begin(error, f"{origin}:{line}: {error.message}")
            error.context["line"] = line
        raise


@contextmanager
def telling_files(files: Mapping[str, str]) -> Iterator[None]:
    """Has errors of who solves a problem begin with the file, and the line in it, they are about.

    Args:
        files: What errors call a file, by the field of the problem that is all of it.
    """
    try:
        yield
    except PepperError as error:
        field, line = error.context.get("field"), error.context.get("line")
        if isinstance(field, str) and field in files:
            said = error.message.removeprefix(f"{field}: ")
            bare = said.removeprefix(f"line {line}: ")
            place = f"{files[field]}:{line}" if bare != said else files[field]
            _begin(error, f"{place}: {bare}")
        raise


def _begin(error: PepperError, message: str) -> None:
    error.message = message
    error.args = (message,)


def _for_whom(
    data: dict[str, Any], solvers: Sequence[Any], origin: str, name: str, advice: str
) -> Any:
    names = ", ".join(one.name for one in solvers)
    if name:
        named = next((one for one in solvers if one.name == name), None)
        if named is None:
            raise BadProblem(f"there is no {name!r}", hint=f"there is {names}")
        return named
    known = {one.name: len(data.keys() & set(one.problem.__struct_fields__)) for one in solvers}
    fitting = [one for one in solvers if known[one.name] == len(data)]
    if not fitting:  # a slip, perhaps: the nearest says which
        most = max(known.values())
        fitting = [one for one in solvers if most and known[one.name] == most]
    if len(fitting) != 1:
        raise BadProblem(
            f"{origin}: its keys do not say for whom it is: {', '.join(map(str, data))}",
            hint=advice or f"say for which of: {names}",
        )
    return fitting[0]


def _unknown(kind: Any, data: Any, path: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yields the fields that nobody reads: on the wire they are a newer version's, here a slip."""
    arguments = typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(data, dict):
        fields = typing.get_type_hints(kind)
        for name, value in data.items():
            if name not in fields and name != kind.__struct_config__.tag_field:
                yield f"{path}.{name}", list(fields)
            else:
                yield from _unknown(fields.get(name, Any), value, f"{path}.{name}")
    elif typing.get_origin(kind) in (Union, UnionType) and isinstance(data, dict):
        for one in arguments:
            if _is_tagged(one, data):
                yield from _unknown(one, data, path)
    elif typing.get_origin(kind) is list and isinstance(data, list):
        for place, value in enumerate(data):
            yield from _unknown(arguments[0], value, f"{path}[{place}]")
    elif typing.get_origin(kind) is dict and isinstance(data, dict):
        for name, value in data.items():
            yield from _unknown(arguments[1], value, f"{path}.{name}")


def _is_tagged(kind: Any, data: dict[str, Any]) -> bool:
    """Whether a value says of itself that it is of this one of several types."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return False
    config = kind.__struct_config__
    return config.tag_field is not None and data.get(config.tag_field) == config.tag
