"""What a function takes: as JSON Schema for models, and as a check of what they write.

Types are pydantic's to check, in its strict mode for JSON: ``"5"`` is no number, a date may be a
text. Types with a Struct in them are msgspec's. What has no parameter is refused by its name.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import msgspec

from pepperpy_agents.context import Context
from pepperpy_agents.tools.arguments import refused
from pepperpy_agents.tools.tool import ToolUse
from pepperpy_schemas.codec import convert, encode, field_path
from pepperpy_schemas.errors import BadConfig, BadPayload
from pepperpy_schemas.jsonschema import components_of

if typing.TYPE_CHECKING:
    from pydantic import BaseModel

_REF: Final = "#/$defs/{name}"
_GIVEN: Final = (ToolUse, Context)


class Parameters:
    """The parameters of a tool's function.

    Args:
        function: The function.
        alias: The tool, as models call it.
        means: What its docstring says of each parameter.

    Attributes:
        schema: JSON Schema of the arguments that a model gives.
        given: Parameters that the runner gives: their names, and whether `ToolUse` or `Context`.

    Raises:
        BadConfig: The function cannot be a tool; the message says why.
    """

    def __init__(self, function: Callable[..., Any], alias: str, means: dict[str, str]) -> None:
        from pydantic.errors import PydanticUserError

        name = getattr(function, "__qualname__", repr(function))
        hints = _hints(function, name)
        self.given: dict[str, type] = {}
        self._alias = alias
        self._taken: list[inspect.Parameter] = []
        for one in inspect.signature(function).parameters.values():
            if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
                raise BadConfig(
                    f"tool {name}: parameter {one} cannot be given by its name",
                    hint="write each parameter that a model shall give",
                )
            kind = hints.get(one.name, Any)
            if (runner := _given(kind)) is not None:
                self.given[one.name] = runner
            else:
                self._taken.append(one.replace(annotation=kind))
        try:
            self._model = _model_of(self._taken, means)
            self.schema = _schema_of(self._model, self._taken, means)
        except (TypeError, ValueError, PydanticUserError) as error:
            told = str(error).partition("\n")[0]
            raise BadConfig(
                f"tool {name}: JSON cannot carry what it takes: {told}",
                hint="take plain types, Structs, dataclasses or pydantic models",
            ) from error

    @property
    def names(self) -> list[str]:
        """The arguments that a model gives."""
        return [one.name for one in self._taken]

    def check(self, given: dict[str, Any]) -> dict[str, Any]:
        """Returns arguments as values of the parameters' types, defaults among them.

        Raises:
            BadArguments: They do not fit; each problem has the path of the part.
        """
        from pydantic import ValidationError

        try:
            read = self._model.model_validate_json(encode(given), strict=True, by_alias=True)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            raise refused(self._alias, map(self._problem, found)) from None
        return {one.name: getattr(read, f"p{n}") for n, one in enumerate(self._taken)}

    def _problem(self, found: Any) -> str:
        path = field_path(found["loc"])
        if found["type"] == "missing":
            return f"{path} is missing"
        if found["type"] == "extra_forbidden":
            there = f"there are: {', '.join(self.names)}" if self.names else "there are none"
            return f"{path}: there is no such argument ({there})"
        fact = str(found["msg"]).removeprefix("Value error, ")
        # msgspec's own paths begin where the parameter is.
        return path + fact[1:] if fact.startswith("$") else f"{path}: {fact}"


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise BadConfig(
            f"tool {name} has an annotation that cannot be read: {error}",
            hint="import the type at the top of the module, not under TYPE_CHECKING",
        ) from error


def _given(kind: Any) -> type | None:
    """What the runner gives a parameter of this type; None for one that the model gives."""
    kinds = typing.get_args(kind) if _is_union(kind) else (kind,)
    return next((one for one in _GIVEN if one in kinds), None)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _is_struct(kind: Any) -> bool:
    """Whether there is a Struct in a type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return True
    return any(_is_struct(part) for part in typing.get_args(kind))


def _model_of(taken: list[inspect.Parameter], means: dict[str, str]) -> "type[BaseModel]":
    """A model with one field a parameter; their own names could be those of its methods."""
    from pydantic import ConfigDict, Field, PlainValidator, create_model

    fields: dict[str, Any] = {}
    for n, one in enumerate(taken):
        kind = one.annotation
        if _is_struct(kind):
            kind = Annotated[Any, PlainValidator(functools.partial(_converted, kind=kind))]
        more: dict[str, Any] = {"alias": one.name}
        if one.name in means and not _says(kind):
            more["description"] = means[one.name]
        if one.default is not one.empty:
            more["default"] = one.default
        fields[f"p{n}"] = (kind, Field(**more))
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)


def _says(kind: Any) -> bool:
    """Whether a type's own annotations say what it means."""
    return any(getattr(one, "description", None) for one in getattr(kind, "__metadata__", ()))


def _converted(value: Any, *, kind: Any) -> Any:
    try:
        return convert(value, kind)
    except BadPayload as error:
        raise ValueError(str(error)) from None


def _schema_of(
    model: "type[BaseModel]", taken: list[inspect.Parameter], means: dict[str, str]
) -> dict[str, Any]:
    schema = _untitled(model.model_json_schema())
    parts, defined = schema.setdefault("properties", {}), schema.pop("$defs", {})
    structs = [one for one in taken if _is_struct(one.annotation)]
    written, shared = components_of([one.annotation for one in structs], _REF)
    for one, part in zip(structs, written, strict=True):
        own = {"description": means[one.name]} if one.name in means else {}
        default = {k: v for k, v in parts[one.name].items() if k == "default"}
        parts[one.name] = {**part, **own, **default}
    if both := sorted(defined.keys() & shared.keys()):
        raise ValueError(f"two types have the name {both[0]}")
    defined |= shared
    return {**schema, **({"$defs": defined} if defined else {})}


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without titles, which repeat the names and cost tokens."""
    for part in list(_parts(schema)):
        if isinstance(part.get("title"), str):
            del part["title"]
    return schema


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema in a schema of pydantic's; values in it, such as defaults, are none."""
    if not isinstance(schema, dict):
        return
    yield schema
    for word, inner in schema.items():
        if word in ("properties", "$defs", "patternProperties") and isinstance(inner, dict):
            for one in inner.values():
                yield from _parts(one)
        elif word in ("items", "additionalProperties", "not", "contains"):
            yield from _parts(inner)
        elif word in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(inner, list):
            for one in inner:
                yield from _parts(one)
