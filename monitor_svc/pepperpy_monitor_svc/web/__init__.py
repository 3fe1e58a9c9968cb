"""The dashboard: one page, the JSON behind it, its live streams, and its acts."""
