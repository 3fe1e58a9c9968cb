"""The declaration of an agent as a YAML file: every key with its meaning and limits.

```yaml
name: researcher
version: 1.0.0
topics: [research]
model: default
instructions: templates/researcher.md
tools: [memory.search, "http.get:docs.example.org", files.read:./papers]
memory: {namespace: papers, top_k: 8}
output: {answer: str, sources: [str]}
budget: {usd: 0.20, seconds: 300}
approve: [http.get]
```
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pepperpy_agents.tools.running import CONCURRENCY
from pepperpy_bus.config.settings import Duration

Whole = Annotated[int, Field(ge=1, strict=True)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MemoryTable(_Table):
    """Memories that are looked for before the model is asked."""

    namespace: str = Field(default="", description="Where; the worker's own by default.")
    top_k: Annotated[int, Field(ge=1, le=100)] = Field(default=8, description="Most memories.")
    min_score: float | None = Field(default=None, description="Those below it are left out.")


class SessionsTable(_Table):
    """How conversations are kept."""

    tokens: Annotated[int, Field(ge=100)] = Field(
        default=4000, description="More than about as many are shortened."
    )
    keep: Annotated[int, Field(ge=0)] = Field(
        default=6, description="So many of the last messages are never shortened."
    )
    term: Literal["short", "medium", "long"] = Field(
        default="medium", description="How long they are kept."
    )
    namespace: str = Field(default="", description="Where; the worker's own by default.")


class HandoffTable(_Table):
    """Another agent that may be handed the question."""

    topic: str = Field(description="Its topic.")
    description: str = Field(default="", description="What it is for, for the model.")


class Budget(_Table):
    """Where a task is stopped; one answer without tools is then asked for."""

    turns: Whole = Field(default=12, description="Questions to the model.")
    tool_calls: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=32, description="Calls of tools."
    )
    tokens: Whole | None = Field(default=None, description="Tokens in and out.")
    usd: Above0 | None = Field(default=None, description="US dollars.")
    seconds: Above0 | None = Field(default=None, description="Seconds at work.")
    repeats: Whole = Field(default=3, description="The same call with the same arguments.")
    repairs: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=2, description="Answers that do not fit the output."
    )


class ModelOptions(_Table):
    """What every request to the model says besides; see the provider service."""

    fallbacks: list[str] | None = Field(default=None, description="Models to try then.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="From 0, always the likeliest answer."
    )
    max_tokens: Whole | None = Field(default=None, description="Most tokens of one answer.")
    reasoning: Literal["none", "low", "medium", "high"] | None = Field(
        default=None, description="How long to think, where the model can."
    )
    seed: int | None = Field(default=None, description="Makes answers repeatable.")
    cache: Literal["auto", "on", "off"] | None = Field(
        default=None, description="Whether stored answers do."
    )


class AgentTable(_Table):
    """The whole file."""

    name: str = Field(description="One token: letters, digits, _ and -.")
    version: str = Field(default="0.1.0", description="Semantic version.")
    topics: list[str] = Field(
        default=[], description="Topics whose tasks it takes; its name by default."
    )
    capabilities: list[str] = Field(default=[], description="For look-ups in the registry.")
    model: str = Field(default="default", description="An alias, or provider/model.")
    options: ModelOptions = ModelOptions()
    instructions: str = Field(
        min_length=1, description="The text, or a file beside this one: .md, .txt, .j2."
    )
    variables: dict[str, Any] = Field(default={}, description="Values of the template.")
    tools: list[str] = Field(
        default=[], description="Names of tools; with a scope, that is granted: files.read:./papers"
    )
    grants: list[str] = Field(default=[], description="Scopes that tools may need besides.")
    tool_concurrency: Whole = Field(default=CONCURRENCY, description="Calls of tools at once.")
    memory: MemoryTable | None = Field(default=None)
    sessions: SessionsTable | bool = Field(default=False)
    output: dict[str, Any] | None = Field(
        default=None,
        description="{answer: str, sources: [str]}, or a JSON Schema; text by default.",
    )
    budget: Budget = Budget()
    approve: list[str] = Field(default=[], description="Tools that people must agree to be called.")
    approve_within: Duration | None = Field(
        default=None, description="Then no answer is a no; for ever by default."
    )
    handoffs: list[HandoffTable] = Field(default=[])
    details: bool = Field(default=False, description="Give what it took beside the answer.")
    retries: Annotated[int, Field(ge=0, strict=True)] = 2
    timeout: Duration = Field(default=600.0, gt=0, description="Of one attempt.")
    concurrency: Whole | None = Field(default=None, description="Tasks at once in one process.")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """A namespace may be written as its name, and a handoff as its topic."""
        if not isinstance(value, dict):
            return value
        long = dict(value)
        if isinstance(long.get("memory"), str):
            long["memory"] = {"namespace": long["memory"]}
        if isinstance(long.get("handoffs"), list):
            long["handoffs"] = [
                {"topic": one} if isinstance(one, str) else one for one in long["handoffs"]
            ]
        return long

    @model_validator(mode="after")
    def _asks_for_agreement_in_time(self) -> Self:
        if self.approve_within is not None and not self.approve:
            raise ValueError("approve_within needs approve, the tools that it is about")
        return self
