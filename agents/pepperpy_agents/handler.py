"""A handler: a function with its types, and where it runs."""

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_schemas.codec import decode, field_path
from pepperpy_schemas.errors import BadConfig, BadPayload

Where = Literal["loop", "thread", "process"]
"""``loop``: an ``async def``. ``thread``: a plain ``def`` that may block. ``process``: a plain
``def`` that computes; it is called by name in another process and gets no context."""


class Handler(msgspec.Struct, frozen=True):
    """A function that handles bodies of a type.

    Attributes:
        call: The function.
        name: Its name, for logs.
        input: The type of its first parameter; Any when it names none.
        output: The type it returns; Any when it names none.
        takes_context: Whether it has a second parameter.
        where: Where it runs.
        doc: The first paragraph of its docstring.
        input_is_model: Whether the input type is pydantic's.
        output_is_model: Whether the output type is.
    """

    call: Callable[..., Any]
    name: str
    input: Any
    output: Any
    takes_context: bool
    where: Where
    doc: str
    input_is_model: bool
    output_is_model: bool

    def decode(self, body: bytes) -> Any:
        """Returns the body as the input type.

        Raises:
            BadPayload: It does not fit; ``context.path`` names the field.
        """
        if self.input_is_model:
            return _decode_pydantic(body, self.input)
        return decode(body or b"null", self.input)

    def encode(self, value: Any) -> bytes:
        """Returns the JSON of what the function returned."""
        if self.output_is_model and value is not None and not _is_pydantic(type(value)):
            return bytes(
                _adapter(self.output).dump_json(value, by_alias=True)
            )  # a list of models, say
        if isinstance(value, bytes):
            decode(value, Any)  # a result that is no JSON could be read by nobody
        return to_json(value)


def read_handler(function: Callable[..., Any], *, where: Where | None = None) -> Handler:
    """Returns the handler that a function is.

    Raises:
        BadConfig: The function cannot be a handler; the message says why.
    """
    name = getattr(function, "__qualname__", repr(function))
    parameters = _positional(function, name)
    hints = _hints(function, name)
    asynchronous = inspect.iscoroutinefunction(function)
    place: Where = where or ("loop" if asynchronous else "thread")
    takes_context = len(parameters) == 2
    if asynchronous and place != "loop":
        raise BadConfig(
            f"handler {name} is async and cannot run in a {place}",
            hint=f"write `def {name}`, or leave out where={place!r}",
        )
    if place == "loop" and not asynchronous:
        raise BadConfig(
            f"handler {name} is a plain def and would block the event loop",
            hint=f"write `async def {name}`, or leave out where='loop' to run it in a thread",
        )
    if place == "process":
        if takes_context:
            raise BadConfig(
                f"handler {name} runs in another process, where there is no context",
                hint="take the data alone",
            )
        if "<locals>" in name:
            raise BadConfig(
                f"handler {name} is defined inside a function; another process cannot find it",
                hint="define it at the top of its module",
            )
    given, returned = hints.get(parameters[0], Any), hints.get("return", Any)
    return Handler(
        call=function,
        name=name,
        input=given,
        output=returned,
        takes_context=takes_context,
        where=place,
        doc=inspect.cleandoc(function.__doc__ or "").partition("\n\n")[0],
        input_is_model=_is_pydantic(given),
        output_is_model=_is_pydantic(returned),
    )


def _positional(function: Callable[..., Any], name: str) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    if len(taken) not in (1, 2):
        raise BadConfig(
            f"handler {name} takes {len(taken)} parameters",
            hint=f"write `def {name}(data)` or `def {name}(data, ctx)`",
        )
    return taken


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError as error:
        raise BadConfig(
            f"handler {name} has an annotation that cannot be read: {error}",
            hint="import the type at the top of the module, not under TYPE_CHECKING",
        ) from error


def _is_pydantic(kind: Any) -> bool:
    return any(hasattr(one, "__pydantic_validator__") for one in (kind, *typing.get_args(kind)))


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _decode_pydantic(body: bytes, kind: Any) -> Any:
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_json(body or b"null")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = field_path(first["loc"])
        fact = " is missing" if first["type"] == "missing" else f": {first['msg']}"
        raise BadPayload(f"{path}{fact}", context={"path": path}) from None


def decode_as(body: bytes, kind: Any) -> Any:
    """Returns JSON as a value of a type: a Struct, dataclass, pydantic model or plain type.

    Raises:
        BadPayload: It does not fit; ``context.path`` names the field.
    """
    return _decode_pydantic(body, kind) if _is_pydantic(kind) else decode(body, kind)


def call_plainly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a plain function returns, outside the event loop."""
    try:
        return function(*arguments)
    except StopIteration as error:
        # A future cannot carry it, and would never be done.
        raise RuntimeError("the handler raised StopIteration") from error
