"""Graphs from YAML and JSON files, with the line of what is wrong in them."""

import types
import typing
from pathlib import Path
from typing import Any, Final

import msgspec

from pepperpy_bus.graphs.plan import make_plan
from pepperpy_bus.marked import Marked
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import BadGraph, BadPayload
from pepperpy_schemas.graphs import GraphSpec


def read_graph_file(path: Path) -> GraphSpec:
    """Returns the graph of a YAML or JSON file, checked.

    Raises:
        BadGraph: The file is no graph that can run; the message begins with file and line.
        OSError: It cannot be read.
    """
    return read_graph(path.read_bytes(), str(path))


def read_graph(text: str | bytes, origin: str = "graph") -> GraphSpec:
    """Returns the graph of a YAML or JSON text, checked.

    Args:
        text: The text.
        origin: What errors call it.

    Raises:
        BadGraph: It is no graph that can run; the message begins with origin and line.
    """
    try:
        marked = Marked(text)
    except BadPayload as error:
        line = f":{error.context['line']}" if "line" in error.context else ""
        raise BadGraph(f"{origin}{line}: {error}", hint=_HINT) from None
    try:
        _refuse_unknown(GraphSpec, marked.data, "$")
        spec = convert(marked.data, GraphSpec)
        make_plan(spec)
    except (BadGraph, BadPayload) as error:
        line = str(marked.line(str(error.context.get("path", "$"))))
        hint = error.hint if isinstance(error, BadGraph) else _HINT
        raise BadGraph(f"{origin}:{line}: {error}", hint=hint, context=error.context) from None
    return spec


def declares_team(text: str | bytes) -> bool:
    """Returns whether a YAML or JSON text declares a team of agents: it names a pattern.

    Such a text is no graph, but one is made of it where agents are known.
    """
    try:
        data = Marked(text).data
    except BadPayload:
        return False  # whoever reads it next says what is wrong
    return isinstance(data, dict) and "pattern" in data


_HINT: Final = "show the form with: pepperpy schema show GraphSpec"


def _refuse_unknown(kind: Any, data: Any, path: str) -> None:
    """Refuses a field that nobody reads: on the wire it is a newer version's, here a slip."""
    kind = _struct_in(kind)
    if isinstance(data, dict) and typing.get_origin(kind) is dict:
        inner = typing.get_args(kind)[1]
        for name, one in data.items():
            _refuse_unknown(inner, one, f"{path}.{name}")
            _refuse_wrong(inner, one, f"{path}.{name}")
    if not (isinstance(data, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return
    fields = typing.get_type_hints(kind)
    for name, one in data.items():
        if name not in fields:
            where = path.removeprefix("$").removeprefix(".")
            lead = f"{where}: " if where else ""
            raise BadGraph(
                f"{lead}there is no field {name!r:.80}",
                hint=f"there is {', '.join(fields)}",
                context={"path": f"{path}.{name}"},
            )
        _refuse_unknown(fields[name], one, f"{path}.{name}")


def _refuse_wrong(kind: Any, data: Any, path: str) -> None:
    """Refuses what is not of its type: of a dict's values the error itself knows no names."""
    try:
        convert(data, kind)
    except BadPayload as error:
        inner = str(error.context["path"]).removeprefix("$")
        fact = f"{path}{str(error).removeprefix('$')}".removeprefix("$.")
        raise BadGraph(fact, hint=_HINT, context={"path": path + inner}) from None


def _struct_in(kind: Any) -> Any:
    """The Struct or dict among the types that a field may have."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        structs = [one for one in typing.get_args(kind) if isinstance(one, msgspec.StructMeta)]
        return structs[0] if structs else None
    return kind
