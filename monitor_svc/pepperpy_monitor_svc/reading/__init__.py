"""Everything that is read from the broker, and handed to the fleet."""
