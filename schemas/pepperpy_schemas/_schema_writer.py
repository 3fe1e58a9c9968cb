"""Writes the types that msgspec inspects as JSON Schemas; `jsonschema` is its front."""

import enum
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import msgspec.inspect as mi

from pepperpy_schemas._schema_parts import Schema
from pepperpy_schemas.errors import UnsupportedType

_SECTION = re.compile(r"^(Attributes|Args|Returns|Raises|Yields|Examples?|Notes?):\s*$", re.M)
_ATTRIBUTE = re.compile(r"^ {4}(\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)", re.M)


def inspected(type: object) -> mi.Type:  # noqa: A002 - reads as msgspec's own argument
    """Returns what msgspec knows of a type.

    Raises:
        UnsupportedType: JSON cannot carry it, or msgspec cannot tell its parts apart.
    """
    try:
        return mi.type_info(type)
    except (TypeError, NameError) as error:
        raise unsupported(type, str(error)) from error


def unsupported(type: object, why: str) -> UnsupportedType:  # noqa: A002 - as above
    """Returns the error that says why a type cannot be described."""
    name = getattr(type, "__qualname__", repr(type))
    return UnsupportedType(f"{name} has no JSON Schema: {why}", context={"type": name})


_Named: TypeAlias = (
    mi.StructType | mi.DataclassType | mi.TypedDictType | mi.NamedTupleType | mi.EnumType
)
_BOUNDS: Final = (
    ("ge", "minimum"),
    ("gt", "exclusiveMinimum"),
    ("le", "maximum"),
    ("lt", "exclusiveMaximum"),
    ("multiple_of", "multipleOf"),
)
_LENGTHS: Final = (("min_length", "min{}"), ("max_length", "max{}"))
_FORMATS: Final[dict[type[mi.Type], str]] = {
    mi.DateType: "date",
    mi.TimeDeltaType: "duration",
    mi.UUIDType: "uuid",
    mi.DecimalType: "decimal",
}


class SchemaWriter:
    """Writes inspected types as schemas; named ones go to ``components``, once."""

    def __init__(self, ref: str) -> None:
        self.components: dict[str, Schema] = {}
        self._ref = ref
        self._names: dict[object, str] = {}

    def write(self, info: mi.Type) -> Schema:  # noqa: PLR0911 - one per kind of type
        """Returns the schema of a type."""
        match info:
            case mi.Metadata():
                return {**self.write(info.type), **(info.extra_json_schema or {})}
            case (
                mi.StructType()
                | mi.DataclassType()
                | mi.TypedDictType()
                | mi.NamedTupleType()
                | mi.EnumType()
            ):
                return {"$ref": self._ref.format(name=self._component(info))}
            case mi.UnionType():
                return self._union(info.types)
            case mi.DictType():
                return self._mapping(info)
            case mi.CollectionType():
                return self._collection(info)
            case mi.TupleType():
                return _tuple([self.write(item) for item in info.item_types])
            case mi.CustomType():
                raise unsupported(
                    info.cls, "use a msgspec Struct, a dataclass, a pydantic model or plain types"
                )
            case _:
                return _leaf(info)

    def _union(self, types: Sequence[mi.Type]) -> Schema:
        """Null stands last: readers of the documents look for the value first."""
        ordered = sorted(types, key=lambda one: isinstance(one, mi.NoneType))
        return {"anyOf": [self.write(one) for one in ordered]}

    def _mapping(self, info: mi.DictType) -> Schema:
        schema: Schema = {"type": "object", **_lengths(info, "Properties")}
        names = {k: v for k, v in self.write(info.key_type).items() if k != "type"}
        bare = _bare(info.key_type)
        words = isinstance(bare, mi.LiteralType) and all(isinstance(v, str) for v in bare.values)
        if names and (words or isinstance(bare, mi.StrType)):
            schema["propertyNames"] = names
        values = self.write(info.value_type)
        return {**schema, "additionalProperties": values} if values else schema

    def _collection(self, info: mi.CollectionType) -> Schema:
        schema: Schema = {"type": "array"}
        if items := self.write(info.item_type):
            schema["items"] = items
        if isinstance(info, mi.SetType | mi.FrozenSetType):
            schema["uniqueItems"] = True
        return {**schema, **_lengths(info, "Items")}

    def _component(self, info: _Named) -> str:
        """The name is taken before the body is written: types may refer to themselves."""
        if info.cls not in self._names:
            name = self._names[info.cls] = self._free_name(info.cls)
            self.components[name] = {}
            self.components[name] = self._named(info)
        return self._names[info.cls]

    def _free_name(self, cls: Any) -> str:
        name = _name(cls)
        return f"{cls.__module__}.{name}" if name in self.components else name

    def _named(self, info: _Named) -> Schema:
        doc, attributes = _docs(info.cls)
        head: Schema = {"title": _name(info.cls), **({"description": doc} if doc else {})}
        if isinstance(info, mi.EnumType):
            return {**head, "enum": [member.value for member in info.cls]}
        fields = {field.encode_name: self._field(field, attributes) for field in info.fields}
        required = [field.encode_name for field in info.fields if field.required]
        if isinstance(info, mi.StructType) and info.tag_field is not None:
            fields = {info.tag_field: {"const": info.tag}, **fields}
            required = [info.tag_field, *required]
        closed = isinstance(info, mi.StructType) and info.forbid_unknown_fields
        if isinstance(info, mi.NamedTupleType) or getattr(info, "array_like", False):
            return {**head, **_row(fields, len(required), closed)}
        return {**head, **_object(fields, required, closed)}

    def _field(self, field: mi.Field, attributes: dict[str, str]) -> Schema:
        schema = self.write(field.type)
        if doc := attributes.get(field.name):
            schema.setdefault("description", doc)
        return {**schema, **_default(field)}


