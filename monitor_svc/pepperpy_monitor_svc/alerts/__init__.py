"""Alerts: rules over metrics and events, who is told of them, and what hides them."""
