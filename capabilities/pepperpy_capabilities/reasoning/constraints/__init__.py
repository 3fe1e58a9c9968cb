"""Constraint problems, solved by OR-tools' CP-SAT; the extra ``reasoning`` brings it."""
