"""The variables of a template: declared with types, and checked before anything is rendered."""

import keyword
import types
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ChatMessage
from pepperpy_schemas.codec import convert, decode
from pepperpy_schemas.errors import BadConfig, BadPayload

TYPES: Final[dict[str, Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list[Any],
    "dict": dict[str, Any],
    "any": Any,
    "messages": list[ChatMessage],
}
"""What a variable can be, by the word that says it; ``[str]`` is a list of such."""

_TAKEN: Final = frozenset(
    {"self", "fmt", "loop", "range", "super", "caller", "varargs", "kwargs", "true", "false"}
    | {"none", "not", "and", "or", "in", "is", "if", "else", "for", "set", "include"}
)


class Variable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A variable, as the front matter declares it.

    Attributes:
        type: A word of `TYPES`, or a list with one of them in it.
        description: What it is, for people.
        default: What it is when it is not given.
        required: Whether it must be given; by default when it has no default. One that need not
            be, and has none, is null then.
        choices: The values that it may have.
    """

    type: str | list[str] = "str"
    description: str = ""
    default: Any = msgspec.UNSET
    required: bool | None = None
    choices: list[Any] = []

    @property
    def must_be_given(self) -> bool:
        """Whether a rendering without it is refused."""
        return self.default is msgspec.UNSET if self.required is None else self.required

    @property
    def shown_type(self) -> str:
        """Its type in a word."""
        return self.type if isinstance(self.type, str) else f"[{', '.join(self.type)}]"

    @property
    def kind(self) -> Any:
        """Its type as Python's."""
        if self.choices:
            return Literal[tuple(self.choices)]
        if isinstance(self.type, list):
            return types.GenericAlias(list, (TYPES[self.type[0]],))
        return TYPES[self.type]


def check_declared(name: str, variable: Variable) -> None:
    """Refuses a declaration that contradicts itself.

    Raises:
        BadConfig: ``context.path`` names the field.
    """

    def refuse(field: str, fact: str, hint: str = "") -> BadConfig:
        path = f"$.variables.{name}{field}"
        return BadConfig(f"variable {name}: {fact}", hint=hint, context={"path": path})

    if not name.isidentifier() or keyword.iskeyword(name) or name in _TAKEN or name[0] == "_":
        raise refuse("", "is no name for a variable", "use letters, digits and _, a letter first")
    words = [variable.type] if isinstance(variable.type, str) else variable.type
    if len(words) != 1 or words[0] not in TYPES:
        raise refuse(
            ".type",
            f"there is no type {variable.shown_type}",
            f"use one of {', '.join(TYPES)}, or a list of one: [str]",
        )
    if any(not isinstance(one, str | int) or isinstance(one, bool) for one in variable.choices):
        raise refuse(".choices", "choices are texts or whole numbers")
    given = variable.default is not msgspec.UNSET
    if given and variable.required:
        raise refuse(".required", "is required and has a default", "leave one of them out")
    if given:
        try:
            convert(variable.default, variable.kind)
        except BadPayload as error:
            raise refuse(".default", f"its default does not fit: {error}") from None


def checked(
    declared: Mapping[str, Variable], given: Mapping[str, Any], *, origin: str, most: int
) -> dict[str, Any]:
    """Returns the values of all variables, as plain data of their own.

    What is given goes through JSON: no object of the caller can be reached, or changed, by a
    template.

    Args:
        declared: The variables.
        given: What the caller gives.
        origin: What errors call the template.
        most: Bytes that they may have as JSON together.

    Raises:
        BadPayload: Some are missing, not declared, or not of their type; all of them are named.
    """
    missing = [n for n, one in declared.items() if one.must_be_given and n not in given]
    extra = [name for name in given if name not in declared]
    problems = [f"{name} is missing ({declared[name].shown_type})" for name in missing]
    problems += [_unknown(name, declared) for name in extra]
    values: dict[str, Any] = {}
    size = 0
    for name, one in declared.items():
        if name not in given:
            values[name] = None if one.default is msgspec.UNSET else one.default
            continue
        try:
            body = to_json(given[name])
            values[name] = decode(body, Any)
            if not one.must_be_given and values[name] is None:
                continue
            convert(values[name], one.kind)
        except BadPayload as error:
            problems.append(_wrong(name, error))
        else:
            size += len(body)
    if size > most:
        problems.append(f"the variables have {size} bytes, {most} at most")
    if problems:
        raise BadPayload(
            f"{origin}: {'; '.join(problems)}",
            hint=_hint(declared),
            context={"missing": missing, "extra": extra},
        )
    return values


def _unknown(name: str, declared: Mapping[str, Variable]) -> str:
    near = get_close_matches(name, declared, 1)
    return f"{name} is not declared" + (f" (did you mean {near[0]}?)" if near else "")


def _wrong(name: str, error: BadPayload) -> str:
    fact = str(error)
    return f"{name}{fact[1:]}" if fact.startswith("$") else f"{name}: {fact}"


def _hint(declared: Mapping[str, Variable]) -> str:
    if not declared:
        return "it takes no variables"
    shown = [f"{n}{'' if one.must_be_given else '='}" for n, one in declared.items()]
    return f"it takes {', '.join(shown)} (= for those that may be left out)"
