"""Invoices in any language and layout, as JSON whose sums are right.

The form says more than which fields there are: lines and tax must add up to the total. An answer
in which they do not goes back to the model with what is wrong in it, twice at most; then the task
fails, and nobody books a number that was guessed.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from pepperpy import Limits, LLMAgent

Money = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]
ROUNDING = Decimal("0.02")
"""Sellers round each line, or the sum: so far they may be apart."""


class Line(BaseModel):
    item: str
    quantity: Annotated[Decimal, Field(gt=0)]
    price: Money


class Invoice(BaseModel):
    """An invoice; prices of lines are without tax."""

    number: Annotated[str, Field(min_length=1)]
    date: date
    seller: Annotated[str, Field(min_length=1)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    lines: Annotated[list[Line], Field(min_length=1)]
    tax: Money
    total: Money

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        lines = sum((one.quantity * one.price for one in self.lines), Decimal())
        if abs(lines + self.tax - self.total) > ROUNDING:
            raise ValueError(
                f"the lines make {lines}, with the tax of {self.tax} that is {lines + self.tax}, "
                f"and the total is said to be {self.total}"
            )
        return self


agent = LLMAgent(
    "invoices",
    "Read the invoice and give what it says as JSON. Numbers have a point and no thousands mark, "
    "dates are YYYY-MM-DD, the currency is its code of three letters. Guess nothing.",
    version="1.0.0",
    topics=["invoice"],
    output_type=Invoice,
    options={"temperature": 0.0},
    limits=Limits(turns=3, repairs=2, usd=0.02),
)
