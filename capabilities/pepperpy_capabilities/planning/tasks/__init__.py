"""Planning of tasks: a goal becomes a graph of tasks, by declared methods or by a model."""
