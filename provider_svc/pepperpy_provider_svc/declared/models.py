"""The declaration file of the provider service: every key with its meaning and limits.

```toml
[providers.openai]
kind = "openai"
keys = [{name = "main", env = "OPENAI_API_KEY", requests_per_minute = 500}]

[models.default]
targets = ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"]

[tenants.support]
principals = ["worker"]
usd_per_month = 50
```
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pepperpy_bus.config.settings import Duration, Size

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
TargetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}/\S{1,128}$")]
Limit = Annotated[int, Field(ge=1)]
Cosine = Annotated[float, Field(gt=0, le=1)]
Usd = Annotated[float, Field(gt=0)]

Kind = Literal["openai", "openai-responses", "anthropic", "local", "scripted"]
Routing = Literal["order", "weight", "latency", "cost", "least_busy"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Key(_Table):
    """A key of a provider; it is read again whenever its file or the declaration changes."""

    name: Name = "main"
    env: str = Field(
        default="", description="Variable that holds the key; with _FILE, a file's name."
    )
    file: Path | None = Field(
        default=None, description="File that holds the key, and nothing else."
    )
    requests_per_minute: Limit | None = Field(default=None, description="Of the whole fleet.")
    tokens_per_minute: Limit | None = Field(
        default=None, description="Of the whole fleet, in and out."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.env) == (self.file is not None):
            raise ValueError("give env or file, one of them")
        return self


class Provider(_Table):
    """Where models are asked."""

    kind: Kind = Field(description="The protocol that it speaks.")
    base_url: str = Field(
        default="", description="Address of an endpoint that speaks the same protocol."
    )
    keys: tuple[Key, ...] = Field(
        default=(), description="Keys, in the order in which they are used."
    )
    script: Path | None = Field(default=None, description="The answers of a `scripted` provider.")
    record: TargetName | None = Field(
        default=None,
        description="A `scripted` provider asks this target and records what it answers.",
    )
    model: Path | None = Field(default=None, description="GGUF file of a `local` provider.")

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        # A bracket that is not closed, or a port that is no number, is a ValueError of its own.
        parts = urlsplit(value)
        if value and not (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0):
            raise ValueError("give an address such as https://llm.example.org/v1")
        return value

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "scripted" and self.script is None:
            raise ValueError("a scripted provider needs script, the file of its answers")
        if self.kind != "scripted" and (self.script or self.record):
            raise ValueError("script and record belong to kind scripted")
        if self.kind != "local" and self.model is not None:
            raise ValueError("model belongs to kind local")
        names = [key.name for key in self.keys]
        if len(set(names)) < len(names):
            raise ValueError("two keys have the same name")
        return self


class Target(_Table):
    """A model of a provider."""

    model: TargetName = Field(description="`provider/model`.")
    weight: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Its share with `weight`."
    )
    context_window: Limit | None = Field(
        default=None, description="Most tokens of a request and its answer; known for many models."
    )


class Timeouts(_Table):
    """How long a provider may take; the caller's own deadline is never exceeded."""

    first_byte: Duration = Field(
        default=10.0, description="Until it begins to answer a streamed request."
    )
    first_token: Duration = Field(
        default=15.0, description="Until the first piece of a streamed answer."
    )
    idle: Duration = Field(default=20.0, description="Between two pieces.")
    total: Duration = Field(default=300.0, description="For a whole answer.")


class Model(_Table):
    """An alias that callers may ask for."""

    targets: tuple[Target, ...] = Field(min_length=1)
    routing: Routing = Field(default="order", description="How the first target to try is chosen.")
    timeouts: Timeouts = Timeouts()
    cache_ttl: Duration = Field(default=0.0, description="How long answers are kept; 0 keeps none.")
    semantic: bool = Field(
        default=False, description="Whether kept answers do for similar questions, too."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_targets(cls, value: Any) -> Any:
        """A target may be written as its name alone."""
        if isinstance(value, dict) and isinstance(value.get("targets"), list | tuple):
            targets = [{"model": t} if isinstance(t, str) else t for t in value["targets"]]
            return {**value, "targets": targets}
        return value

    @model_validator(mode="after")
    def _keeps_what_is_similar(self) -> Self:
        if self.semantic and not self.cache_ttl:
            raise ValueError("semantic needs cache_ttl: nothing is kept")
        return self


class Tenant(_Table):
    """Somebody who may ask, and how much."""

    principals: tuple[Name, ...] = Field(
        default=(), description="Users of the broker that belong to it."
    )
    delegates: tuple[Name, ...] = Field(
        default=(), description="Users that may name it in a request."
    )
    models: tuple[str, ...] = Field(default=("*",), description="Aliases and targets; * for any.")
    semantic: bool = Field(
        default=True, description="Whether it gets, and gives itself, answers to similar questions."
    )
    usd_per_day: Usd | None = None
    usd_per_month: Usd | None = None
    tokens_per_day: Limit | None = None
    tokens_per_month: Limit | None = None


class Price(_Table):
    """A price of one's own, in US dollars for a million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached: Annotated[float, Field(ge=0)] | None = None


class Threshold(_Table):
    """From which cosine on two questions count as the same; a number stands for both."""

    same: Cosine = Field(description="Of two questions in one language.")
    other: Cosine = Field(description="Of two questions in two languages.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"same": value, "other": value} if isinstance(value, int | float) else value


class Semantic(_Table):
    """How answers to similar questions are found, by the memory service."""

    namespace: Name = Field(
        default="answers", description="Its namespace that belongs to the provider service alone."
    )
    timeout: Duration = Field(
        default=0.5, gt=0, description="How long a request waits for it; then it is asked."
    )
    thresholds: dict[str, Threshold] = Field(
        default={}, description="By the embedder, as the memory's settings name it."
    )


class Guards(_Table):
    """What is refused, and what is hidden."""

    max_request: Size = Field(default=4 * 1024 * 1024, description="Largest request.")
    max_images: Size = Field(
        default=20 * 1024 * 1024, description="Stored pictures of a request, as they are sent."
    )
    max_answer: Size = Field(default=4 * 1024 * 1024, description="Largest answer.")
    redact: tuple[str, ...] = Field(
        default=(), description="Regular expressions of what logs and events hide, besides keys."
    )
    log_content: bool = Field(
        default=False, description="Whether events show requests and answers."
    )


class Declaration(_Table):
    """The whole file."""

    providers: dict[Name, Provider]
    models: dict[Name, Model] = {}
    tenants: dict[Name, Tenant] = {}
    prices: dict[TargetName, Price] = {}
    guards: Guards = Guards()
    semantic: Semantic = Semantic()

    @model_validator(mode="after")
    def _known_providers(self) -> Self:
        for alias, model in self.models.items():
            for target in model.targets:
                self._check(f"models.{alias}", target.model)
        for name, provider in self.providers.items():
            if provider.record:
                where = f"providers.{name}.record"
                self._check(where, provider.record)
                if self.providers[provider.record.partition("/")[0]].record:
                    raise ValueError(f"{where}: {provider.record} records another one itself")
        return self

    def _check(self, where: str, target: str) -> None:
        provider = target.partition("/")[0]
        if provider not in self.providers:
            known = ", ".join(self.providers) or "none"
            raise ValueError(f"{where}: {target} has no provider {provider!r}; known: {known}")
