"""What the dashboard and the HTTP edge have in common: answers, errors, streams, and the server."""
