"""Vectors of texts: one Protocol for every model, batched and cached."""
