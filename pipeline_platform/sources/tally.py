"""What a client counts of its own work: requests by outcome, and how often a body that was kept still held."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline_platform.sources.errors import SourceError

OK = "ok"


class Tally:
    """Counts, shared by the threads of a fetch.

    Attributes:
        outcomes: requests that were sent, by `ok` or the class of the error; every attempt counts.
        lookups: conditional requests, by `hit` (the kept body still held) or `miss`.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.lookups: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return sum(self.outcomes.values())

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around one request; counts how it ends, whatever ends it."""
        outcome = "Interrupted"
        try:
            yield
            outcome = OK
        except SourceError as error:
            outcome = type(error).__name__
            raise
        finally:
            with self._lock:
                self.outcomes[outcome] += 1

    def looked_up(self, *, hit: bool) -> None:
        """Count a conditional request."""
        with self._lock:
            self.lookups["hit" if hit else "miss"] += 1
