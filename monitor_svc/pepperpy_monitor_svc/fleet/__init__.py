"""The fleet: all that is known of tasks, agents, topics, errors and models, in memory."""
