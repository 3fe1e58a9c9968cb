"""Action planning: from a state to a goal, by actions with conditions and effects."""
