"""Places asked of a real server on this machine that speaks Nominatim's format, well and badly."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.enrich.geocoded import candidate_names
from pipeline_platform.enrich.places import Places, known_names
from pipeline_platform.operate import geocoding
from pipeline_platform.operate.geocoding import geocode
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.columns import TEXT
from pipeline_platform.settings import Settings
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.defs.test_enrichment import enriched, store

KNOWN = {
    "Ljubno": ("village", "Ljubno ob Savinji", "si", 46.34553, 14.83318),
    "Zgornji Brnik": ("village", "Zgornji Brnik", "si", 46.2225, 14.4772),
    "Bavarskas": ("state", "Bavaria", "de", 48.9, 11.4),
}


@dataclass
class Provider:
    """Nominatim as far as it is asked here: what it was asked, and what goes wrong next."""

    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Request) -> Response:
        name = request.query_params["q"]
        self.asked.append(name)
        self.agents.add(request.headers["user-agent"])
        match self.wrong.pop(0) if self.wrong else "":
            case "429":
                return Response("too many requests", 429, {"Retry-After": "30"})
            case "500":
                return Response("broken", 500)
            case "slow":
                time.sleep(1)
            case "html":
                return Response("<html>blocked</html>", media_type="text/html")
            case "other":
                return JSONResponse([{"lat": "1", "lon": "2", "display_name": "x"}])
        if name not in KNOWN:
            return JSONResponse([])
        kind, called, country, lat, lon = KNOWN[name]
        place = {
            "place_id": 1,
            "osm_type": "node",
            "lat": str(lat),
            "lon": str(lon),
            "class": "place",
            "type": kind,
            "addresstype": kind,
            "name": called,
            "display_name": f"{called}, somewhere",
            "address": {kind: called, "country_code": country},
            "boundingbox": ["1", "2", "3", "4"],
        }
        return JSONResponse([place])

    def opencage(self, request: Request) -> Response:
        """The same in the format of OpenCage, which wants a key."""
        name = request.query_params["q"]
        self.asked.append(name)
        if request.query_params["key"] != "s3cret-key":
            return JSONResponse({"status": {"code": 401, "message": "invalid key"}}, 401)
        results = []
        if name in KNOWN:
            kind, called, country, lat, lon = KNOWN[name]
            parts = {"_type": kind, "_normalized_city": called, "country_code": country}
            results = [{"components": parts, "formatted": called, "geometry": {"lat": lat, "lng": lon}}]
        return JSONResponse({"results": results, "status": {"code": 200, "message": "OK"}})


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    app = Starlette(routes=[Route("/nominatim/search", provider.answer), Route("/geocode/v1/json", provider.opencage)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    provider.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/nominatim"
    yield provider
    server.should_exit = True
    thread.join()


class Watch:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def asking(stores: Stores, provider: Provider, **more: object) -> Stores:
    """The stores with the provider configured."""
    told = {"geocoder": "nominatim", "geocoder_url": provider.url, **more}
    return Stores(stores.settings.model_copy(update=told))


def documents(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"title": pd.Series([None] * len(texts), dtype=TEXT), "text": pd.Series(texts, dtype=TEXT)})


SAID = documents(
    "Floods in Ljubno again", "They came from Ljubno.", "A market in Zgornji Brnik", "We met in Nowhereton", "in Paris"
)


def test_nobody_is_asked_unless_that_is_configured(stores: Stores) -> None:
    assert geocode(stores, SAID) is None


def test_unknown_places_are_asked_once_and_found_in_texts(stores: Stores, provider: Provider) -> None:
    opened, watch = asking(stores, provider), Watch()
    done = geocode(opened, SAID, watch)
    assert provider.asked == ["Ljubno", "Nowhereton", "Zgornji Brnik"]
    assert {agent.partition("/")[0] for agent in provider.agents} == {"pipeline-platform"}
    assert (done.asked, done.found, done.waiting, done.errors) == (3, 2, 0, [])
    component = Places(opened.settings, done.places)
    found = component.apply(SAID["text"], pd.DataFrame())["places"]
    assert [list(one) for one in found] == [
        ["ljubno-ob-savinji-si", "SI"],
        ["ljubno-ob-savinji-si", "SI"],
        ["zgornji-brnik-si", "SI"],
        [],
        ["paris-fr", "FR"],
    ]
    again = geocode(asking(stores, provider), SAID, watch)
    assert len(provider.asked) == 3
    assert again.places == done.places
    assert Places(opened.settings, again.places).version == component.version
    assert Places(opened.settings).version != component.version


def test_what_is_no_settlement_is_no_place(stores: Stores, provider: Provider) -> None:
    done = geocode(asking(stores, provider), documents("in Bavarskas"), Watch())
    assert (done.asked, done.found, done.places) == (1, 0, [])


def test_a_run_asks_so_many_at_such_a_rate_and_the_next_goes_on(stores: Stores, provider: Provider) -> None:
    opened, watch = asking(stores, provider, geocoder_requests_per_run=2), Watch()
    started = watch.now()
    done = geocode(opened, SAID, watch)
    assert (provider.asked, done.waiting) == (["Ljubno", "Nowhereton"], 1)
    assert watch.now() - started >= timedelta(seconds=1)
    assert geocode(opened, SAID, watch).waiting == 0
    assert provider.asked[2:] == ["Zgornji Brnik"]


def test_old_answers_are_asked_for_again_and_stay_while_nobody_answers(stores: Stores, provider: Provider) -> None:
    opened, watch = asking(stores, provider, geocoder_answer_days=30), Watch()
    first = geocode(opened, SAID, watch)
    watch.sleep(31 * 86_400)
    provider.wrong = ["429"]
    second = geocode(opened, SAID, watch)
    assert second.places == first.places
    assert second.errors == ["GeocoderRateLimited: Non-successful status code 429"]
    third = geocode(opened, SAID, watch)
    assert (third.asked, third.places) == (3, first.places)


@pytest.mark.parametrize(
    ("wrong", "asked", "found"),
    [
        (["429"], 1, 0),
        (["500"], 3, 1),
        (["html"], 3, 1),
        (["other"], 3, 1),
        (["slow"], 3, 1),
        (["500"] * 3, 3, 0),
    ],
    ids=["429", "500", "no JSON", "another format", "timeout", "down"],
)
def test_errors_are_told_and_owed(
    stores: Stores,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    wrong: list[str],
    asked: int,
    found: int,
) -> None:
    monkeypatch.setattr(geocoding, "TIMEOUT_SECONDS", 0.3)
    opened, watch = asking(stores, provider), Watch()
    provider.wrong = list(wrong)
    done = geocode(opened, SAID, watch)
    assert (done.asked, done.found, len(done.errors)) == (asked, found, len(wrong))
    assert done.waiting >= len(wrong)
    provider.wrong = []
    healed = geocode(opened, SAID, watch)
    assert (healed.waiting, len(healed.places)) == (0, 2)


def test_a_provider_that_is_not_there_costs_nothing_but_the_answer(stores: Stores) -> None:
    told = {"geocoder": "nominatim", "geocoder_url": "http://127.0.0.1:9"}
    done = geocode(Stores(stores.settings.model_copy(update=told)), SAID, Watch())
    assert (done.found, done.waiting) == (0, 3)
    assert "GeocoderUnavailable" in done.errors[0]


def test_opencage_is_asked_with_its_key_which_no_error_shows(stores: Stores, provider: Provider) -> None:
    told = {"geocoder": "opencage", "geocoder_url": provider.url.removesuffix("/nominatim")}
    opened = asking(stores, provider, **told, geocoder_api_key=SecretStr("s3cret-key"))
    assert [place.key for place in geocode(opened, SAID, Watch()).places] == [
        "ljubno-ob-savinji-si",
        "zgornji-brnik-si",
    ]
    wrong = asking(stores, provider, **told, geocoder_api_key=SecretStr("wr0ng-key"), geocoder_answer_days=1)
    late = Watch()
    late.sleep(10 * 86_400)
    done = geocode(wrong, SAID, late)
    assert (done.asked, len(done.places)) == (1, 2)
    assert "GeocoderAuthenticationFailure" in done.errors[0]
    assert "wr0ng-key" not in done.errors[0]


def test_a_configured_provider_reaches_the_enriched_table(
    stores: Stores, provider: Provider, definitions: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_GEOCODER", "nominatim")
    monkeypatch.setenv("PIPELINE_GEOCODER_URL", provider.url)
    monkeypatch.setenv("PIPELINE_GEOCODER_REQUESTS_PER_MINUTE", "60000")
    store(stores, "Floods in Ljubno again", "Nobody lives in Nowhereton.")
    with dg.DagsterInstance.ephemeral() as instance:
        told = enriched(definitions, instance)
        assert (told["places asked"], told["places found"], told["places still to ask"]) == (2, 1, 0)
        provider.wrong = ["500"] * 9
        again = enriched(definitions, instance)
    assert (again["places asked"], again["changed"]) == (0, False)
    rows = stores.lake.read(tables()["enriched/documents"]).set_index("document_id")
    assert rows.loc["reddit:0", "place"] == "ljubno-ob-savinji-si"
    assert "nominatim" in rows.loc["reddit:0", "model_versions"]


def test_names_stand_behind_a_preposition_of_place(stores: Stores) -> None:
    texts = [
        "in Ljubno", "from Bad Ischlau to", "in Paris and in Germany", "in March",
        "from Michael", "in Ljubno, near Quux-Ville", "in the Alps", "into Foobar", "in Apple", "in ABC",
        "in Xyzzy 2",
    ]  # fmt: skip
    assert candidate_names(texts, known_names(Settings(_env_file=None))) == ["Ljubno", "Bad Ischlau", "Quux-Ville"]
