"""What disturbs the world on some days: a channel that falls silent for hours, one whose mood turns, a theme of all.

Silence and moods come over channels that say enough for it to be noticed; a theme comes over all of them.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

NOTICED_AT = 30
"""Posts of a usual day that a channel must have."""

OUTAGE_SHARE, MOOD_SHARE, THEME_SHARE = 0.3, 0.3, 0.2
"""Share of the days with one."""

SHIFTED = 0.8
"""Share of the posts that have the tone of a mood."""

ON_THEME, TAGGED = 0.35, 0.3
"""Share of the posts that are about the theme, and of those that carry its hashtag."""

THEMES = {"weather": ("stormwatch", "longsummer", "icemorning"), "news": ("harbourvote", "oldbridge", "nightferry")}
"""Topics that are not much talked about on other days, with hashtags that nobody uses on other days."""

UNMOVED = "github"
"""Issues are about their repository, whatever is talked about elsewhere."""

A_DAY = 86400


@dataclass(frozen=True, slots=True)
class Outage:
    """Hours of a day in which a channel says nothing; what it would have said comes before or after."""

    day: date
    hour: int
    hours: int
    source: str
    channel: str


@dataclass(frozen=True, slots=True)
class Mood:
    """A day on which most of what a channel says has one tone."""

    day: date
    source: str
    channel: str
    tone: str


@dataclass(frozen=True, slots=True)
class Theme:
    """A day on which much of what is said anywhere is about one topic, some of it under a hashtag."""

    day: date
    topic: str
    hashtag: str


class Disturbances:
    """The disturbances of a world.

    Args:
        rng: gives the random generator of its arguments.
        usual: posts of a usual day by source and channel.
        spiking: the source and channel of a day that cannot fall silent, as all talk of it.
    """

    def __init__(
        self,
        rng: Callable[..., random.Random],
        usual: Mapping[tuple[str, str], float],
        spiking: Callable[[date], tuple[str, str]],
    ) -> None:
        self._rng, self._spiking = rng, spiking
        self._noticed: Sequence[tuple[str, str]] = [one for one, posts in usual.items() if posts >= NOTICED_AT]
        self.outage = lru_cache(maxsize=256)(self._outage)
        self.mood = lru_cache(maxsize=256)(self._mood)
        self.theme = lru_cache(maxsize=256)(self._theme)

    def _outage(self, day: date) -> Outage | None:
        """The outage of `day`, if there is one."""
        rng = self._rng("outage", day)
        able = [one for one in self._noticed if one != self._spiking(day)]
        if rng.random() >= OUTAGE_SHARE or not able:
            return None
        source, channel = rng.choice(able)
        return Outage(day, rng.randint(3, 9), rng.randint(10, 14), source, channel)

    def _mood(self, day: date) -> Mood | None:
        """The mood of `day`, if there is one."""
        rng = self._rng("mood", day)
        if rng.random() >= MOOD_SHARE or not self._noticed:
            return None
        source, channel = rng.choice(self._noticed)
        return Mood(day, source, channel, rng.choice(("positive", "negative")))

    def _theme(self, day: date) -> Theme | None:
        """The theme of `day`, if there is one."""
        rng = self._rng("theme", day)
        if rng.random() >= THEME_SHARE or not self._noticed:
            return None
        topic = rng.choice(list(THEMES))
        return Theme(day, topic, f"{rng.choice(THEMES[topic])}{day.day:02}")

    def heard(self, source: str, channel: str, day: date, seconds: int) -> int:
        """When something is said that would be said so many seconds into `day`: never during an outage."""
        outage = self.outage(day)
        if outage is None or (outage.source, outage.channel) != (source, channel):
            return seconds
        silent = outage.hours * 3600
        squeezed = seconds * (A_DAY - silent) // A_DAY
        return squeezed if squeezed < outage.hour * 3600 else squeezed + silent

    def tone(self, source: str, channel: str, day: date, key: str) -> str | None:
        """The tone of the post with this key, if a mood tells it."""
        mood = self.mood(day)
        if mood is None or (mood.source, mood.channel) != (source, channel):
            return None
        return mood.tone if self._rng("in mood", key).random() < SHIFTED else None

    def on_theme(self, source: str, day: date, key: str) -> tuple[str | None, str]:
        """The topic of the post with this key and what is added to its text, if the theme of the day tells them."""
        theme = self.theme(day)
        if theme is None or source == UNMOVED:
            return None, ""
        rng = self._rng("on theme", key)
        if rng.random() >= ON_THEME:
            return None, ""
        return theme.topic, f" #{theme.hashtag}" if rng.random() < TAGGED else ""
