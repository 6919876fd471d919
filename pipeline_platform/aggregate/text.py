"""Aggregates of documents: sentiment per hour and channel; entities and subjects per day.

Measures are over canonical documents, so that a copied story counts once; the plain count stands beside. Documents that
the upstream says are removed are left out.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.aggregate.subjects import subject_pairs
from pipeline_platform.aggregate.sums import SUMS, measured, memberships, summed, with_means
from pipeline_platform.schemas.aggregated.measures import EVERY
from pipeline_platform.schemas.aggregated.text import ENTITY_DAILY, SENTIMENT_HOURLY, SUBJECT_DAILY
from pipeline_platform.schemas.columns import TEXT

UNCOUNTED_ENTITIES = ("ASSET", "MENTION")
"""Names of accounts are personal and not published in aggregates. An asset is no mention of its own: it is added to the
ORG or TICKER that stands for it, and counted in `subject_daily`."""

HOUR_US = 3_600_000_000


def sentiment_hourly(days: Sequence[date], documents: pd.DataFrame) -> pd.DataFrame:
    """Volume and sentiment per hour for every channel, every source and all together.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents`; `event_date` is the UTC day of `created_at`.

    Returns:
        Rows of `aggregated/sentiment_hourly`.
    """
    rows = on_days(documents, days)
    keys = {
        "event_date": pd.factorize(rows["event_date"].array),
        "hour": pd.factorize(rows["created_at"].astype("int64[pyarrow]").to_numpy(dtype="int64") // HOUR_US),
        "source": pd.factorize(rows["source"].array),
        "channel": pd.factorize(rows["channel"].array, use_na_sentinel=False),
    }
    groups, of = grouped([codes for codes, _ in keys.values()], [len(values) for _, values in keys.values()])
    sums = summed(measured(rows), np.arange(len(rows)), groups, len(of[0]))
    named = {name: pd.Series(values).take(at).array for (name, (_, values)), at in zip(keys.items(), of, strict=True)}
    finest = sums.assign(**named)
    finest = finest[finest["documents"] > 0]
    finest = finest.assign(hour=pd.to_datetime(finest["hour"] * HOUR_US, unit="us", utc=True))
    sources = finest.groupby(["event_date", "hour", "source"], as_index=False)[SUMS].sum()
    total = sources.groupby(["event_date", "hour"], as_index=False)[SUMS].sum()
    sums = pd.concat(
        [
            finest[finest["channel"].notna().to_numpy(dtype=bool)],
            sources.assign(channel=EVERY),
            total.assign(source=EVERY, channel=EVERY),
        ],
        ignore_index=True,
    )
    return shaped(SENTIMENT_HOURLY, with_means(sums))


def grouped(codes: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The combinations of several keys that occur.

    Args:
        codes: per key the number of its value in every row.
        sizes: how many values each key has.

    Returns:
        The number of the combination in every row, and per key the number of its value in every combination.
    """
    joint = np.zeros(len(codes[0]), dtype="int64")
    for one, size in zip(codes, sizes, strict=True):
        joint = joint * size + one
    numbers, occurring = pd.factorize(joint)
    of: list[np.ndarray] = []
    for size in reversed(sizes):
        of.append(occurring % max(size, 1))
        occurring = occurring // max(size, 1)
    return numbers, of[::-1]


def sums_by_day(
    rows: pd.DataFrame, members: np.ndarray, codes: np.ndarray, count: int, numbers: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Sums and number of sources of the documents that have something in common, per day.

    Args:
        rows: rows of `enriched/documents`.
        members: positions in `rows`, a document as often as it has names.
        codes: number of the name of each, in `[0, count)`.
        count: number of names.
        numbers: what to add up, `SUMS` and more; as `measured` gives them if nothing is said.

    Returns:
        A row per day and name with the sums, `event_date` and `sources`; and the number of the name of
        every row.
    """
    days, dates = pd.factorize(rows["event_date"].array)
    sources, known = pd.factorize(rows["source"].array)
    groups, (day, name) = grouped([days[members], codes], [len(dates), count])
    numbers = measured(rows) if numbers is None else numbers
    sums = summed(numbers, members, groups, len(day))
    tells = np.zeros((len(day), len(known)), dtype=bool)
    counted = numbers["documents"].to_numpy()[members] > 0
    tells[groups[counted], sources[members][counted]] = True
    found = sums.assign(event_date=pd.Series(dates).take(day).array, sources=tells.sum(axis=1))
    held = (found["documents"] > 0).to_numpy()
    return found[held].reset_index(drop=True), name[held]


def parted(entities: pd.Series) -> pd.DataFrame:
    """`entity_type` and `entity` of texts such as `TYPE:value`, on their index."""
    return entities.astype(TEXT).str.extract(r"(?s)^(?P<entity_type>[^:]*):(?P<entity>.*)$")


def exploded(documents: pd.DataFrame) -> pd.DataFrame:
    """One row per document and entity, with `entity_type` and `entity`, less `UNCOUNTED_ENTITIES`."""
    named = documents.explode("entities", ignore_index=True).dropna(subset="entities")
    parts = parted(named["entities"])
    named = named.assign(entity_type=parts["entity_type"], entity=parts["entity"])
    return named[~named["entity_type"].isin(UNCOUNTED_ENTITIES).to_numpy(dtype=bool)]


def entity_daily(days: Sequence[date], documents: pd.DataFrame) -> pd.DataFrame:
    """Volume and sentiment of the documents that name an entity, per day.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents`.

    Returns:
        Rows of `aggregated/entity_daily`.
    """
    rows = on_days(documents, days)
    members, codes, entities = memberships(rows["entities"])
    parts = parted(entities)
    counts = (parts["entity_type"].notna() & ~parts["entity_type"].isin(UNCOUNTED_ENTITIES)).to_numpy(dtype=bool)
    kept = counts[codes]
    sums, names = sums_by_day(rows, members[kept], codes[kept], len(parts))
    return shaped(ENTITY_DAILY, with_means(sums).join(parts.take(names).reset_index(drop=True)))


def subject_daily(days: Sequence[date], documents: pd.DataFrame) -> pd.DataFrame:
    """Volume and sentiment of the documents about an asset, a place or a repository, per day.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents`.

    Returns:
        Rows of `aggregated/subject_daily`.
    """
    rows = on_days(documents, days)
    members, codes, subjects = subject_pairs(rows)
    sums, names = sums_by_day(rows, members, codes, len(subjects))
    return shaped(SUBJECT_DAILY, with_means(sums).join(subjects.take(names).reset_index(drop=True)))
