"""The file of notifications: who is told, of which alerts, and how often.

```yaml
receivers:
  oncall: {webhook: "https://hooks.example.org/alerts", secret_file: hook.secret}
  pager: {command: [/usr/local/bin/page, --quiet]}
routes:
  - match: {severity: critical}
    to: [pager]
    wait: 0s
    continue: true
  - to: [oncall]
    group_by: [alertname, topic]
```
"""

from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from pepperpy_bus.complaints import complaint, marked
from pepperpy_bus.files import read_secret
from pepperpy_monitor_svc.alerts.labels import NAME, Matching
from pepperpy_monitor_svc.alerts.values import Label, Seconds, Table, Where
from pepperpy_schemas.errors import BadConfig

_HINT: Final = "every key is described in docs/how-to/alerts.md"

ReceiverName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Receiver(Table):
    """Who is told: an address that is posted to, or a program that is started."""

    webhook: str = Field(default="", description="Address that is posted to.")
    webhook_file: Path | None = Field(
        default=None, description="File that holds the address, where that is a secret itself."
    )
    secret_file: Path | None = Field(
        default=None, description="File of the secret that requests are signed with."
    )
    bearer_file: Path | None = Field(
        default=None, description="File of a token that is sent as Authorization: Bearer."
    )
    command: tuple[Annotated[str, Field(max_length=4096)], ...] = Field(
        default=(), max_length=64, description="Program and arguments; no shell reads them."
    )
    timeout: Annotated[Seconds, Field(ge=1, le=300)] = Field(
        default=10, description="How long the answer, or the program, may take."
    )
    resolved: bool = Field(default=True, description="Whether it is told that an alert is over.")

    @field_validator("webhook")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return check_address(value) if value else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (bool(self.webhook), self.webhook_file is not None, bool(self.command))
        if sum(ways) != 1:
            raise ValueError("give webhook, webhook_file or command, one of them")
        if self.command and (self.secret_file or self.bearer_file):
            raise ValueError("secret_file and bearer_file belong to a webhook")
        return self


class Route(Table):
    """Which alerts go to whom. The first route that an alert fits is its own."""

    match: Where = Field(
        default=Matching(), description="Labels of its alerts: {severity: critical}."
    )
    to: tuple[ReceiverName, ...] = Field(min_length=1, description="Receivers.")
    group_by: tuple[Label, ...] = Field(
        default=(NAME,), description="Alerts with the same values of these are told together."
    )
    wait: Annotated[Seconds, Field(le=3600)] = Field(
        default=10, description="How long the first of a group waits for others."
    )
    interval: Annotated[Seconds, Field(le=86400)] = Field(
        default=60, description="Least time between two notifications of a group."
    )
    repeat: Annotated[Seconds, Field(ge=60)] = Field(
        default=14400, description="After this what still fires is told again."
    )
    go_on: bool = Field(
        default=False, alias="continue", description="Whether later routes are asked, too."
    )


class Notifying(Table):
    """The whole file."""

    receivers: dict[ReceiverName, Receiver] = Field(default={}, max_length=64)
    routes: tuple[Route, ...] = Field(default=(), max_length=256)

    @model_validator(mode="after")
    def _known_receivers(self) -> Self:
        for number, route in enumerate(self.routes):
            for name in route.to:
                if name not in self.receivers:
                    known = ", ".join(self.receivers) or "none"
                    raise ValueError(f"routes[{number}] names {name}; receivers are {known}")
        if self.receivers and not self.routes:
            raise ValueError("there are receivers and no routes: nobody would be told")
        return self


def read_notifying(path: Path | None) -> Notifying:
    """Returns who is told of alerts besides the bus and the log.

    Args:
        path: The file, YAML; None for nobody. Relative paths in it start at its folder.

    Raises:
        BadConfig: It cannot be read, something in it is wrong, or a secret is not where it says.
    """
    if path is None:
        return Notifying()
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadConfig(
            f"the notifications {path} cannot be read: {error.strerror}",
            hint="name another file with monitor.notify, or leave it out",
        ) from None
    found = marked(text, str(path), "a file of notifications", _HINT)
    try:
        notifying = Notifying.model_validate(found.data)
    except ValidationError as error:
        raise complaint(
            str(path), found, Notifying, error, _HINT, hidden=("webhook", "command")
        ) from None
    receivers = {name: _beside(path.parent, one) for name, one in notifying.receivers.items()}
    for one in receivers.values():
        # What is missing is said at the start, not with the first alert.
        address_of(one)
        secret_of(one.secret_file)
        secret_of(one.bearer_file)
    return notifying.model_copy(update={"receivers": receivers})


def address_of(receiver: Receiver) -> str:
    """Returns the address of a webhook, read anew from its file where it has one.

    Raises:
        BadConfig: The file cannot be read, or holds no address.
    """
    if receiver.webhook_file is None:
        return receiver.webhook
    try:
        return check_address(read_secret(receiver.webhook_file))
    except ValueError as error:
        raise BadConfig(f"{receiver.webhook_file}: {error}") from None


def secret_of(path: Path | None) -> str:
    """Returns a secret, read anew from its file; empty without one.

    Raises:
        BadConfig: The file cannot be read.
    """
    return read_secret(path) if path is not None else ""


def check_address(value: str) -> str:
    """Returns an address that can be posted to: the operator's own, so any host will do.

    Raises:
        ValueError: It is no address of HTTP, or has a login in it.
    """
    # A bracket that is not closed, or a port that is no number, is a ValueError of its own.
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("give an address such as https://hooks.example.org/alerts")
    if parts.username or parts.password:
        raise ValueError("a login in the address would be logged: use bearer_file")
    if any(sign.isspace() or not sign.isprintable() for sign in value):
        raise ValueError("the address has blanks or control characters")
    return value


def _beside(folder: Path, one: Receiver) -> Receiver:
    files = ("webhook_file", "secret_file", "bearer_file")
    given = {name: getattr(one, name) for name in files}
    return one.model_copy(update={k: folder / v for k, v in given.items() if v is not None})
