"""Who may remember what, as its file declares it."""
