"""Which asset a row is about: sources name assets in their own ways, a registry gives one key.

What the registry does not know gets the key that its symbol and class suggest: `AAPL` of every source is
`equity:AAPL`, `BTC-USD` and `BTC/USD` are `crypto:BTC`, `EURUSD=X` and `EUR/USD` are `currency:EURUSD`.
"""

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from pipeline_platform.dedup.listings import LISTINGS, Listing
from pipeline_platform.schemas.columns import TEXT

_QUOTED = re.compile(r"[-/](?:USDT?|EUR|GBP|JPY|CHF|CAD|AUD)$")
"""The currency in which a coin is quoted, at the end of its symbol."""


def registry(extra: Iterable[Listing] = ()) -> tuple[Listing, ...]:
    """The built-in assets with `extra` ones, which take the place of built-in ones of the same key."""
    return tuple({listing.key: listing for listing in (*LISTINGS, *extra)}.values())


def asset_keys(frame: pd.DataFrame, listings: Sequence[Listing]) -> pd.Series:
    """The key of the asset of every row.

    Args:
        frame: has `source`, `symbol` and `asset_class`, none of them null.
        listings: the registry.

    Returns:
        Keys such as `crypto:BTC`, on the index of `frame`. Never null.
    """
    known = {
        (source, symbol.upper()): listing.key
        for listing in listings
        for source, symbols in listing.names.items()
        for symbol in symbols
    }
    names = list(zip(frame["source"], frame["symbol"], frame["asset_class"], strict=True))
    keys = {
        (source, symbol, asset_class): known.get((source, symbol.upper())) or suggested(symbol, asset_class)
        for source, symbol, asset_class in set(names)
    }
    return pd.Series([keys[name] for name in names], index=frame.index, dtype=TEXT, name="asset")


def suggested(symbol: str, asset_class: str) -> str:
    """The key that a symbol suggests: without quote currency, separators and the marks of its source."""
    ticker = symbol.strip().upper()
    if asset_class == "crypto":
        ticker = _QUOTED.sub("", ticker)
    elif asset_class == "currency":
        ticker = re.sub(r"[/-]|=X$", "", ticker)
    return f"{asset_class}:{ticker.removeprefix('^') or symbol}"
