"""The connection to the broker: the client library's traps end here."""
