"""What the service shall offer, as its file declares it."""
