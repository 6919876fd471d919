"""Places under one key: the nearest registered one, and a key of its own for what is far from all."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.dedup.cities import CITIES, RegisteredPlace
from pipeline_platform.dedup.places import REACH_KM, distances_km, place_keys, registry, slug
from pipeline_platform.dedup.resolve import RESOLVED, resolve
from pipeline_platform.sandbox.cast import PLACES
from pipeline_platform.schemas.columns import REAL, TEXT
from pipeline_platform.schemas.deduplicated import RESOLVED_COLUMNS
from pipeline_platform.settings import Settings
from pipeline_platform.sources.weather import DEFAULT_PLACES

Row = tuple[str, str | None, float | None, float | None]


def frame_of(*rows: Row) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    types = {"location": TEXT, "country": TEXT, "lat": REAL, "lon": REAL}
    parts = zip(types.items(), columns, strict=True)
    return pd.DataFrame({name: pd.array(list(values), dtype=dtype) for (name, dtype), values in parts})


def keys(*rows: Row) -> list[str]:
    return list(place_keys(frame_of(*rows), registry()))


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (("Berlin", "DE", 52.5244, 13.4105), "berlin-de"),
        (("Mitte", None, 52.52, 13.3), "berlin-de"),
        (("Berlin", "US", 44.47, -71.18), "berlin-us"),
        (("Potsdam", "DE", 52.39, 13.06), "potsdam-de"),
        (("Bergen,NO", "NO", 60.39, 5.32), "bergen-no"),
        (("São José", None, -21.0, -43.0), "sao-jose"),
        (("東京タワー前", None, 10.0, 150.0), "東京タワー前"),
        (("!!", "NO", 70.0, 20.0), "70.00,20.00"),
        (("Peking", "CN", None, None), "beijing-cn"),
        (("peking", None, None, None), "beijing-cn"),
        (("Peking", "US", None, None), "peking-us"),
        (("Fiji", "FJ", -17.0, 179.99), "fiji-fj"),
    ],
)
def test_key_of_a_place(row: Row, key: str) -> None:
    assert keys(row) == [slug(key) if key.startswith("東") else key]


def test_places_that_are_watched_by_default_are_registered() -> None:
    watched = [(place.name, place.country, place.lat, place.lon) for place in (*DEFAULT_PLACES, *PLACES)]
    assert {*keys(*watched)} <= {place.key for place in CITIES}


def test_built_in_places_are_consistent() -> None:
    by_key = {place.key: place for place in CITIES}
    assert len(by_key) == len(CITIES)
    assert all(key == f"{slug(place.name)}-{place.country.lower()}" for key, place in by_key.items())
    lat, lon = np.array([[place.lat, place.lon] for place in CITIES]).T
    apart = distances_km(lat, lon, CITIES)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > REACH_KM, "none is about another"


def test_distances_are_those_of_a_sphere() -> None:
    poles = [RegisteredPlace(key="pole", name="Pole", country="NO", lat=90, lon=0)]
    measured = distances_km(np.array([-90.0, 0.0, 90.0, np.nan]), np.array([0.0, 50.0, 7.0, 1.0]), poles)[:, 0]
    assert measured[:3] == pytest.approx([20015.1, 10007.6, 0], abs=0.1)
    assert np.isnan(measured[3])
    dateline = [RegisteredPlace(key="fiji", name="Fiji", country="FJ", lat=0, lon=179.9)]
    assert distances_km(np.array([0.0]), np.array([-179.9]), dateline)[0, 0] == pytest.approx(22.24, abs=0.01)


def test_a_place_of_the_settings_is_added_or_takes_the_place_of_a_built_in_one() -> None:
    ghent = RegisteredPlace(key="ghent-be", name="Ghent", country="BE", lat=51.05, lon=3.72, names=("Gent",))
    moved = RegisteredPlace(key="berlin-de", name="Berlin", country="DE", lat=0, lon=0)
    places = registry([ghent, moved])
    assert len(places) == len(CITIES) + 1
    found = place_keys(frame_of(("Gand", None, 51.06, 3.7), ("x", None, 0.1, 0.1), ("Gent", None, None, None)), places)
    assert list(found) == ["ghent-be", "berlin-de", "ghent-be"]


def test_without_a_registry_every_place_has_a_key_of_its_own() -> None:
    assert list(place_keys(frame_of(("Berlin", "DE", 52.52, 13.4)), ())) == ["berlin-de"]


def test_rows_keep_their_index_and_an_empty_frame_stays_empty() -> None:
    frame = frame_of(("Berlin", "DE", 52.52, 13.4), ("Oslo", "NO", 59.91, 10.75), ("Berlin", "DE", 52.52, 13.4))
    frame.index = pd.Index([4, 4, 9])
    found = place_keys(frame, registry())
    assert found.to_dict() == {4: "oslo-no", 9: "berlin-de"}
    assert found.dtype == TEXT
    assert list(place_keys(frame_of(), registry())) == []


@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=5),
            st.none() | st.sampled_from(["DE", "US"]),
            st.none() | st.floats(-90, 90),
            st.none() | st.floats(-180, 180),
        ),
        max_size=6,
    )
)
def test_every_row_has_a_key_that_does_not_depend_on_the_others(rows: list[Row]) -> None:
    together = keys(*rows)
    assert together == [keys(row)[0] for row in rows]
    assert all(key.strip() for key in together)


def test_declared_columns_are_those_that_are_filled() -> None:
    assert {kind: {column} for kind, (column, _) in RESOLVED.items()} == {
        kind: set(columns) for kind, columns in RESOLVED_COLUMNS.items()
    }
    rows = frame_of(("Berlin", "DE", 52.52, 13.4))
    assert list(resolve("weather_forecasts", rows, Settings())["place"]) == ["berlin-de"]
    assert resolve("trending", rows, Settings()) is rows
