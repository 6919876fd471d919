"""The error taxonomy of the sources: what went wrong upstream, and so what may be done about it.

Every failure of a fetch is one of four types. The policy retries by type, the breaker counts by type, a dead letter
records the type. Nothing here knows HTTP: the client maps statuses and bodies to these types. `NotDue` is no failure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


class SourceError(Exception):
    """A fetch failed.

    Args:
        message: what happened and what to do, free of secrets.
        status: HTTP status where there was an answer.
        wait_seconds: how long the upstream asked us to wait before the next try, if it said so.

    Attributes:
        request: the request that failed, free of secrets; empty where there was none.
        attempts: how often it was tried.
    """

    retryable = False

    def __init__(self, message: str, *, status: int | None = None, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.wait_seconds = wait_seconds
        self.request: Mapping[str, Any] = {}
        self.attempts = 1


class Transient(SourceError):
    """May pass by itself: a timeout, a refused connection, a 5xx, a 429 with a bearable wait."""

    retryable = True


class QuotaExhausted(SourceError):
    """The budget is spent: not to be tried again before `resets_at`."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        wait_seconds: float | None = None,
        resets_at: datetime | None = None,
    ) -> None:
        super().__init__(message, status=status, wait_seconds=wait_seconds)
        self.resets_at = resets_at


class CircuitOpen(Transient):
    """The breaker is open: the upstream failed too often in a row and is left alone until its cool-down ends."""

    retryable = False


class Permanent(SourceError):
    """Will fail again: 400, 401, 403, 404, 410, a wrong credential, a target that does not exist."""


class Malformed(SourceError):
    """The body is not what the API promises: HTML for JSON, truncated, of a wrong type, too large, without an end."""


class NotDue(Exception):
    """Nothing failed: a target has no turn in this fetch, and a later one brings what it has.

    Not a `SourceError`: it is shown with its message, and neither tried again nor owed.
    """
