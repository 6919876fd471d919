"""Ctrl-C, SIGTERM and SIGHUP: all end a command the same way, as an interruption that cleans up behind it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 15.0
"""A second Ctrl-C within this time does not interrupt the cleaning up."""


class Interrupts:
    """Signals that arrived, whoever handles them.

    Dagster puts handlers of its own in place while it executes, and forgets a signal that arrives when no step runs.
    The system writes every signal to a pipe as well, and that is read here.
    """

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._noticed_at: float | None = None

    @property
    def received(self) -> bool:
        """Whether the command was told to stop."""
        if self._noticed_at is None and self._arrived():
            self._noticed_at = time.monotonic()
        return self._noticed_at is not None

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, but not once more while the first one is being acted upon."""
        since = self._noticed_at
        self._arrived()
        if since is None or time.monotonic() - since > PATIENCE_SECONDS:
            self._noticed_at = time.monotonic()
            raise KeyboardInterrupt

    def _arrived(self) -> bool:
        try:
            numbers = os.read(self._reader, 4096)
        except BlockingIOError:
            return False
        return any(number in STOPPING for number in numbers)


@contextmanager
def noticed() -> Iterator[Interrupts]:
    """Handle the stopping signals, as `KeyboardInterrupt`, during the body."""
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    interrupts = Interrupts(reader)
    # Under `nohup`, and in the background of a script, a signal may be ignored on purpose: it stays so.
    mine = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupts.handle) for number in mine}
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield interrupts
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
