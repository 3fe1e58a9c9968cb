"""Bandits: which arm to pull, when each shows what it is worth only where it is pulled."""
