"""What things cost."""

DISCOUNTS = {"regular": 0, "friend": 5, "staff": 20}


def percent(customer: str) -> int:
    """Returns a customer's discount, from 0 to 100."""
    return DISCOUNTS.get(customer, 0)
