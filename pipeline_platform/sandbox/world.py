"""The world that the synthetic upstreams show: who says what and when, what it costs, what is wrong on purpose.

Everything follows from (seed, scale, day), so a second request sees the same content and what was planted is known.
A slot `(series, channel, day, k)` is a place for one post; its own random generator first decides its fate (sound,
copy of another post, or broken on purpose), then its time, then its content. So any post can be made alone, by key.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b

from pipeline_platform.sandbox import climate, texts
from pipeline_platform.sandbox.cast import (
    BASE_PRICES,
    PLACES,
    STOCK_PRICES,
    Place,
    author_named,
    channel_names,
    topics_of,
)
from pipeline_platform.sandbox.disturbances import UNMOVED, Disturbances
from pipeline_platform.sandbox.post import (
    COPYING,
    FIRST_NUMBERED_DAY,
    LINKING,
    NUMBERS_A_DAY,
    REMOVABLE,
    SERIES,
    UNTITLED,
    PlantedRow,
    Post,
    Slot,
    Spike,
    base36,
)
from pipeline_platform.sandbox.ties import Ties

__all__ = ["FIRST_DAY", "FIRST_NUMBERED_DAY", "FUTURE", "NUMBERS_A_DAY", "Place", "Post", "Spike", "World", "base36"]

DAILY = {"p": 70, "c": 140, "a": 100, "i": 40, "t": 60, "b": 40, "m": 40, "h": 30, "n": 50, "g": 50}
"""Posts of a day at scale 1, per series."""

CHANNELS_AT_LEAST = {
    "reddit": 4,
    "rss": 5,
    "github": 4,
    "x": 4,
    "bluesky": 4,
    "mastodon": 3,
    "hackernews": 1,
    "newsapi": 4,
    "gdelt": 4,
}
PER_CHANNEL_AT_MOST = {
    "reddit": 200,
    "rss": 300,
    "github": 100,
    "x": 200,
    "bluesky": 200,
    "mastodon": 200,
    "hackernews": 300,
    "newsapi": 200,
    "gdelt": 200,
}
"""Daily posts of one series in one channel before another channel opens. A listing of Reddit ends after 1,000 items, so
200 comments a day leave four days in it."""

BAD_SHARE, EXACT_SHARE, NEAR_SHARE = 0.015, 0.04, 0.03
COPY_FATES = BAD_SHARE + EXACT_SHARE + NEAR_SHARE
REMOVED_SHARE = 0.02
REMOVED_AFTER_HOURS = (20, 44)
"""Share of the posts of `REMOVABLE` series that are taken away, and how long after they were shown."""

SPIKE_FACTOR = 6
FUTURE = timedelta(days=3650)
"""How far in the future a post lies that breaks `created_at_not_in_future`: it must still do so when fetched late."""

FIRST_DAY = date(2016, 1, 1)
"""Before it the upstreams hold nothing."""

FLAWS: dict[str, tuple[float, tuple[str, ...]]] = {
    "market_bars": (0.02, ("ohlc_low", "ohlc_high", "price_positive")),
    "market_actions": (0.03, ("amount_positive",)),
    "weather_observations": (0.05, ("latitude_in_range", "percent", "temperature_plausible")),
    "weather_forecasts": (0.02, ("percent", "probability", "temperature_plausible")),
    "repositories": (0.1, ("counter_not_negative",)),
    "repo_events": (0.015, ("counter_not_negative", "occurred_at_not_in_future", "malformed")),
    "trending": (0.03, ("rank_positive", "volume_not_negative")),
    "news_events": (0.03, ("quad_class", "goldstein_in_range", "latitude_in_range", "malformed")),
    "news_mentions": (0.03, ("percent", "sentence_positive", "malformed")),
    "news_annotations": (0.03, ("tone_in_range", "percent", "malformed")),
}
"""Kind of record -> share that is broken on purpose, and the rules to break; few records, larger share."""

POST_FLAWS: dict[str, tuple[str, ...]] = dict.fromkeys(
    SERIES, ("title_or_text", "created_at_not_in_future", "malformed")
)
POST_FLAWS["p"] = ("title_or_text", "score_not_negative", "created_at_not_in_future", "malformed")


def utc_now() -> datetime:
    """The time now, aware UTC."""
    return datetime.now(UTC)


class World:
    """What the upstreams show.

    Args:
        seed: another seed, another world.
        scale: 1 gives about 620 documents a day, 300 about 186,000; channels are added as it grows.
        now: clock; nothing is shown before its time.
        calm: whether nothing is planted that stands out from a usual day: no spikes, outages, moods, themes
            and ties.

    Raises:
        ValueError: scale is not a positive number or too large for the numbering of channels.
    """

    def __init__(
        self, seed: int = 1, scale: int = 1, now: Callable[[], datetime] = utc_now, *, calm: bool = False
    ) -> None:
        if not 1 <= scale <= 1000:
            raise ValueError(f"scale must lie in [1, 1000], not {scale}; 1 gives about 620 documents a day")
        self.seed, self.scale, self.now, self.calm = seed, scale, now, calm
        self._channels = {source: channel_names(source, self._channel_count(source)) for source in CHANNELS_AT_LEAST}
        self.channels: Mapping[str, list[str]] = self._channels
        self.subreddits = self._channels["reddit"]
        self.feeds = self._channels["rss"]
        self.repositories = self._channels["github"]
        self.coins: list[str] = list(BASE_PRICES)
        self.stocks: list[str] = list(STOCK_PRICES)
        self.places: list[Place] = list(PLACES)
        self.disturbances = Disturbances(self.rng, {} if calm else self._usual(), self._spiking)
        self.ties = Ties(self.rng, self._rain, () if calm else self.places, () if calm else self.coins)
        self._planted: dict[tuple[str, str], PlantedRow] = {}
        # About 100 posts each: a bound of memory, not of what can be asked for.
        self._channel_day = lru_cache(maxsize=1024)(self._make_channel_day)

    def _channel_count(self, source: str) -> int:
        busiest = max(DAILY[series] for series, (owner, _) in SERIES.items() if owner == source)
        return max(CHANNELS_AT_LEAST[source], math.ceil(busiest * self.scale / PER_CHANNEL_AT_MOST[source]))

    def _usual(self) -> dict[tuple[str, str], float]:
        """Posts of a usual day by source and channel."""
        said = dict.fromkeys(self._channels, 0.0)
        for series, (source, _) in SERIES.items():
            said[source] += DAILY[series] * self.scale / len(self._channels[source])
        return {(source, channel): said[source] for source, names in self._channels.items() for channel in names}

    def _rain(self, place: Place, day: date) -> float:
        return climate.rain(self, place, day)

    def _spiking(self, day: date) -> tuple[str, str]:
        spike = self.spike(day)
        return spike.source, spike.channel

    @property
    def days(self) -> tuple[date, date]:
        """First and last day that the upstreams hold."""
        return FIRST_DAY, self.now().date()

    def rng(self, *parts: object) -> random.Random:
        """A random generator that depends on the seed, the scale and `parts` alone."""
        name = "|".join(map(str, (self.seed, self.scale, *parts)))
        return random.Random(int.from_bytes(blake2b(name.encode(), digest_size=8).digest()))  # noqa: S311

    def posts(self, source: str, day: date) -> list[Post]:
        """Every post that `source` shows of `day` by now, oldest first."""
        shown = [post for channel in self._channels[source] for post in self.channel_posts(source, channel, day)]
        return sorted(shown, key=lambda post: post.shown_at)

    def channel_posts(self, source: str, channel: str, day: date) -> list[Post]:
        """Every post that `channel` shows of `day` by now, oldest first, posts and comments together.

        Raises:
            ValueError: the source has no such channel.
        """
        now = self.now()
        if not FIRST_DAY <= day <= now.date():
            return []
        made = self._channel_day(source, self._channels[source].index(channel), day)
        return [post for post in made if post.shown_at <= now]

    def post(self, key: str) -> Post | None:
        """The post with this key, if it is shown by now."""
        try:
            slot = Slot.of(key)
            exists = slot.k < self._count(slot.series, slot.channel, slot.day)
        except (ValueError, IndexError):
            return None
        post = self._make(slot) if exists else None
        return post if post and post.shown_at <= self.now() else None

    def numbered(self, series: str, number: int) -> Post | None:
        """The post of `series` with this serial number, if it is shown by now."""
        try:
            slot = Slot.numbered(series, number)
        except OverflowError:
            return None
        return self.post(slot.key) if slot.day >= FIRST_DAY else None

    def is_removed(self, post: Post) -> bool:
        """Whether the upstream has taken `post` away by now."""
        return post.removed_at is not None and post.removed_at <= self.now()

    def spike(self, day: date) -> Spike:
        """The spike of `day`."""
        rng = self.rng("spike", day)
        source = rng.choice(list(self._channels))
        channel = rng.choice(self._channels[source])
        topic = "programming" if source == "github" else rng.choice(("coins", "markets", "news"))
        return Spike(day, rng.randint(6, 17), source, channel, topic, SPIKE_FACTOR)

    def price_jump(self, day: date) -> tuple[str, float]:
        """The coin whose price jumps at noon of `day`, and by how much (0.2 is up by 20 %)."""
        rng = self.rng("jump", day)
        return rng.choice(self.coins), rng.choice((-1, 1)) * rng.uniform(0.12, 0.25)

    def price(self, coin: str, at: datetime) -> float:
        """Price of a coin or a share in USD: slow waves and minute noise, and of coins jumps that fade and ties."""
        days = at.timestamp() / 86400
        waves = self.rng("waves", coin)
        level = math.log(BASE_PRICES.get(coin) or STOCK_PRICES[coin])
        for period, height in ((90, 0.2), (17, 0.06), (3.1, 0.02), (0.6, 0.008), (0.09, 0.003)):
            level += height * math.sin(2 * math.pi * (days / period + waves.random()))
        for back in range(8):
            day = at.date() - timedelta(days=back)
            jumper, size = self.price_jump(day)
            age = days - datetime.combine(day, time(12), UTC).timestamp() / 86400
            if jumper == coin and age >= 0:
                level += math.log1p(size) * max(0.0, 1 - age / 7)
        level += self.ties.pull(coin, at)
        noise = self.rng("noise", coin, int(at.timestamp() // 60)).uniform(-0.0008, 0.0008)
        return math.exp(level + noise)

    def flaw(self, kind: str, key: str) -> str | None:
        """The rule that the record `key` of a kind in `FLAWS` shall break, mostly None; tell `plant` when it does."""
        share, rules = FLAWS[kind]
        rng = self.rng("flaw", kind, key)
        return rng.choice(rules) if rng.random() < share else None

    def plant(self, source: str, record_id: str, rule: str, day: date | None = None) -> None:
        """Remember that an upstream served `record_id` breaking `rule`, for the truth."""
        self._planted[source, record_id] = PlantedRow(source, record_id, rule, day)

    def planted(self) -> list[PlantedRow]:
        """Rows that upstreams broke on purpose and served so far."""
        return list(self._planted.values())

    def _make_channel_day(self, source: str, channel: int, day: date) -> list[Post]:
        series = [code for code, (owner, _) in SERIES.items() if owner == source]
        slots = (Slot(code, channel, day, k) for code in series for k in range(self._count(code, channel, day)))
        return sorted((self._make(slot) for slot in slots), key=lambda post: post.shown_at)

    def _base_count(self, series: str, channel: int, day: date) -> int:
        channels = self._channels[SERIES[series][0]]
        channels[channel]  # an unknown channel is an IndexError
        usual = DAILY[series] * self.scale / len(channels)
        return max(1, round(usual * self.rng("count", series, channel, day).uniform(0.88, 1.12)))

    @lru_cache(maxsize=65536)  # noqa: B019 - a world lives as long as the process that serves it
    def _counts(self, series: str, channel: int, day: date) -> tuple[int, int]:
        usual = self._base_count(series, channel, day)
        spike = self.spike(day)
        source = SERIES[series][0]
        hit = not self.calm and spike.source == source and spike.channel == self._channels[source][channel]
        return usual, usual + (max(10, round((SPIKE_FACTOR - 1) * usual / 24)) if hit else 0)

    def _count(self, series: str, channel: int, day: date) -> int:
        return self._counts(series, channel, day)[1]

    def _begin(self, slot: Slot) -> tuple[random.Random, float, datetime]:
        """The generator of a slot after its first two draws: its fate in [0, 1) and its time."""
        rng = self.rng(slot.series, slot.channel, slot.day, slot.k)
        fate = rng.random()
        usual, _ = self._counts(slot.series, slot.channel, slot.day)
        if slot.k < usual:
            share = (slot.k + rng.random()) / usual
            # More is said at noon than at midnight.
            share += 0.4 * math.sin(2 * math.pi * share) / (2 * math.pi)
            source = SERIES[slot.series][0]
            channel = self._channels[source][slot.channel]
            seconds = self.disturbances.heard(source, channel, slot.day, int(share * 86399))
        else:
            seconds = self.spike(slot.day).hour * 3600 + rng.randrange(3600)
        return rng, fate, datetime.combine(slot.day, time(), UTC) + timedelta(seconds=seconds)

    def _make(self, slot: Slot) -> Post:
        rng, fate, shown_at = self._begin(slot)
        source, kind = SERIES[slot.series]
        channel = self._channels[source][slot.channel]
        parent = self._parent(slot, shown_at, rng) if kind == "comment" else None
        flaw = rng.choice(POST_FLAWS[slot.series]) if fate < BAD_SHARE else None
        similarity = "exact" if fate < BAD_SHARE + EXACT_SHARE else "near"
        is_copy = BAD_SHARE <= fate < COPY_FATES
        origin = self._origin(slot, shown_at, rng) if is_copy else None
        written = self._write(origin or slot)
        if slot.series in LINKING:
            similarity = "link"
        if origin and similarity == "near":
            written = texts.nearly(rng, written)
        title, text = (written.title and "", "") if flaw == "title_or_text" else (written.title, written.text)
        score, replies = int(rng.paretovariate(0.9)) % 5000, int(rng.paretovariate(1.1)) % 400
        return Post(
            key=slot.key,
            source=source,
            channel=channel,
            kind=kind,
            author=channel if source in ("x", "bluesky") else author_named(rng),
            title=title,
            text=text,
            created_at=shown_at + FUTURE if flaw == "created_at_not_in_future" else shown_at,
            shown_at=shown_at,
            score=-1 - score if flaw == "score_not_negative" else score,
            replies=0 if kind in ("comment", "article") else replies,
            url=self._url(origin if origin and similarity == "link" else slot, parent),
            number=slot.number,
            parent=parent.key if parent else None,
            flaw=flaw,
            duplicate_of=origin.key if origin else None,
            similarity=similarity if origin else None,
            topic=written.topic,
            tone=written.tone,
            language=written.language,
            removed_at=self._removal(slot, shown_at) if fate >= self._fate_of_removal(slot.series) else None,
        )

    def _fate_of_removal(self, series: str) -> float:
        return 1 - REMOVED_SHARE if series in REMOVABLE else 1.0

    def _removal(self, slot: Slot, shown_at: datetime) -> datetime:
        hours = self.rng("removal", slot.key).uniform(*REMOVED_AFTER_HOURS)
        return shown_at + timedelta(seconds=int(hours * 3600))

    def _write(self, slot: Slot) -> texts.Written:
        rng = self.rng("text", slot.key)
        usual, _ = self._counts(slot.series, slot.channel, slot.day)
        source, kind = SERIES[slot.series]
        topic = rng.choice(topics_of(source, slot.channel)) if slot.k < usual else self.spike(slot.day).topic
        theme, tag = self.disturbances.on_theme(source, slot.day, slot.key)
        tone = self.disturbances.tone(source, self._channels[source][slot.channel], slot.day, slot.key)
        place, soured, coin = (None, None, None) if source == UNMOVED else self.ties.of(slot.day, slot.key)
        written = texts.write(rng, theme or topic, kind, titled=slot.series not in UNTITLED, tone=tone or soured)
        if place:
            written = texts.set_in(written, place)
        if coin and written.topic == "coins":
            written = texts.about(written, coin)
        return replace(written, text=written.text + tag)

    def _earlier(self, rng: random.Random, day: date, series: str, channel: int, before: datetime) -> Slot | None:
        count = self._count(series, channel, day)
        share = (before - datetime.combine(day, time(), UTC)) / timedelta(days=1)
        slot = Slot(series, channel, day, rng.randrange(max(1, min(count, round(count * share)))))
        return slot if self._begin(slot)[2] < before else None

    def _parent(self, slot: Slot, before: datetime, rng: random.Random) -> Slot:
        for _ in range(6):
            if found := self._earlier(rng, slot.day, "p", slot.channel, before):
                return found
        yesterday = slot.day - timedelta(days=1)
        return Slot("p", slot.channel, yesterday, rng.randrange(self._count("p", slot.channel, yesterday)))

    def _origin(self, slot: Slot, before: datetime, rng: random.Random) -> Slot | None:
        """A sound post of this or the previous day, shown before, that stays and is no copy; None if none was found."""
        siblings = "a" if slot.series in LINKING else next((one for one in COPYING if slot.series in one), "")
        for _ in range(12 if siblings else 0):
            series = rng.choice([slot.series, *siblings]) if slot.series in siblings else rng.choice(siblings)
            channel = rng.randrange(len(self._channels[SERIES[series][0]]))
            day = slot.day - timedelta(days=rng.random() < 0.3)
            found = self._earlier(rng, day, series, channel, before)
            if found and COPY_FATES <= self._begin(found)[1] < self._fate_of_removal(series):
                return found
        return None

    def _url(self, slot: Slot, parent: Slot | None) -> str:
        source, _ = SERIES[slot.series]
        channel = self._channels[source][slot.channel]
        match source:
            case "rss" | "newsapi" | "gdelt":
                section = {"rss": "", "newsapi": "wire/", "gdelt": "desk/"}[source]
                return f"https://{channel}.example/{section}{slot.day:%Y/%m/%d}/{slot.k}"
            case "github":
                return f"https://github.com/{channel}/issues/{slot.number}"
            case "x":
                return f"https://x.com/{channel}/status/{slot.number}"
            case "bluesky":
                return f"https://bsky.app/profile/{channel}/post/3{base36(slot.number):0>12}"
            case "mastodon":
                return f"https://{channel}/@{self.rng('url', slot.key).randrange(9999)}/{slot.number}"
            case "hackernews":
                return f"https://news.ycombinator.com/item?id={slot.number}"
        thread = f"https://www.reddit.com/r/{channel}/comments/{base36((parent or slot).number)}/_/"
        return f"{thread}{base36(slot.number)}/" if parent else thread
