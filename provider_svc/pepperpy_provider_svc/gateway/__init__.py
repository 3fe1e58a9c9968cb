"""From a request on the bus to its answer: who may ask, what it costs, and what is told of it."""
