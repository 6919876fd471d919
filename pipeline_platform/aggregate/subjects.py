"""What documents are about under the keys of other domains: assets, places, repositories.

A document is about an asset if it names the coin, the company behind it or its ticker, however often. The entities have
settled already what is a name and what a false friend (`enrich/entities.py`, `enrich/named.py`). Here only the names of
one thing become one key:

- `ASSET:equity:AAPL` is the key itself, which entities have for every company and ticker they know.
- `COIN:bitcoin` is CoinGecko's id, whose key is that of `deduplicated/market_bars`.
- `TICKER:BTC` of a coin has a COIN beside it. A ticker that nobody knows is `ticker:XYZ`: whether it is a share, a fund
  or nothing at all is told by the prices, if there are any.
"""

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.sums import memberships
from pipeline_platform.dedup.assets import asset_keys, registry
from pipeline_platform.enrich.coins import ID_BY_SYMBOL
from pipeline_platform.enrich.named import asset_by_ticker
from pipeline_platform.schemas.columns import TEXT

UNKNOWN_TICKER = "ticker:"
"""Begins the key of what is named by a ticker that no registry knows."""


def subject_of_entities(entities: pd.Series) -> pd.DataFrame:
    """Kind and key of the subject that each entity stands for, null for the others; on the index of `entities`."""
    parts = entities.astype(TEXT).str.extract(r"(?s)^(?P<label>[^:]*):(?P<value>.*\S.*)$")
    label, value = parts["label"], parts["value"]
    kind = label.map({"ASSET": "asset", "COIN": "asset", "TICKER": "asset", "REPOSITORY": "repository"}).astype(TEXT)
    subject = value.where(label.isin(["ASSET", "REPOSITORY"]))
    coins = value[(label == "COIN").to_numpy(dtype=bool, na_value=False)]
    listed = pd.DataFrame({"source": "coingecko", "symbol": coins, "asset_class": "crypto"})
    tickers = value[(label == "TICKER").to_numpy(dtype=bool, na_value=False)]
    tickers = tickers[~tickers.isin(list(ID_BY_SYMBOL)).to_numpy(dtype=bool)]
    shares = tickers.map(asset_by_ticker()).astype(TEXT).fillna(UNKNOWN_TICKER + tickers)
    subject = subject.combine_first(asset_keys(listed, registry())).combine_first(shares)
    return pd.DataFrame({"kind": kind.where(subject.notna()), "subject": subject}).astype(TEXT)


def subject_pairs(documents: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Who is about what.

    Args:
        documents: `entities` and `place` of rows of `enriched/documents`.

    Returns:
        Position of the document and number of the subject, each pair once; and the subjects by number, with `kind`
        (asset, place or repository) and `subject`.
    """
    members, codes, entities = memberships(documents["entities"])
    named = subject_of_entities(entities)
    kept = named["subject"].notna().to_numpy(dtype=bool)[codes]
    places, keys = pd.factorize(documents["place"].array)
    located = np.flatnonzero(places >= 0)
    settings = pd.DataFrame({"kind": "place", "subject": pd.Series(keys, dtype=TEXT)})
    told = pd.concat([named, settings.astype(TEXT)], ignore_index=True)
    # Several entities may stand for one subject.
    joint = told["kind"].str.cat(told["subject"], sep=" ")
    numbers, names = pd.factorize(joint)
    subjects = told.drop_duplicates().dropna().reset_index(drop=True)
    rows = np.concatenate([members[kept], located])
    about = np.concatenate([numbers[codes[kept]], numbers[len(named) + places[located]]])
    pairs = pd.unique(rows.astype("int64") * max(len(names), 1) + about)
    return pairs // max(len(names), 1), pairs % max(len(names), 1), subjects
