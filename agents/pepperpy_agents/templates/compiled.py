"""A template's texts made runnable, with its includes; what goes wrong is told by file and line."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias

import jinja2
from jinja2 import meta, nodes

from pepperpy_agents.templates import filters, json_places, language
from pepperpy_agents.templates.bounds import Bounds, OverBounds, metered
from pepperpy_agents.templates.declaration import Text
from pepperpy_agents.templates.sandbox import Sandbox
from pepperpy_schemas.errors import BadConfig, PepperError

TextFormat: TypeAlias = Literal["text", "markdown", "json"]
Include: TypeAlias = Callable[[str], Text]
"""Finds the text that an include names."""


def references(text: Text) -> list[str]:
    """Returns what a text includes, as it is named there.

    Raises:
        BadConfig: It cannot be read.
    """
    with _foreign(text):
        tree = Sandbox().parse(text.body)
    named = (node.template for node in language.includes(tree))
    return [str(one.value) for one in named if isinstance(one, nodes.Const)]


class Compiled:
    """One text of a template for one format, with all that it includes.

    Args:
        text: The text.
        fmt: How values are written.
        include: Finds an included template by its reference.
        declared: Names of the variables.
        bounds: What reading and rendering may take.

    Raises:
        BadConfig: It cannot be read, says what it may not, or uses what it does not declare.
    """

    def __init__(
        self,
        text: Text,
        fmt: TextFormat,
        include: Include,
        declared: frozenset[str],
        bounds: Bounds,
    ) -> None:
        self._fmt = fmt
        self._include = include
        self._declared = declared
        self._bounds = bounds
        self._environment = Sandbox()
        self._texts: dict[str, Text] = {}
        self._made: dict[str, jinja2.Template] = {}
        self._environment.loader = _Loader(self._made)
        self._root = self._make(text, (text.origin,))

    def render(self, values: Mapping[str, Any]) -> str:
        """Returns the text with the values in it, without empty lines around it.

        Raises:
            BadConfig: An expression cannot be worked out, or takes more than it may.
        """
        written: list[str] = []
        with metered(self._bounds) as meter, self._told():
            context = self._root.new_context(dict(values))
            for piece in self._root.root_render_func(context):
                meter.write(len(piece))
                written.append(piece)
        return "".join(written).strip("\n")

    # --- compiling ------------------------------------------------------------------------------

    def _make(self, text: Text, way: tuple[str, ...]) -> jinja2.Template:
        if text.origin in self._made:
            return self._made[text.origin]

        def refuse(line: int, fact: str, hint: str) -> BadConfig:
            return _refused(text, line, fact, hint)

        environment = self._environment
        with _foreign(text):
            tree = environment.parse(text.body)
            language.check(tree, filters.FILTERS, filters.TESTS, refuse)
            self._refuse_undeclared(tree, refuse)
            for node in language.includes(tree):
                self._follow(node, way, refuse)
            language.put_counting_in(tree)
            if self._fmt == "json":
                json_places.place_values(tree, refuse)
            else:
                language.write_values(tree, f"written_{self._fmt}")
            code = environment.compile(tree, name=text.origin, filename=text.origin)
        made = jinja2.Template.from_code(environment, code, environment.globals)
        self._texts[text.origin] = text
        self._made[text.origin] = made
        return made

    def _refuse_undeclared(self, tree: nodes.Template, refuse: language.Refuse) -> None:
        used = meta.find_undeclared_variables(tree) - set(self._environment.globals)
        for name in sorted(used - self._declared):
            found = (one for one in tree.find_all(nodes.Name) if one.name == name)
            line = next((one.lineno for one in found), 1)
            raise refuse(line, f"{name} is not declared", f"declare it in the head: {name}: str")

    def _follow(self, node: nodes.Include, way: tuple[str, ...], refuse: language.Refuse) -> None:
        assert isinstance(node.template, nodes.Const), "the language was checked"
        reference = str(node.template.value)
        try:
            included = self._include(reference)
        except PepperError as error:
            raise refuse(node.lineno, str(error), error.hint) from None
        if included.origin in way:
            circle = " -> ".join([*way, included.origin])
            raise refuse(node.lineno, f"the includes go in a circle: {circle}", "take one out")
        if len(way) > self._bounds.includes:
            fact = f"includes lie more than {self._bounds.includes} deep in each other"
            raise refuse(node.lineno, fact, "include fewer at a time")
        self._make(included, (*way, included.origin))
        node.template = nodes.Const(included.origin, lineno=node.lineno)

    # --- errors ---------------------------------------------------------------------------------

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tells what goes wrong while rendering by the template's own file and line."""
        try:
            yield
        except BadConfig as error:
            place = self._place(error.__traceback__)
            raise BadConfig(f"{place}: {error}", hint=error.hint) from None
        except OverBounds as error:
            hint = "give it shorter values, or make it do less"
            raise BadConfig(f"{self._place(error.__traceback__)}: {error}", hint=hint) from None
        except jinja2.UndefinedError as error:
            hint = "check with `is defined`, or write |default(…)"
            raise BadConfig(
                f"{self._place(error.__traceback__)}: {error.message}", hint=hint
            ) from None
        except Exception as error:
            raise BadConfig(f"{self._place(error.__traceback__)}: {error}", hint=_VALUE) from None

    def _place(self, trace: TracebackType | None) -> str:
        origin, line = self._root.name or "", 0
        while trace is not None:
            made = trace.tb_frame.f_globals.get("__jinja_template__")
            if made is not None and made.name in self._texts:
                text = self._texts[made.name]
                origin = text.origin
                line = made.get_corresponding_lineno(trace.tb_lineno) + text.offset
            trace = trace.tb_next
        return f"{origin}:{line}" if line else origin


@contextmanager
def _foreign(text: Text) -> Iterator[None]:
    """Tells what Jinja, and Python below it, have against a text."""
    try:
        yield
    except (jinja2.TemplateError, SyntaxError, RecursionError, MemoryError) as error:
        # Python's own errors mean that things lie too deeply in each other.
        line, fact = 1, f"it nests too deeply ({type(error).__name__})"
        if isinstance(error, jinja2.TemplateSyntaxError):
            line, fact = error.lineno, str(error.message)
        raise _refused(text, line, fact, _SYNTAX) from None


def _refused(text: Text, line: int | None, fact: str, hint: str) -> BadConfig:
    # Some of Jinja's nodes know no line.
    return BadConfig(f"{text.origin}:{(line or 1) + text.offset}: {fact}", hint=hint)


class _Loader(jinja2.BaseLoader):
    """Gives the includes that were found when the template was compiled."""

    def __init__(self, made: Mapping[str, jinja2.Template]) -> None:
        self._made = made

    def load(
        self,
        environment: jinja2.Environment,  # noqa: ARG002 - the library's
        name: str,
        globals: Any = None,  # noqa: A002, ARG002 - the library's
    ) -> jinja2.Template:
        return self._made[name]


_SYNTAX: Final = "the language of templates is told in docs/how-to/templates.md"
_VALUE: Final = "look at what the expression is given"
