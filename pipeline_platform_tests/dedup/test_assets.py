"""Assets: one key for what sources name in their own ways."""

import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline_platform.dedup.assets import asset_keys, registry, suggested
from pipeline_platform.dedup.listings import LISTINGS, Listing
from pipeline_platform.schemas.columns import TEXT


def keys(*rows: tuple[str, str, str], extra: tuple[Listing, ...] = ()) -> list[str]:
    columns = dict(zip(("source", "symbol", "asset_class"), zip(*rows, strict=True), strict=True))
    frame = pd.DataFrame(
        {name: pd.array(values, dtype=TEXT) for name, values in columns.items()}, index=range(7, 7 + len(rows))
    )
    found = asset_keys(frame, registry(extra))
    assert found.index.tolist() == frame.index.tolist()
    return found.tolist()


def test_sources_agree_on_an_asset() -> None:
    assert keys(
        ("coingecko", "bitcoin", "crypto"),
        ("yahoo", "BTC-USD", "crypto"),
        ("alpha_vantage", "BTC/USD", "crypto"),
        ("yahoo", "AAPL", "equity"),
        ("alpha_vantage", "aapl", "equity"),
        ("yahoo", "EURUSD=X", "currency"),
        ("alpha_vantage", "EUR/USD", "currency"),
        ("yahoo", "^GSPC", "index"),
    ) == ["crypto:BTC"] * 3 + ["equity:AAPL"] * 2 + ["currency:EURUSD"] * 2 + ["index:SPX"]


def test_the_same_symbol_of_another_class_is_another_asset() -> None:
    assert keys(("yahoo", "LINK-USD", "crypto"), ("yahoo", "LINK", "equity")) == ["crypto:LINK", "equity:LINK"]


def test_listings_of_the_settings_come_first() -> None:
    extra = Listing(key="equity:TSCO", names={"yahoo": "TSCO.L", "alpha_vantage": ["TSCO.LON", "TSCO"]})
    assert (
        keys(("yahoo", "TSCO.L", "equity"), ("alpha_vantage", "TSCO.LON", "equity"), extra=(extra,))
        == ["equity:TSCO"] * 2
    )
    moved = Listing(key="crypto:BTC", names={"coingecko": "wrapped-bitcoin"})
    assert keys(("coingecko", "bitcoin", "crypto"), extra=(moved,)) == ["crypto:BITCOIN"]


def test_no_name_stands_for_two_assets() -> None:
    names = [
        (source, symbol) for listing in LISTINGS for source, symbols in listing.names.items() for symbol in symbols
    ]
    assert len(names) == len(set(names))
    assert len({listing.key for listing in LISTINGS}) == len(LISTINGS)


@pytest.mark.parametrize("key", ["BTC", "crypto:", "crypto:btc", "Crypto:BTC", ""])
def test_a_key_has_a_class_and_a_ticker(key: str) -> None:
    with pytest.raises(ValidationError):
        Listing(key=key, names={})


@pytest.mark.parametrize(
    ("symbol", "asset_class"), [("-USD", "crypto"), ("^", "index"), ("=X", "currency"), (" ", "equity")]
)
def test_odd_symbols_keep_a_key(symbol: str, asset_class: str) -> None:
    assert len(suggested(symbol, asset_class)) > len(asset_class) + 1
