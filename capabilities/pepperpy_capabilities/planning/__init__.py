"""Planning: tasks, schedules, actions and goals."""
