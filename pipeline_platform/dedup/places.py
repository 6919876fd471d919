"""Which place a row is about: sources name places and round coordinates in their own ways, a registry gives one key."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from pipeline_platform.dedup.cities import CITIES, RegisteredPlace
from pipeline_platform.schemas.columns import TEXT

REACH_KM = 25.0
"""How far from a registered place a row is still about it: a city, and the cells of weather models."""
EARTH_KM = 6371.0088


def registry(extra: Iterable[RegisteredPlace] = ()) -> tuple[RegisteredPlace, ...]:
    """The built-in places with `extra` ones, which take the place of built-in ones of the same key."""
    return tuple({place.key: place for place in (*CITIES, *extra)}.values())


def slug(name: str) -> str:
    """`São Paulo` as `sao-paulo`: lower case, without accents, words joined by hyphens."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", "-", bare.casefold()).strip("-")


def distances_km(lat: np.ndarray, lon: np.ndarray, places: Sequence[RegisteredPlace]) -> np.ndarray:
    """Great-circle distances (haversine), shape `(points, places)`; NaN where a coordinate is."""
    to_lat, to_lon = np.radians([[place.lat, place.lon] for place in places]).T
    from_lat, from_lon = np.radians(lat)[:, None], np.radians(lon)[:, None]
    half = np.sin((to_lat - from_lat) / 2) ** 2
    half = half + np.cos(from_lat) * np.cos(to_lat) * np.sin((to_lon - from_lon) / 2) ** 2
    # Antipodes may give a hair above 1.
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def place_keys(frame: pd.DataFrame, places: Sequence[RegisteredPlace]) -> pd.Series:
    """The key of the place of every row.

    Args:
        frame: has `location`, `country`, `lat`, `lon`; all but the location may be null.
        places: the registry.

    Returns:
        The key of the nearest registered place within `REACH_KM`; for a row without coordinates, of the one of its
        name. Otherwise a key of its own, from name and country. Never null; the index is that of `frame`.
    """
    spots = frame[["location", "country", "lat", "lon"]].drop_duplicates()
    nearest = _nearest(spots, places)
    named = _by_name(places)
    keys: list[str] = []
    for (location, country, lat, lon), near in zip(spots.itertuples(index=False, name=None), nearest, strict=True):
        name, land = _text(location), _text(country)
        own = _own_key(name, land)
        lost = bool(pd.isna(lat) or pd.isna(lon))
        keys.append(near or (named.get((slug(name), land)) if lost else None) or own or f"{lat:.2f},{lon:.2f}")
    known = spots.assign(place=pd.Series(keys, index=spots.index, dtype=TEXT))
    merged = frame[["location", "country", "lat", "lon"]].merge(known, how="left", validate="many_to_one")
    return pd.Series(merged["place"].array, index=frame.index, name="place")


def _nearest(spots: pd.DataFrame, places: Sequence[RegisteredPlace]) -> list[str | None]:
    if not len(spots) or not places:
        return [None] * len(spots)
    lat, lon = (spots[name].to_numpy(dtype="float64", na_value=np.nan) for name in ("lat", "lon"))
    distances = np.nan_to_num(distances_km(lat, lon, places), nan=np.inf)
    near = distances.argmin(axis=1)
    within = distances[np.arange(len(spots)), near] <= REACH_KM
    return [places[place].key if reached else None for place, reached in zip(near, within, strict=True)]


def _by_name(places: Sequence[RegisteredPlace]) -> dict[tuple[str, str], str]:
    """Slug of every name, with the country and without, to the key; a name that two places share tells nothing."""
    found: dict[tuple[str, str], str | None] = {}
    for place in places:
        for name in {slug(name) for name in (place.name, *place.names)}:
            for land in (place.country, ""):
                at = (name, land)
                found[at] = place.key if found.get(at, place.key) == place.key else None
    return {at: key for at, key in found.items() if key}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _own_key(name: str, country: str) -> str:
    # Watch lists may name a place as "City,CC".
    bare = name.removesuffix(f",{country}") if country else name
    return "-".join(part for part in (slug(bare), country.lower()) if part) if slug(bare) else ""
