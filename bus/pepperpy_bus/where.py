"""Field matches, as ``--where`` and ``where=`` take them: ``data.code == 'timeout'``.

An expression compares fields with values: ``== != < <= > >= in not in contains``, joined by
``and``, ``or``, ``not`` and brackets. A field that is missing is None. A comparison with None is
false, unless it is ``==`` or ``!=``; so is one of values that have no order. The text is parsed,
never run: it comes from command lines and agents' files.
"""

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from pepperpy_schemas.errors import BadPayload

Predicate = Callable[[Mapping[str, Any]], bool]

MAX_LENGTH: Final = 1000
"""Characters of an expression."""
MAX_DEPTH: Final = 40
"""Levels of an expression: brackets, dots, not."""

EXAMPLES: Final = "data.code == 'timeout' and attempt > 1, or data.tags contains 'urgent'"

_Read = Callable[[Mapping[str, Any]], Any]
_Test = Callable[[Any, Any], bool]

_BEFORE_TEXT: Final = ("", "in", "and", "or", "not", "contains")
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}
# A string, with what stands right before it, or a name; `contains` counts outside strings only.
_TOKEN: Final = re.compile(
    r"""(?P<before>\w*)(?P<quoted>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|\.\s*\w+|[^\W\d]\w*"""
)
# Stands for `contains`, which Python does not know; as long, so that columns stay true.
_IS: Final = "is".ljust(len("contains"))


class BadWhere(BadPayload):
    """A field match cannot be understood; ``context.column`` counts from 1."""

    hint = f"write it like {EXAMPLES}"


def compile_where(text: str) -> Predicate:
    """Returns a function that says whether a message's fields match the expression.

    Raises:
        BadWhere: The text is no such expression; the message names the column and the fix.
    """
    tree, indent = _parse(text)
    read = _Compiler(text, indent).read(tree, 0)
    return lambda fields: bool(read(fields))


def compile_field(text: str) -> Callable[[Mapping[str, Any]], Any]:
    """Returns a function that reads one field of a message: ``data.customer``, ``data['a b'][0]``.

    A field that is missing is None.

    Raises:
        BadWhere: The text does not name a field.
    """
    tree, indent = _parse(text)
    below: ast.expr = tree
    while isinstance(below, ast.Attribute | ast.Subscript):
        below = below.value
    if not isinstance(below, ast.Name) or below.id in _WORDS:
        raise _bad(text, indent, "it is not the name of a field", "write: data.customer")
    return _Compiler(text, indent).read(tree, 0)


def names_in(text: str) -> set[str]:
    """Returns the names that an expression's fields begin with: ``data`` of ``data.code == 1``.

    Raises:
        BadWhere: The text is no such expression.
    """
    compile_where(text)
    tree, _ = _parse(text)
    return {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)} - set(_WORDS)


def _parse(text: str) -> tuple[ast.expr, int]:
    """Returns the syntax tree, and how many blanks stand before it."""
    if len(text) > MAX_LENGTH:
        raise _bad(text, 0, f"it has {len(text)} characters, {MAX_LENGTH} are allowed", "")
    source = _with_contains(text)
    indent = len(source) - len(source.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.strip(), mode="eval")
    except SyntaxError as error:
        at = indent + max(0, (error.offset or 1) - 1)
        raise _bad(text, at, f"it cannot be read: {error.msg}", _syntax_hint(text)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _bad(
            text, 0, f"it cannot be read: {str(error) or type(error).__name__}", ""
        ) from None
    return tree.body, indent


class _Compiler:
    """Turns each node of the syntax tree into a function of the fields; unknown nodes end it."""

    def __init__(self, text: str, indent: int) -> None:
        self._text = text
        self._indent = indent

    def read(self, node: ast.expr, depth: int) -> _Read:  # noqa: PLR0911 - one for each node
        if depth > MAX_DEPTH:
            raise self._refuse(node, f"it is nested deeper than {MAX_DEPTH} levels", "")
        below = depth + 1
        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                return partial(_same, value)
            case ast.Name(id=name):
                return partial(_same, _WORDS[name]) if name in _WORDS else partial(_field, name)
            case ast.Attribute(value=inner, attr=name):
                return partial(_below, self.read(inner, below), name)
            case ast.Subscript(value=inner, slice=key):
                return partial(_below, self.read(inner, below), self._key(key))
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return partial(_negated, self.read(inner, below))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return partial(_same, -value)
            case ast.BoolOp(op=op, values=values):
                parts = [self.read(each, below) for each in values]
                return partial(_every if isinstance(op, ast.And) else _some, parts)
            case ast.Compare():
                return self._comparison(node, below)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return partial(_list, [self.read(each, below) for each in items])
            case _:
                raise self._refuse(node, *_why_not(node))

    def _comparison(self, node: ast.Compare, depth: int) -> _Read:
        operands = [self.read(each, depth) for each in (node.left, *node.comparators)]
        tests: list[_Test] = []
        for op in node.ops:
            test = _TESTS.get(type(op))
            if test is None:
                raise self._refuse(
                    node, "`contains not` is no comparison", "use: not (a contains b)"
                )
            tests.append(test)
        if len(tests) == 1:
            return partial(_compared, operands[0], tests[0], operands[1])
        return partial(_chained, operands, tests)

    def _key(self, node: ast.expr) -> str | int:
        match node:
            case ast.Constant(value=str() as key):
                return key
            case ast.Constant(value=int() as key) if not isinstance(key, bool):
                return key
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as key)):
                return -key
            case _:
                raise self._refuse(node, "a field is named by a text or a number", "data['a b']")

    def _refuse(self, node: ast.expr, fact: str, hint: str) -> BadWhere:
        line = self._text[self._indent :].encode(errors="surrogatepass")
        at = len(line[: node.col_offset].decode(errors="ignore"))
        return _bad(self._text, self._indent + at, fact, hint)


