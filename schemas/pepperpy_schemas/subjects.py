"""A subject with its message and codec, as one value that both ends import."""

import re
import string
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pepperpy_schemas import codec
from pepperpy_schemas.errors import BadName
from pepperpy_schemas.tokens import TOKEN, check_token

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Subject(Generic[T]):
    """What travels where: a subject's template, the type of its body, and its stream.

    Attributes:
        name: The name of the message in the exported documents.
        template: The subject with its tokens in braces; ``{p}`` is the deployment's prefix.
        type: The type of the body.
        doc: One sentence that says what it is for.
        stream: Suffix of the stream that keeps it (``TASKS`` of ``PP_TASKS``), or empty.
        examples: Bodies as they look on the wire, for the documents.
        tokens: The names of its tokens, in order.
        prefixed: Whether it begins with the deployment's prefix; the server's own do not.
    """

    name: str
    template: str
    type: type[T]
    doc: str
    stream: str = ""
    examples: tuple[str, ...] = ()
    tokens: tuple[str, ...] = field(init=False)
    prefixed: bool = field(init=False)
    _root: tuple[str, str] = field(init=False, repr=False)
    _tail: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = tuple(n for _, n, _, _ in string.Formatter().parse(self.template) if n)
        tokens = tuple(n for n in names if n != "p")
        tail = ".".join("{" + name + "}" for name in tokens)
        assert self.template.endswith(tail), "the tokens of a template are its end"
        before, _, after = self.template.removesuffix(tail).rpartition("{p}")
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "prefixed", "{p}" in self.template)
        object.__setattr__(self, "_root", (before, after))
        object.__setattr__(self, "_tail", re.compile(r"\.".join([TOKEN.pattern] * len(tokens))))

    def of(self, prefix: str, **tokens: str) -> str:
        """Returns the subject for these tokens.

        Raises:
            BadName: A token has characters that cannot travel.
        """
        tail = ".".join(map(tokens.__getitem__, self.tokens))
        if self._tail.fullmatch(tail) is None:
            for what, value in tokens.items():
                check_token(value, what=what)
        before, after = self._root
        # A root without a prefix, the server's own, stands wholly behind it.
        return f"{before}{prefix}{after}{tail}" if self.prefixed else f"{after}{tail}"

    def pattern(self, prefix: str, **tokens: str) -> str:
        """Returns the subject with ``*`` for every token that is not given."""
        for what, value in tokens.items():
            if value != "*":
                check_token(value, what=what)
        return self.template.format(p=prefix, **{t: tokens.get(t, "*") for t in self.tokens})

    def parse(self, prefix: str, subject: str) -> dict[str, str]:
        """Returns the tokens of a subject made by `of`.

        Raises:
            BadName: The subject is not one of these.
        """
        pattern = re.escape(self.template.replace("{p}", prefix))
        for name in self.tokens:
            pattern = pattern.replace(re.escape("{" + name + "}"), f"(?P<{name}>[^.]+)")
        found = re.fullmatch(pattern, subject)
        if found is None:
            raise BadName(f"{subject!r:.100} is not a subject of {self.name} ({self.template})")
        return found.groupdict()

    def encode(self, message: T) -> bytes:
        """Returns the body of a message."""
        return codec.encode(message)

    def decode(self, body: bytes) -> T:
        """Returns the message of a body.

        Raises:
            BadPayload: The body is not of this type; ``context.path`` names the field.
        """
        return codec.decode(body, self.type)


def stream_name(prefix: str, suffix: str) -> str:
    """Returns the name of a stream: ``PP_TASKS`` for prefix ``pp`` and suffix ``TASKS``."""
    return f"{prefix.upper()}_{suffix}"


def bucket_name(prefix: str, suffix: str) -> str:
    """Returns the name of a key-value or object bucket: ``pp_registry``."""
    return f"{prefix}_{suffix}"
