"""What somebody buys."""


def total(prices: list[float]) -> float:
    """Returns what is to be paid."""
    return round(sum(prices), 2)
