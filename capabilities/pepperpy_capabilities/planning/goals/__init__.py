"""Planning of goals: measurable sub-goals, their progress from events, and what is told of it."""