def _object(fields: dict[str, Schema], required: list[str], closed: bool) -> Schema:
    schema: Schema = {"type": "object", "properties": fields}
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": False} if closed else schema


def _row(fields: dict[str, Schema], required: int, closed: bool) -> Schema:
    schema: Schema = {"type": "array", "prefixItems": list(fields.values()), "minItems": required}
    return {**schema, "maxItems": len(fields)} if closed else schema


def _tuple(items: list[Schema]) -> Schema:
    size: Schema = {"type": "array", "minItems": len(items), "maxItems": len(items)}
    return {**size, "prefixItems": items} if items else size


def _leaf(info: mi.Type) -> Schema:  # noqa: PLR0911 - one per kind of type
    match info:
        case mi.AnyType() | mi.RawType():
            return {}
        case mi.NoneType():
            return {"type": "null"}
        case mi.BoolType():
            return {"type": "boolean"}
        case mi.IntType() | mi.FloatType():
            kind = "integer" if isinstance(info, mi.IntType) else "number"
            return {"type": kind, **_present(info, _BOUNDS)}
        case mi.StrType():
            return {"type": "string", **_lengths(info, "Length"), **_pattern(info)}
        case mi.BytesType() | mi.ByteArrayType() | mi.MemoryViewType():
            return {"type": "string", "contentEncoding": "base64"}
        case mi.DateTimeType() | mi.TimeType():
            name = "date-time" if isinstance(info, mi.DateTimeType) else "time"
            return {"type": "string", **({"format": name} if info.tz is True else {})}
        case mi.LiteralType():
            return {"enum": list(info.values)}
        case _ if type(info) in _FORMATS:
            return {"type": "string", "format": _FORMATS[type(info)]}
        case _:
            raise unsupported(info, "JSON cannot carry it")


def _pattern(info: mi.StrType) -> Schema:
    return {} if info.pattern is None else {"pattern": info.pattern}


def _present(info: mi.Type, table: Iterable[tuple[str, str]]) -> Schema:
    values = ((keyword, getattr(info, name)) for name, keyword in table)
    return {keyword: value for keyword, value in values if value is not None}


def _lengths(info: mi.Type, of: str) -> Schema:
    return _present(info, [(name, keyword.format(of)) for name, keyword in _LENGTHS])


def _bare(info: mi.Type) -> mi.Type:
    while isinstance(info, mi.Metadata):
        info = info.type
    return info


_EMPTY: Final[dict[Callable[[], Any], object]] = {list: [], dict: {}, set: [], frozenset: []}


def _default(field: mi.Field) -> Schema:
    if field.required or field.default is msgspec.UNSET:
        return {}
    if field.default is msgspec.NODEFAULT:
        factory = field.default_factory
        return {"default": _EMPTY[factory]} if factory in _EMPTY else {}
    if isinstance(field.default, msgspec.Raw):
        return {"default": msgspec.json.decode(field.default)}
    try:
        value = msgspec.to_builtins(field.default, str_keys=True, order="deterministic")
    except TypeError:  # a Raw deep inside a default: the field is optional all the same
        return {}
    return {"default": value}


def _name(cls: Any) -> str:
    origin = getattr(cls, "__origin__", cls)
    arguments = [getattr(a, "__name__", str(a)) for a in getattr(cls, "__args__", ())]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "_".join([origin.__name__, *arguments]))


def _docs(cls: Any) -> tuple[str, dict[str, str]]:
    """Returns the docstring up to its first section, and its attributes by name."""
    origin = getattr(cls, "__origin__", cls)
    doc = inspect.cleandoc(origin.__dict__.get("__doc__") or "")
    generated = doc.startswith(f"{origin.__name__}(") or doc == "An enumeration."
    if generated or (issubclass(origin, enum.Enum) and doc == inspect.getdoc(enum.Enum)):
        return "", {}
    lines = {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(doc)}
    return " ".join(_SECTION.split(doc, maxsplit=1)[0].split()), lines
