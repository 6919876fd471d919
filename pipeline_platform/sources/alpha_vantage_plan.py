"""Which of Alpha Vantage's series are asked for on which day: a free key allows 25 requests a day, whatever they are.

A request is for one series of one symbol, so a long watch list does not fit into a day. Asking in the order of the
list would bring its head every day and its tail never. Instead all series stand in a ring, and each day takes the
next stretch of it: with n series and p requests a day every series has its turn at least once in ceil(n / p) days,
whatever the time of the schedule, without a memory that could be lost. A second run on the same day asks for the same
stretch again, and so cannot take a turn from another day.

A fifth of the day's requests is left unplanned: attempts that fail count too, and must not take the turn of those
behind them.

What is not asked for is not lost. An answer covers 100 days (or 100 bars of a day, some days at 30 minutes), so the
next one brings what came since the last. Until then the target is skipped with the day of its turn as the reason
(`NotDue`): an empty page would say that there was nothing, and a failure would be replayed, at the cost of a request.
"""

import math
from collections.abc import Sequence
from datetime import date, timedelta

FREE_REQUESTS = 25
"""Requests a day of a free key."""
PLANNED_SHARE = 0.8


class Plan:
    """The turns of the series.

    Args:
        series: every series that is watched, as `(stream, target)`.
        requests_per_day: what the key allows.
    """

    def __init__(self, series: Sequence[tuple[str, str]], requests_per_day: int) -> None:
        self._places = {one: place for place, one in enumerate(dict.fromkeys(series))}
        self.planned = max(1, math.floor(requests_per_day * PLANNED_SHARE))

    @property
    def days_between(self) -> int:
        """For how many days a series is left out between two turns, at most: 0 where each has its turn every day."""
        return max(0, math.ceil(len(self._places) / self.planned) - 1)

    def is_due(self, stream: str, target: str, day: date) -> bool:
        """Whether a series has its turn on `day`; one that is not watched always has."""
        place = self._places.get((stream, target))
        if place is None or self.days_between == 0:
            return True
        return (place - day.toordinal() * self.planned) % len(self._places) < self.planned

    def next_turn(self, stream: str, target: str, after: date) -> date:
        """The next day after `after` on which a series has its turn."""
        day = after + timedelta(days=1)
        while not self.is_due(stream, target, day):
            day += timedelta(days=1)
        return day
