"""Who and what the synthetic world is about: channels, accounts, coins, places."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A city: name as people write it, ISO 3166-1 alpha-2 country, degrees north and east."""

    name: str
    country: str
    lat: float
    lon: float


PLACES = (
    Place("Berlin", "DE", 52.5244, 13.4105),
    Place("London", "GB", 51.5085, -0.1257),
    Place("New York", "US", 40.7143, -74.006),
    Place("Tokyo", "JP", 35.6895, 139.6917),
    Place("São Paulo", "BR", -23.5475, -46.6361),
    Place("Nairobi", "KE", -1.2833, 36.8167),
    Place("Reykjavík", "IS", 64.1355, -21.8954),
    Place("Sydney", "AU", -33.8679, 151.2073),
)

BASE_PRICES = {
    "bitcoin": 64000.0,
    "ethereum": 3200.0,
    "solana": 148.0,
    "ripple": 0.58,
    "cardano": 0.46,
    "dogecoin": 0.13,
}
"""CoinGecko id of a coin -> middle of its price in USD."""

SYMBOLS = {
    "bitcoin": "btc",
    "ethereum": "eth",
    "solana": "sol",
    "ripple": "xrp",
    "cardano": "ada",
    "dogecoin": "doge",
}

_SUBREDDITS = ("coinharbour", "marketporch", "shipitfriday", "weatherwindow")
_FEEDS = ("meridian-news", "ledger-daily", "skywatch", "stackletter", "coin-courier")
_REPOSITORIES = ("harbourlabs/tidepool", "quillworks/inkwell", "northgrid/lanternd", "brightpath/waymark")

_TOPICS = {
    "reddit": (("coins",), ("markets", "coins"), ("programming",), ("weather", "news")),
    "rss": (("news", "markets"), ("markets", "coins"), ("weather",), ("programming", "news"), ("coins",)),
    "github": (("programming",),),
}

_MOODS = (
    "amber", "brisk", "calm", "dusty", "eager", "fuzzy", "gentle", "hollow", "idle", "jolly", "keen", "lucky", "mellow",
    "nimble", "odd", "plain", "quiet", "rapid", "sandy", "tidy", "urban", "vivid", "windy", "young", "zesty",
)  # fmt: skip
_CREATURES = (
    "otter", "heron", "badger", "lynx", "magpie", "walrus", "gecko", "falcon", "beetle", "puffin", "marten", "tapir",
    "osprey", "weasel", "toad", "ibex", "swift", "mole", "crane", "newt",
)  # fmt: skip


def channel_names(source: str, count: int) -> list[str]:
    """The names of the `count` channels of `source`: the given ones, then numbered relatives of them."""
    names = {"reddit": _SUBREDDITS, "rss": _FEEDS, "github": _REPOSITORIES}[source]
    joint = {"reddit": "_", "rss": "-", "github": "-"}[source]
    rounds = ((name, index // len(names)) for index in range(count) for name in [names[index % len(names)]])
    return [f"{name}{joint}{number + 1}" if number else name for name, number in rounds]


def topics_of(source: str, channel: int) -> tuple[str, ...]:
    """What the channel with this number is about; numbered relatives share the topics of the given ones."""
    topics = _TOPICS[source]
    return topics[channel % len(topics)]


def author_named(rng: random.Random) -> str:
    """An account name, one of 5,000."""
    return f"{rng.choice(_MOODS)}_{rng.choice(_CREATURES)}{rng.randrange(10)}"
