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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
import pandas as pd
import pandera.pandas as pa

from pipeline_platform.dedup.cities import RegisteredPlace
from pipeline_platform.dedup.places import registry
from pipeline_platform.enrich.cities import CITIES, City
from pipeline_platform.enrich.countries import COUNTRIES, REGIONS, Land
from pipeline_platform.enrich.gazetteer import Gazetteer, Match, Matches, flags, without_accents, words_in
from pipeline_platform.enrich.geocoded import GeocodedPlace
from pipeline_platform.enrich.language import words_of
from pipeline_platform.enrich.names import GIVEN_NAMES
from pipeline_platform.enrich.texts import as_array
from pipeline_platform.schemas.columns import text as text_column
from pipeline_platform.schemas.columns import texts
from pipeline_platform.settings import Settings

if TYPE_CHECKING:
    from pipeline_platform.enrich.words import Words

VERSION = "1"

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
    is_city: bool
    begin: int
    end: int


Meant: TypeAlias = tuple[str, str, bool]
"""Key, country, and whether it is a city, of a `Place`."""


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
    """Finds the places of texts in a gazetteer."""

    def __init__(self, cities: Iterable[City] = CITIES) -> None:
        self._names = Gazetteer(_names(cities))
        self._sure = np.array([not name.unsure for name in self._names.values], bool)
        self._suffixes = self._names.beginnings | ABBREVIATIONS.keys()
        self._alone = lru_cache(maxsize=1 << 14)(self._meant_alone)

    def find(self, text: str) -> list[Place]:
        """The places of a text, in their order."""
        words = words_in(text)
        matches = self._names.find(words)
        found = self._meant(words, self._matches(matches, slice(None)), 0)
        return [
            Place(
                *place,
                words.characters(0, words.begins[match.first]),
                words.characters(0, words.ends[match.last]),
            )
            for match, place in found
        ]

    def meant(self, words: "Words") -> Iterator[tuple[int, tuple[Meant, ...]]]:
        """The texts that may name places, and which, in their order."""
        matches = self._names.find(words)
        if not len(matches.texts):
            return
        # What is meant by the names of a text mostly follows from them, and from given names before them: then it
        # is told once. Else it depends on the words around them.
        given = _behind_given_names(words, matches)
        alone = self._sure[matches.names] & ~self._before_suffixes(words, matches)
        others = np.add.reduceat(~alone, np.flatnonzero(np.diff(matches.texts, prepend=-1)))
        keys = matches.names * 2 + given
        for (text, begin, end), other in zip(matches.by_text(), others.tolist(), strict=True):
            if not other:
                yield text, self._alone(keys[begin:end].tobytes())
            else:
                found = self._meant(words, self._matches(matches, slice(begin, end)), text)
                yield text, tuple(place for _, place in found)

    def _matches(self, matches: Matches, each: slice) -> list[Match[Name]]:
        return [
            Match(self._names.values[name], first, last)
            for name, first, last in zip(
                matches.names[each].tolist(), matches.firsts[each].tolist(), matches.lasts[each].tolist(), strict=True
            )
        ]

    def _before_suffixes(self, words: "Words", matches: Matches) -> np.ndarray:
        """Whether a word follows that may tell which city it is."""
        after = np.minimum(matches.lasts + 1, len(words.codes) - 1)
        return flags(words, self._suffixes)[words.codes[after]] & (matches.lasts + 1 < words.stops[matches.texts])

    def _meant_alone(self, keys: bytes) -> tuple[Meant, ...]:
        """What is meant by names that stand for themselves: twice the position of each, and 1 behind a given name."""
        told = [(self._names.values[key >> 1], key & 1) for key in np.frombuffer(keys, np.int64).tolist()]
        context = _context(name for name, _ in told)
        found = (_meant(name, (), context, given=bool(given)) for name, given in told)
        return tuple(place for place in found if place)

    def _meant(self, words: "Words", matches: Sequence[Match[Name]], text: int) -> list[tuple[Match[Name], Meant]]:
        first, stop = words.first(text), int(words.stops[text])
        context = _context(match.value for match in matches)
        found: list[tuple[Match[Name], Meant]] = []
        for match in matches:
            name = match.value
            if not (name.cities or name.lands) or (name.unsure and not _evident(words, match, first, stop, context)):
                continue
            before = match.first - 1
            given = before >= first and words.word(before) in GIVEN_NAMES and words.gap(before) == " "
            place = _meant(name, self._told_after(words, match, stop), context, given=given)
            if place:
                found.append((match, place))
        return found

    def _told_after(self, words: "Words", match: Match[Name], stop: int) -> tuple[Land, ...]:
        if match.last + 1 >= stop or not SUFFIX.fullmatch(words.gap(match.last)):
            return ()
        after = self._names.longest(words, match.last + 1, stop)
        if after and after.value.lands:
            return after.value.lands
        word = words.word(match.last + 1)
        return ABBREVIATIONS.get(word, ()) if word.isupper() else ()


