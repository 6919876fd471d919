"""Persons that are named in full: a frequent given name and a capitalised word, or a title and one.

Without a spaCy pipeline there is nothing to tell a surname by, so that first names alone, nicknames and names in lower
case are not found.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipeline_platform.enrich.gazetteer import flags, words_in
from pipeline_platform.enrich.names import GIVEN_NAMES

if TYPE_CHECKING:
    from pipeline_platform.enrich.words import Words

TITLES = frozenset(
    {"Chancellor", "Dr", "Governor", "Justice", "King", "Lord", "Mayor", "Minister", "Mr", "Mrs", "Ms", "Pope"}
    | {"President", "Prince", "Princess", "Prof", "Professor", "Queen", "Rep", "Sen", "Senator", "Sir"}
)

FIRST_WORDS = GIVEN_NAMES | TITLES

PARTICLES = frozenset({"al", "bin", "da", "de", "del", "der", "di", "dos", "du", "la", "le", "ten", "van", "von"})

BUILDINGS = frozenset(
    {"Academy", "Airport", "Avenue", "Award", "Awards", "Beach", "Bridge", "Castle", "Center", "Centre", "College"}
    | {
        "County",
        "Cup",
        "Drive",
        "Foundation",
        "Hall",
        "High",
        "Hospital",
        "House",
        "Inc",
        "Institute",
        "Island",
        "Lake",
    }
    | {"Ltd", "Memorial", "Museum", "Park", "River", "Road", "School", "Square", "Station", "Street", "Tower"}
    | {"University"}
)
"""Words that make a name in front of them that of an organisation or a place."""

NOT_SURNAMES = BUILDINGS | frozenset(
    {"And", "Are", "Birthday", "Bros", "But", "Can", "City", "Co", "Day", "Did", "Does", "Duo", "Fans", "For", "From"}
    | {"Get", "Gets", "Goes", "Got", "Had", "Has", "Have", "His", "How", "Industries", "Is", "Jr", "Just", "Live"}
    | {"Made", "Makes", "Mary", "Municipal", "Not", "Of", "Off", "On", "Open", "Our", "Out", "Part", "Pepper"}
    | {"Resources", "Said", "Saint", "Says", "She", "Show", "Sr", "Strange", "That", "The", "This", "Up", "Was", "Who"}
    | {"Will", "With", "You", "Your"}
    | {"January", "February", "March", "April", "June", "July", "August", "September", "October", "November"}
    | {"December", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
)
"""Capitalised words behind a given name or title that are no surname."""

GAPS = (" ", ". ")


def persons(text: str) -> list[tuple[str, int, int]]:
    """The persons of a text in their order: name, and where it begins and ends."""
    words = words_in(text)
    return [(name, words.characters(0, begin), words.characters(0, end)) for _, name, begin, end in persons_in(words)]


def persons_in(words: "Words") -> Iterator[tuple[int, str, int, int]]:
    """The persons of texts in their order: text, name, and the bytes between which it stands."""
    candidates = np.flatnonzero(flags(words, FIRST_WORDS)[words.codes])
    texts = np.searchsorted(words.stops, candidates, "right")
    last = -1
    for first, text in zip(candidates.tolist(), texts.tolist(), strict=True):
        if first <= last:
            continue
        found = _surname(words, first, int(words.stops[text]))
        if found is not None:
            last = found
            # A title is no part of the name.
            begin = words.begins[first if words.word(first) in GIVEN_NAMES else first + 1]
            end = words.ends[last]
            yield text, " ".join(words.span(begin, end).split()), int(begin), int(end)


def _surname(words: "Words", first: int, stop: int) -> int | None:
    """The last word of the name that begins with the word `first`; None when no surname follows before `stop`."""
    last = first
    for at in range(first + 1, min(first + 4, stop)):
        if words.gap(at - 1) not in GAPS:
            break
        word = words.word(at)
        initial = len(word) == 1 and word.isupper()
        more = word in GIVEN_NAMES
        if not (initial or more or word in PARTICLES):
            if _may_be_surname(word):
                last = at
            break
        if more:
            last = at
    if last == first:
        return None
    named_after = last + 1 < stop and words.word(last + 1) in BUILDINGS and words.gap(last) == " "
    return None if named_after else last


def _may_be_surname(word: str) -> bool:
    return len(word) > 1 and word[0].isupper() and not word.isupper() and word not in NOT_SURNAMES and word.isalpha()
