"""The declaration file of the memory service: every key with its meaning and limits.

```toml
reindexers = ["operator"]

[namespaces.support]
principals = ["worker"]
vouchers = ["operator"]
main = "de"

[namespaces.support.terms]
short = "30m"

[namespaces.common]
principals = ["*"]
```
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pepperpy_bus.config.settings import Duration, Size
from pepperpy_schemas.language import Lang
from pepperpy_schemas.memory import Term

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Anybody = Literal["*"]

EVERYBODY: Anybody = "*"
"""The principal that stands for all of them."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Terms(_Table):
    """How long entries last that do not say it themselves; 0 for ever."""

    short: Duration = Field(default=3_600.0, ge=0, description="Of the term `short`.")
    medium: Duration = Field(default=2_592_000.0, ge=0, description="Of the term `medium`.")
    long: Duration = Field(default=0.0, ge=0, description="Of the term `long`.")

    def seconds(self, term: Term) -> float | None:
        """Returns how long entries of a term last; None for ever."""
        return {"short": self.short, "medium": self.medium, "long": self.long}[term] or None


class Limits(_Table):
    """What an entry may be at most."""

    text: Size = Field(default=256 * 1024, ge=1, le=512 * 1024, description="Its text, in UTF-8.")
    metadata: Size = Field(default=64 * 1024, ge=2, le=256 * 1024, description="Its metadata.")


class Words(_Table):
    """How texts become the words that are compared."""

    fold: bool = Field(default=True, description="Whether `Café` and `cafe` are one word.")
    stop: bool = Field(default=True, description="Whether articles and particles are left out.")
    root: Literal["stem", "lemma", "none"] = Field(
        default="stem", description="What of a word is compared."
    )
    bigrams: bool = Field(
        default=False, description="Cut zh, ja, ko, vi into pairs, even where words are known."
    )


class Namespace(_Table):
    """A memory of its own: nothing of it is seen in another one."""

    principals: tuple[Name | Anybody, ...] = Field(
        default=(), description="Users of the broker that may use it; * for all."
    )
    vouchers: tuple[Name | Anybody, ...] = Field(
        default=("operator",),
        description="Users of the broker who may mark entries as trusted; * for all.",
    )
    main: Lang = Field(default="en", description="Language of texts that are too short to tell.")
    words: Words = Words()
    terms: Terms = Terms()
    limits: Limits = Limits()


class Declaration(_Table):
    """The whole file."""

    namespaces: dict[Name, Namespace] = Field(min_length=1)
    reindexers: tuple[Name | Anybody, ...] = Field(
        default=("operator",),
        description="Users of the broker who may make all vectors anew; * for all.",
    )
