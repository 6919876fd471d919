import pandas as pd
import pytest

from pipeline_platform.dedup.cities import CITIES as REGISTERED
from pipeline_platform.dedup.cities import RegisteredPlace
from pipeline_platform.enrich.cities import CITIES
from pipeline_platform.enrich.countries import COUNTRIES, REGIONS
from pipeline_platform.enrich.gazetteer import Gazetteer, words_in
from pipeline_platform.enrich.places import Finder, Places


@pytest.fixture(scope="module")
def finder():
    return Finder()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Flights from London to New York", ["london-gb", "new-york-us"]),
        ("Paris, Texas is small", ["paris-us", "US"]),
        ("Paris, Ontario", ["CA"]),
        ("between Paris, China and Rome", ["paris-fr", "CN", "rome-it"]),
        ("London (Ontario)", ["london-ca", "CA"]),
        ("Portland, ME and Portland", ["portland-me-us", "portland-us"]),
        ("Birmingham", ["birmingham-gb"]),
        ("Americans like Birmingham", ["birmingham-us"]),
        ("Canada and London agree", ["CA", "london-gb"]),
        ("São Paulo, Sao Paulo, sao paulo, MÜNCHEN", ["sao-paulo-br"] * 3 + ["munich-de"]),
        ("#berlin and St. Petersburg", ["berlin-de", "saint-petersburg-ru"]),
        ("Nice weather in Nice", ["nice-fr"]),
        ("Reading a book. Reading, it is said", []),
        ("French towns: we liked Nice a lot", ["nice-fr"]),
        ("a nice day, turkey for dinner, fine china", []),
        ("Turkish voters say Turkey is fine", ["TR"]),
        ("Jordan Peterson met Michael Jordan", []),
        ("the king of Jordan arrived from Jordan", ["JO"]),
        ("Georgia", []),
        ("Atlanta, Georgia", ["atlanta-us", "US"]),
        ("Tbilisi, Georgia", ["tbilisi-ge", "GE"]),
        ("Jack London wrote about Alaska", ["US"]),
        ("Latin America, the New York Times, Paris Hilton, real madrid", []),
        ("The U.S. and the UK", ["US", "GB"]),
        ("a US senator", ["US"]),
        ("LET US GO", []),
        ("the german and the French", []),
        ("Côte d'Ivoire, Cote d’Ivoire", ["CI", "CI"]),
        ("South Korea, North Korea, Northern Ireland", ["KR", "KP", "GB"]),
    ],
)
def test_places_of_a_text(finder, text, keys):
    assert [place.key for place in finder.find(text)] == keys


def test_a_place_stands_where_its_name_does(finder):
    (place,) = finder.find("I left New York City.")
    assert (place.begin, place.end, place.is_city, place.country) == (7, 20, True, "US")


def test_cities_come_before_countries_and_the_most_named_is_the_main_one(settings, texts):
    said = texts("Oslo, Berlin, Germany, Berlin", "Peru", "@Berlin https://paris.example/Paris", "")
    found = Places(settings).apply(said, pd.DataFrame())
    assert found["places"].tolist() == [["berlin-de", "oslo-no", "DE", "NO"], ["PE"], [], []]
    assert found["place"].tolist() == ["berlin-de", "PE", None, None]


def test_registered_places_count_with_their_other_names(settings, texts):
    places = [
        RegisteredPlace(key="exampleton-nz", name="Exampleton", country="NZ", lat=-40, lon=170, names=("Old Town",)),
        RegisteredPlace(key="berlin-de", name="Spreestadt", country="DE", lat=52.5, lon=13.4),
    ]
    component = Places(settings.model_copy(update={"places": places}))
    found = component.apply(texts("Exampleton", "Old Town", "Spreestadt", "Berlin"), pd.DataFrame())
    assert found["place"].tolist() == ["exampleton-nz", "exampleton-nz", "berlin-de", "berlin-de"]
    assert component.version.startswith(f"{Places(settings).version}, settings ")


def test_the_gazetteer_has_every_country_and_the_keys_of_the_weather():
    codes = [land.country for land in COUNTRIES]
    assert len(codes) == len(set(codes)) == 249
    assert {land.country for land in REGIONS} <= set(codes)
    assert {city.country for city in CITIES} <= set(codes)
    assert {place.key for place in REGISTERED} <= {city.key for city in CITIES}
    assert len({city.key for city in CITIES}) == len(CITIES)
    assert all(city.population > 0 and all(city.names) for city in CITIES)


def test_the_longest_name_wins_and_names_do_not_overlap():
    names = Gazetteer({"New York": 1, "York": 2, "New York City": 3})
    text = "New York City, New York, York, Newer York City, new york"
    assert [names.values[name] for name in names.find(words_in(text)).names] == [3, 1, 2, 2]
