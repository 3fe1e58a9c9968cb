"""Where in a JSON text the values of a template stand: by themselves, or inside a text of it.

Found in the template, not in what comes out of it: a value can never change the place of the next.
"""

from collections.abc import Callable
from typing import Literal

from jinja2 import nodes

from pepperpy_schemas.errors import BadConfig

Place = Literal["outside", "inside", "escaping"]
"""``inside`` a text between quotation marks; ``escaping`` behind a backslash in one."""


def place_values(tree: nodes.Template, refuse: Callable[[int, str, str], BadConfig]) -> None:
    """Has every expression of a template written as its place in the JSON wants it.

    Args:
        tree: The template; it is changed.
        refuse: Makes an error of a line, a fact and a hint.

    Raises:
        BadConfig: A text begins or ends in one branch alone.
    """
    end = _Places(refuse).walk(tree.body, "outside")
    if end != "outside":
        raise refuse(1, "a JSON text is not closed", 'write the missing "')


class _Places:
    def __init__(self, refuse: Callable[[int, str, str], BadConfig]) -> None:
        self._refuse = refuse

    def walk(self, body: list[nodes.Node], place: Place) -> Place:
        for node in body:
            match node:
                case nodes.Output():
                    place = self._output(node, place)
                case nodes.If():
                    place = self._branches(node, place)
                case nodes.For():
                    self._same(node, place, self.walk(node.body, place))
                    self._same(node, place, self.walk(node.else_, place))
                case nodes.Include() if place != "outside":
                    raise self._refuse(
                        node.lineno,
                        "an include stands inside a JSON text",
                        "include whole JSON values, or give the text as a variable",
                    )
        return place

    def _branches(self, node: nodes.If, place: Place) -> Place:
        ends = [self.walk(node.body, place)]
        ends += [self.walk(one.body, place) for one in node.elif_]
        ends.append(self.walk(node.else_, place))
        for end in ends[1:]:
            self._same(node, ends[0], end)
        return ends[0]

    def _same(self, node: nodes.Node, one: Place, other: Place) -> None:
        if one != other:
            raise self._refuse(
                node.lineno,
                "a JSON text begins or ends in one branch alone",
                "put both quotation marks into the branch, or both outside",
            )

    def _output(self, node: nodes.Output, place: Place) -> Place:
        for n, child in enumerate(node.nodes):
            if isinstance(child, nodes.TemplateData):
                place = _after(child.data, place)
                continue
            if place == "escaping":
                raise self._refuse(
                    child.lineno, "a value stands behind a backslash", "take the backslash out"
                )
            name = "written_inside_json" if place == "inside" else "written_json"
            node.nodes[n] = nodes.Filter(child, name, [], [], None, None, lineno=child.lineno)
        return place


def _after(text: str, place: Place) -> Place:
    for letter in text:
        if place == "escaping":
            place = "inside"
        elif letter == '"':
            place = "outside" if place == "inside" else "inside"
        elif letter == "\\" and place == "inside":
            place = "escaping"
    return place
