"""The roles of a deployment and what each may do."""
