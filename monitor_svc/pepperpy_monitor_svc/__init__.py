"""The monitor service: what happens on the bus, seen, counted, and told when it breaks."""