def _behind_given_names(words: "Words", matches: Matches) -> np.ndarray:
    firsts = matches.firsts
    before = np.maximum(firsts - 1, 0)
    inside = firsts > np.where(matches.texts > 0, words.stops[matches.texts - 1], 0)
    gap = words.ends[before]
    spaced = (words.begins[firsts] - gap == 1) & (words.data[np.minimum(gap, len(words.data) - 1)] == ord(" "))
    return inside & spaced & flags(words, GIVEN_NAMES)[words.codes[before]]


def _meant(name: Name, told: Sequence[Land], context: Mapping[str, int], *, given: bool) -> Meant | None:
    """What a name stands for: `told` are the countries and parts that follow it, `given` that a given name precedes."""
    if name.cities and not given:
        city = _city(name.cities, told, context)
        return (city.key, city.country, True) if city else None
    if name.lands:
        countries = {land.country for land in name.lands}
        meant = countries if len(countries) == 1 else countries & context.keys()
        if len(meant) == 1:
            country = meant.pop()
            return country, country, False
    return None


def _city(cities: Sequence[City], lands: Sequence[Land], context: Mapping[str, int]) -> City | None:
    if lands:
        told = [city for city in cities if any(_lies_in(city, land) for land in lands)]
        # A part of a country names the city beyond doubt; a country may be the next of a list.
        if told or any(land.region for land in lands):
            cities = told
    weights = [math.log10(city.population) + CONTEXT * (city.country in context) for city in cities]
    return max(zip(weights, cities, strict=True), key=lambda one: (one[0], one[1].key))[1] if cities else None


def _lies_in(city: City, land: Land) -> bool:
    return city.country == land.country and (not land.region or city.region in ("", land.region))


def _context(names: Iterable[Name]) -> Counter[str]:
    """Countries that the text speaks of beyond doubt, with how often."""
    found: Counter[str] = Counter()
    for name in names:
        if name.adjective_of:
            found[name.adjective_of] += 1
        elif not name.unsure:
            countries = {land.country for land in name.lands} or {city.country for city in name.cities}
            if len(countries) == 1:
                found.update(countries)
    return found


def _evident(words: "Words", match: Match[Name], first: int, stop: int, context: Mapping[str, int]) -> bool:
    """Whether a name that may be something else is a place here; the text has the words from `first` to `stop`."""
    before = words.word(match.first - 1) if match.first > first else None
    after = words.word(match.last + 1) if match.last + 1 < stop else None
    gap_before = words.gap(match.first - 1) if before is not None else ""
    gap_after = words.gap(match.last) if after is not None else ""
    if words.span(words.begins[match.first], words.ends[match.last]) in FALSE_FRIENDS:
        return not all(one is None or one.isupper() for one in (before, after))
    if after is not None and SUFFIX.fullmatch(gap_after) and after in ABBREVIATIONS:
        return True
    beside = [
        one[0].isupper() for one, gap in ((before, gap_before), (after, gap_after)) if one is not None and gap == " "
    ]
    if any(beside):
        return False
    if before is not None and before in PREPOSITIONS and gap_before == " ":
        return True
    # At the beginning of a sentence every word has a capital.
    if before is None or SENTENCE_END.search(gap_before):
        return False
    countries = {land.country for land in match.value.lands} | {city.country for city in match.value.cities}
    return not countries.isdisjoint(context)


@lru_cache(maxsize=1 << 14)
def _most_named(found: tuple[Meant, ...]) -> list[str]:
    """Cities, then countries, each from the most to the least often named."""
    # `most_common` keeps the order of the text among equally frequent ones.
    cities = Counter(key for key, _, is_city in found if is_city).most_common()
    countries = Counter(country for _, country, _ in found).most_common()
    return [key for key, _ in (*cities, *countries)]


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
        from pipeline_platform.enrich.words import names

        named = np.empty(len(texts), dtype=object)
        named[:] = [[]] * len(texts)
        main: list[str | None] = [None] * len(texts)
        for text, found in self._finder.meant(names(words_of(as_array(texts)))):
            named[text] = _most_named(found)
            main[text] = next(iter(named[text]), None)
        return pd.DataFrame({"places": named, "place": main})
