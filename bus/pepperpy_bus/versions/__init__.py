"""Several versions of an agent side by side: which part of a topic's tasks each of them gets."""
