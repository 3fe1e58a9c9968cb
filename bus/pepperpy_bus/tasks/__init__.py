"""What is known of a task: results, journal, dead letters, schemas of its topic."""
