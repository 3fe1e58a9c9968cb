"""Learning from one example after the other, by River."""
