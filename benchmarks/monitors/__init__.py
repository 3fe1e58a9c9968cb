"""Two monitors that are told the same story, and what they make of it."""
