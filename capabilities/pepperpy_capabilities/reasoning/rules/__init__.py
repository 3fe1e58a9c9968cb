"""What follows from facts and rules, with proofs; computed by clingo."""
