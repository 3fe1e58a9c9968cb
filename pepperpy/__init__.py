"""PepperPy."""
