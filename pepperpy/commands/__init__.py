"""The commands of `pepperpy`, one module each."""
