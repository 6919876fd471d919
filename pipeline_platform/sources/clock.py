"""The time that the request policy lives by; tests hand in one that does not really wait."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """The moment now, aware and in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The moment now, aware and in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()
