"""Graphs from YAML and JSON files, with the line of what is wrong in them."""

import re
import types
import typing
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from pepperpy_bus.graphs.plan import make_plan
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import BadGraph, BadPayload
from pepperpy_schemas.graphs import GraphSpec

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_VALUES: Final = 100_000

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def read_graph_file(path: Path) -> GraphSpec:
    """Returns the graph of a YAML or JSON file, checked.

    Raises:
        BadGraph: The file is no graph that can run; the message begins with file and line.
        OSError: It cannot be read.
    """
    body = path.read_bytes()
    if len(body) > MAX_BYTES:
        raise BadGraph(f"{path} has {len(body)} bytes, {MAX_BYTES} at most")
    return read_graph(body, str(path))


def read_graph(text: str | bytes, origin: str = "graph") -> GraphSpec:
    """Returns the graph of a YAML or JSON text, checked.

    Args:
        text: The text.
        origin: What errors call it.

    Raises:
        BadGraph: It is no graph that can run; the message begins with origin and line.
    """
    # JSON is YAML but for escapes that nobody writes; so both have lines.
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise BadGraph(f"{origin}{line}: {error.problem or error.context}", hint=_HINT) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadGraph(f"{origin}: cannot be read as YAML or JSON: {error}", hint=_HINT) from None
    try:
        _check_keys(root)
        data = yaml.safe_load(text)
        _refuse_unknown(GraphSpec, data, "$")
        spec = convert(data, GraphSpec)
        make_plan(spec)
    except (BadGraph, BadPayload) as error:
        path = str(error.context.get("path", "$"))
        line = str(_line(root, path))
        hint = error.hint if isinstance(error, BadGraph) else _HINT
        raise BadGraph(f"{origin}:{line}: {error}", hint=hint, context=error.context) from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadGraph(f"{origin}: {error}", hint=_HINT) from None
    return spec


_HINT: Final = "show the form with: pepperpy schema show GraphSpec"


def _line(root: yaml.Node | None, path: str) -> int:
    """The line of a field, or of what it would lie in."""
    node, line = root, 1
    for found in _STEP.finditer(path):
        name, place = found[1], found[2]
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == name:
                    node, line = value, key.start_mark.line + 1
                    break
            else:
                break
        elif isinstance(node, yaml.SequenceNode) and place and int(place) < len(node.value):
            node = node.value[int(place)]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _check_keys(root: yaml.Node | None) -> None:
    """Refuses a key that is there twice, the first would be lost; and what aliases make endless."""
    left: list[tuple[yaml.Node | None, str]] = [(root, "$")]
    for _ in range(MAX_VALUES):
        if not left:
            return
        node, path = left.pop()
        if isinstance(node, yaml.SequenceNode):
            left += [(one, f"{path}[{n}]"[:500]) for n, one in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            left += _children(node, path)
    raise BadGraph(f"there are more than {MAX_VALUES} values: an alias may lie in itself")


def _children(node: yaml.MappingNode, path: str) -> list[tuple[yaml.Node | None, str]]:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if name in seen and name != "<<":
            fact = f"{name!r:.80} is there twice: in lines {seen[name]} and {line}"
            raise BadGraph(fact, context={"path": f"{path}.{name}"})
        seen[name] = line
    return [(value, f"{path}.{key.value}"[:500]) for key, value in node.value]


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
