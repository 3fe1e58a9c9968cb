"""JSON Schema 2020-12 of what travels, and of the types of handlers.

msgspec's own generator cannot write a `msgspec.Raw` default and keeps field documentation in one
blob, so the tree of `msgspec.inspect` is written here: each field carries its line of the class
docstring's ``Attributes``. Types of pydantic's are left to pydantic.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, get_args

from pepperpy_schemas._schema_parts import Schema
from pepperpy_schemas._schema_writer import SchemaWriter, inspected, unsupported

Mode = Literal["input", "output"]
"""``input``: what a reader takes. ``output``: what a writer gives; they differ for pydantic."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_REF: Final = "#/$defs/{name}"


def schema_of(type: object, *, mode: Mode = "input") -> Schema:  # noqa: A002 - as in codec
    """Returns the JSON Schema of a type: Struct, dataclass, pydantic model, plain type or None.

    Args:
        type: The annotation of a handler's parameter or answer, or a message.
        mode: Whether the schema is for what is read or for what is written.

    Raises:
        UnsupportedType: JSON cannot carry the type, or msgspec cannot tell its parts apart.
    """
    if _is_pydantic(type):
        return _pydantic_schema(type, mode)
    (root,), components = components_of((type,), _REF)
    name = root.get("$ref", "").removeprefix(_REF.format(name=""))
    referred = any(_refers(part, root["$ref"]) for part in components.values()) if name else True
    if not referred:
        root = {**components.pop(name), **{k: v for k, v in root.items() if k != "$ref"}}
    return {"$schema": DIALECT, **root, **({"$defs": components} if components else {})}


def components_of(types: Iterable[object], ref: str) -> tuple[list[Schema], dict[str, Schema]]:
    """Returns the schemas of the types, and those of the named types that they share.

    Args:
        types: What to describe.
        ref: How a shared type is referred to, with ``{name}`` in it.

    Raises:
        UnsupportedType: JSON cannot carry a type, or msgspec cannot tell its parts apart.
    """
    writer = SchemaWriter(ref)
    schemas = [writer.write(inspected(one)) for one in types]
    return schemas, {name: writer.components[name] for name in sorted(writer.components)}


def _is_pydantic(type: object) -> bool:  # noqa: A002 - as above
    if hasattr(type, "__pydantic_core_schema__"):
        return True
    return any(_is_pydantic(argument) for argument in get_args(type))


def _pydantic_schema(type: Any, mode: Mode) -> Schema:  # noqa: A002 - as above
    # Only a process that uses pydantic models pays for importing it.
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        schema = TypeAdapter(type).json_schema(
            mode="validation" if mode == "input" else "serialization"
        )
    except PydanticUserError as error:
        raise unsupported(type, str(error).partition("\n")[0]) from error
    return {"$schema": DIALECT, **schema}


def _refers(schema: object, ref: str) -> bool:
    if isinstance(schema, dict):
        return schema.get("$ref") == ref or any(_refers(v, ref) for v in schema.values())
    return isinstance(schema, list) and any(_refers(v, ref) for v in schema)
