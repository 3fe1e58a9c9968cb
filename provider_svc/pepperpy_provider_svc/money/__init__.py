"""What it costs, and what was spent."""
