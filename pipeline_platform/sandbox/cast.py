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

STOCK_PRICES = {"AAPL": 190.0, "MSFT": 410.0, "NVDA": 121.0, "TSLA": 242.0, "SPY": 558.0}
"""Ticker of a share or fund -> middle of its price in USD."""

SYMBOLS = {
    "bitcoin": "btc",
    "ethereum": "eth",
    "solana": "sol",
    "ripple": "xrp",
    "cardano": "ada",
    "dogecoin": "doge",
}

COIN_NAMES = {
    "bitcoin": "Bitcoin",
    "ethereum": "Ethereum",
    "solana": "Solana",
    "ripple": "XRP",
    "cardano": "Cardano",
    "dogecoin": "Dogecoin",
}
"""CoinGecko id of a coin -> its name as people write it."""

_NAMES = {
    "reddit": ("coinharbour", "marketporch", "shipitfriday", "weatherwindow"),
    "rss": ("meridian-news", "ledger-daily", "skywatch", "stackletter", "coin-courier"),
    "github": ("harbourlabs/tidepool", "quillworks/inkwell", "northgrid/lanternd", "brightpath/waymark"),
    "x": ("coindesk_quay", "porchmarkets", "buildnotes", "skylookout"),
    "bluesky": ("quay.example", "porch.example", "shipnotes.example", "lookout.example"),
    "mastodon": ("harbour.example", "lantern.example", "quill.example"),
    "hackernews": ("hackernews",),
    "newsapi": ("meridian-news", "ledger-daily", "skywatch", "stackletter"),
    "gdelt": ("meridian-news", "ledger-daily", "skywatch", "coin-courier"),
}
"""The channels of a source: subreddits, feeds, repositories, accounts, servers, publishers."""

_TOPICS = {
    "reddit": (("coins",), ("markets", "coins"), ("programming",), ("weather", "news")),
    "rss": (("news", "markets"), ("markets", "coins"), ("weather",), ("programming", "news"), ("coins",)),
    "github": (("programming",),),
    "x": (("coins",), ("markets", "coins"), ("programming",), ("weather", "news")),
    "bluesky": (("coins", "markets"), ("markets",), ("programming",), ("weather", "news")),
    "mastodon": (("programming", "news"), ("weather", "news"), ("programming", "coins")),
    "hackernews": (("programming", "markets"),),
    "newsapi": (("news", "markets"), ("markets", "coins"), ("weather",), ("programming", "news")),
    "gdelt": (("news", "markets"), ("markets",), ("weather", "news"), ("coins",)),
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
    names = _NAMES[source]
    rounds = ((names[index % len(names)], index // len(names)) for index in range(count))
    return [_relative(source, name, number + 1) if number else name for name, number in rounds]


def _relative(source: str, name: str, number: int) -> str:
    if source in ("bluesky", "mastodon"):
        return f"{name.removesuffix('.example')}{number}.example"
    return f"{name}{'_' if source in ('reddit', 'x') else '-'}{number}"


def topics_of(source: str, channel: int) -> tuple[str, ...]:
    """What the channel with this number is about; numbered relatives share the topics of the given ones."""
    topics = _TOPICS[source]
    return topics[channel % len(topics)]


def author_named(rng: random.Random) -> str:
    """An account name, one of 5,000."""
    return f"{rng.choice(_MOODS)}_{rng.choice(_CREATURES)}{rng.randrange(10)}"
