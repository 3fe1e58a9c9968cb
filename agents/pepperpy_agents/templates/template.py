"""A prompt template: its declaration, and its renderings."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, overload

from pepperpy_agents.templates.bounds import Bounds
from pepperpy_agents.templates.declaration import Format, Text, take_apart
from pepperpy_agents.templates.variables import Variable, checked
from pepperpy_agents.templates.versions import DEFAULT, check_name, read_version, split
from pepperpy_bus.installing import install
from pepperpy_schemas.chat import ChatMessage
from pepperpy_schemas.codec import convert, decode
from pepperpy_schemas.errors import BadConfig, BadPayload, NotFound, PepperError

if TYPE_CHECKING:
    from pepperpy_agents.templates.compiled import Compiled, TextFormat

FORMATS: Final[tuple[Format, ...]] = ("text", "markdown", "json", "chat")
Find: TypeAlias = Callable[[str, str], "Template"]
"""Finds a template by name and version range."""


class Template:
    """A prompt with variables.

    Nothing is compiled before it is rendered, and each format once. Values are data: whatever
    stands in them is written out, and never read as a template.

    Args:
        source: The head and the text below, as a file has them; see `declaration`.
        name: Its name, where the head has none.
        version: Its version, where the head has none.
        fmt: Its format, where the head has none.
        origin: What errors call it; the name by default.
        find: Finds what it includes.
        bounds: What a rendering may take.

    Attributes:
        name: Its name.
        version: Its semantic version.
        description: What it is for.
        format: What `render` makes when it is not told.
        text: The text below the head.
        order: The version as a value that can be compared.

    Raises:
        BadConfig: Its head is wrong; the message begins with origin and line.

    Example:
        ```python
        lines = ("---", "variables: {name: str}", "---", "Greet {{ name }}.")
        Template(chr(10).join(lines)).render(name="Ana")  # "Greet Ana."
        ```
    """

    def __init__(
        self,
        source: str,
        *,
        name: str = "inline",
        version: str = "",
        fmt: Format = "text",
        origin: str = "",
        find: Find | None = None,
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    ) -> None:
        self.origin = origin or name
        if len(source) > bounds.source:
            size = f"{len(source)} characters, {bounds.source} at most"
            raise BadConfig(f"{self.origin} has {size}")
        head, self.text = take_apart(source, origin=self.origin)
        self.name = check_name(head.name or name, origin=self.origin)
        if version and head.version not in ("", version):
            raise BadConfig(
                f"{self.origin}: the file's name says version {version}, its head {head.version}",
                hint="leave one of them out",
            )
        self.version = version or head.version or DEFAULT
        self.description = head.description
        self._declared = head.declared()
        self.order = read_version(self.version, origin=self.origin)
        self._messages = head.messages
        self._content: TextFormat = _content_format(head.format, fmt)
        self.format: Format = "chat" if head.messages else head.format or fmt
        self._find = find or _nowhere
        self._bounds = bounds
        self._compiled: dict[tuple[int, str], Compiled] = {}
        self._all: dict[str, Variable] | None = None
        self._check_body()

    @overload
    def render(self, *, fmt: Literal["chat"], **variables: Any) -> list[ChatMessage]: ...
    @overload
    def render(self, *, fmt: Literal["text", "markdown", "json"], **variables: Any) -> str: ...
    @overload
    def render(self, *, fmt: None = None, **variables: Any) -> Any: ...
    def render(self, *, fmt: Format | None = None, **variables: Any) -> Any:
        """Returns the template with values in it.

        Args:
            fmt: ``text`` takes values as they are, ``markdown`` writes them so that none of their
                signs means anything, ``json`` writes them as JSON and checks the whole; ``chat``
                makes messages. By default what the head, or the file's ending, says.
            **variables: The values: what JSON can carry, Structs and pydantic models included.

        Returns:
            A text; for ``chat`` a list of messages.

        Raises:
            BadPayload: Variables are missing, not declared, or not of their type.
            BadConfig: The template is wrong, or takes more than it may; the message begins with
                file and line.
        """
        wanted = fmt or self.format
        if wanted not in FORMATS:
            raise BadConfig(f"there is no format {wanted!r:.40}", hint=f"use {', '.join(FORMATS)}")
        declared = self.variables
        values = checked(declared, variables, origin=self.origin, most=self._bounds.values)
        if wanted == "chat":
            return self._chat(values)
        if self._messages and not self.text.body.strip():
            raise BadConfig(f"{self.origin} has messages only", hint='render(fmt="chat", …)')
        return self._text(-1, wanted, values)

    @property
    def variables(self) -> Mapping[str, Variable]:
        """Its variables and those of all that it includes, by name.

        Raises:
            BadConfig: It includes what declares a variable of the same name otherwise.
        """
        if self._all is None:
            self._all = self._gathered(())
        return self._all

    def check(self) -> None:
        """Compiles everything, so that what is wrong is found before it is used.

        Raises:
            BadConfig: The message begins with file and line.
        """
        if self.text.body.strip():
            self._compile(-1, self._content)
        for place, one in enumerate(self._messages):
            if one.content is not None:
                self._compile(place, self._content)

    def __repr__(self) -> str:
        return f"Template({self.name!r}, version={self.version!r}, format={self.format!r})"

    # --- rendering ------------------------------------------------------------------------------

    def _chat(self, values: Mapping[str, Any]) -> list[ChatMessage]:
        if not self._messages:
            return [ChatMessage("system", self._text(-1, self._content, values))]
        made: list[ChatMessage] = []
        for place, one in enumerate(self._messages):
            if one.insert:
                made += convert(values[one.insert] or [], list[ChatMessage])
                continue
            assert one.role is not None, "the head was checked"
            text = self._text(-1 if one.content is None else place, self._content, values)
            made.append(ChatMessage(one.role, text))
        return made

    def _text(self, place: int, fmt: "TextFormat", values: Mapping[str, Any]) -> str:
        text = self._compile(place, fmt).render(values)
        if fmt == "json":
            try:
                decode(text.encode(), Any)
            except BadPayload as error:
                raise BadConfig(
                    f"{self.origin}: what it renders is no JSON: {error}",
                    hint='values bring their own quotation marks: {"name": {{ name }}}',
                ) from None
        return text

    def _compile(self, place: int, fmt: "TextFormat") -> "Compiled":
        found = self._compiled.get((place, fmt))
        if found is not None:
            return found
        text, declared = self._text_at(place), frozenset(self.variables)
        made = _compiler().Compiled(text, fmt, self._included, declared, self._bounds)
        return self._compiled.setdefault((place, fmt), made)

    # --- includes -------------------------------------------------------------------------------

    def _text_at(self, place: int) -> Text:
        """The text below the head for -1, otherwise the content of a message."""
        if place < 0:
            return self.text
        return Text(self._messages[place].content or "", f"{self.origin}: messages[{place}]")

    def _included(self, reference: str) -> Text:
        return self._find(*split(reference)).text

    def _gathered(self, way: tuple[str, ...]) -> dict[str, Variable]:
        """Its variables and those of its includes; a circle of these is told by the compiler."""
        gathered = dict(self._declared)
        if self.origin in way:
            return gathered
        for reference in self._references():
            try:
                included = self._find(*split(reference))
            except PepperError:
                continue  # the compiler says so, with the line
            for name, one in included._gathered((*way, self.origin)).items():
                mine = gathered.setdefault(name, one)
                if mine.shown_type != one.shown_type:
                    raise BadConfig(
                        f"{self.origin}: variable {name} is {mine.shown_type}, "
                        f"and {one.shown_type} in {included.origin}, which it includes",
                        hint="give one of them another name",
                    )
        return gathered

    def _references(self) -> list[str]:
        texts = [self._text_at(place) for place in range(-1, len(self._messages))]
        found = [_compiler().references(text) for text in texts if "include" in text.body]
        return [name for names in found for name in names]

    def _check_body(self) -> None:
        takers = [one for one in self._messages if one.role and one.content is None]
        if len(takers) > 1 or bool(takers) != bool(self._messages and self.text.body.strip()):
            raise BadConfig(
                f"{self.origin}: the text below the head is said by {len(takers)} messages",
                hint="write one message without content, which takes it, or leave it out",
            )


def _content_format(declared: Format | None, default: Format) -> "TextFormat":
    for one in (declared, default):
        if one is not None and one != "chat":
            return one
    return "text"


def _nowhere(name: str, version: str) -> Template:
    raise NotFound(
        f"template {name} {version}".rstrip() + " is included, and there is no folder to look in",
        hint="get the template from Templates(FOLDER), or by load_template(FILE)",
    )


def _compiler() -> Any:
    """The module that imports Jinja, which nobody needs who renders nothing."""
    try:
        from pepperpy_agents.templates import compiled
    except ImportError as error:
        raise BadConfig(
            f"templates need the package {error.name}", hint=install("templates")
        ) from error
    return compiled
