"""What `pepperpy doctor` looks at: this machine, the broker, the work on it."""
