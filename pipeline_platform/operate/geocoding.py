"""Places that no list of ours knows, asked of a provider through GeoPy: seldom, slowly, once, and off by default.

An answer is kept in the warehouse, one that there is no such place too, and is not asked for again until it is old. So
what a run says of a text follows from texts and kept answers, and the version of the component names them.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from redis import Redis

from pipeline_platform.dedup.places import slug
from pipeline_platform.enrich.geocoded import GeocodedPlace, candidate_names
from pipeline_platform.enrich.places import known_names
from pipeline_platform.enrich.texts import distinct_texts
from pipeline_platform.settings import Settings
from pipeline_platform.sources.clock import SYSTEM_CLOCK, Clock
from pipeline_platform.sources.redact import Redactor
from pipeline_platform.sources.transfer import USER_AGENT
from pipeline_platform.storage.stores import Stores

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10
MOST_ERRORS = 3
"""Errors in a row after which a run asks no more."""
SETTLEMENTS = frozenset({"city", "town", "village", "municipality", "borough"})


@dataclass
class Geocoding:
    """What a run asked.

    Attributes:
        places: all that is known by now.
        asked: names that were asked for.
        found: of them places.
        waiting: names left for a later run: beyond what a run may ask, or after errors.
        errors: what went wrong, without secrets.
    """

    places: list[GeocodedPlace] = field(default_factory=list)
    asked: int = 0
    found: int = 0
    waiting: int = 0
    errors: list[str] = field(default_factory=list)


def geocode(stores: Stores, documents: pd.DataFrame, clock: Clock = SYSTEM_CLOCK) -> Geocoding | None:
    """Ask for the unknown places of documents, as far as a run may; None when no provider is configured.

    An error never fails: it is told, and the name is asked for by a later run.

    Args:
        stores: their settings name the provider and its limits; answers are kept in the warehouse, the rate in Redis.
        documents: have `title` and `text`.
        clock: time and waiting.
    """
    settings = stores.settings
    if settings.geocoder is None:
        return None
    kept = {row["name"]: row for row in stores.warehouse.geocoded(settings.geocoder)}
    fresh = clock.now() - timedelta(days=settings.geocoder_answer_days)
    known = known_names(settings) | {name for name, row in kept.items() if row["asked_at"] >= fresh}
    wanted = candidate_names(distinct_texts(documents)[0].to_numpy(dtype=object), known)
    done = Geocoding()
    answers = _ask(settings, wanted[: settings.geocoder_requests_per_run], _Pace(settings, stores.redis, clock), done)
    rows = [
        {"provider": settings.geocoder, "name": name, "asked_at": clock.now(), **_columns(place)}
        for name, place in answers.items()
    ]
    stores.warehouse.keep_geocoded(rows)
    kept |= {row["name"]: row for row in rows}
    done.waiting = len(wanted) - len(answers)
    done.places = [
        GeocodedPlace(name, row["key"], row["country"], row["lat"], row["lon"])
        for name, row in sorted(kept.items())
        if row["key"]
    ]
    return done


def _ask(
    settings: Settings, names: Sequence[str], pace: "_Pace", done: Geocoding
) -> Mapping[str, GeocodedPlace | None]:
    from geopy.exc import (
        GeocoderAuthenticationFailure,
        GeocoderInsufficientPrivileges,
        GeocoderQuotaExceeded,
        GeopyError,
    )

    redactor, failed = Redactor.of(settings), 0
    answers: dict[str, GeocodedPlace | None] = {}
    if not names:
        return answers
    try:
        question = _provider(settings)
        for name in names:
            pace.wait()
            done.asked += 1
            try:
                answers[name] = question(name)
                failed = 0
            # Rate limits are a kind of exceeded quota.
            except (GeocoderQuotaExceeded, GeocoderAuthenticationFailure, GeocoderInsufficientPrivileges) as error:
                done.errors.append(redactor.text(f"{type(error).__name__}: {error}"))
                break
            except (GeopyError, KeyError, TypeError, ValueError) as error:
                done.errors.append(redactor.text(f"{name}: {type(error).__name__}: {error}"))
                failed += 1
                if failed >= MOST_ERRORS:
                    break
    except GeopyError as error:
        done.errors.append(redactor.text(f"PIPELINE_GEOCODER={settings.geocoder}: {error}"))
    done.found = sum(place is not None for place in answers.values())
    for told in done.errors:
        log.warning("places are asked for by a later run: %s", told)
    return answers


class _Pace:
    """One request after another, at the rate of the settings, over all processes."""

    def __init__(self, settings: Settings, redis: Redis, clock: Clock) -> None:
        from pyrate_limiter import Rate, RedisStateStore, TokenBucket

        minute = settings.geocoder_requests_per_minute
        self._rates, self._algorithm, self._clock = [Rate(1, math.ceil(60_000 / minute))], TokenBucket(), clock
        key = f"pipeline:geocoder:{settings.geocoder}:{settings.geocoder_url or ''}:{minute}"
        self._store = RedisStateStore(redis, key)

    def wait(self) -> None:
        while True:
            now = math.floor(self._clock.now().timestamp() * 1000)
            decision = self._store.check(self._algorithm, self._rates, now, 1)
            if decision.allowed:
                return
            self._clock.sleep((decision.retry_after_ms or 1) / 1000)


def _columns(place: GeocodedPlace | None) -> dict[str, Any]:
    if place is None:
        return {"key": None, "country": None, "lat": None, "lon": None}
    return {"key": place.key, "country": place.country, "lat": place.lat, "lon": place.lon}


def _provider(settings: Settings) -> Callable[[str], GeocodedPlace | None]:
    from geopy import adapters, geocoders

    arguments: dict[str, Any] = {
        "timeout": TIMEOUT_SECONDS,
        "user_agent": settings.geocoder_user_agent or USER_AGENT,
        # By default it tries again by itself, and waits for as long as a server asks.
        "adapter_factory": partial(adapters.RequestsAdapter, max_retries=0),
    }
    if settings.geocoder_url:
        address = urlsplit(settings.geocoder_url)
        arguments |= {"scheme": address.scheme, "domain": f"{address.netloc}{address.path}".rstrip("/")}
    if settings.geocoder == "opencage":
        key = settings.geocoder_api_key.get_secret_value() if settings.geocoder_api_key else ""
        provider = geocoders.OpenCage(api_key=key, **arguments)
        return lambda name: _settlement(name, provider.geocode(name, language="en"), _of_opencage)
    provider = geocoders.Nominatim(**arguments)
    return lambda name: _settlement(
        name, provider.geocode(name, language="en", addressdetails=True, featuretype="settlement"), _of_nominatim
    )


def _of_nominatim(raw: Mapping[str, Any]) -> tuple[str, str, str]:
    return raw["addresstype"], raw["name"], raw["address"]["country_code"]


def _of_opencage(raw: Mapping[str, Any]) -> tuple[str, str, str]:
    components = raw["components"]
    return components["_type"], components.get("_normalized_city", ""), components["country_code"]


def _settlement(
    name: str, location: Any, read: Callable[[Mapping[str, Any]], tuple[str, str, str]]
) -> GeocodedPlace | None:
    """What an answer says; nothing when it is no city or village: a street or a shop has the name by chance.

    Raises:
        KeyError, TypeError, ValueError: it is not what the provider documents.
    """
    if location is None:
        return None
    kind, called, country = read(location.raw)
    if kind not in SETTLEMENTS or not country:
        return None
    key = f"{slug(called) or slug(name)}-{country.lower()}"
    return GeocodedPlace(name, key, country.upper(), round(location.latitude, 4), round(location.longitude, 4))
