"""What is watched on X: accounts, hashtags, searches and places, as entries of `PIPELINE_X__WATCH`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

PLACES: dict[str, int] = {
    "worldwide": 1,
    "australia": 23424748,
    "brazil": 23424768,
    "canada": 23424775,
    "france": 23424819,
    "germany": 23424829,
    "india": 23424848,
    "italy": 23424853,
    "japan": 23424856,
    "mexico": 23424900,
    "spain": 23424950,
    "united kingdom": 23424975,
    "united states": 23424977,
    "berlin": 638242,
    "london": 44418,
    "new york": 2459115,
    "paris": 615702,
    "san francisco": 2487956,
    "sydney": 1105779,
    "tokyo": 1118370,
}
"""Name of a place, in lower case, to its WOEID (Yahoo's "where on earth" id, which X kept)."""

MOST_POSTS = 1_000_000
LONGEST_QUERY = 4096

_ACCOUNT = re.compile(r"\w{1,20}", re.ASCII)
_TAG = re.compile(r"\w*[^\W\d]\w*")


def _account(name: str) -> str:
    name = name.strip().removeprefix("@")
    if not _ACCOUNT.fullmatch(name):
        raise ValueError(f"{name!r} is no account; give what follows x.com/ in its address, like XDevelopers")
    return name


def _tag(tag: str) -> str:
    tag = tag.strip().removeprefix("#")
    if not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is no hashtag; a hashtag is one word of letters, digits and _, like opendata")
    return tag


def _query(query: str) -> str:
    query = " ".join(query.split())
    if not 1 <= len(query) <= LONGEST_QUERY:
        raise ValueError(f"a search has 1 to {LONGEST_QUERY} characters, this one {len(query)}")
    return query


def _woeid(place: Any) -> int:
    if isinstance(place, str):
        name = " ".join(place.lower().split())
        if name in PLACES:
            return PLACES[name]
        if name.isascii() and name.isdigit():
            place = int(name)
    if isinstance(place, bool) or not isinstance(place, int) or place < 1:
        known = ", ".join(PLACES)
        raise ValueError(f"{place!r} is no place; give its WOEID, a number, or one of: {known}")
    return place


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Limit = Annotated[int, Field(ge=1, le=MOST_POSTS)]
"""How many posts to read in a fetch at most: each one is paid for."""

DEFAULT_LIMIT = 100


class UserTimeline(_Entry):
    """The posts of an account."""

    type: Literal["user_timeline"] = "user_timeline"
    username: Annotated[str, AfterValidator(_account)]
    limit: Limit = DEFAULT_LIMIT

    @property
    def target(self) -> str:
        """Name of the entry in dead letters."""
        return f"user_timeline:{self.username.lower()}"


class Hashtag(_Entry):
    """Posts with a hashtag."""

    type: Literal["hashtag"] = "hashtag"
    tag: Annotated[str, AfterValidator(_tag)]
    limit: Limit = DEFAULT_LIMIT

    @property
    def target(self) -> str:
        """Name of the entry in dead letters."""
        return f"hashtag:{self.tag.lower()}"

    @property
    def search(self) -> str:
        """The query that finds the posts."""
        return f"#{self.tag}"


class Keyword(_Entry):
    """Posts that a query finds, in the language of X's search operators."""

    type: Literal["keyword"] = "keyword"
    query: Annotated[str, AfterValidator(_query)]
    limit: Limit = DEFAULT_LIMIT

    @property
    def target(self) -> str:
        """Name of the entry in dead letters."""
        return f"keyword:{self.query}"

    @property
    def search(self) -> str:
        """The query that finds the posts."""
        return self.query


class Trending(_Entry):
    """What is talked about in a place; `location` is a WOEID or a name of `PLACES`."""

    type: Literal["trending"] = "trending"
    location: Annotated[int, BeforeValidator(_woeid)]

    @property
    def target(self) -> str:
        """Name of the entry in dead letters."""
        return f"trending:{self.location}"


PostsEntry = UserTimeline | Hashtag | Keyword
Entry = PostsEntry | Trending

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="type")])


def place_name(woeid: int) -> str:
    """The name of a place as `PLACES` has it, else its number."""
    return next((name for name, number in PLACES.items() if number == woeid), str(woeid))


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] in ("union_tag_not_found", "union_tag_invalid", "model_attributes_type"):
        return "give a type: user_timeline, hashtag, keyword or trending"
    field = first["loc"][-1]
    words = first["msg"].removeprefix("Value error, ")
    match first["type"]:
        case "missing":
            return f"{field} is missing"
        case "extra_forbidden":
            return f"{field} is no field of this type"
        case _:
            return f"{field}: {words}"


def _entry(number: int, given: Any) -> Entry:
    if isinstance(given, _Entry):
        return given  # type: ignore[return-value]
    if not isinstance(given, Mapping):
        raise ValueError(f'entry {number}: {given!r:.60} is no object such as {{"type": "hashtag", "tag": "opendata"}}')
    try:
        return _ENTRY.validate_python(dict(given))
    except ValidationError as error:
        raise ValueError(f"entry {number}, {dict(given)!r:.80}: {_problem(error)}") from None


def watch_list(given: Any) -> list[Entry]:
    """The entries of a watch list.

    Raises:
        ValueError: an entry cannot be read or stands twice; the message names it by its number, counted from 1.
    """
    if not isinstance(given, list | tuple):
        raise ValueError('give a list of entries such as [{"type": "hashtag", "tag": "opendata"}]')
    entries = [_entry(number, one) for number, one in enumerate(given, start=1)]
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        if entry.target in seen:
            raise ValueError(f"entries {seen[entry.target]} and {number} are the same, {entry.target}; leave one out")
        seen[entry.target] = number
    return entries
