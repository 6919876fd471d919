"""What follows what in the world, a day later: talk of a place its rain, the price of a coin its mentions.

Half of the places and half of the coins are tied. The others are talked about in the same way, but nothing follows
from it: they are the control inside the same world.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from pipeline_platform.sandbox.cast import COIN_NAMES, Place

LAG_DAYS = 1

SET_SHARE = 0.35
"""Share of the posts that are set in one of the places."""

SOURED = 0.6
"""Share of the posts set in a tied place that turn negative on the day after `SOAKING_MM` of rain or more; after less,
in proportion."""

SOAKING_MM = 15.0

LOUDNESS = 1.0
"""On its loudest day a coin is named e^2 times as often as on its quietest, if the others stay as they are."""

PULL = 0.1
"""Logarithm by which a tied coin rises on the day after its loudest, and falls after its quietest."""

FADING_DAYS = 20
"""Days in which such a rise is lost again: prices stay around their middle, and no single day goes back by much."""

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tie:
    """Something that follows something else.

    Attributes:
        type: `sentiment_after_rain` or `return_after_mentions`.
        subject: name of the place, or CoinGecko's id of the coin.
        lag_days: how much later.
        strength: `SOURED` or `PULL`.
    """

    type: str
    subject: str
    lag_days: int
    strength: float


class Ties:
    """The ties of a world.

    Args:
        rng: gives the random generator of its arguments.
        rain: mm of rain of a place on a day.
        places: where posts are set; none for a world without ties.
        coins: ids of what posts about coins name; likewise.
    """

    def __init__(
        self,
        rng: Callable[..., random.Random],
        rain: Callable[[Place, date], float],
        places: Sequence[Place],
        coins: Sequence[str],
    ) -> None:
        self._rng, self._rain, self._places, self._coins = rng, rain, places, coins
        self._tied_places = rng("tied places").sample(places, len(places) // 2)
        self._tied_coins = rng("tied coins").sample(coins, len(coins) // 2)
        self.attention = lru_cache(maxsize=65536)(self._attention)
        self._souring = lru_cache(maxsize=4096)(self._make_souring)
        self._loudness = lru_cache(maxsize=1024)(self._make_loudness)

    @property
    def planted(self) -> list[Tie]:
        """Every tie, in the order of subjects."""
        rained = [Tie("sentiment_after_rain", place.name, LAG_DAYS, SOURED) for place in self._tied_places]
        named = [Tie("return_after_mentions", coin, LAG_DAYS, PULL) for coin in self._tied_coins]
        return sorted([*rained, *named], key=lambda tie: (tie.type, tie.subject))

    def of(self, day: date, key: str) -> tuple[str | None, str | None, str | None]:
        """Where the post with this key is set, its tone if the rain tells it, and the coin it names if it names one."""
        if not self._places:
            return None, None, None
        rng = self._rng("tied", key)
        place = rng.choice(self._places) if rng.random() < SET_SHARE else None
        tone = "negative" if rng.random() < (self._souring(place, day) if place else 0) else None
        (coin,) = rng.choices(self._coins, self._loudness(day))
        return place.name if place else None, tone, COIN_NAMES[coin]

    def pull(self, coin: str, at: datetime) -> float:
        """What the mentions of the days before add to the logarithm of the price of `coin` at `at`."""
        if coin not in self._tied_coins:
            return 0.0
        today = at.date()
        passed = (at.hour * 3600 + at.minute * 60 + at.second) / 86400
        added = self.attention(coin, today - LAG_DAYS * A_DAY) * passed
        for ago in range(FADING_DAYS):
            left = 1 - (ago + passed) / FADING_DAYS
            added += self.attention(coin, today - (LAG_DAYS + 1 + ago) * A_DAY) * left
        return PULL * added

    def _attention(self, coin: str, day: date) -> float:
        """How much `coin` is talked about on `day`, from -1 to 1."""
        return self._rng("attention", coin, day).uniform(-1, 1)

    def _make_loudness(self, day: date) -> list[float]:
        return [math.exp(LOUDNESS * self.attention(coin, day)) for coin in self._coins]

    def _make_souring(self, place: Place, day: date) -> float:
        """Share of the posts set in `place` on `day` that the rain of the day before makes negative."""
        if place not in self._tied_places:
            return 0.0
        return SOURED * min(1.0, self._rain(place, day - LAG_DAYS * A_DAY) / SOAKING_MM)
