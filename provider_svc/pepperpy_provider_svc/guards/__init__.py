"""What is refused, hidden and checked."""
