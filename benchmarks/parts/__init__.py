"""The parts of the runtime benchmark: each measures one thing and returns its figures."""
