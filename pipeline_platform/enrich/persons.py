"""Persons that are named in full: a frequent given name and a capitalised word, or a title and one.

Without a spaCy pipeline there is nothing to tell a surname by, so that first names alone, nicknames and names in lower
case are not found.
"""

import re

import numpy as np
import pandas as pd

from pipeline_platform.enrich.gazetteer import WORD, holding
from pipeline_platform.enrich.names import GIVEN_NAMES

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

GAP = re.compile(r"\.? ")


def naming(texts: pd.Series) -> np.ndarray:
    """Positions of the texts in which `persons` may find somebody."""
    return holding(texts, FIRST_WORDS)


def persons(text: str) -> list[tuple[str, int, int]]:
    """The persons of a text in their order: name, and where it begins and ends."""
    tokens = [(found[0], *found.span()) for found in WORD.finditer(text)]
    found: list[tuple[str, int, int]] = []
    position = 0
    while position < len(tokens) - 1:
        word, begin, end = tokens[position]
        last = _surname(tokens, position, text) if word in FIRST_WORDS else None
        if last is None:
            position += 1
            continue
        # A title is no part of the name.
        if word not in GIVEN_NAMES:
            begin = tokens[position + 1][1]
        end = tokens[last][2]
        found.append((" ".join(text[begin:end].split()), begin, end))
        position = last + 1
    return found


def _surname(tokens: list[tuple[str, int, int]], first: int, text: str) -> int | None:
    """The position of the last word of the name that begins at `first`; None when no surname follows."""
    last = first
    for position in range(first + 1, min(first + 4, len(tokens))):
        word, begin, _ = tokens[position]
        if not GAP.fullmatch(text[tokens[position - 1][2] : begin]):
            break
        initial = len(word) == 1 and word.isupper()
        more = word in GIVEN_NAMES
        if not (initial or more or word in PARTICLES):
            if _may_be_surname(word):
                last = position
            break
        if more:
            last = position
    if last == first:
        return None
    after = tokens[last + 1] if last + 1 < len(tokens) else None
    named_after = after and after[0] in BUILDINGS and text[tokens[last][2] : after[1]] == " "
    return None if named_after else last


def _may_be_surname(word: str) -> bool:
    return len(word) > 1 and word[0].isupper() and not word.isupper() and word not in NOT_SURNAMES and word.isalpha()
