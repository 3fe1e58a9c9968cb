"""From candidates to hits: pure, and the same for every store."""
