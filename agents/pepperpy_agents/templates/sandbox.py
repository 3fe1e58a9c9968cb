"""Jinja's sandbox, closed further: values are plain data, and data is all that can be reached.

`language` says what may be written, `filters` what may be done with values, `bounds` how much of
it. Here attributes are looked up: those of mappings and of loops, never those of Python's objects.
"""

from typing import Any, Final

from jinja2 import StrictUndefined, Undefined
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pepperpy_agents.templates import filters, writing
from pepperpy_agents.templates.bounds import OverBounds

_LOOP: Final = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length"}
    | {"previtem", "nextitem", "cycle"}
)
_KINDS: Final = {"dict": "the mapping", "str": "the text", "list": "the list"}
_LARGEST: Final = 10**15
"""No number of a template is further from zero: numbers of a million digits stop a process."""


class Sandbox(ImmutableSandboxedEnvironment):
    """What templates are compiled and rendered in."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,
            # Nothing is worked out before the counting begins.
            optimized=False,
            cache_size=0,
        )
        self.globals = {"range": filters.rounds}
        self.filters = {
            **filters.FILTERS,
            "bounded": filters.bounded,
            "concatenated": filters.concatenated,
            "counted": filters.counted,
            "written_text": writing.plain,
            "written_markdown": writing.markdown,
            "written_json": writing.as_json,
            "written_inside_json": writing.inside_json,
        }
        self.tests = dict(filters.TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Returns a value of a mapping, or what a loop knows of itself."""
        if isinstance(obj, LoopContext):
            return getattr(obj, attribute) if attribute in _LOOP else self._nothing(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Returns a value of a mapping, or an element of a list or text."""
        if isinstance(obj, Undefined):
            return obj
        fits = isinstance(argument, str) if isinstance(obj, dict) else _is_place(argument)
        if not (fits and isinstance(obj, dict | list | tuple | str)):
            return self._nothing(obj, argument)
        try:
            return obj[argument]
        except (LookupError, ValueError):
            return self._nothing(obj, argument)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Calculates, with numbers only."""
        for one in (left, right):
            if isinstance(one, Undefined):
                str(one)  # raises what it has to say
            if not isinstance(one, int | float) or abs(one) > _LARGEST:
                most = f"numbers up to {_LARGEST:.0e}"
                raise OverBounds(f"{operator} calculates with {most}; texts are joined by ~")
        return super().call_binop(context, operator, left, right)

    def _nothing(self, obj: Any, name: Any) -> Undefined:
        known = f"; there is {', '.join(map(str, list(obj)[:8]))}" if isinstance(obj, dict) else ""
        kind = _KINDS.get(type(obj).__name__, "the value")
        return self.undefined(hint=f"{kind} has no {str(name)[:60]!r}{known}")


def _is_place(argument: Any) -> bool:
    return isinstance(argument, int | slice) and not isinstance(argument, bool)
