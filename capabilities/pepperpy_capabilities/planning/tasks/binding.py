"""What templates stand for as far as it is known: some values are there only when tasks have ended.

A bound value is itself a template, in the language of graphs: what is known stands in it, and what
is not is a reference to the node that will return it.
"""

from collections.abc import Mapping
from typing import Any, Final

from pepperpy_bus.graphs.references import (
    REF,
    Reference,
    literal,
    parts_of,
    read_reference,
    read_template,
    written,
)
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadGraph, BadProblem, TooBig

MAX_BODY: Final = 256 * 1024
"""Characters of what one task is given."""

Bound = Any
"""A template in which everything is filled in that is known."""


def bind(template: Any, scope: Mapping[str, Bound], where: str) -> Bound:
    """Returns a template with its references replaced by what they stand for.

    Args:
        template: The template.
        scope: What references may begin with, as bound values.
        where: The place of the template in the problem, for errors.

    Raises:
        BadProblem: A reference cannot be read, or leads to nothing.
    """
    try:
        return _bind(template, scope, where)
    except BadGraph as error:
        inner = str(error.context.get("path", "$")).removeprefix("$")
        place = where + inner
        raise BadProblem(f"{place}: {error}", hint=error.hint, context={"field": place}) from None


def known(bound: Bound) -> Any:
    """Returns the plain value of a bound one that refers to nothing."""
    return read_template(bound).fill({})


def nodes_in(bound: Bound) -> list[str]:
    """Returns the nodes that a bound value waits for."""
    return list(dict.fromkeys(one.root for one in read_template(bound).references))


def weigh(bound: Bound, where: str) -> int:
    """Returns how many characters a bound value has, at least.

    Raises:
        TooBig: More than `MAX_BODY`; it was not looked at further.
    """
    heavy, waiting = 0, [bound]
    while waiting:
        one = waiting.pop()
        heavy += len(one) if isinstance(one, str) else 1
        if isinstance(one, dict):
            heavy += sum(map(len, one))
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        if heavy > MAX_BODY:
            raise TooBig(
                f"{where}: a task would be given more than {MAX_BODY >> 10} KiB",
                hint="let a task return it, and refer to that",
                context={"field": where},
            )
    return heavy


def _bind(template: Any, scope: Mapping[str, Bound], where: str) -> Bound:
    match template:
        case {"$ref": str(text), **more} if not more:
            return _read(read_reference(text), scope, where)
        case dict():
            return {key: _bind(one, scope, f"{where}.{key}") for key, one in template.items()}
        case list() | tuple():
            return [_bind(one, scope, f"{where}[{at}]") for at, one in enumerate(template)]
        case str() if "${" in template:
            return _bind_text(template, scope, where)
        case _:
            return template


def _bind_text(text: str, scope: Mapping[str, Bound], where: str) -> Bound:
    parts = parts_of(text)
    if len(parts) == 1 and isinstance(parts[0], Reference):
        return _read(parts[0], scope, where)
    return "".join(
        _within_text(_read(one, scope, where), where)
        if isinstance(one, Reference)
        else one.replace("${", "$${")
        for one in parts
    )


def _within_text(part: Bound, where: str) -> str:
    """How a bound value stands in a text: texts as they are, all else as JSON."""
    match part:
        case str():
            return part
        case {"$ref": str(path), **more} if not more:
            return "${" + path + "}"
        case _ if nodes_in(part):
            raise BadProblem(
                f"{where}: a text cannot have an object in it that is not known yet",
                hint="refer to one value of it",
                context={"field": where},
            )
        case _:
            return encode(known(part)).decode().replace("${", "$${")


def _read(reference: Reference, scope: Mapping[str, Bound], where: str) -> Bound:
    if reference.root not in scope:
        there = ", ".join(sorted(scope)) or "nothing"
        raise BadProblem(
            f"{where}: {reference.text} begins with {reference.root!r:.80}, which is not there",
            hint=f"there is {there:.500}",
            context={"field": where, "reference": reference.text},
        )
    return _below(scope[reference.root], reference, 0, where)


def _below(value: Bound, reference: Reference, depth: int, where: str) -> Bound:
    for at in range(depth, len(reference.steps)):
        step = reference.steps[at]
        if isinstance(value, dict) and set(value) == {REF}:
            return {REF: value[REF] + written(reference.steps[at:])}
        if written((step,)) == "[*]":
            if not isinstance(value, list):
                raise _missing(reference, at, where)
            return [_below(one, reference, at + 1, where) for one in value]
        try:
            value = _child(value, step)
        except (LookupError, TypeError):
            raise _missing(reference, at, where) from None
    return value


def _child(value: Bound, step: str | int) -> Bound:
    if isinstance(value, dict) and isinstance(step, str):
        return value[next(iter(literal({step: None})))]
    if isinstance(value, list) and isinstance(step, int):
        return value[step]
    raise LookupError


def _missing(reference: Reference, at: int, where: str) -> BadProblem:
    way = reference.root + written(reference.steps[:at])
    step = written(reference.steps[at : at + 1])
    return BadProblem(
        f"{where}: {reference.text} leads to nothing: {way} has no {step}",
        context={"field": where, "reference": reference.text},
    )
