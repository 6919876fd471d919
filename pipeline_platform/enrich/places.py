"""Places that a text names: cities of a gazetteer under the keys that weather has, and countries.

Names are matched as written, in capitals or (from five letters) in lower case, the longest first. Which of two cities
is meant is told by what follows (`Paris, Texas`), else by population, where a country that the text speaks of counts as
much as twenty times the inhabitants. A name that is also a word or a person's (Nice, Reading, Jordan) needs a
preposition before it, or its country in the text, and no capitalised neighbour. So does a name that a configured
provider was asked for (`operate/geocoding.py`); nothing here needs the network.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa

from pipeline_platform.dedup.cities import RegisteredPlace
from pipeline_platform.dedup.places import registry
from pipeline_platform.enrich.cities import CITIES, City
from pipeline_platform.enrich.countries import COUNTRIES, REGIONS, Land
from pipeline_platform.enrich.gazetteer import Gazetteer, Match, Token, holding, without_accents
from pipeline_platform.enrich.geocoded import GeocodedPlace
from pipeline_platform.enrich.language import NOT_LANGUAGE
from pipeline_platform.enrich.names import GIVEN_NAMES
from pipeline_platform.schemas.columns import text as text_column
from pipeline_platform.schemas.columns import texts
from pipeline_platform.settings import Settings

VERSION = "1"

MAX_CHARACTERS = 10_000

UNKNOWN_POPULATION = 1_000_000
"""Of places that settings add: whoever names one means it."""

GEOCODED_POPULATION = 1
"""Of places that a provider knows: they are meant where no other is of that name."""

CONTEXT = math.log10(20)
"""What a country that the text speaks of adds to the logarithm of a city's population: of two cities with the same
name the one in that country is meant, unless it is a village beside a metropolis."""

PREPOSITIONS = frozenset(
    {"across", "around", "at", "from", "in", "inside", "into", "leaving", "near", "outside", "throughout", "to"}
    | {"toward", "towards", "via", "visit", "visited", "visiting", "within"}
    | {"aus", "bei", "dans", "de", "desde", "en", "nach", "à"}
)

SUFFIX = re.compile(r",\s?|\s?\(")
"""Between a city and the country or part of it that tells which one it is."""

SENTENCE_END = re.compile(r"[.!?:\n]")

NOT_PLACES = (
    *("Latin America", "South America", "North America", "Central America", "Captain America", "Bank of America"),
    *("New York Times", "New York Post", "New England", "Washington Post", "Washington Examiner", "Boston Globe"),
    *("Chicago Tribune", "Los Angeles Times", "Financial Times", "China Daily", "Times of India", "Jerusalem Post"),
    *("Paris Hilton", "Paris Jackson", "Paris Agreement", "Paris Accord", "Paris Saint-Germain", "Boston Dynamics"),
    *("Berlin Wall", "Manchester United", "Manchester City", "Leeds United", "Newcastle United", "Leicester City"),
    *("Real Madrid", "FC Barcelona", "Bayern Munich", "Borussia Dortmund", "Inter Milan", "AC Milan", "West Ham"),
    *("Chicago Bulls", "Chicago Bears", "Boston Celtics", "Boston Red Sox", "New York Yankees", "New York Knicks"),
    *("Los Angeles Lakers", "Dallas Cowboys", "Miami Heat", "Green Bay Packers", "Denver Broncos", "Detroit Lions"),
    *("Air Jordan", "Panama Papers", "Cambridge Analytica", "Oxford University Press", "Stockholm syndrome"),
    *("Tokyo Ghoul", "Indiana Jones", "Hannah Montana", "Kentucky Fried Chicken", "Texas Instruments"),
    *("Philadelphia Eagles", "Iowa State", "Ohio State", "Florida Man", "Mississippi River", "Colorado River"),
)
"""Names with a place in them that are not about the place."""

LOWER_WORDS = frozenset(
    {"bergen", "bordeaux", "brest", "brittany", "china", "limerick", "maine", "mecca", "medina", "panama", "porto"}
)
"""Names that are other words in lower case."""

FALSE_FRIENDS = frozenset({"US"})
"""Names that are common words in texts written in capitals throughout."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a name may stand for; nothing for a name that only looks like a place."""

    cities: tuple[City, ...] = ()
    lands: tuple[Land, ...] = ()
    adjective_of: str = ""
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text: its key or ISO country code, its country, and where it stands."""

    key: str
    country: str
    begin: int
    end: int
    is_city: bool


def gazetteer_cities(places: Iterable[RegisteredPlace]) -> tuple[City, ...]:
    """The cities of the gazetteer with the registered places, whose other names count too."""
    cities = {city.key: city for city in CITIES}
    for place in places:
        known = cities.get(place.key)
        names = (place.name, *place.names)
        if known:
            cities[place.key] = replace(known, names=tuple(dict.fromkeys((*known.names, *names))))
        else:
            cities[place.key] = City(place.key, place.country, names, UNKNOWN_POPULATION)
    return tuple(cities.values())


def with_geocoded(cities: Iterable[City], geocoded: Iterable[GeocodedPlace]) -> tuple[City, ...]:
    """The cities with those that a provider knows."""
    more = (City(one.key, one.country, (one.name,), GEOCODED_POPULATION, unsure=True) for one in geocoded)
    return (*cities, *more)


def known_names(settings: Settings) -> frozenset[str]:
    """Every name that the gazetteer holds, of cities, countries, their parts and their people."""
    return frozenset(_names(gazetteer_cities(registry(settings.places))))


def _names(cities: Iterable[City]) -> dict[str, Name]:
    names: dict[str, Name] = {form: Name(unsure=True) for name in NOT_PLACES for form in (name, name.lower())}

    def add(written: str, *, unsure: bool, city: City | None = None, land: Land | None = None) -> None:
        forms = {written, without_accents(written)}
        if not unsure and len(written) > 3:
            forms |= {form.upper() for form in forms}
            forms |= {form.lower() for form in forms if len(form) > 4} - LOWER_WORDS
        for form in forms:
            known = names.get(form, Name())
            names[form] = Name(
                known.cities + ((city,) if city else ()),
                known.lands + ((land,) if land else ()),
                known.adjective_of,
                known.unsure or unsure,
            )

    for land in (*COUNTRIES, *REGIONS):
        for name in land.names:
            add(name, unsure=name in land.unsure, land=land)
        for adjective in land.adjectives:
            names.setdefault(adjective, Name(adjective_of=land.country))
    for city in cities:
        for name in city.names:
            add(name, unsure=city.unsure and name == city.names[0], city=city)
    return names


ABBREVIATIONS: Mapping[str, tuple[Land, ...]] = {
    short: tuple(land for land in REGIONS if land.region == short) for short in {land.region for land in REGIONS}
}


class Finder:
    """Finds the places of a text in a gazetteer."""

    def __init__(self, cities: Iterable[City] = CITIES) -> None:
        self._names = Gazetteer(_names(cities))

    def naming(self, texts: pd.Series) -> np.ndarray:
        """Positions of the texts in which `find` may find a place."""
        return holding(texts, self._names.anchors)

    def find(self, text: str) -> list[Place]:
        """The places of a text, in their order."""
        tokens = self._names.tokens(text)
        matches = self._names.find(tokens, text)
        context = _context(matches)
        found: list[Place] = []
        for match in matches:
            name = match.value
            if not (name.cities or name.lands) or (name.unsure and not _evident(match, tokens, text, context)):
                continue
            if name.cities and not _follows_given_name(match, tokens, text):
                city = self._city(match, tokens, text, context)
                if city:
                    found.append(Place(city.key, city.country, match.begin, match.end, is_city=True))
            elif name.lands:
                countries = {land.country for land in name.lands}
                meant = countries if len(countries) == 1 else countries & context.keys()
                if len(meant) == 1:
                    country = meant.pop()
                    found.append(Place(country, country, match.begin, match.end, is_city=False))
        return found

    def _city(self, match: Match[Name], tokens: list[Token], text: str, context: Mapping[str, int]) -> City | None:
        cities = match.value.cities
        lands = self._told_after(match, tokens, text)
        if lands:
            told = [city for city in cities if any(_lies_in(city, land) for land in lands)]
            # A part of a country names the city beyond doubt; a country may be the next of a list.
            if told or any(land.region for land in lands):
                cities = tuple(told)
        weights = [math.log10(city.population) + CONTEXT * (city.country in context) for city in cities]
        return max(zip(weights, cities, strict=True), key=lambda one: (one[0], one[1].key))[1] if cities else None

    def _told_after(self, match: Match[Name], tokens: list[Token], text: str) -> tuple[Land, ...]:
        if match.last + 1 >= len(tokens):
            return ()
        token = tokens[match.last + 1]
        if not SUFFIX.fullmatch(text[match.end : token.begin]):
            return ()
        after = self._names.longest(tokens, match.last + 1, text)
        if after and after.value.lands:
            return after.value.lands
        return ABBREVIATIONS.get(token.text, ()) if token.text.isupper() else ()


def _lies_in(city: City, land: Land) -> bool:
    return city.country == land.country and (not land.region or city.region in ("", land.region))


def _context(matches: Iterable[Match[Name]]) -> Counter[str]:
    """Countries that the text speaks of beyond doubt, with how often."""
    found: Counter[str] = Counter()
    for match in matches:
        name = match.value
        if name.adjective_of:
            found[name.adjective_of] += 1
        elif not name.unsure:
            countries = {land.country for land in name.lands} or {city.country for city in name.cities}
            if len(countries) == 1:
                found.update(countries)
    return found


def _evident(match: Match[Name], tokens: list[Token], text: str, context: Mapping[str, int]) -> bool:
    """Whether a name that may be something else is a place here."""
    before = tokens[match.first - 1] if match.first else None
    after = tokens[match.last + 1] if match.last + 1 < len(tokens) else None
    if text[match.begin : match.end] in FALSE_FRIENDS:
        return not all(one is None or one.text.isupper() for one in (before, after))
    if after and SUFFIX.fullmatch(text[match.end : after.begin]) and after.text in ABBREVIATIONS:
        return True
    beside = [
        one.text[0].isupper()
        for one, gap in (
            (before, text[before.end : match.begin] if before else ""),
            (after, text[match.end : after.begin] if after else ""),
        )
        if one is not None and gap == " "
    ]
    if any(beside):
        return False
    if before is not None and before.text in PREPOSITIONS and text[before.end : match.begin] == " ":
        return True
    # At the beginning of a sentence every word has a capital.
    if before is None or SENTENCE_END.search(text[before.end : match.begin]):
        return False
    countries = {land.country for land in match.value.lands} | {city.country for city in match.value.cities}
    return not countries.isdisjoint(context)


def _follows_given_name(match: Match[Name], tokens: list[Token], text: str) -> bool:
    if not match.first:
        return False
    before = tokens[match.first - 1]
    return before.text in GIVEN_NAMES and text[before.end : match.begin] == " "


class Places:
    """Cities and countries that a text names."""

    name: ClassVar[str] = "places"
    inputs: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "places": texts(
            "Places the text names, each once: keys of cities as in the weather tables (`berlin-de`), then ISO 3166-1 "
            "codes of countries, those of the cities included; each from the most to the least often named."
        ),
        "place": text_column(
            "The city that the text names most, of equal ones the first; else its country; null without a place.",
            nullable=True,
        ),
    }

    def __init__(self, settings: Settings, geocoded: Sequence[GeocodedPlace] = ()) -> None:
        self._registered = registry(settings.places)
        self._geocoded = tuple(geocoded)
        self._finder: Finder | None = None
        # Other places give other values, so they make another version.
        added = hashlib.sha256("".join(place.model_dump_json() for place in settings.places).encode()).hexdigest()[:8]
        asked = hashlib.sha256("".join(f"{one.name}\0{one.key}\n" for one in geocoded).encode()).hexdigest()[:8]
        self.version = f"gazetteer {VERSION}" + (f", settings {added}" if settings.places else "")
        self.version += f", {settings.geocoder} {asked}" if geocoded else ""

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG002
        """The places of each text, and the main one."""
        if self._finder is None:
            self._finder = Finder(with_geocoded(gazetteer_cities(self._registered), self._geocoded))
        words = texts.str.slice(0, MAX_CHARACTERS).str.replace(NOT_LANGUAGE, "\n", regex=True)
        named = np.empty(len(texts), dtype=object)
        named[:] = [[]] * len(texts)
        main: list[str | None] = [None] * len(texts)
        sentences = words.to_numpy(dtype=object)
        for position in self._finder.naming(words):
            found = self._finder.find(sentences[position])
            # `most_common` keeps the order of the text among equally frequent ones.
            cities = [key for key, _ in Counter(place.key for place in found if place.is_city).most_common()]
            countries = [key for key, _ in Counter(place.country for place in found).most_common()]
            named[position] = cities + countries
            main[position] = next(iter(named[position]), None)
        return pd.DataFrame({"places": named, "place": main})
