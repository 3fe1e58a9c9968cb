"""Learning which way to learn: learners and their parameters chosen by past episodes."""
