"""Where entries are kept: one protocol, and the databases that fulfil it."""
