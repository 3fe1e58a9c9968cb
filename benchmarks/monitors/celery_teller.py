"""Tells Flower the story, as Celery's workers would; runs in Flower's environment.

python celery_teller.py REDIS_URL TASKS FIRST
"""

import sys
from pathlib import Path

from celery import Celery  # type: ignore[import-not-found]  # is in Flower's environment alone

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.monitors.story import celery_events


def main(url: str, tasks: int, first: int) -> None:
    """Sends every event."""
    app = Celery("shop", broker=url)
    with app.connection_for_write() as connection:
        teller = app.events.Dispatcher(connection, hostname="clerk@0")
        for worker, kind, fields in celery_events(tasks, first):
            teller.hostname = worker
            teller.send(kind, **fields)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
