"""Which provider is asked, with which key, and what happens when it fails."""
