"""Files of scripted answers: a list of rules, of which the first that fits answers.

```yaml
- match: /book (a|the) flight/      # between slashes: a regular expression
  tool_calls: [{name: book, arguments: {flight: LH400}}]
- match: weather                    # otherwise a part of the user's last text, in any case
  chunks: [{text: "It ", after: 0.2}, {text: rains.}]     # seconds before each piece
- error: {code: rate_limited, message: slow down, retry_after: 2}
  times: 1                          # then the rule is used up
- text: Hello.                      # without match: everything
  reasoning: They greet me.
  finish: stop                      # the default; tool_calls where there are some
  usage: {input_tokens: 5, output_tokens: 2}              # the default: words
```
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import yaml

from pepperpy_schemas.chat import ChatRequest, Finish, Usage
from pepperpy_schemas.errors import BadConfig, ErrorInfo, PepperError, error_from_info, error_types

_MAX_BYTES: Final = 64 * 1024 * 1024


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ScriptedCall(_Table, frozen=True, kw_only=True):
    """A call of a tool; arguments that are a text are sent as they are, broken or not."""

    name: str
    arguments: dict[str, Any] | str = {}
    id: str = ""


class ScriptedPiece(_Table, frozen=True, kw_only=True):
    """A piece of a streamed answer, and the seconds before it."""

    text: str
    after: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class ScriptedError(_Table, frozen=True, kw_only=True):
    """An error that is raised instead of an answer, or after its pieces."""

    code: str
    message: str = "scripted"
    retry_after: float | None = None
    status: int | None = None

    def raised(self) -> PepperError:
        """Returns the error itself."""
        given = {"retry_after": self.retry_after, "status": self.status}
        context = {name: value for name, value in given.items() if value is not None}
        cls = next(cls for cls in error_types() if cls.code == self.code)
        info = ErrorInfo(
            code=self.code,
            category=cls.category,
            message=self.message,
            retryable=cls.retryable,
            hint=cls.hint,
            context=context,
        )
        return error_from_info(info)


class Rule(_Table, frozen=True, kw_only=True):
    """What is answered to what."""

    match: str = ""
    text: str = ""
    reasoning: str = ""
    chunks: list[ScriptedPiece] = []
    tool_calls: list[ScriptedCall] = []
    error: ScriptedError | None = None
    finish: Finish | None = None
    usage: Usage | None = None
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def fits(self, request: ChatRequest) -> bool:
        """Tells whether it answers a request."""
        said = [message.text for message in request.messages if message.role == "user"]
        last = said[-1] if said else ""
        if len(self.match) > 1 and self.match.startswith("/") and self.match.endswith("/"):
            return re.search(self.match[1:-1], last) is not None
        return self.match.lower() in last.lower()


def read_file(path: Path) -> Any:
    """Returns what a YAML or JSON file holds.

    Raises:
        BadConfig: It cannot be read.
    """
    try:
        content = path.read_bytes()
        if len(content) > _MAX_BYTES:
            raise BadConfig(f"{path} has {len(content)} bytes, {_MAX_BYTES} at most")
        if path.suffix == ".json":
            return msgspec.json.decode(content)
        return yaml.safe_load(content)
    except (OSError, yaml.YAMLError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path} cannot be read: {error}") from error


def read_rules(path: Path) -> list[Rule]:
    """Returns the rules of a file, checked.

    Raises:
        BadConfig: It is no list of rules.
    """
    try:
        rules = msgspec.convert(read_file(path), list[Rule])
        for rule in rules:
            _check(rule)
    except (msgspec.ValidationError, re.error, ValueError) as error:
        raise BadConfig(f"{path}: {error}", hint="give a list of rules") from None
    return rules


def _check(rule: Rule) -> None:
    rule.fits(ChatRequest(messages=[]))
    codes = {cls.code for cls in error_types()}
    if rule.error is not None and rule.error.code not in codes:
        raise ValueError(f"error.code {rule.error.code!r} is none of {', '.join(sorted(codes))}")