# --- what the compiled functions do ---------------------------------------------------------------


def _same(value: Any, _fields: Mapping[str, Any]) -> Any:
    return value


def _field(name: str, fields: Mapping[str, Any]) -> Any:
    return fields.get(name)


def _below(read: _Read, key: str | int, fields: Mapping[str, Any]) -> Any:
    holder = read(fields)
    if isinstance(holder, Mapping):
        return holder.get(key)
    if isinstance(holder, list | tuple) and isinstance(key, int):
        return holder[key] if -len(holder) <= key < len(holder) else None
    return None


def _negated(read: _Read, fields: Mapping[str, Any]) -> bool:
    return not read(fields)


def _every(parts: list[_Read], fields: Mapping[str, Any]) -> bool:
    return all(part(fields) for part in parts)


def _some(parts: list[_Read], fields: Mapping[str, Any]) -> bool:
    return any(part(fields) for part in parts)


def _list(items: list[_Read], fields: Mapping[str, Any]) -> list[Any]:
    return [item(fields) for item in items]


def _compared(left: _Read, test: _Test, right: _Read, fields: Mapping[str, Any]) -> bool:
    return test(left(fields), right(fields))


def _chained(operands: list[_Read], tests: list[_Test], fields: Mapping[str, Any]) -> bool:
    left = operands[0](fields)
    for test, read in zip(tests, operands[1:], strict=True):
        right = read(fields)
        if not test(left, right):
            return False
        left = right
    return True


def _ordered(test: Callable[[Any, Any], Any]) -> _Test:
    def compare(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return False
        try:
            return bool(test(left, right))
        except TypeError:
            return False

    return compare


def _is_in(item: Any, holder: Any) -> bool:
    if item is None:
        return False
    if isinstance(holder, str):
        return isinstance(item, str) and item in holder
    if isinstance(holder, Mapping):
        return isinstance(item, str) and item in holder
    return isinstance(holder, list | tuple | set | frozenset) and item in list(holder)


def _is_not_in(item: Any, holder: Any) -> bool:
    return item is not None and holder is not None and not _is_in(item, holder)


def _contains(holder: Any, item: Any) -> bool:
    return _is_in(item, holder)


_TESTS: Final[dict[type[ast.cmpop], _Test]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: _ordered(operator.lt),
    ast.LtE: _ordered(operator.le),
    ast.Gt: _ordered(operator.gt),
    ast.GtE: _ordered(operator.ge),
    ast.In: _is_in,
    ast.NotIn: _is_not_in,
    ast.Is: _contains,
}


# --- errors ---------------------------------------------------------------------------------------


def _with_contains(text: str) -> str:
    """Puts an operator of Python's in the place of every ``contains`` between two values."""

    def replace(found: re.Match[str]) -> str:
        if found["quoted"] is not None:
            if found["before"] not in _BEFORE_TEXT:
                raise _bad(text, found.start(), "a text begins with its quote", "write: 'text'")
            before = _IS if found["before"] == "contains" else found["before"]
            return str(before + found["quoted"])
        if found[0] == "is":
            raise _bad(text, found.start(), "`is` is no comparison", "use == or !=")
        return _IS if found[0] == "contains" else found[0]

    return _TOKEN.sub(replace, text)


def _syntax_hint(text: str) -> str:
    if re.search(r"[^=!<>]=[^=]", text):
        return "compare with == instead of ="
    if "&&" in text or "||" in text:
        return "join with `and`, `or`, `not`"
    return ""


def _why_not(node: ast.expr) -> tuple[str, str]:
    match node:
        case ast.Call():
            return "functions cannot be called", ""
        case ast.BinOp():
            return "values cannot be computed", "join comparisons with `and`, `or`"
        case ast.Constant():
            return "a value is a text, a number, true, false or null", ""
        case _:
            return f"{type(node).__name__.lower()} is not part of a field match", ""


def _bad(text: str, at: int, fact: str, hint: str) -> BadWhere:
    shown = text if len(text) <= 120 else text[:117] + "..."
    return BadWhere(
        f"where {shown!r}, column {at + 1}: {fact}",
        hint=hint,
        context={"where": shown, "column": at + 1},
    )
