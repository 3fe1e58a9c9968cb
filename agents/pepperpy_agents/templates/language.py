"""The part of Jinja's language that templates have, and the counting that is put into it.

What is allowed is listed; whatever Jinja adds one day is refused until somebody adds it here.
"""

from collections.abc import Callable
from typing import Any, Final

from jinja2 import nodes

from pepperpy_schemas.errors import BadConfig

Refuse = Callable[[int, str, str], BadConfig]
"""Makes an error of a line, a fact and a hint."""

_ALLOWED: Final = frozenset(
    {
        *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const),
        *(nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Slice),
        *(nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem, nodes.Call),
        *(nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or, nodes.CondExpr),
        *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
        *(nodes.Neg, nodes.Pos, nodes.Concat),
        *(nodes.If, nodes.For, nodes.Assign, nodes.Include),
    }
)
_HIDDEN: Final = frozenset({"self", "super", "caller", "varargs", "kwargs"})
_WORDS: Final = {
    "AssignBlock": "set … endset",
    "CallBlock": "call",
    "FromImport": "from … import",
    "Pow": "**",
}
_HINT: Final = "there is {{ value|filter }}, if, for, set, include and raw"


def check(tree: nodes.Template, filters: Any, tests: Any, refuse: Refuse) -> None:
    """Refuses what templates may not say.

    Args:
        tree: The template as Jinja has read it.
        filters: The filters that there are, by name.
        tests: The tests that there are.
        refuse: Makes the error.

    Raises:
        BadConfig: Something is not in the language; the line is that of the thing.
    """
    for node in tree.find_all(nodes.Node):
        if type(node) not in _ALLOWED:
            raise refuse(node.lineno, f"{_word(node)} is not in the language of templates", _HINT)
        match node:
            case nodes.Filter() if node.name not in filters:
                raise refuse(node.lineno, f"there is no filter {node.name}", _listed(filters))
            case nodes.Test() if node.name not in tests:
                raise refuse(node.lineno, f"there is no test {node.name}", _listed(tests))
            case nodes.Name() if node.name in _HIDDEN:
                raise refuse(node.lineno, f"{node.name} is not in the language of templates", _HINT)
            case nodes.Call() if not _may_be_called(node.node):
                hint = "values are changed by filters: {{ name|upper }}"
                raise refuse(node.lineno, "only range(…) and loop.cycle(…) are called", hint)
            case nodes.For() if node.recursive:
                raise refuse(node.lineno, "a recursive loop is not in the language", _HINT)
            case nodes.Include() if not isinstance(node.template, nodes.Const):
                hint = 'write the name itself: {% include "house-style" %}'
                raise refuse(node.lineno, "an include is named by a variable", hint)
            case nodes.Include() if node.ignore_missing or not node.with_context:
                raise refuse(node.lineno, "an include takes no options", "leave them out")
        if getattr(node, "dyn_args", None) or getattr(node, "dyn_kwargs", None):
            raise refuse(node.lineno, "* and ** are not in the language of templates", _HINT)


def includes(tree: nodes.Template) -> list[nodes.Include]:
    """Returns the includes of a template that was checked."""
    return list(tree.find_all(nodes.Include))


def put_counting_in(tree: nodes.Template) -> None:
    """Has loops counted, and everything that can grow measured, when the template is rendered."""
    for loop in tree.find_all(nodes.For):
        loop.iter = _filtered(loop.iter, "counted")
    for assigned in tree.find_all(nodes.Assign):
        assigned.node = _filtered(assigned.node, "bounded")
    _replace_growing(tree)


def write_values(tree: nodes.Template, name: str) -> None:
    """Has every expression that is written go through a filter first."""
    for output in tree.find_all(nodes.Output):
        output.nodes = [
            one if isinstance(one, nodes.TemplateData) else _filtered(one, name)
            for one in output.nodes
        ]


def _replace_growing(node: nodes.Node) -> None:
    for field, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            setattr(node, field, _measured(value))
        elif isinstance(value, list):
            value[:] = [_measured(one) if isinstance(one, nodes.Node) else one for one in value]


def _measured(node: nodes.Node) -> nodes.Node:
    _replace_growing(node)
    match node:
        case nodes.Concat():
            joined = nodes.List(node.nodes, lineno=node.lineno)
            return _filtered(joined, "concatenated")
        case nodes.List() | nodes.Dict():
            return _filtered(node, "bounded")
        case nodes.Tuple() if node.ctx == "load":
            return _filtered(node, "bounded")
    return node


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _may_be_called(target: nodes.Node) -> bool:
    if isinstance(target, nodes.Name):
        return target.name == "range"
    return (
        isinstance(target, nodes.Getattr)
        and target.attr == "cycle"
        and isinstance(target.node, nodes.Name)
        and target.node.name == "loop"
    )


def _word(node: nodes.Node) -> str:
    name = type(node).__name__
    return _WORDS.get(name, name.removesuffix("Block").lower())


def _listed(names: Any) -> str:
    return f"there is {', '.join(sorted(one for one in names if one.isidentifier()))}"
