"""Graphs of tasks: the builder, what their references mean, and whether they can run."""
