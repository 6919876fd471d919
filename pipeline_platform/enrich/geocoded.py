"""Names that may be places and are in no list of ours, and what a provider said of them."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pipeline_platform.enrich.named import named
from pipeline_platform.enrich.names import GIVEN_NAMES

_PLACED = re.compile(
    r"(?<!\w)(?:in|near|from|outside|visiting|aus|nach|dans)\s"
    r"([A-ZÀ-ÖØ-Þ][\w'’]+(?:[ -][A-ZÀ-ÖØ-Þ][\w'’]+){0,2})(?!\s?[A-ZÀ-ÖØ-Þ\d]|\w)"
)
"""One to three capitalised words behind a preposition of place, with no further one behind them."""

SHORTEST = 4
"""Letters of a name that is asked for."""

_TIMES = frozenset(
    {"January", "February", "March", "April", "June", "July", "August", "September", "October", "November", "December"}
    | {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
    | {"Spring", "Summer", "Autumn", "Winter", "Christmas", "Easter"}
)


@dataclass(frozen=True, slots=True)
class GeocodedPlace:
    """A city or village that a provider knows by a name that stands in a text.

    `key` is `oslo-no`, of the name that the provider has for it; `country` an ISO 3166-1 code; `lat` and `lon` are
    degrees north and east.
    """

    name: str
    key: str
    country: str
    lat: float
    lon: float


def candidate_names(texts: Iterable[str], known: Collection[str]) -> list[str]:
    """Names that stand where a place would, the most frequent first, then by alphabet.

    Args:
        texts: distinct texts.
        known: names that need not be asked for.
    """
    found: Counter[str] = Counter()
    for text in texts:
        found.update(set(_PLACED.findall(text)))
    candidates = (name for name in found if name not in known and not _something_else(name))
    return sorted(candidates, key=lambda name: (-found[name], name))


def _something_else(name: str) -> bool:
    """An abbreviation, a time, a person, a company or a product."""
    if len(name) < SHORTEST or name.isupper():
        return True
    first = re.split(r"[ -]", name)[0]
    return first in _TIMES or first in GIVEN_NAMES or bool(named(f"{name} Inc"))
